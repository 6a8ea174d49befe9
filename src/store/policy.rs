//! The last good policy: a bad value in CONFIG_DB does not end what held before, not even by a restart.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::directory::StateDirectory;
use super::file::{self, Durability};
use super::kept::{Format, Kept, KeptEntries, Object, Problems, object, pairs, take, unpaired};
use crate::config::policy::{PolicyRows, Row, is_field};

const POLICY: &str = "policy.json";

/// What is remembered of it.
#[derive(Debug)]
pub struct LastPolicy {
    directory: StateDirectory,
    good: PolicyRows,
    kept: KeptOfPolicy,
    /// It could not be written.
    is_unsaved: bool,
}

/// What the file has that is not understood.
#[derive(Debug, Default)]
struct KeptOfPolicy {
    file: Object,
    global: Kept,
    features: KeptEntries<String>,
}

/// Of a row that was read, the fields that this version knows.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
struct KnownRow(Row);

impl<'de> Deserialize<'de> for KnownRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = BTreeMap::<String, Box<RawValue>>::deserialize(deserializer)?.into_iter();
        let known = fields.filter(|(field, _)| is_field(field));
        Ok(Self(known.filter_map(|(field, value)| Some((field, serde_json::from_str(value.get()).ok()?))).collect()))
    }
}

impl LastPolicy {
    /// Reads what was remembered.
    #[must_use]
    pub fn load(directory: StateDirectory) -> Self {
        let mut problems = Problems::default();
        let read = file::read(&directory, POLICY, |bytes| read_policy(bytes, &mut problems));
        problems.log(POLICY);
        let (good, kept) = read.unwrap_or_default();
        Self { directory, good, kept, is_unsaved: false }
    }

    /// The good values.
    #[must_use]
    pub fn good(&self) -> &PolicyRows {
        &self.good
    }

    /// Remembers these, if they are others.
    ///
    /// # Errors
    /// If they cannot be written; the next save tries again.
    pub fn save(&mut self, good: PolicyRows) -> io::Result<()> {
        if self.directory.is_read_only() || (good == self.good && !self.is_unsaved) {
            return Ok(());
        }
        self.good = good;
        self.is_unsaved = true;
        file::write(&self.directory, POLICY, &self.kept.file(&self.good)?, Durability::Cached)?;
        self.is_unsaved = false;
        Ok(())
    }
}

fn read_policy(bytes: &[u8], problems: &mut Problems) -> serde_json::Result<(PolicyRows, KeptOfPolicy)> {
    let mut file: Object = serde_json::from_slice(bytes)?;
    // The first release wrote none.
    if file.contains_key("format") {
        let _: Format = take(&mut file, "format")?;
    }
    let global: Object = take(&mut file, "global")?;
    let KnownRow(known) = serde_json::from_str(to_raw_value(&global)?.get())?;
    let kept = Kept::of(global, &object(&known)?);
    let (kept_of_features, features) = KeptEntries::read(pairs(take(&mut file, "features")?)?, problems)?;
    let features: BTreeMap<String, KnownRow> = features;
    let features = features.into_iter().map(|(key, KnownRow(row))| (key, row)).filter(|(_, row)| !row.is_empty());
    let good = PolicyRows { global: known, features: features.collect() };
    Ok((good, KeptOfPolicy { file, global: kept, features: kept_of_features }))
}

impl KeptOfPolicy {
    fn file(&self, good: &PolicyRows) -> serde_json::Result<Object> {
        let mut file = self.file.clone();
        let mut global = object(&good.global)?;
        self.global.put_back(&mut global);
        file.insert("format".to_owned(), to_raw_value(&Format)?);
        file.insert("global".to_owned(), to_raw_value(&global)?);
        file.insert("features".to_owned(), to_raw_value(&unpaired(self.features.write(&good.features)?)?)?);
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(json: serde_json::Value) -> PolicyRows {
        let row = |value: &serde_json::Value| serde_json::from_value::<Row>(value.clone()).unwrap();
        let features = json["features"].as_object().unwrap().iter().map(|(key, value)| (key.clone(), row(value)));
        PolicyRows { global: row(&json["global"]), features: features.collect() }
    }

    #[test]
    fn what_another_version_knows_is_kept() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join(POLICY);
        let written = serde_json::json!({
            "format": 1, "since": "next year",
            "global": {"stable_time": "60", "auto_rollback": "enabled", "cleanup": ["no", "text"]},
            "features": {"snmp": {"pin": "7", "pods": "cleanup"}, "bgp": {"pods": "ignore"}, "lldp": 5},
        });
        std::fs::write(&path, written.to_string()).unwrap();
        let mut policy = LastPolicy::load(StateDirectory::open(temporary.path()).unwrap());
        let good = serde_json::json!({"global": {"stable_time": "60"}, "features": {"snmp": {"pin": "7"}}});
        assert_eq!(*policy.good(), rows(good));
        let good = serde_json::json!({"global": {"stable_time": "90"}, "features": {"snmp": {"pin": "8"}}});
        policy.save(rows(good.clone())).unwrap();
        let mut expected = written;
        expected["global"]["stable_time"] = "90".into();
        expected["features"]["snmp"]["pin"] = "8".into();
        let now: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(now, expected);
        drop(policy);
        assert_eq!(*LastPolicy::load(StateDirectory::open(temporary.path()).unwrap()).good(), rows(good));
    }
}
