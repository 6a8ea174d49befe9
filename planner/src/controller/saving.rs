//! What has to be remembered is on the disk before anything is done that rests on it.

use std::time::Duration;

use super::event::Effect;
use super::group::{Asked, GroupState};
use super::state::Controller;
use crate::GroupMemory;
use crate::domain::Base;

impl Controller {
    /// What could not be saved is not remembered: what is done then rests on what was saved last.
    pub(super) fn forget_unsaved(&mut self) {
        for (base, group) in &mut self.memory.groups {
            group.set_durable(self.saved.get(base));
        }
        for (base, saved) in &self.saved {
            self.memory.groups.entry(base.clone()).or_insert_with(|| saved.clone());
        }
    }

    fn is_saved(&self) -> bool {
        let nothing = GroupMemory::default();
        let kept = |(_, group): &(&Base, &GroupMemory)| !group.is_same_durable(&nothing);
        let mut saved = self.saved.iter().filter(kept);
        let mut is_saved = |(base, group): (&Base, &GroupMemory)| {
            saved.next().is_some_and(|(other, saved)| other == base && saved.is_same_durable(group))
        };
        self.memory.groups.iter().filter(kept).all(&mut is_saved) && saved.next().is_none()
    }

    /// Saves before anything is done that has to be remembered, and tries again what could not be saved.
    pub(super) fn begin_saving(&mut self, now: Duration) {
        let is_due = if self.saving.retry.has_failed() { !self.saving.retry.waits(now) } else { !self.is_saved() };
        if is_due && !self.saving.is_under_way {
            self.saving.is_under_way = true;
            self.effects.push(Effect::Save);
        }
        if !self.saving.is_under_way {
            self.begin_decided();
        }
    }

    pub(super) fn saved(&mut self, result: Result<(), String>, now: Duration) {
        self.saving.is_under_way = false;
        match result {
            Ok(()) => {
                self.saving.retry.worked();
                self.is_stale |= std::mem::take(&mut self.snapshot.memory_unsaved);
                self.saved = self.memory.groups.iter().map(|(base, group)| (base.clone(), group.durable())).collect();
                self.begin_decided();
            }
            Err(_) => {
                self.saving.retry.failed("save", Duration::MAX, now);
                self.snapshot.memory_unsaved = true;
                self.forget_unsaved();
                // What was decided on has to be decided on again, without what cannot be remembered.
                for group in self.groups.values_mut() {
                    if matches!(group.state, GroupState::Decided { .. }) {
                        group.state = GroupState::Idle;
                    }
                    if let Some(Asked::Taken(id, _)) = group.command {
                        group.command = Some(Asked::Pending(id));
                    }
                }
                self.is_stale = true;
            }
        }
    }
}
