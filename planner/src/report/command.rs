//! What came of what an operator asked for.

use std::collections::BTreeSet;
use std::fmt;

use derive_more::{Display, From};

use super::gate::Gate;
use super::reason::Reason;
use super::words::list;
use crate::domain::Version;

/// What comes of an operator's order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommandResult {
    /// It is taken up: this is so when the plan is carried out.
    Accepted(Obeyed),
    /// This is so already, and nothing is left to be done.
    AlreadySo(Obeyed),
    /// It cannot be.
    Refused(CommandRefusal),
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display, From)]
pub enum CommandRefusal {
    /// A gate forbids it.
    Gate(Gate),
    /// There is no takeover to promote: this is why an instance has its stability.
    NoTakeover(Reason),
    /// `latest` is not the version that is to be rolled back from.
    #[display("latest is {}, not {from}", latest.as_ref().map_or_else(|| "gone".to_owned(), ToString::to_string))]
    LatestIsNot {
        /// What is to be rolled back from.
        from: Version,
        /// What `latest` is.
        latest: Option<Version>,
    },
    /// There is no version to roll back to: the one that was promoted before, if any, is not on the disk.
    #[display("{}", no_last_version(_0.as_ref()))]
    NoLastVersion(Option<Version>),
}

fn no_last_version(last: Option<&Version>) -> String {
    last.map_or_else(
        || "no other version was promoted before".to_owned(),
        |last| format!("the last version, {last}, is not on the disk; deploy it through Kubernetes to have it back"),
    )
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

impl Obeyed {
    /// `latest` is this version because it was promoted.
    pub(crate) fn promoted(version: Version) -> Self {
        Self { version, rolled_back_from: None, still_running: BTreeSet::new() }
    }
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
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}
