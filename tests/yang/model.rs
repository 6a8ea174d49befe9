//! What the translation has to know of a model: its tables, and which leaves are numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use crate::yanglint;

/// A table of CONFIG_DB in a model.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// The module, whose top-level container has its name.
    pub(crate) module: String,
    /// The list and its key, if the table is one; else its rows are containers.
    pub(crate) list: Option<(String, String)>,
    /// The leaves of which YANG's JSON has numbers.
    pub(crate) numbers: BTreeSet<String>,
}

/// The tables of the models, by name.
pub(crate) fn tables() -> &'static BTreeMap<String, Table> {
    static TABLES: OnceLock<BTreeMap<String, Table>> = OnceLock::new();
    TABLES.get_or_init(|| {
        [yanglint::MODEL, yanglint::FEATURE].iter().flat_map(|path| read(&yanglint::tree(path))).collect()
    })
}

/// Reads a tree as yanglint draws it (RFC 8340): one node a line, indented by three columns a level.
fn read(tree: &str) -> BTreeMap<String, Table> {
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    let (mut module, mut table) = (String::new(), String::new());
    for line in tree.lines() {
        let Some((indent, node)) = line.split_once("+--rw ") else { continue };
        let mut words = node.split_whitespace();
        let name = words.next().expect("a name").trim_end_matches(['?', '*']).to_owned();
        match indent.chars().count() / 3 {
            0 => module = name,
            1 => {
                table.clone_from(&name);
                tables.insert(name, Table { module: module.clone(), ..Table::default() });
            }
            depth => {
                let of_table = tables.get_mut(&table).expect("its table");
                let kind = words.next();
                if let Some(key) = kind.and_then(|kind| kind.strip_prefix('[')?.strip_suffix(']')) {
                    assert_eq!((depth, &name), (2, &format!("{table}_LIST")), "a list is named like its table");
                    of_table.list = Some((name, key.to_owned()));
                } else if kind.is_some_and(|kind| kind.contains("uint")) {
                    of_table.numbers.insert(name);
                }
            }
        }
    }
    tables
}

#[test]
fn the_models_are_understood() {
    let tables = tables();
    assert_eq!(tables.keys().collect::<Vec<_>>(), ["CONTAINER_IMAGE", "CONTAINER_IMAGE_FEATURE", "FEATURE"]);
    let list = |table: &str| tables[table].list.as_ref().map(|(list, key)| (list.as_str(), key.as_str()));
    assert_eq!(list("CONTAINER_IMAGE"), None);
    assert_eq!(list("CONTAINER_IMAGE_FEATURE"), Some(("CONTAINER_IMAGE_FEATURE_LIST", "feature")));
    assert_eq!(list("FEATURE"), Some(("FEATURE_LIST", "name")));
    for table in ["CONTAINER_IMAGE", "CONTAINER_IMAGE_FEATURE"] {
        assert_eq!(tables[table].module, "sonic-container-image", "the top-level container is named like the module");
        assert_eq!(tables[table].numbers.iter().collect::<Vec<_>>(), ["keep_versions", "stable_time"]);
    }
}
