//! Reading an answer field by field: one that is not understood says so, and spoils no other.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::splitter::Entry;

/// A field of an answer, whatever it holds. One that is `null` is the same as one that is missing.
pub(super) type Field<'a> = Option<&'a RawValue>;

/// Reads fields, and remembers whether each was what it should be.
#[derive(Debug)]
pub(super) struct Fields {
    are_known: bool,
}

impl Fields {
    /// Those of a whole answer.
    pub(super) fn new() -> Self {
        Self { are_known: true }
    }

    /// Those of an entry, of which something may be missing.
    pub(super) fn of(entry: Entry<'_>) -> Self {
        Self { are_known: !entry.is_cut }
    }

    /// Whether every field that was read was what it should be.
    pub(super) fn are_known(&self) -> bool {
        self.are_known
    }

    /// A field's value; none if it is missing or not understood.
    pub(super) fn read<'a, T: Deserialize<'a>>(&mut self, field: Field<'a>) -> Option<T> {
        let value = field.map(|field| serde_json::from_str(field.get())).transpose();
        self.known(value.ok()).flatten()
    }

    /// What a text stands for; none if it is missing, empty or not understood.
    pub(super) fn word<T>(&mut self, field: Field<'_>, meaning: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text: String = self.read(field).filter(|text: &String| !text.is_empty())?;
        self.known(meaning(&text))
    }

    fn known<T>(&mut self, value: Option<T>) -> Option<T> {
        self.are_known &= value.is_some();
        value
    }
}
