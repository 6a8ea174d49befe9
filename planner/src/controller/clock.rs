//! For a model, whose clock stands still: times are moved back instead, and what no rule tells apart takes the same form.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::group::Asked;
use super::retry::Retry;
use super::state::Controller;
use crate::Reason;

impl Controller {
    /// Moves all times back, as if the clock had gone on by so much. What is older than `oldest` is all the same.
    pub fn pass(&mut self, time: Duration, oldest: Duration) {
        let earlier = |at: &mut Duration| *at = at.saturating_sub(time).max(oldest);
        self.stamps.values_mut().for_each(earlier);
        self.stamps.retain(|_, stamp| *stamp > oldest);
        self.retries().filter_map(Retry::time).for_each(earlier);
        self.instants().for_each(|(at, _)| earlier(at));
    }

    /// Gives times that are not told apart the same form: of instants counts their order, and of what is under way whether
    /// it has been so for long; of a pause that is over, that it is; of ages whole seconds. `others` are instants of whoever
    /// drives this controller.
    pub fn settle_times<'a>(
        &'a mut self,
        others: impl IntoIterator<Item = &'a mut Duration>,
        now: Duration,
        long: Duration,
    ) {
        self.forget_reasons();
        self.stamps.values_mut().for_each(|stamp| *stamp = Duration::from_secs(stamp.as_secs()));
        for due in self.retries().filter_map(Retry::time) {
            *due = Duration::from_millis(u64::try_from(due.as_millis()).unwrap_or(u64::MAX)).max(now);
        }
        let mut instants: Vec<_> = self.instants().chain(others.into_iter().map(|at| (at, false))).collect();
        instants.sort_by_key(|(at, _)| **at);
        let is_old = |at: Duration| at + long <= now;
        let mut old = instants.iter().rposition(|(at, is_since)| *is_since && is_old(**at)).map_or(0, |last| last + 1);
        // What is at the same time stays so.
        while old > 0
            && instants.get(old).is_some_and(|(at, _)| instants.get(old - 1).is_some_and(|(last, _)| *at == *last))
        {
            old += 1;
        }
        let distinct: BTreeSet<Duration> = instants.iter().map(|(at, _)| **at).collect();
        let mut rank = u64::try_from(distinct.len()).unwrap_or(u64::MAX);
        let mut before = None;
        for (number, (at, _)) in instants.iter_mut().enumerate() {
            if before.replace(**at).is_some_and(|before| before < **at) {
                rank -= 1;
            }
            let age = if number < old { long } else { Duration::ZERO };
            **at = now.saturating_sub(age + Duration::from_nanos(rank));
        }
    }

    /// Whether every command that is not answered was decided on, and is remembered.
    pub fn has_taken_commands(&self) -> bool {
        !self.groups.values().any(|group| matches!(group.command, Some(Asked::Pending(_))))
    }

    /// Forgets what the report says to people only: how old things were when it was made, among others.
    fn forget_reasons(&mut self) {
        let report = Arc::make_mut(&mut self.report);
        for told in report.instances.values_mut() {
            (told.observing, told.ended, told.reason) = (None, None, Reason::Promoted);
        }
        for group in report.groups.values_mut() {
            (group.clean_up_waits, group.settled) = (None, None);
            group.images.clear();
        }
    }

    fn retries(&mut self) -> impl Iterator<Item = &mut Retry> {
        let groups = self.groups.values_mut().map(|group| &mut group.retry);
        groups.chain([&mut self.saving.retry, &mut self.publishing.retry])
    }

    /// Every moment at which something has happened, and whether something is under way since then.
    fn instants(&mut self) -> impl Iterator<Item = (&mut Duration, bool)> {
        let under_way = self.groups.values_mut().filter_map(|group| group.since_mut()).map(|at| (at, true));
        let others = self.newer.times().chain(&mut self.lists_asked);
        under_way.chain(others.chain([&mut self.decided_at, &mut self.snapshot_began]).map(|at| (at, false)))
    }
}
