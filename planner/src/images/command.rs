//! What comes of an operator's order, and what people are told of it.

use std::collections::BTreeSet;

use super::promotion;
use crate::domain::Version;
use crate::report::{CommandResult, Obeyed, Reason};
use crate::snapshot::GroupMemory;
use crate::takeover::{InstanceStatus, TakeoverStatus};

/// What an operator is told who asks for a promotion when none is due.
pub(crate) fn nothing_to_promote(members: &[&InstanceStatus<'_>], group: &GroupMemory) -> CommandResult {
    let done = group.promoted.as_ref();
    match members.iter().find(|member| !promotion::covers(done, member)).map(|member| &member.takeover_status) {
        Some(TakeoverStatus::Local(reason) | TakeoverStatus::No(reason) | TakeoverStatus::Unknown(reason)) => {
            CommandResult::Refused(reason.clone())
        }
        Some(TakeoverStatus::Stands { .. }) => CommandResult::Refused(Reason::PromotionDue),
        None => done.map_or(CommandResult::Refused(Reason::NothingPromoted), |done| {
            CommandResult::AlreadySo(promoted(&done.version))
        }),
    }
}

/// A promotion by order, for people.
pub(crate) fn promoted(version: &Version) -> Obeyed {
    Obeyed { version: version.clone(), rolled_back_from: None, still_running: BTreeSet::new() }
}
