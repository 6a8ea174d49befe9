//! What proves that nothing was changed: everything there is, before and after.

use std::collections::BTreeMap;

use imgmgrd_test_support::rows::{CONFIG_DB, Namespace, Row, STATE_DB};
use imgmgrd_test_support::switch::Switch;

/// Everything that a command which changes nothing may have changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Everything {
    rows: BTreeMap<String, Row>,
    files: BTreeMap<String, String>,
    images: BTreeMap<String, String>,
    containers: Vec<String>,
}

/// All of it, now.
pub(crate) fn everything(switch: &Switch) -> Everything {
    Everything {
        rows: rows(switch),
        files: state_files(switch),
        images: switch.engine().images(),
        containers: switch.engine().container_names().into_iter().collect(),
    }
}

/// Every row of CONFIG_DB and STATE_DB.
pub(crate) fn rows(switch: &Switch) -> BTreeMap<String, Row> {
    let mut found = BTreeMap::new();
    for database in [CONFIG_DB, STATE_DB] {
        for key in switch.rows().keys(database, "*|*") {
            if let Some(row) = switch.rows().get(database, &key) {
                found.insert(format!("{database} {key}"), row);
            }
        }
    }
    found
}

/// The files of the state directory, by name, without the lock, whose content is whoever held it last, and without those
/// that vanish meanwhile.
pub(crate) fn state_files(switch: &Switch) -> BTreeMap<String, String> {
    let folder = std::fs::read_dir(switch.file("state")).expect("the state directory");
    let files = folder.map(|entry| entry.expect("a file"));
    let named = files.map(|file| (file.file_name().to_string_lossy().into_owned(), file.path()));
    named
        .filter(|(name, _)| name != "lock")
        .filter_map(|(name, path)| Some((name, std::fs::read_to_string(path).ok()?)))
        .collect()
}

/// How many commands that write Redis has carried out, of anybody.
pub(crate) fn writes(switch: &Switch) -> u64 {
    commands(switch, &["hset", "hdel", "del", "set", "eval", "evalsha"])
}

/// How many of these commands Redis has carried out.
pub(crate) fn commands(switch: &Switch, names: &[&str]) -> u64 {
    let mut connection = switch.redis(Namespace::Host).connection(0);
    let info: String = redis::cmd("INFO").arg("commandstats").query(&mut connection).expect("redis answers INFO");
    info.lines()
        .filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls="))
        .filter(|(name, _)| names.contains(name))
        .filter_map(|(_, rest)| rest.split(',').next()?.parse::<u64>().ok())
        .sum()
}
