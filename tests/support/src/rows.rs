//! Plays the scripts of a switch: exactly the writes that SONiC's `container`, `container_startup.py` and
//! `ctrmgrd` make, in their order, each one command. And reads what the agent publishes.

mod feature;
mod instance;

use std::collections::BTreeMap;

use redis::Commands;

use crate::redis_server::RedisServer;

pub use feature::FeatureRows;
pub use instance::{Instance, Namespace};

/// The number of CONFIG_DB.
pub const CONFIG_DB: i64 = 4;
/// The number of STATE_DB.
pub const STATE_DB: i64 = 6;

/// The fields of a row.
pub type Row = BTreeMap<String, String>;

/// One namespace's databases.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    server: &'a RedisServer,
}

/// Any row.
impl<'a> Rows<'a> {
    pub(crate) fn new(server: &'a RedisServer) -> Self {
        Self { server }
    }

    /// Sets fields by one HSET.
    pub fn set(&self, database: i64, key: &str, fields: &[(&str, &str)]) {
        let mut hset = redis::cmd("HSET");
        hset.arg(key);
        for (field, value) in fields {
            hset.arg(*field).arg(*value);
        }
        hset.exec(&mut self.server.connection(database)).expect("HSET succeeds");
    }

    /// The row, or `None` if there is none.
    pub fn get(&self, database: i64, key: &str) -> Option<Row> {
        let row: Row = self.server.connection(database).hgetall(key).expect("HGETALL succeeds");
        (!row.is_empty()).then_some(row)
    }

    /// Removes fields of a row.
    pub fn remove_fields(&self, database: i64, key: &str, fields: &[&str]) {
        let _: i64 = self.server.connection(database).hdel(key, fields).expect("HDEL succeeds");
    }

    /// Removes a row.
    pub fn remove(&self, database: i64, key: &str) {
        let _: i64 = self.server.connection(database).del(key).expect("DEL succeeds");
    }

    /// All keys that match a pattern, sorted.
    pub fn keys(&self, database: i64, pattern: &str) -> Vec<String> {
        let mut keys: Vec<String> = self.server.connection(database).keys(pattern).expect("KEYS succeeds");
        keys.sort();
        keys
    }

    /// Empties a database, as `config reload` does with CONFIG_DB: no notification comes of it.
    pub fn flush(&self, database: i64) {
        redis::cmd("FLUSHDB").exec(&mut self.server.connection(database)).expect("FLUSHDB succeeds");
    }
}

/// Configuration.
impl Rows<'_> {
    /// `CONFIG_DB_INITIALIZED`: `1`, or not there.
    pub fn config_initialized(&self, initialized: bool) {
        let mut connection = self.server.connection(CONFIG_DB);
        if initialized {
            let _: () = connection.set("CONFIG_DB_INITIALIZED", "1").expect("SET succeeds");
        } else {
            let _: i64 = connection.del("CONFIG_DB_INITIALIZED").expect("DEL succeeds");
        }
    }

    /// `FEATURE|<feature>` with the fields that `init_cfg.json` gives it.
    pub fn config_feature(&self, feature: &str, set_owner: &str, per_asic: bool, global: bool) {
        self.set(
            CONFIG_DB,
            &format!("FEATURE|{feature}"),
            &[
                ("auto_restart", "enabled"),
                ("delayed", "False"),
                ("has_global_scope", word(global)),
                ("has_per_asic_scope", word(per_asic)),
                ("high_mem_alert", "disabled"),
                ("set_owner", set_owner),
                ("state", "enabled"),
                ("support_syslog_rate_limit", "true"),
            ],
        );
    }

    /// CONFIG_DB `KUBERNETES_MASTER|SERVER`.
    pub fn kubernetes_master(&self, disable: bool) {
        let fields = [("ip", "10.3.157.24"), ("port", "6443"), ("disable", word(disable)), ("insecure", word(true))];
        self.set(CONFIG_DB, "KUBERNETES_MASTER|SERVER", &fields);
    }

    /// STATE_DB `KUBERNETES_MASTER|SERVER`, as join and reset write it.
    pub fn kubernetes_connected(&self, connected: bool) {
        let connected = if connected { "true" } else { "false" };
        let time = update_time();
        let fields =
            [("connected", connected), ("ip", "10.3.157.24"), ("port", "6443"), ("update_time", time.as_str())];
        self.set(STATE_DB, "KUBERNETES_MASTER|SERVER", &fields);
    }

    /// CONFIG_DB `CONTAINER_IMAGE|GLOBAL`.
    pub fn policy(&self, fields: &[(&str, &str)]) {
        self.set(CONFIG_DB, "CONTAINER_IMAGE|GLOBAL", fields);
    }

    /// CONFIG_DB `CONTAINER_IMAGE_FEATURE|<feature>`.
    pub fn feature_policy(&self, feature: &str, fields: &[(&str, &str)]) {
        self.set(CONFIG_DB, &format!("CONTAINER_IMAGE_FEATURE|{feature}"), fields);
    }

    /// CONFIG_DB `LOGGER|imgmgrd`, as `swssloglevel` writes it.
    pub fn log_level(&self, level: &str) {
        self.set(CONFIG_DB, "LOGGER|imgmgrd", &[("LOGLEVEL", level), ("LOGOUTPUT", "SYSLOG")]);
    }
}

/// `True` or `False`, as Python prints them into rows.
fn word(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// Now, as the scripts write it: local time without a zone, whole seconds.
pub fn update_time() -> String {
    chrono::Local::now().format("%Y-%m-%d %H:%M:%S").to_string()
}
