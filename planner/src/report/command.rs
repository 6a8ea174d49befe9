//! What came of what an operator asked for.

use std::collections::BTreeSet;
use std::fmt;

use super::reason::{Reason, list};
use crate::domain::Version;

/// What comes of an operator's order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommandResult {
    /// It is taken up: this is so when the plan is carried out.
    Accepted(Obeyed),
    /// This is so already, and nothing is left to be done.
    AlreadySo(Obeyed),
    /// It cannot be.
    Refused(Reason),
}

/// An order that is obeyed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Obeyed {
    /// The version that `latest` is.
    pub version: Version,
    /// The version that was rolled back from; none for a promotion.
    pub rolled_back_from: Option<Version>,
    /// The local containers that still run another image. A rollback has each removed once it stops.
    pub still_running: BTreeSet<String>,
}

impl fmt::Display for Obeyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rolled_back_from {
            Some(from) => write!(f, "rolled back from {from} to {}", self.version)?,
            None => write!(f, "promoted {}", self.version)?,
        }
        if self.still_running.is_empty() {
            return Ok(());
        }
        let from = self.rolled_back_from.as_ref().map_or_else(|| "another version".to_owned(), ToString::to_string);
        write!(f, "; the local container {} still runs {from}, and is removed when it stops", list(&self.still_running))
    }
}

impl fmt::Display for CommandResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(obeyed) => obeyed.fmt(f),
            Self::AlreadySo(obeyed) => write!(f, "already {obeyed}"),
            Self::Refused(reason) => reason.fmt(f),
        }
    }
}
