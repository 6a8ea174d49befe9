//! What an action of a group rests on.

use super::*;
use crate::domain::{Instance, Value};
use crate::planner::{Owner, RowKey};

async fn read(databases: &mut Databases, instances: &[Instance]) {
    let rows = databases.read_group(instances).await.unwrap();
    databases.apply(rows);
}

/// The number of commands that these take; one is the question.
async fn commands(redis: &Redis, asked: impl Future<Output = ()>) -> u64 {
    let count = || redis.servers[0].commands_processed();
    let question = count();
    let question = count() - question;
    let before = count();
    asked.await;
    count() - before - question
}

#[tokio::test]
async fn all_that_an_action_rests_on_is_read_though_nothing_was_notified() {
    let redis = Redis::start_with(2, "");
    redis.fill(0);
    redis.fill(1);
    let asic = Namespace::Asic(0);
    let mut databases = Databases::new(&redis.config());
    until(&mut databases, "both", |d| d.unreadable().is_empty()).await;
    redis.hset(0, CONFIG_DB, "FEATURE|telemetry", &[("set_owner", "local")]);
    redis.hset(0, CONFIG_DB, "FEATURE|telemetry0", &[("set_owner", "local")]);
    redis.hset(0, STATE_DB, "FEATURE|telemetry0", &[("container_version", "3")]);
    redis.hset(1, CONFIG_DB, "FEATURE|telemetry", &[("set_owner", "local")]);
    redis.hset(1, STATE_DB, "FEATURE|telemetry", &[("container_version", "4")]);
    redis.hset(0, CONFIG_DB, "KUBERNETES_MASTER|SERVER", &[("disable", "true")]);
    redis.hset(0, STATE_DB, "KUBERNETES_MASTER|SERVER", &[("connected", "false")]);
    redis.hset(0, CONFIG_DB, "CONTAINER_IMAGE|GLOBAL", &[("state", "disabled")]);
    redis.hset(0, CONFIG_DB, "CONTAINER_IMAGE_FEATURE|telemetry", &[("pin", "7")]);
    redis.hset(0, CONFIG_DB, "FEATURE|snmp", &[("set_owner", "kube")]);
    read(&mut databases, &[telemetry_in(asic)]).await;

    let seen = snapshot(&databases);
    let row = |namespace, key: &str| RowKey { namespace, key: key.parse().unwrap() };
    for (namespace, key) in [(Namespace::Host, "telemetry"), (Namespace::Host, "telemetry0"), (asic, "telemetry")] {
        assert_eq!(seen.configuration[&row(namespace, key)].set_owner, Value::Is(Owner::Local), "{namespace} {key}");
    }
    assert!(seen.state[&row(Namespace::Host, "telemetry0")].container_version.get().is_some());
    assert_eq!(version(&databases, asic).as_deref(), Some("4"));
    assert!(seen.kubernetes.disabled && seen.kubernetes.connected == Some(false));
    assert_eq!(databases.rows().policy().len(), 2);
    assert!(!seen.configuration.contains_key(&row(Namespace::Host, "snmp")), "what it does not rest on is not read");

    redis::cmd("FLUSHDB").exec(&mut redis.servers[0].connection(CONFIG_DB.into())).unwrap();
    read(&mut databases, &[telemetry_in(asic)]).await;
    assert!(!databases.rows().config_initialized());
    let nowhere = databases.read_group(&[telemetry_in(Namespace::Asic(7))]).await;
    assert!(matches!(nowhere, Err(DatabaseError::NoSuchNamespace(_))), "{nowhere:?}");
}

#[tokio::test]
async fn one_round_trip_for_each_server_and_one_for_all_groups_at_the_same_time() {
    let redis = Redis::start(1);
    redis.fill(0);
    let mut databases = Databases::new(&redis.config());
    until(&mut databases, "the full snapshot", is_filled).await;
    // SELECT, GET, HGETALL of telemetry, its policy and 3 single rows, GET, SELECT, HGETALL of telemetry and a single row.
    let one = async {
        read(&mut databases, &[telemetry_in(Namespace::Host)]).await;
    };
    assert_eq!(commands(&redis, one).await, 11);
    let many = async {
        let instance = |n: u32| Instance { feature: format!("f{n}").parse().unwrap(), namespace: Namespace::Host };
        let reads = (0..100).map(|n| databases.read_group(&[instance(n)]));
        for rows in futures_util::future::join_all(reads).await {
            databases.apply(rows.unwrap());
        }
    };
    // The first goes alone, the others all together.
    assert_eq!(commands(&redis, many).await, 11 + 8 + 3 * 99);
}

#[tokio::test]
async fn a_change_while_a_group_is_read_is_not_lost() {
    let redis = Redis::start(1);
    redis.fill(0);
    let mut databases = Databases::new(&redis.config());
    until(&mut databases, "the full snapshot", is_filled).await;
    for number in 0..50 {
        let number = number.to_string();
        let read = tokio::spawn(databases.read_group(&[telemetry_in(Namespace::Host)]));
        tokio::task::yield_now().await;
        redis.hset(0, STATE_DB, "FEATURE|telemetry", &[("container_version", &number)]);
        databases.apply(read.await.unwrap().unwrap());
        until(&mut databases, "the change", |d| version(d, Namespace::Host).as_ref() == Some(&number)).await;
    }
}

#[tokio::test]
async fn a_cancelled_read_forgets_nothing() {
    let mut redis = Redis::start(1);
    redis.fill(0);
    let mut databases = Databases::new(&redis.config());
    until(&mut databases, "the full snapshot", is_filled).await;
    redis.servers[0].set_notifications("");
    redis.hset(0, STATE_DB, "FEATURE|telemetry", &[("container_version", "2")]);
    redis.servers[0].pause();
    let read = databases.read_group(&[telemetry_in(Namespace::Host)]);
    assert!(tokio::time::timeout(Duration::from_millis(20), read).await.is_err());
    redis.servers[0].resume();
    until(&mut databases, "the change", |d| version(d, Namespace::Host).as_deref() == Some("2")).await;
    assert_eq!(unreachable(&databases), None);
}
