//! The last good policy: a bad value in CONFIG_DB does not end what held before, not even by a restart.

use std::io;

use super::directory::StateDirectory;
use super::file::{self, Durability};
use crate::policy_rows::PolicyRows;

const POLICY: &str = "policy.json";

/// What is remembered of it.
#[derive(Debug)]
pub struct LastPolicy {
    directory: StateDirectory,
    good: PolicyRows,
}

impl LastPolicy {
    /// Reads what was remembered.
    #[must_use]
    pub fn load(directory: StateDirectory) -> Self {
        let good = file::read(&directory, POLICY).unwrap_or_default();
        Self { directory, good }
    }

    /// The good values.
    #[must_use]
    pub fn good(&self) -> &PolicyRows {
        &self.good
    }

    /// Remembers these, if they are others.
    ///
    /// # Errors
    /// If they cannot be written. They are not tried again: the next change brings all of them.
    pub fn save(&mut self, good: PolicyRows) -> io::Result<()> {
        if good == self.good {
            return Ok(());
        }
        self.good = good;
        file::write(&self.directory, POLICY, &self.good, Durability::Cached)
    }
}
