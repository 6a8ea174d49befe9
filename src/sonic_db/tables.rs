//! Which rows the agent needs, and how their keys and notifications look in Redis.

use std::collections::BTreeMap;

use crate::domain::{Feature, Namespace};

use super::config::DatabaseAddress;

/// The key that says whether CONFIG_DB is loaded: `1` when it is (sonic-utilities' `config reload` sets it last).
pub(super) const INITIALIZED: &str = "CONFIG_DB_INITIALIZED";

/// The fields of a row.
pub type Fields = BTreeMap<String, String>;

/// One of a namespace's two databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Database {
    Config,
    State,
}

/// A table of which the agent needs rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    /// `FEATURE|<feature>`, in both databases of every namespace.
    Feature,
    /// `KUBERNETES_MASTER|SERVER`, in both of the host's.
    Kubernetes,
    /// `CONTAINER_IMAGE|GLOBAL` in the host's CONFIG_DB: the policy for all features.
    GlobalPolicy,
    /// `CONTAINER_IMAGE_FEATURE|<feature>` in the host's CONFIG_DB: a feature's policy.
    FeaturePolicy,
    /// `LOGGER|imgmgrd` in the host's CONFIG_DB, the row that `swssloglevel` writes.
    Logger,
    /// `CONTAINER_IMAGE|<feature>` in STATE_DB, the agent's own.
    Image,
    /// `CONTAINER_IMAGE_HISTORY|<feature>|<n>` in STATE_DB, the agent's own.
    History,
}

impl Table {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Feature => "FEATURE",
            Self::Kubernetes => "KUBERNETES_MASTER",
            Self::GlobalPolicy | Self::Image => "CONTAINER_IMAGE",
            Self::FeaturePolicy => "CONTAINER_IMAGE_FEATURE",
            Self::Logger => "LOGGER",
            Self::History => "CONTAINER_IMAGE_HISTORY",
        }
    }

    /// The one key that matters, for a table of which only one row does.
    fn only_key(self) -> Option<&'static str> {
        match self {
            Self::Kubernetes => Some("SERVER"),
            Self::GlobalPolicy => Some("GLOBAL"),
            Self::Logger => Some("imgmgrd"),
            Self::Feature | Self::FeaturePolicy | Self::Image | Self::History => None,
        }
    }

    /// Whether others write the table, so that its notifications matter.
    fn is_followed(self) -> bool {
        !matches!(self, Self::Image | Self::History)
    }

    /// Whether `field` of a row is worth keeping in memory.
    pub(super) fn keeps(self, field: &str) -> bool {
        self != Self::Feature
            || matches!(
                field,
                "set_owner"
                    | "has_per_asic_scope"
                    | "has_global_scope"
                    | "current_owner"
                    | "remote_state"
                    | "container_id"
                    | "container_version"
                    | "container_stable_version"
                    | "container_last_version"
                    | "system_state"
                    | "update_time"
            )
    }
}

/// A row within its database: the table, and what follows the separator.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowName {
    pub(super) table: Table,
    pub(super) key: String,
}

/// One database of one namespace, where it is, and what of it matters.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) namespace: Namespace,
    pub(super) database: Database,
    pub(super) id: u16,
    separator: String,
}

/// What a place is subscribed to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Channels {
    /// With SUBSCRIBE.
    pub(super) exact: Vec<String>,
    /// With PSUBSCRIBE.
    pub(super) patterns: Vec<String>,
}

impl Place {
    pub(super) fn new(namespace: Namespace, database: Database, address: &DatabaseAddress) -> Self {
        Self { namespace, database, id: address.id, separator: address.separator.clone() }
    }

    /// The tables of which this place holds rows that matter.
    fn tables(&self) -> &'static [Table] {
        use Table::{Feature, FeaturePolicy, GlobalPolicy, History, Image, Kubernetes, Logger};
        match (self.database, self.namespace) {
            (Database::Config, Namespace::Host) => &[Feature, Kubernetes, GlobalPolicy, FeaturePolicy, Logger],
            (Database::Config, Namespace::Asic(_)) => &[Feature],
            (Database::State, Namespace::Host) => &[Feature, Kubernetes, Image, History],
            (Database::State, Namespace::Asic(_)) => &[Feature, Image, History],
        }
    }

    /// The rows that are read whether or not they exist.
    pub(super) fn single_rows(&self) -> impl Iterator<Item = RowName> {
        let single = |table: &Table| table.only_key().map(|key| RowName { table: *table, key: key.to_owned() });
        self.tables().iter().filter_map(single)
    }

    /// The patterns for KEYS that find the others.
    pub(super) fn key_patterns(&self) -> impl Iterator<Item = String> {
        self.tables().iter().filter(|table| table.only_key().is_none()).map(|table| self.pattern(*table))
    }

    fn pattern(&self, table: Table) -> String {
        format!("{}{}*", table.name(), escape_glob(&self.separator))
    }

    /// The whole key of a row.
    pub(super) fn key_of(&self, table: Table, key: &str) -> String {
        format!("{}{}{key}", table.name(), self.separator)
    }

    /// The whole key of a row.
    pub(super) fn key(&self, row: &RowName) -> String {
        self.key_of(row.table, &row.key)
    }

    /// The key of history row `number` of `key`, as far as it follows the table's separator.
    pub(super) fn history_key(&self, key: &str, number: u64) -> String {
        format!("{key}{}{number}", self.separator)
    }

    /// The inverse of [`history_key`](Self::history_key).
    pub(super) fn parse_history_key<'a>(&self, key: &'a str) -> Option<(&'a str, u64)> {
        let (key, number) = key.rsplit_once(self.separator.as_str())?;
        Some((key, number.parse().ok()?))
    }

    /// The channels of the notifications that matter here: exactly the followed rows.
    ///
    /// Redis publishes a change of KEY in database N on `__keyspace@N__:KEY` (redis.io, "Redis keyspace notifications").
    pub(super) fn channels(&self) -> Channels {
        let prefix = format!("__keyspace@{}__:", self.id);
        let mut channels = Channels::default();
        for table in self.tables().iter().filter(|table| table.is_followed()) {
            match table.only_key() {
                Some(key) => channels.exact.push(format!("{prefix}{}", self.key_of(*table, key))),
                // The prefix has no character that is special in a pattern: the number is digits only.
                None => channels.patterns.push(format!("{prefix}{}", self.pattern(*table))),
            }
        }
        if self.database == Database::Config {
            channels.exact.push(format!("{prefix}{INITIALIZED}"));
        }
        channels
    }

    /// Which row a key is of. `None` if it is of none that matters; `Err` if it should be a feature's and is not.
    pub(super) fn parse(&self, text: &str) -> Option<Result<RowName, &'static str>> {
        let (name, key) = text.split_once(self.separator.as_str())?;
        let fits = |table: &&Table| table.name() == name && table.only_key().is_none_or(|only| only == key);
        let table = *self.tables().iter().find(fits)?;
        let is_valid = match table {
            Table::Feature | Table::FeaturePolicy | Table::Image => key.parse::<Feature>().is_ok(),
            Table::History => {
                self.parse_history_key(key).is_some_and(|(feature, _)| feature.parse::<Feature>().is_ok())
            }
            Table::Kubernetes | Table::GlobalPolicy | Table::Logger => true,
        };
        Some(if is_valid {
            Ok(RowName { table, key: key.to_owned() })
        } else {
            Err("its key does not name a valid feature")
        })
    }
}

/// The number of the database and the key that a notification is about.
pub(super) fn parse_channel(channel: &str) -> Option<(u16, &str)> {
    let (id, key) = channel.strip_prefix("__keyspace@")?.split_once("__:")?;
    Some((id.parse().ok()?, key))
}

/// `text` as a pattern that matches nothing but itself.
fn escape_glob(text: &str) -> String {
    let special = |character| matches!(character, '*' | '?' | '[' | ']' | '^' | '\\');
    text.chars().flat_map(|character| special(character).then_some('\\').into_iter().chain([character])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(namespace: Namespace, database: Database, separator: &str) -> Place {
        Place { namespace, database, id: 4, separator: separator.to_owned() }
    }

    #[test]
    fn exactly_the_needed_rows_are_followed() {
        let host = place(Namespace::Host, Database::Config, "|").channels();
        assert_eq!(host.patterns, ["__keyspace@4__:FEATURE|*", "__keyspace@4__:CONTAINER_IMAGE_FEATURE|*"]);
        assert_eq!(
            host.exact,
            [
                "__keyspace@4__:KUBERNETES_MASTER|SERVER",
                "__keyspace@4__:CONTAINER_IMAGE|GLOBAL",
                "__keyspace@4__:LOGGER|imgmgrd",
                "__keyspace@4__:CONFIG_DB_INITIALIZED"
            ]
        );
        let asic = place(Namespace::Asic(0), Database::Config, "*").channels();
        assert_eq!(asic.patterns, ["__keyspace@4__:FEATURE\\**"]);
        assert_eq!(asic.exact, ["__keyspace@4__:CONFIG_DB_INITIALIZED"]);
        let state = place(Namespace::Asic(0), Database::State, "|").channels();
        assert_eq!((state.patterns.len(), state.exact.len()), (1, 0));
    }

    #[test]
    fn what_the_schemas_say_of_feature_rows_is_kept_of_them() {
        let fields = |path| imgmgrd_test_support::schema::read(path)["properties"].as_object().cloned().unwrap();
        let (config, state) = (fields("config_db/FEATURE.json"), fields("state_db/FEATURE.json"));
        assert_eq!((config.len(), state.len()), (3, 8));
        assert!(config.keys().chain(state.keys()).all(|field| Table::Feature.keeps(field)), "{config:?} {state:?}");
    }

    #[test]
    fn keys_are_told_apart() {
        let config = place(Namespace::Host, Database::Config, "|");
        let state = place(Namespace::Host, Database::State, "|");
        let table = |place: &Place, key: &str| place.parse(key).map(|row| row.map(|row| row.table).ok());
        assert_eq!(table(&config, "FEATURE|snmp"), Some(Some(Table::Feature)));
        assert_eq!(table(&config, "FEATURE|a b"), Some(None));
        assert_eq!(table(&config, "CONTAINER_IMAGE|GLOBAL"), Some(Some(Table::GlobalPolicy)));
        assert_eq!(table(&config, "CONTAINER_IMAGE|snmp"), None);
        assert_eq!(table(&state, "CONTAINER_IMAGE|snmp"), Some(Some(Table::Image)));
        assert_eq!(table(&state, "CONTAINER_IMAGE_HISTORY|snmp|7"), Some(Some(Table::History)));
        assert_eq!(table(&state, "CONTAINER_IMAGE_HISTORY|snmp|x"), Some(None));
        assert_eq!(table(&state, "LOGGER|imgmgrd"), None);
        assert_eq!(table(&state, "FEATURE"), None);
        assert_eq!(parse_channel("__keyspace@6__:FEATURE|snmp"), Some((6, "FEATURE|snmp")));
        for channel in ["", "__keyspace@x__:a", "__keyevent@6__:del", "__keyspace@99999__:a"] {
            assert_eq!(parse_channel(channel), None, "{channel}");
        }
    }
}
