//! The schemas, the example and the documents as they are in the repository.

use serde_json::{Value, json};

use crate::{judges, translation, yanglint};

#[test]
fn the_example_is_good() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/example.config_db.json");
    let example: Value = std::fs::read_to_string(path).expect("the example").parse().expect("JSON");
    assert_eq!(judges::yang(&example), Ok(()));
    assert_eq!(judges::agent(&example), Ok(()));
    assert_eq!(judges::schema(&example), Ok(()));
    for table in ["CONTAINER_IMAGE", "CONTAINER_IMAGE_FEATURE", "FEATURE", "LOGGER"] {
        assert!(example[table].is_object(), "the example has {table}");
    }
}

#[test]
fn global_has_the_defaults_that_depend_on_no_file_and_a_feature_has_none() {
    let fragment = json!({
        "FEATURE": {"snmp": {}}, "CONTAINER_IMAGE": {"GLOBAL": {}}, "CONTAINER_IMAGE_FEATURE": {"snmp": {}}
    });
    let data = yanglint::with_defaults(&translation::to_yang(&fragment).expect("a translation"));
    let of_module = &data["sonic-container-image:sonic-container-image"];
    assert_eq!(
        of_module["CONTAINER_IMAGE"]["GLOBAL"],
        json!({"state": "enabled", "keep_versions": 2, "cleanup": "enabled"})
    );
    assert_eq!(of_module["CONTAINER_IMAGE_FEATURE"]["CONTAINER_IMAGE_FEATURE_LIST"], json!([{"feature": "snmp"}]));
}

/// Only where the schemas are compiled in: `scripts/test.sh` sees to that.
#[cfg(feature = "generate")]
#[test]
fn the_schemas_are_up_to_date() {
    use std::collections::BTreeMap;
    use std::path::Path;

    fn collect(folder: &Path, prefix: &str, found: &mut BTreeMap<String, Value>) {
        for file in std::fs::read_dir(folder).expect("a folder") {
            let file = file.expect("a file");
            let name = format!("{prefix}{}", file.file_name().to_string_lossy());
            if file.path().is_dir() {
                collect(&file.path(), &format!("{name}/"), found);
            } else if name.ends_with(".json") && name != "example.config_db.json" {
                let text = std::fs::read_to_string(file.path()).expect("a text");
                found.insert(name, text.parse().expect("JSON"));
            }
        }
    }
    let mut files = BTreeMap::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("schema"), "", &mut files);
    let documents = imgmgrd::schema::documents();
    let names = |documents: &BTreeMap<String, Value>| documents.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&files), names(&documents), "the files in schema/: run `make generate`");
    let stale: Vec<_> = files.iter().filter(|(path, file)| documents[*path] != **file).map(|(path, _)| path).collect();
    assert!(stale.is_empty(), "out of date in schema/: {stale:?}: run `make generate`");
}
