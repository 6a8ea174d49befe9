//! The three that judge a fragment of config_db.json: `Ok` if it is taken, else the complaint.

use std::collections::BTreeMap;

use imgmgrd::config::files::RemoteCtrConfig;
use imgmgrd::config::policy::{PolicyReader, PolicyRows, Row};
use serde_json::Value;

use crate::{translation, yanglint};

/// SONiC's tools: the fragment becomes YANG's JSON, and the model judges that.
pub(crate) fn yang(fragment: &Value) -> Result<(), String> {
    yanglint::judge(&translation::to_yang(fragment)?)
}

/// The agent: what it refuses when the fragment's rows are in CONFIG_DB.
pub(crate) fn agent(fragment: &Value) -> Result<(), String> {
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for (table, of_table) in fragment.as_object().expect("tables") {
        for (key, row) in of_table.as_object().expect("rows") {
            let fields = row.as_object().expect("fields").iter();
            let row = fields.map(|(name, value)| (name.clone(), value.as_str().expect("a string").to_owned()));
            rows.insert(format!("{table}|{key}"), row.collect());
        }
    }
    let mut reader = PolicyReader::new(&RemoteCtrConfig::default());
    let _ = reader.read(&PolicyRows::from_keys(rows));
    said(reader.refusals().iter().map(ToString::to_string).collect())
}

/// The schemas: that of config_db.json, and of each row by itself. They must agree.
pub(crate) fn schema(fragment: &Value) -> Result<(), String> {
    let complaints = imgmgrd_test_support::schema::complaints;
    let whole = complaints("config_db.json", fragment);
    let mut rows = Vec::new();
    for (table, of_table) in fragment.as_object().expect("tables") {
        for row in of_table.as_object().expect("rows").values() {
            rows.extend(complaints(&format!("config_db/{table}.json"), row));
        }
    }
    assert!(rows.is_empty() || !whole.is_empty(), "a bad row is bad in config_db.json, too: {fragment}: {rows:?}");
    said(whole)
}

fn said(complaints: Vec<String>) -> Result<(), String> {
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
}
