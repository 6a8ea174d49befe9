//! Holds rows and answers to the JSON Schemas in `schema/`.

use std::path::Path;

use serde_json::Value;

/// The schema in `schema/<path>`.
#[must_use]
pub fn read(path: &str) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema").join(path);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// What `schema/<path>` finds wrong with a value: nothing, if it is valid.
#[must_use]
pub fn complaints(path: &str, value: &Value) -> Vec<String> {
    let validator = jsonschema::draft202012::new(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Panics unless the value is valid by `schema/<path>`.
#[track_caller]
pub fn assert_valid(path: &str, value: &Value) {
    assert_eq!(complaints(path, value), [""; 0], "by schema/{path}: {value:#}");
}
