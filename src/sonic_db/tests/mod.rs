//! On a real redis-server.

mod any_bytes;
mod follow;
mod group;
mod refused;
mod too_much;
mod write;

use std::time::Duration;

use imgmgrd_test_support::RedisServer;
use imgmgrd_test_support::workdir::Workdir;
use redis::Commands;

use super::*;
use crate::domain::Namespace;

const CONFIG_DB: u16 = 4;
const STATE_DB: u16 = 6;
const PATIENCE: Duration = Duration::from_secs(20);

/// Redis servers of namespaces, the host first.
struct Redis {
    servers: Vec<RedisServer>,
    _folder: Workdir,
}

impl Redis {
    fn start(namespaces: usize) -> Self {
        Self::start_with(namespaces, "AKE")
    }

    fn start_with(namespaces: usize, notifications: &str) -> Self {
        let folder = Workdir::new();
        let servers = (0..namespaces)
            .map(|number| RedisServer::start_with(&folder.folder(&number.to_string()), notifications, false))
            .collect();
        Self { servers, _folder: folder }
    }

    /// Where the databases are.
    fn config(&self) -> Namespaces {
        let namespaces = [Namespace::Host].into_iter().chain((0..).map(Namespace::Asic));
        namespaces.zip(&self.servers).map(|(namespace, server)| (namespace, databases_at(server.socket()))).collect()
    }

    fn hset(&self, namespace: usize, database: u16, key: &str, fields: &[(&str, &str)]) {
        let _: i64 =
            self.servers[namespace].connection(database.into()).hset_multiple(key, fields).map(|()| 0).unwrap();
    }

    fn set(&self, namespace: usize, database: u16, key: &str, value: impl redis::ToSingleRedisArg) {
        self.servers[namespace].connection(database.into()).set::<_, _, ()>(key, value).unwrap();
    }

    fn delete(&self, namespace: usize, database: u16, key: &str) {
        self.servers[namespace].connection(database.into()).del::<_, ()>(key).unwrap();
    }

    fn row(&self, namespace: usize, database: u16, key: &str) -> Fields {
        self.servers[namespace].connection(database.into()).hgetall(key).unwrap()
    }

    fn keys(&self, pattern: &str) -> Vec<String> {
        self.servers[0].connection(STATE_DB.into()).keys(pattern).unwrap()
    }

    /// A switch on which `FEATURE|telemetry` has been taken over by kube.
    fn fill(&self, namespace: usize) {
        self.hset(namespace, CONFIG_DB, "FEATURE|telemetry", &[("set_owner", "kube"), ("state", "enabled")]);
        self.hset(
            namespace,
            STATE_DB,
            "FEATURE|telemetry",
            &[("current_owner", "kube"), ("container_id", "6d051d98400c"), ("container_version", "1.1")],
        );
        self.set(namespace, CONFIG_DB, "CONFIG_DB_INITIALIZED", "1");
    }
}

fn databases_at(socket: &std::path::Path) -> NamespaceDatabases {
    let server = Server { socket: Some(socket.to_owned()), tcp: None };
    let at = |id| DatabaseAddress { server: server.clone(), id, separator: "|".to_owned() };
    NamespaceDatabases { config: at(CONFIG_DB), state: at(STATE_DB) }
}

/// Why the host's databases cannot be read.
fn unreachable(databases: &Databases) -> Option<&str> {
    databases.unreadable().get(&Namespace::Host).map(String::as_str)
}

/// Publishes, and takes over what was written.
async fn publish(databases: &mut Databases, changes: Vec<RowChange>) -> Published {
    let published = databases.publish(changes).await;
    databases.apply_published(&published);
    published
}

/// An instance of telemetry.
fn telemetry_in(namespace: Namespace) -> crate::domain::Instance {
    crate::domain::Instance { feature: "telemetry".parse().unwrap(), namespace }
}

/// Looks whenever something changes, until the rows are as awaited.
async fn until(databases: &mut Databases, what: &str, mut condition: impl FnMut(&Databases) -> bool) {
    let waiting = async {
        while !condition(databases) {
            databases.changed().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "in vain: {what}");
}

/// Whether the full snapshot of the filled switch is there.
fn is_filled(databases: &Databases) -> bool {
    databases.rows().config_initialized() && version(databases, Namespace::Host).is_some()
}

/// `container_version` of telemetry.
fn version(databases: &Databases, namespace: Namespace) -> Option<String> {
    let mut snapshot = crate::planner::Snapshot::default();
    databases.rows().fill(&mut snapshot);
    let key = crate::planner::RowKey { namespace, key: "telemetry".parse().unwrap() };
    snapshot.state.get(&key)?.container_version.get().map(ToString::to_string)
}

/// What the databases know, in the words of the decision.
fn snapshot(databases: &Databases) -> crate::planner::Snapshot {
    let mut snapshot = crate::planner::Snapshot::default();
    databases.rows().fill(&mut snapshot);
    snapshot
}
