//! Rows and answers of a living switch are what the schemas say.

use std::collections::BTreeSet;

use imgmgrd_test_support::schema::{assert_valid, complaints};
use serde_json::{Value, json};

use super::{Mixed, json as answer};
use crate::evidence::rows;

#[test]
fn every_row_and_every_answer_is_by_its_schema() {
    let mixed = Mixed::new();
    mixed.switch.rows().kubernetes_master(false);
    mixed.switch.rows().kubernetes_connected(true);
    mixed.switch.rows().log_level("NOTICE");
    let mut seen = BTreeSet::new();
    for (key, row) in rows(&mixed.switch) {
        let (database, key) = key.split_once(' ').expect("a database's number");
        let table = key.split('|').next().expect("a table");
        let folder = if database == "4" { "config_db" } else { "state_db" };
        // The one table of the scripts that the agent does not read.
        if table != "KUBE_LABELS" {
            assert_valid(&format!("{folder}/{table}.json"), &json!(row));
            seen.insert(format!("{folder}/{table}"));
        }
    }
    for command in ["status", "images", "plan", "history"] {
        let said = Value::from(answer(&mixed.switch, &[command]));
        assert_valid(&format!("command/{command}.json"), &said);
        let mut other = said;
        other[0]["instance"] = Value::Null;
        other[0]["image"] = json!(1);
        assert_ne!(complaints(&format!("command/{command}.json"), &other), [""; 0], "a schema that takes anything");
    }
    assert_eq!(
        seen.iter().map(String::as_str).collect::<Vec<_>>(),
        [
            "config_db/CONTAINER_IMAGE",
            "config_db/CONTAINER_IMAGE_FEATURE",
            "config_db/FEATURE",
            "config_db/KUBERNETES_MASTER",
            "config_db/LOGGER",
            "state_db/CONTAINER_IMAGE",
            "state_db/CONTAINER_IMAGE_HISTORY",
            "state_db/FEATURE",
            "state_db/KUBERNETES_MASTER",
        ]
    );
}
