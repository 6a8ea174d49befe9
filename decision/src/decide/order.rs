//! What comes of an operator's order, and what people are told of it.

use std::collections::BTreeSet;
use std::fmt;

use super::memory::UnitMemory;
use super::promotion;
use super::report::{Reason, list};
use super::takeover::{Assessment, Standing};
use crate::domain::Version;

/// What comes of an operator's order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderOutcome {
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

impl fmt::Display for OrderOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(obeyed) => obeyed.fmt(f),
            Self::AlreadySo(obeyed) => write!(f, "already {obeyed}"),
            Self::Refused(reason) => reason.fmt(f),
        }
    }
}

/// What an operator is told who asks for a promotion when none is due.
pub(super) fn nothing_to_promote(members: &[&Assessment<'_>], unit: &UnitMemory) -> OrderOutcome {
    let done = unit.promoted.as_ref();
    match members.iter().find(|member| !promotion::covers(done, member)).map(|member| &member.standing) {
        Some(Standing::Local(reason) | Standing::No(reason) | Standing::Unknown(reason)) => {
            OrderOutcome::Refused(reason.clone())
        }
        Some(Standing::Stands { .. }) => OrderOutcome::Refused(Reason::PromotionDue),
        None => done.map_or(OrderOutcome::Refused(Reason::NothingPromoted), |done| {
            OrderOutcome::AlreadySo(promoted(&done.version))
        }),
    }
}

/// A promotion by order, for people.
pub(super) fn promoted(version: &Version) -> Obeyed {
    Obeyed { version: version.clone(), rolled_back_from: None, still_running: BTreeSet::new() }
}
