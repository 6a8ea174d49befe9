//! Words that several reasons share.

use std::collections::BTreeSet;
use std::fmt::Display;

use crate::domain::Namespace;

/// The value, or that there is none.
pub(super) fn or_absent<T: Display>(value: Option<&T>) -> String {
    value.map_or_else(|| "absent".to_owned(), ToString::to_string)
}

/// All of them, separated by commas.
pub(super) fn list<T: Display>(items: &BTreeSet<T>) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// That a namespace's database cannot be read.
pub(super) fn unreadable(namespace: Namespace) -> String {
    match namespace {
        Namespace::Host => "the host's database cannot be read".to_owned(),
        Namespace::Asic(_) => format!("the database of {namespace} cannot be read"),
    }
}
