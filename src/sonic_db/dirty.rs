//! What of a database has changed since it was last read.

use std::collections::HashSet;

/// How many changed keys are told apart; beyond, everything is read again.
const MOST: usize = 4096;

/// The keys of one database that changed.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    everything: bool,
    keys: HashSet<Box<str>>,
}

impl Dirty {
    /// Anything may have changed.
    pub(super) fn everything() -> Self {
        Self { everything: true, keys: HashSet::new() }
    }

    /// One key has changed. A key that is already marked costs no allocation, so a burst on few rows costs none.
    pub(super) fn mark(&mut self, key: &str) {
        if self.everything || self.keys.contains(key) {
            return;
        }
        if self.keys.len() < MOST {
            self.keys.insert(key.into());
        } else {
            self.mark_everything();
        }
    }

    /// Anything may have changed.
    pub(super) fn mark_everything(&mut self) {
        *self = Self::everything();
    }

    /// Adds what another one has marked.
    pub(super) fn merge(&mut self, other: Self) {
        if other.everything {
            self.mark_everything();
        }
        for key in other.keys {
            self.mark(&key);
        }
    }

    /// Whether nothing has changed.
    pub(super) fn is_clean(&self) -> bool {
        !self.everything && self.keys.is_empty()
    }

    /// Whether anything may have changed.
    pub(super) fn is_everything(&self) -> bool {
        self.everything
    }

    /// The keys that have changed, if not everything has.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(AsRef::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded() {
        let mut dirty = Dirty::default();
        for number in 0..MOST {
            dirty.mark(&number.to_string());
            dirty.mark("0");
        }
        assert!(!dirty.is_everything());
        assert_eq!(dirty.keys().count(), MOST);
        dirty.mark("one more");
        assert!(dirty.is_everything());
        assert_eq!(dirty.keys.capacity(), 0);
    }

    #[test]
    fn merging_forgets_nothing() {
        let mut dirty = Dirty::default();
        assert!(dirty.is_clean());
        let mut other = Dirty::default();
        other.mark("a");
        dirty.merge(other);
        assert_eq!(dirty.keys().collect::<Vec<_>>(), ["a"]);
        let mut other = Dirty::default();
        other.mark_everything();
        dirty.merge(other);
        assert!(dirty.is_everything() && !dirty.is_clean());
    }
}
