//! What is being done about one group.

use std::collections::BTreeSet;
use std::time::Duration;

use super::retry::Retry;
use crate::domain::Base;
use crate::{Action, CommandResult, Step};

/// A group about which something is done, or was tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Group {
    /// What is being done.
    pub(super) state: GroupState,
    /// What an operator asked for and was not answered yet.
    pub(super) command: Option<Asked>,
    /// When to try again.
    pub(super) retry: Retry,
    /// It could not be read again: nothing of it is done until the next try.
    pub(super) is_blocked: bool,
    /// The actions that did not succeed, or had no effect: not before the next try.
    deferred: BTreeSet<Action>,
    /// The action that was done last. If it is planned again, it had no effect.
    done: Option<Action>,
}

/// What is being done about a group. One action at a time: read again, decide, save, act, and read again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum GroupState {
    /// Nothing is under way.
    #[default]
    Idle,
    /// What its next action rests on is being read again.
    Reading {
        /// When the reading was asked for, on the boot-time clock.
        asked: Duration,
        /// Which kind of action may follow it.
        lane: Lane,
    },
    /// The action is decided on; what has to be remembered of it is to be saved first.
    Decided {
        /// The action that was decided on.
        action: Action,
        /// Since when something is being done.
        since: Duration,
    },
    /// A step is under way.
    Acting {
        /// The action that was decided on.
        action: Action,
        /// How many of its steps are done, and how many bytes they gave back.
        done: usize,
        /// The bytes that these steps gave back.
        reclaimed: u64,
        /// Since when something is being done.
        since: Duration,
    },
    /// A step has failed, or the world was not as planned: nothing is known for sure until the engine's lists were asked
    /// for after this moment.
    Settling {
        /// When the step ended, on the boot-time clock.
        since: Duration,
    },
}

/// Promotions never wait for removals of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// Steps 1 to 3 of a promotion, and what is as urgent: as many groups at once as there are.
    Promotion,
    /// Step 4, clean-up: a few groups at once, when no promotion is due.
    Removal,
}

/// How far a command is with a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Asked {
    /// The next decision of the group is about it.
    Pending(u64),
    /// It was decided on, with this outcome, and is remembered: it is done when no promotion is left to do.
    Taken(u64, CommandResult),
}

impl Asked {
    /// The number under which the command was given.
    pub(super) fn id(&self) -> u64 {
        match self {
            Self::Pending(id) | Self::Taken(id, _) => *id,
        }
    }
}

/// The lane of an action.
pub(super) fn lane(action: &Action) -> Lane {
    if action.purpose.is_removal() { Lane::Removal } else { Lane::Promotion }
}

impl GroupState {
    /// Whether the group is in the middle of something, and in which lane.
    pub(super) fn lane(&self) -> Option<Lane> {
        match self {
            Self::Idle | Self::Settling { .. } => None,
            Self::Reading { lane, .. } => Some(*lane),
            Self::Decided { action, .. } | Self::Acting { action, .. } => Some(lane(action)),
        }
    }

    /// Since when it is in the middle of something.
    pub(super) fn since(&self) -> Option<Duration> {
        match self {
            Self::Idle | Self::Settling { .. } => None,
            Self::Reading { asked: since, .. } | Self::Decided { since, .. } | Self::Acting { since, .. } => {
                Some(*since)
            }
        }
    }

    /// The action that is decided on or carried out.
    pub(super) fn action(&self) -> Option<&Action> {
        match self {
            Self::Idle | Self::Settling { .. } | Self::Reading { .. } => None,
            Self::Decided { action, .. } | Self::Acting { action, .. } => Some(action),
        }
    }

    /// The step under way.
    pub(super) fn step(&self) -> Option<&Step> {
        match self {
            Self::Acting { action, done, .. } => action.steps.get(*done),
            _ => None,
        }
    }
}

impl Group {
    /// The next action that may be done now. One that others of the group depend on is not passed over.
    pub(super) fn next<'a>(&self, actions: &'a [Action]) -> Option<&'a Action> {
        if self.is_blocked {
            return None;
        }
        let is_put_off = |action: &Action| self.deferred.contains(action);
        let required = actions.iter().position(|action| is_put_off(action) && action.purpose.is_required());
        actions.iter().take(required.unwrap_or(actions.len())).find(|action| !is_put_off(action))
    }

    /// These are the actions that a new decision asks for. Whether the one that was done last had no effect, which only
    /// what was read after it tells.
    pub(super) fn planned(
        &mut self,
        actions: &[Action],
        is_seen: bool,
        who: &Base,
        longest: Duration,
        now: Duration,
    ) -> bool {
        self.deferred.retain(|action| actions.contains(action));
        if !is_seen {
            return false;
        }
        match self.done.take() {
            Some(done) if actions.contains(&done) => {
                self.put_off(done, who, longest, now);
                return true;
            }
            Some(_) if self.deferred.is_empty() && !self.is_blocked => self.retry.worked(),
            _ if actions.is_empty() && !self.is_blocked => self.retry.worked(),
            _ => {}
        }
        false
    }

    /// The action did not succeed.
    pub(super) fn put_off(&mut self, action: Action, who: &Base, longest: Duration, now: Duration) {
        // What fails together with others counts once.
        if !self.retry.waits(now) {
            self.retry.failed(who, longest, now);
        }
        self.deferred.insert(action);
    }

    /// The action is done.
    pub(super) fn done(&mut self, action: Action) {
        self.done = Some(action);
    }

    /// Everything may be tried again.
    pub(super) fn try_again(&mut self) {
        self.retry.over();
        self.is_blocked = false;
        self.deferred.clear();
        self.done = None;
    }

    /// Whether something is waiting for another try.
    pub(super) fn has_failed(&self) -> bool {
        self.retry.has_failed()
    }

    /// Whether there is nothing to know about it.
    pub(super) fn is_at_rest(&self) -> bool {
        *self == Self::default()
    }

    /// Since when it is in the middle of something, to be changed.
    #[cfg(feature = "fixtures")]
    pub(super) fn since_mut(&mut self) -> Option<&mut Duration> {
        match &mut self.state {
            GroupState::Idle => None,
            GroupState::Reading { asked: at, .. }
            | GroupState::Decided { since: at, .. }
            | GroupState::Acting { since: at, .. }
            | GroupState::Settling { since: at } => Some(at),
        }
    }
}
