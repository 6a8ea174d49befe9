//! What the documents show is good, and true.

use std::io::Write;
use std::path::Path;

use imgmgrd::config::files::{RemoteCtrConfig, read_remote_ctr_config};
use imgmgrd::config::policy::{PolicyReader, PolicyRows};
use imgmgrd::config::settings::{Overrides, Settings};
use serde_json::{Value, json};

use crate::judges;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a document")
}

/// The blocks of a language in a document.
fn blocks(path: &str, language: &str) -> Vec<String> {
    let text = read(path);
    let begin = format!("```{language}\n");
    text.split(&begin).skip(1).map(|rest| rest.split("```").next().expect("its end").to_owned()).collect()
}

fn file(content: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(content.as_bytes()).expect("it is written");
    file
}

#[test]
fn examples_of_config_db_are_good() {
    let mut found = 0;
    for path in ["README.md", "docs/configuration.md"] {
        for block in blocks(path, "json") {
            let mut example: Value = block.parse().unwrap_or_else(|error| panic!("{path}: {error}: {block}"));
            if example.get("CONTAINER_IMAGE").is_none() && example.get("CONTAINER_IMAGE_FEATURE").is_none() {
                continue;
            }
            // What an example leaves out is on the switch already.
            let features = example["CONTAINER_IMAGE_FEATURE"].as_object().cloned().unwrap_or_default();
            let features = features.into_iter().map(|(feature, _)| (feature, json!({})));
            let example = example.as_object_mut().expect("tables");
            example.retain(|_, rows| !rows.is_null());
            example.entry("FEATURE").or_insert_with(|| Value::Object(features.collect()));
            let example = Value::Object(example.clone());
            assert_eq!((judges::yang(&example), judges::agent(&example)), (Ok(()), Ok(())), "{path}: {example}");
            assert_eq!(judges::schema(&example), Ok(()), "{path}: {example}");
            found += 1;
        }
    }
    assert!(found >= 3, "{found}");
}

#[test]
fn the_settings_file_shown_is_the_defaults() {
    let [toml] = &blocks("docs/configuration.md", "toml")[..] else { panic!("one settings file") };
    let load = |overrides: &Overrides| Settings::from_sources(overrides, Path::new("/nonexistent"), []);
    let file = file(toml);
    let config = Some(file.path().to_owned());
    let shown = load(&Overrides { config, ..Overrides::default() }).expect("good settings");
    assert_eq!(shown, load(&Overrides::default()).expect("defaults"));
    let keys = toml.lines().filter(|line| line.contains(" = ")).count();
    let text = read("docs/configuration.md");
    assert_eq!((keys, text.matches("`IMGMGRD__").count()), (7, 7), "each key is shown and explained");
}

#[test]
fn the_remote_ctr_config_shown_is_taken() {
    let blocks = blocks("docs/configuration.md", "json");
    let shown = blocks.iter().find(|block| block.contains("retry_tag_latest_seconds")).expect("it is shown");
    let file = file(shown);
    let loaded = read_remote_ctr_config(file.path());
    assert_eq!((loaded.refused.len(), loaded.absence), (0, None));
    assert_eq!(loaded.value.stable_time.seconds(), 600);
    assert_eq!((loaded.value.promotion_retry.as_secs(), loaded.value.clean_up_retry.as_secs()), (30, 60));
}

#[test]
fn the_refusals_shown_are_those_of_the_log() {
    let mut reader = PolicyReader::new(&RemoteCtrConfig::default());
    let rows = |fields: &[(&str, &str, &str)]| {
        let row = |(key, field, value): &(&str, &str, &str)| {
            ((*key).to_owned(), [((*field).to_owned(), (*value).to_owned())].into())
        };
        PolicyRows::from_keys(fields.iter().map(row).collect())
    };
    let feature = "CONTAINER_IMAGE_FEATURE|snmp";
    let _ = reader.read(&rows(&[(feature, "keep_versions", "3")]));
    let _ = reader.read(&rows(&[(feature, "keep_versions", "99"), ("CONTAINER_IMAGE|GLOBAL", "pin", "1")]));
    let said: String = reader.refusals().iter().map(|refusal| format!("{refusal}\n")).collect();
    assert_eq!(blocks("docs/configuration.md", "text"), [said]);
}
