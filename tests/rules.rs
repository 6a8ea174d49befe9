//! docs/rules.md names functions and tests that exist.

#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::fs;
use std::path::Path;

#[test]
fn every_function_and_test_that_it_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/rules.md")).expect("the page is there");
    let mut named = 0;
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        // [function](../path/to/file.rs)
        for link in line.split('[').skip(1) {
            let (name, rest) = link.split_once("](").expect("a link");
            let (path, _) = rest.split_once(')').expect("a link");
            let Some(path) = path.strip_prefix("../").filter(|path| path.ends_with(".rs")) else { continue };
            let code = fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
            let is_there = code.contains(&format!("fn {name}(")) || code.contains(&format!("fn {name}<"));
            assert!(is_there, "{path} has no function {name}");
            named += 1;
        }
    }
    assert!(named > 100, "{named}");
}
