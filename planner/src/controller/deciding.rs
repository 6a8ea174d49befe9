//! When what is decided on: everything, or one group that was just read again; and what of it is taken over.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::event::Effect;
use super::group::GroupState;
use super::state::Controller;
use crate::domain::{Age, Base};
use crate::{Decision, Mark, Memory, Now, Report, decide_checked, decide_group};

impl Controller {
    /// Decides on everything. What fallback depends on stays as it is for a group that is in the middle of something, or is
    /// about to be: it is decided on again by itself, when it was read again. What was observed of it is remembered at once:
    /// a takeover that is remembered without its images would make them newer than itself after a crash.
    pub(super) fn decide(&mut self, now: Duration) {
        self.is_stale = false;
        self.decided_at = now;
        let ages = self.ages(self.stamps.keys(), now);
        let (Decision { plan, report, mut memory }, violations) =
            decide_checked(&self.snapshot, &self.memory, &self.policy, &ages);
        for (base, violation) in &violations {
            self.tell_violation(base, violation.to_string());
        }
        self.violations.retain(|base, _| violations.contains_key(base));
        self.plan = plan;
        let left: BTreeSet<Base> =
            report.groups.keys().filter(|base| self.is_to_be_decided_alone(base)).cloned().collect();
        let mut report = report;
        for base in left {
            let known = self.memory.groups.get(&base);
            if let Some(group) = memory.groups.get_mut(&base) {
                group.set_durable(known);
                group.error = known.and_then(|known| known.error.clone());
            }
            if let Some(told) = report.groups.get_mut(&base) {
                told.settled = None;
            }
        }
        let idle = self.groups.iter().filter(|(_, group)| group.state == GroupState::Idle);
        let idle: Vec<Base> = idle.map(|(base, _)| base.clone()).collect();
        let is_seen = self.newer.is_empty();
        idle.iter().for_each(|base| self.plan_group(base, is_seen, now));
        self.adopt(memory, report, None, now);
    }

    fn tell_violation(&mut self, base: &Base, violation: String) {
        if self.violations.get(base) != Some(&violation) {
            self.effects.push(Effect::Refused { base: base.clone(), violation: violation.clone() });
            self.violations.insert(base.clone(), violation);
        }
    }

    /// Decides on one group, which was just read again.
    pub(super) fn decide_alone(&mut self, base: &Base, now: Duration) {
        let marks = self.memory.marks_of(base, &self.report);
        let ages = self.ages(marks.iter(), now);
        let (Decision { mut plan, report, memory }, violation) =
            decide_group(base, &self.snapshot, &self.memory, &self.policy, &ages);
        match violation {
            Some(violation) => self.tell_violation(base, violation.to_string()),
            None => drop(self.violations.remove(base)),
        }
        match plan.groups.remove(base) {
            Some(actions) => self.plan.groups.insert(base.clone(), actions),
            None => self.plan.groups.remove(base),
        };
        // An instance that is no longer this group's is some other's.
        self.is_stale |= !self.report.instances_of(base).map(|(instance, _)| instance).eq(report.instances.keys());
        self.adopt(memory, report, Some(base), now);
    }

    /// Takes over what a decision found and remembers: of one group, or of all.
    fn adopt(&mut self, memory: Memory, report: Report, group: Option<&Base>, now: Duration) {
        if report.has_news() {
            self.effects.push(Effect::Found(Arc::new(report.clone())));
        }
        match group {
            Some(base) => Arc::make_mut(&mut self.report).replace(base, report),
            None => self.report = Arc::new(report),
        }
        self.publishing.is_due = true;
        if memory == self.memory {
            return;
        }
        let marks = |memory: &Memory| group.map_or_else(|| memory.marks(), |base| memory.marks_of(base, &self.report));
        let (before, after) = (marks(&self.memory), marks(&memory));
        if before != after {
            let stamp = up_to_milliseconds(now);
            self.stamps.retain(|mark, _| after.contains(mark) || !before.contains(mark));
            // What was there before without a stamp is from an earlier boot, and stays old.
            self.stamps.extend(after.difference(&before).map(|mark| (mark.clone(), stamp)));
        }
        self.memory = memory;
        self.are_marks_saved = false;
        if self.saving.retry.waits(now) {
            self.forget_unsaved();
        }
    }

    /// The ages of these marks.
    fn ages<'a>(&self, marks: impl Iterator<Item = &'a Mark>, now: Duration) -> Now {
        let age = |stamp: &Duration| Age::from_seconds(now.saturating_sub(*stamp).as_secs());
        marks.filter_map(|mark| Some((mark.clone(), age(self.stamps.get(mark)?)))).collect()
    }
}

/// Rounded up, so that nothing comes of age early, and the same in the process as on the disk.
fn up_to_milliseconds(time: Duration) -> Duration {
    let milliseconds = time.as_nanos().div_ceil(1_000_000);
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX))
}
