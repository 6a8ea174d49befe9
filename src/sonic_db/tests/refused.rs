//! Writes that Redis refuses, and servers that do not answer to them.

use super::*;
use crate::clock::since_boot;
use crate::domain::Value;
use crate::planner::RowKey;

fn image(namespace: Namespace, stability: &str) -> RowChange {
    let row = NewRow::from([("stability", stability.to_owned())]);
    RowChange::Publish { namespace, feature: "telemetry".parse().unwrap(), row }
}

/// The namespaces to which something was written, and those to which it was not, with why.
fn outcome(published: &Published) -> (Vec<Namespace>, Vec<(Namespace, String)>) {
    let namespace = |change: &RowChange| match change {
        RowChange::Publish { namespace, .. } => *namespace,
        _ => panic!("{change:?}"),
    };
    let refused = published.not_written.iter().map(|refused| (namespace(&refused.change), refused.error.to_string()));
    (published.written.iter().map(namespace).collect(), refused.collect())
}

#[tokio::test]
async fn what_is_refused_is_told_and_can_be_written_again_and_leaves_the_rows_readable() {
    let redis = Redis::start(1);
    redis.fill(0);
    let mut databases = Databases::new(&redis.config());
    until(&mut databases, "the full snapshot", is_filled).await;
    let set = |setting: &str, value: &str| {
        let mut config = redis::cmd("CONFIG");
        config.arg("SET").arg(setting).arg(value).exec(&mut redis.servers[0].connection(0)).unwrap();
    };
    let key = RowKey { namespace: Namespace::Host, key: "telemetry".parse().unwrap() };
    let id = Value::read(Some("6d051d98400c"));
    let version = "1.1".parse().unwrap();
    for (setting, refusing, obeying, why) in
        [("min-replicas-to-write", "1", "0", "NOREPLICAS"), ("maxmemory", "1", "0", "OOM")]
    {
        set(setting, refusing);
        let published = publish(&mut databases, vec![image(Namespace::Host, why)]).await;
        let (written, refused) = outcome(&published);
        assert!(written.is_empty() && refused[0].1.contains(why), "{refused:?}");
        databases.record_versions(&key, &id, &version, None).await.unwrap_err();
        assert_eq!(unreachable(&databases), None);
        databases.read_group(&[telemetry_in(Namespace::Host)]).await.map(|rows| databases.apply(rows)).unwrap();
        set(setting, obeying);
        let again = published.not_written.into_iter().map(|refused| refused.change).collect();
        assert_eq!(outcome(&publish(&mut databases, again).await), (vec![Namespace::Host], vec![]));
        assert_eq!(redis.row(0, STATE_DB, "CONTAINER_IMAGE|telemetry")["stability"], why);
    }
    assert_eq!(databases.record_versions(&key, &id, &version, None).await.unwrap(), Written::Changed);
}

#[tokio::test]
async fn one_server_that_hangs_delays_no_other_and_blocks_nobody() {
    let mut redis = Redis::start(2);
    redis.fill(0);
    redis.fill(1);
    let mut databases = Databases::new(&redis.config());
    until(&mut databases, "both", |d| d.unreadable().is_empty()).await;
    redis.servers[1].pause();
    let asic = Namespace::Asic(0);
    let start = since_boot();
    let mut parts =
        databases.publish_each(vec![image(asic, "x"), image(Namespace::Host, "x"), image(Namespace::Asic(7), "x")]);
    assert_eq!(parts.len(), 3);
    // The servers, in the order of their sockets, after what has none.
    let (hung, host, nowhere) = (parts.pop().unwrap(), parts.pop().unwrap(), parts.pop().unwrap());
    let (_, refused) = outcome(&nowhere.await);
    assert!(refused[0].1.contains("has no databases"), "{refused:?}");
    let published = host.await;
    assert_eq!(outcome(&published).0, [Namespace::Host]);
    databases.apply_published(&published);
    assert_eq!(databases.rows().published(Namespace::Host).count(), 1);
    assert!((since_boot() - start) < Duration::from_secs(1), "{:?}", since_boot() - start);
    // While that hangs, the others are followed.
    let hung = tokio::spawn(hung);
    redis.hset(0, STATE_DB, "FEATURE|telemetry", &[("container_version", "2")]);
    until(&mut databases, "the host", |d| version(d, Namespace::Host).as_deref() == Some("2")).await;
    assert!((since_boot() - start) < Duration::from_secs(1), "{:?}", since_boot() - start);
    let (written, refused) = outcome(&hung.await.unwrap());
    assert!(written.is_empty() && refused[0].1.contains("did not answer"), "{refused:?}");
    until(&mut databases, "its loss", |d| d.unreadable().contains_key(&asic)).await;
    redis.servers[1].resume();
    until(&mut databases, "its return", |d| d.unreadable().is_empty()).await;
    // Whether it was written then or not: what is there now is known again.
    assert_eq!(outcome(&publish(&mut databases, vec![image(asic, "y")]).await).0, [asic]);
    assert_eq!(redis.row(1, STATE_DB, "CONTAINER_IMAGE|telemetry")["stability"], "y");
}
