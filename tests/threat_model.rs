//! What docs/threat-model.md says of the repository itself, and that every test that it names is there.

// Helpers of tests are test code as well, which clippy tells by `#[test]` only: they may panic and start processes.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(REPOSITORY).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What cargo knows of the workspace's own packages.
fn packages() -> Vec<Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(REPOSITORY);
    let output = cargo.output().expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

/// The Rust files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let rust = files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    rust.chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}

#[test]
fn every_line_has_a_test_that_is_there() {
    let document = read("docs/threat-model.md");
    let lines: Vec<&str> =
        document.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| --- ")).collect();
    let (headings, lines): (Vec<&str>, Vec<&str>) = lines.into_iter().partition(|line| line.ends_with("| test |"));
    assert!(headings.len() >= 6 && lines.len() >= 30, "{} tables of {} lines", headings.len(), lines.len());
    for line in lines {
        let tests = line.trim_end_matches(" |").rsplit(" | ").next().expect("a last column");
        let named: Vec<(&str, &str)> = tests
            .split(", ")
            .map(|link| {
                link.strip_prefix('[').and_then(|link| link.strip_suffix(')')).and_then(|link| link.split_once("](../"))
            })
            .collect::<Option<_>>()
            .unwrap_or_else(|| panic!("no links to tests: {line}"));
        for (test, file) in named {
            let content = read(file);
            let is_there = match file {
                // These are made by a macro of the formats' names.
                "fuzz/tests/any_bytes.rs" => content
                    .split("tests! {")
                    .last()
                    .is_some_and(|names| names.split_whitespace().any(|name| name == test)),
                _ if file.ends_with(".rs") => content.contains(&format!("fn {test}(")),
                _ if file.ends_with(".py") => content.contains(&format!("def {test}(")),
                _ => content.contains(&format!("{test}() {{")),
            };
            assert!(is_there, "{file} has no test {test}");
        }
    }
}

#[test]
fn every_crate_forbids_unsafe_code() {
    let packages = packages();
    assert!(packages.len() >= 4, "{} packages", packages.len());
    assert!(read("Cargo.toml").contains("[workspace.lints.rust]\nunsafe_code = \"forbid\"\n"));
    for package in packages {
        let manifest = package["manifest_path"].as_str().expect("a path");
        let content = read(manifest);
        let forbids = ["[lints]\nworkspace = true\n", "[lints.rust]\nunsafe_code = \"forbid\"\n"];
        assert!(forbids.iter().any(|lines| content.contains(lines)), "{manifest} does not forbid unsafe code");
    }
}

#[test]
fn nothing_but_tests_may_spawn_processes() {
    assert!(read("clippy.toml").contains("std::process::Command::new"));
    for folder in ["src", "planner/src"] {
        for file in sources(&Path::new(REPOSITORY).join(folder)) {
            let content = read(&file);
            let product = content.split("#[cfg(test)]").next().unwrap_or_default();
            let is_test = file.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests"));
            assert!(is_test || !product.contains("process::Command"), "{}", file.display());
        }
    }
}

#[test]
fn dependencies_come_from_crates_io() {
    let lock = read("Cargo.lock");
    let mut sources = lock.lines().filter_map(|line| line.strip_prefix("source = "));
    assert!(sources.all(|source| source == "\"registry+https://github.com/rust-lang/crates.io-index\""));
    assert!(lock.matches("\nsource = ").count() > 100);
}
