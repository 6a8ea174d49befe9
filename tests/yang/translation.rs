//! From config_db.json to the JSON of YANG (RFC 7951), as `sonic-yang-mgmt` does it before libyang sees anything.

use serde_json::{Map, Value, json};

use crate::model::{self, Table};

/// The fragment as YANG's JSON, or why a value cannot be translated. Tables without a model are left out.
pub(crate) fn to_yang(fragment: &Value) -> Result<Value, String> {
    let tables = model::tables();
    let mut modules = Map::new();
    for (name, rows) in fragment.as_object().expect("tables") {
        let Some(table) = tables.get(name) else { continue };
        let module = modules.entry(format!("{0}:{0}", table.module)).or_insert_with(|| json!({}));
        module[format!("{}:{name}", table.module)] = to_container(table, rows.as_object().expect("rows"))?;
    }
    Ok(modules.into())
}

/// The rows of a table: entries of a list, else containers.
fn to_container(table: &Table, rows: &Map<String, Value>) -> Result<Value, String> {
    let rows = rows.iter().map(|(key, row)| Ok((key, to_leaves(table, row.as_object().expect("fields"))?)));
    let Some((list, list_key)) = &table.list else {
        let rows = rows.map(|row| row.map(|(key, leaves)| (key.clone(), leaves.into())));
        return Ok(Value::Object(rows.collect::<Result<_, String>>()?));
    };
    let entries = rows.map(|row| {
        row.map(|(key, mut leaves)| {
            leaves.insert(list_key.clone(), key.clone().into());
            Value::Object(leaves)
        })
    });
    Ok(json!({ list: entries.collect::<Result<Vec<_>, String>>()? }))
}

/// The fields of a row. NULL is removed by swsscommon's ConfigDBConnector already.
fn to_leaves(table: &Table, row: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let fields = row.iter().filter(|(name, _)| *name != "NULL");
    fields
        .map(|(name, value)| {
            let text = value.as_str().expect("a string");
            let leaf = if table.numbers.contains(name) {
                integer(text).ok_or_else(|| format!("{name}: no integer: {text:?}"))?.into()
            } else {
                value.clone()
            };
            Ok((name.clone(), leaf))
        })
        .collect()
}

/// What Python's `int(text, 10)` makes of a text, as far as 64 bits go.
fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    // Underscores are allowed between digits, one at a time.
    let is_number = digits.split('_').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    is_number.then(|| text.replace('_', "").parse().ok()).flatten()
}

#[test]
fn integers_are_those_of_python() {
    for (text, number) in [
        ("600", Some(600)),
        ("007", Some(7)),
        ("+1", Some(1)),
        ("-0", Some(0)),
        (" 5\n", Some(5)),
        ("1_000", Some(1000)),
        ("", None),
        ("+", None),
        ("_1", None),
        ("1_", None),
        ("1__0", None),
        ("+-1", None),
        ("1.0", None),
        ("0x1", None),
    ] {
        assert_eq!(integer(text), number, "{text:?}");
    }
}

#[test]
fn tables_become_containers_and_lists() {
    let fragment = json!({
        "PORT": {"Ethernet0": {"lanes": "1"}},
        "FEATURE": {"snmp": {"state": "enabled"}},
        "CONTAINER_IMAGE": {"GLOBAL": {"stable_time": "0600", "NULL": "NULL"}},
        "CONTAINER_IMAGE_FEATURE": {"snmp": {"pin": "600"}},
    });
    let expected = json!({
        "sonic-feature:sonic-feature": {
            "sonic-feature:FEATURE": {"FEATURE_LIST": [{"name": "snmp", "state": "enabled"}]}
        },
        "sonic-container-image:sonic-container-image": {
            "sonic-container-image:CONTAINER_IMAGE": {"GLOBAL": {"stable_time": 600}},
            "sonic-container-image:CONTAINER_IMAGE_FEATURE": {
                "CONTAINER_IMAGE_FEATURE_LIST": [{"feature": "snmp", "pin": "600"}]
            }
        },
    });
    assert_eq!(to_yang(&fragment), Ok(expected));
}
