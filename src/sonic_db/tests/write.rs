//! Writing.

use redis::Commands;

use super::*;
use crate::domain::{Feature, Value, Version};
use crate::planner::RowKey;

fn telemetry() -> RowKey {
    RowKey { namespace: Namespace::Host, key: "telemetry".parse().unwrap() }
}

fn v(text: &str) -> Version {
    text.parse().unwrap()
}

fn row(fields: &[(&'static str, &str)]) -> NewRow {
    fields.iter().map(|(field, value)| (*field, (*value).to_owned())).collect()
}

fn image(fields: &[(&'static str, &str)]) -> RowChange {
    RowChange::Publish { namespace: Namespace::Host, feature: telemetry().key, row: row(fields) }
}

fn record(number: u64) -> RowChange {
    let row = row(&[("event", "promoted"), ("detail", "x")]);
    RowChange::Record { namespace: Namespace::Host, feature: telemetry().key, number, row }
}

/// Publishes what can be written.
async fn written(databases: &mut Databases, changes: Vec<RowChange>) {
    let published = publish(databases, changes).await;
    assert!(published.not_written.is_empty(), "{published:?}");
}

async fn connect(redis: &Redis) -> Databases {
    Databases::connect_once(&redis.config()).await.unwrap()
}

#[tokio::test]
async fn one_publication_at_a_time() {
    let redis = Redis::start(1);
    let mut databases = connect(&redis).await;
    let under_way = databases.publish(vec![image(&[("stability", "waiting")])]);
    let too_early = databases.publish(vec![image(&[("stability", "observing")])]).await;
    assert!(too_early.written.is_empty(), "{too_early:?}");
    assert!(too_early.not_written[0].error.to_string().contains("has not taken yet"), "{too_early:?}");
    let published = under_way.await;
    databases.apply_published(&published);
    written(&mut databases, vec![image(&[("stability", "observing")])]).await;
    // One that is given up makes way as well.
    drop(databases.publish(vec![image(&[("stability", "failed")])]));
    written(&mut databases, vec![image(&[("stability", "stable")])]).await;
}

#[tokio::test]
async fn versions_are_recorded_only_in_the_row_that_was_observed() {
    let redis = Redis::start(1);
    redis.fill(0);
    let databases = connect(&redis).await;
    let id = &Value::read(Some("6d051d98400c"));
    let fields = |redis: &Redis| redis.row(0, STATE_DB, "FEATURE|telemetry");

    let written = databases.record_versions(&telemetry(), id, &v("1.1"), Some(&v("1.0"))).await.unwrap();
    assert_eq!(written, Written::Changed);
    assert_eq!(fields(&redis)["container_stable_version"], "1.1");
    assert_eq!(fields(&redis)["container_last_version"], "1.0");
    let written = databases.record_versions(&telemetry(), id, &v("1.1"), None).await.unwrap();
    assert_eq!(written, Written::Unchanged);
    assert_eq!(fields(&redis)["container_last_version"], "1.0", "no last version leaves it as it is");

    // The kubelet has replaced the container meanwhile.
    redis.hset(0, STATE_DB, "FEATURE|telemetry", &[("container_id", "aaaaaaaaaaaa")]);
    let before = fields(&redis);
    let written = databases.record_versions(&telemetry(), id, &v("2"), None).await.unwrap();
    assert_eq!((written, fields(&redis)), (Written::RowChanged, before));

    // Absent and empty are one, hostile texts are data, and a row without an id is not any row.
    let mut connection = redis.servers[0].connection(STATE_DB.into());
    let _: () = connection.hdel("FEATURE|telemetry", "container_id").unwrap();
    assert_eq!(databases.record_versions(&telemetry(), id, &v("2"), None).await.unwrap(), Written::RowChanged);
    assert_eq!(databases.record_versions(&telemetry(), &Value::Absent, &v("2"), None).await.unwrap(), Written::Changed);
    let hostile = "') redis.call('FLUSHALL') --\r\n\0\"";
    let _: () = connection.hset("FEATURE|telemetry", "container_id", hostile).unwrap();
    assert_eq!(
        databases.record_versions(&telemetry(), &Value::read(Some(hostile)), &v("3"), None).await.unwrap(),
        Written::Changed
    );
    assert_eq!(fields(&redis)["container_stable_version"], "3");

    redis.delete(0, STATE_DB, "FEATURE|telemetry");
    assert_eq!(databases.record_versions(&telemetry(), &Value::Absent, &v("3"), None).await.unwrap(), Written::RowGone);
    assert!(fields(&redis).is_empty(), "a deleted row is not brought back");
    redis.set(0, STATE_DB, "FEATURE|telemetry", "no hash");
    assert_eq!(databases.record_versions(&telemetry(), &Value::Absent, &v("3"), None).await.unwrap(), Written::RowGone);

    let nowhere = RowKey { namespace: Namespace::Asic(7), ..telemetry() };
    let error = databases.record_versions(&nowhere, &Value::Absent, &v("3"), None).await.unwrap_err();
    assert!(matches!(error, DatabaseError::NoSuchNamespace(_)), "{error}");
}

#[tokio::test]
async fn only_what_differs_is_published() {
    let redis = Redis::start(1);
    let mut databases = connect(&redis).await;
    let mut monitor = redis.servers[0].connection(STATE_DB.into());
    let mut events = move || {
        let info: String = redis::cmd("INFO").arg("commandstats").query(&mut monitor).unwrap();
        let calls = |name: &str| {
            let line = info.lines().find(|line| line.starts_with(&format!("cmdstat_{name}:")))?;
            line.split(['=', ',']).nth(1)?.parse::<u64>().ok()
        };
        calls("hset").unwrap_or(0) + calls("del").unwrap_or(0) + calls("hdel").unwrap_or(0)
    };
    written(&mut databases, vec![image(&[("stability", "local"), ("reason", "set_owner is local")])]).await;
    assert_eq!(events(), 1);
    written(&mut databases, vec![image(&[("stability", "local"), ("reason", "set_owner is local")])]).await;
    assert_eq!(events(), 1, "nothing is written when nothing changes");
    // Somebody's own field and a field that was not changed stay.
    redis.hset(0, STATE_DB, "CONTAINER_IMAGE|telemetry", &[("reason", "edited")]);
    written(&mut databases, vec![image(&[("stability", "waiting"), ("reason", "set_owner is local")])]).await;
    let fields = redis.row(0, STATE_DB, "CONTAINER_IMAGE|telemetry");
    assert_eq!((fields["stability"].as_str(), fields["reason"].as_str()), ("waiting", "edited"));
    // Another process, or a full snapshot, knows what is there.
    let mut other = connect(&redis).await;
    let before = events();
    written(&mut other, vec![image(&[("stability", "waiting"), ("reason", "edited")])]).await;
    assert_eq!(events(), before);
    written(&mut other, vec![image(&[("stability", "waiting")])]).await;
    assert_eq!(redis.row(0, STATE_DB, "CONTAINER_IMAGE|telemetry").len(), 1, "a field that is no longer named goes");
    let unpublish = || RowChange::Unpublish { namespace: Namespace::Host, feature: telemetry().key };
    written(&mut other, vec![unpublish()]).await;
    assert!(redis.keys("CONTAINER_IMAGE*").is_empty());
    let before = events();
    written(&mut other, vec![unpublish()]).await;
    assert_eq!(events(), before);
}

#[tokio::test]
async fn a_row_that_somebody_has_removed_is_written_whole() {
    let redis = Redis::start(1);
    let mut databases = connect(&redis).await;
    let snmp: Feature = "snmp".parse().unwrap();
    let other = |stability| RowChange::Publish {
        namespace: Namespace::Host,
        feature: snmp.clone(),
        row: row(&[("stability", stability)]),
    };
    written(&mut databases, vec![image(&[("stability", "a"), ("reason", "b")]), other("x")]).await;
    redis.delete(0, STATE_DB, "CONTAINER_IMAGE|telemetry");
    written(&mut databases, vec![image(&[("stability", "c"), ("reason", "b")]), other("y")]).await;
    assert_eq!(redis.row(0, STATE_DB, "CONTAINER_IMAGE|telemetry").len(), 2);
    assert_eq!(redis.row(0, STATE_DB, "CONTAINER_IMAGE|snmp")["stability"], "y");
    redis.delete(0, STATE_DB, "CONTAINER_IMAGE|telemetry");
    redis.set(0, STATE_DB, "CONTAINER_IMAGE|telemetry", "no hash");
    written(&mut databases, vec![image(&[("stability", "d"), ("reason", "b")]), other("z")]).await;
    assert_eq!(redis.row(0, STATE_DB, "CONTAINER_IMAGE|telemetry")["reason"], "b");
    assert_eq!(redis.row(0, STATE_DB, "CONTAINER_IMAGE|snmp")["stability"], "z");
}

#[tokio::test]
async fn the_newest_twenty_of_a_history_stay() {
    let redis = Redis::start(1);
    let mut databases = connect(&redis).await;
    for number in 1..=15 {
        written(&mut databases, vec![record(number)]).await;
    }
    written(&mut databases, (16..=25).map(record).collect()).await;
    assert_eq!(redis.keys("CONTAINER_IMAGE_HISTORY|telemetry|*").len(), 20);
    assert!(redis.row(0, STATE_DB, "CONTAINER_IMAGE_HISTORY|telemetry|5").is_empty());
    assert_eq!(redis.row(0, STATE_DB, "CONTAINER_IMAGE_HISTORY|telemetry|25")["event"], "promoted");
    // Another process goes on where this one ended.
    let mut other = connect(&redis).await;
    assert_eq!(other.rows().newest_history(Namespace::Host, "telemetry"), Some(25));
    written(&mut other, vec![record(26)]).await;
    assert_eq!(redis.keys("CONTAINER_IMAGE_HISTORY|telemetry|*").len(), 20);
    assert!(redis.row(0, STATE_DB, "CONTAINER_IMAGE_HISTORY|telemetry|6").is_empty());
}

#[tokio::test]
async fn each_namespace_gets_its_own_rows() {
    let redis = Redis::start(2);
    let mut databases = connect(&redis).await;
    let on =
        |namespace| RowChange::Publish { namespace, feature: telemetry().key, row: row(&[("stability", "local")]) };
    written(&mut databases, vec![on(Namespace::Asic(0)), on(Namespace::Host)]).await;
    for namespace in 0..2 {
        assert_eq!(redis.row(namespace, STATE_DB, "CONTAINER_IMAGE|telemetry")["stability"], "local");
    }
    assert_eq!(databases.rows().published(Namespace::Asic(0)).count(), 1);
}
