//! Hashes of any bytes, in all tables of a real server: they are read, decided on, and hide no others.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::planner::invariants::check;
use crate::planner::{Memory, Now, Policy, decide};

/// The keys that the agent reads, and some that it should not.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let table = prop_oneof![
        Just("FEATURE|"),
        Just("CONTAINER_IMAGE|"),
        Just("CONTAINER_IMAGE_FEATURE|"),
        Just("CONTAINER_IMAGE_HISTORY|"),
        Just("KUBERNETES_MASTER|"),
        Just("LOGGER|"),
        Just(""),
    ];
    let name = prop_oneof![
        Just(b"telemetry".to_vec()),
        Just(b"SERVER".to_vec()),
        Just(b"GLOBAL".to_vec()),
        Just(b"snmp|7".to_vec()),
        vec(any::<u8>(), 0..20),
    ];
    (table, name).prop_map(|(table, name)| [table.as_bytes(), &name].concat())
}

fn fields() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    let field = prop_oneof![
        Just(b"set_owner".to_vec()),
        Just(b"current_owner".to_vec()),
        Just(b"container_id".to_vec()),
        Just(b"container_version".to_vec()),
        Just(b"update_time".to_vec()),
        vec(any::<u8>(), 0..10),
    ];
    let value = prop_oneof![Just(b"kube".to_vec()), vec(any::<u8>(), 0..100), vec(any::<u8>(), 5000..5001)];
    vec((field, value), 1..6)
}

#[test]
fn rows_of_any_bytes_on_a_real_server() {
    let redis = Redis::start(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() };
    let hashes = vec((prop_oneof![Just(CONFIG_DB), Just(STATE_DB)], key(), fields()), 1..20);
    let result = TestRunner::new(config).run(&hashes, |hashes| {
        redis::cmd("FLUSHALL").exec(&mut redis.servers[0].connection(0)).unwrap();
        for (database, key, fields) in hashes {
            redis.servers[0].connection(database.into()).hset_multiple::<_, _, _, ()>(&key, &fields).unwrap();
        }
        redis.fill(0);
        let databases = runtime.block_on(Databases::connect_once(&redis.config())).unwrap();
        let mut snapshot = snapshot(&databases);
        snapshot.image_names.insert("telemetry".parse().unwrap(), "docker-sonic-telemetry".parse().unwrap());
        prop_assert!(snapshot.config_initialized);
        let telemetry = crate::planner::RowKey { namespace: Namespace::Host, key: "telemetry".parse().unwrap() };
        prop_assert!(snapshot.configuration.contains_key(&telemetry), "no row hides another");
        let policy = Policy::default();
        let decision = decide(&snapshot, &Memory::default(), &policy, &Now::default());
        prop_assert!(decision.plan.is_empty(), "there is no image to do anything with");
        prop_assert!(check(&snapshot, &decision.memory, &policy, &decision.plan).is_empty());
        Ok(())
    });
    result.unwrap();
}
