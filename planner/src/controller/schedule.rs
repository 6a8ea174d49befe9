//! The groups' way from one state to the next, and which of them may go.

use std::collections::BTreeSet;
use std::time::Duration;

use super::event::{Acted, Effect, ReadRequest, Reading};
use super::group::{Group, GroupState, Lane, lane};
use super::newer::{News, Seen};
use super::state::{Controller, Engine};
use crate::StepOutcome;
use crate::domain::{Base, ContainerId, ImageId, Instance, Reference, Value};
use crate::{Action, Purpose, Stamps, Step, Wake};

/// How many groups are cleaned up at once: enough to hide the engine's latency.
const REMOVALS: usize = 4;

/// How long anything that is under way counts as healthy. What takes longer hangs, or removes gigabytes: others neither wait
/// for it nor does it take their place.
const PATIENCE: Duration = Duration::from_secs(5);

impl Controller {
    /// When something is to be done though nothing happens; then [`Event::Wake`](super::Event::Wake) is due.
    #[must_use]
    pub fn next_wake(&self) -> Option<Duration> {
        if self.is_stopping || !self.is_ready() {
            return None;
        }
        let deadlines = self.report.wakes.iter().filter_map(|wake| wake_at(wake, &self.stamps));
        let deadlines = deadlines.filter(|at| *at > self.decided_at);
        let is_planned = |base: &Base| self.plan.groups.contains_key(base);
        let retries = self.groups.iter().filter(|(base, group)| is_planned(base) && group.state == GroupState::Idle);
        let retries = retries.filter_map(|(_, group)| group.retry.due()).filter(|_| self.engine == Engine::Reachable);
        let publishing = self.publishing.retry.due();
        let impatience = self.waits_for_others().then(|| self.groups.values().filter_map(|group| group.state.since()));
        let impatience =
            impatience.into_iter().flatten().map(|since| since + PATIENCE).filter(|at| *at > self.decided_at);
        let all = deadlines.chain(retries).chain(publishing).chain(self.saving.retry.due()).chain(impatience);
        all.min()
    }

    /// A removal that may be done but for what others do.
    fn waits_for_others(&self) -> bool {
        self.engine == Engine::Reachable
            && self.plan.groups.iter().any(|(base, actions)| match self.groups.get(base) {
                None => true,
                Some(group) => group.state == GroupState::Idle && group.next(actions).is_some(),
            })
    }

    /// The groups that are in the middle of a promotion: nothing is published of them until it is done, has failed, or hangs.
    pub fn promoting(&self, now: Duration) -> impl Iterator<Item = &Base> {
        let is_promoting = move |group: &Group| {
            group.state.lane() == Some(Lane::Promotion)
                && group.state.since().is_some_and(|since| now < since + PATIENCE)
        };
        self.groups.iter().filter(move |(_, group)| is_promoting(group)).map(|(base, _)| base)
    }

    /// Why a group cannot take up a command now: it is busy, and has been for long.
    pub(super) fn hangs(&self, base: &Base, now: Duration) -> Option<String> {
        let group = self.groups.get(base)?;
        let since = group.state.since().filter(|since| now >= *since + PATIENCE)?;
        let what =
            group.state.action().map_or_else(|| "reading it again".to_owned(), |action| action.purpose.to_string());
        Some(format!("the agent has waited {} s for the engine ({what}); try again later", (now - since).as_secs()))
    }

    /// What has waited for long enough may be tried again.
    pub(super) fn retry(&mut self, now: Duration) {
        for group in self.groups.values_mut().filter(|group| group.has_failed() && !group.retry.waits(now)) {
            group.try_again();
        }
    }

    /// What could not be read may be readable again.
    pub(super) fn try_blocked_again(&mut self, now: Duration) {
        self.groups.values_mut().filter(|group| group.is_blocked).for_each(|group| group.retry.at_once(now));
    }

    /// Whether a group is decided on by itself, now or soon: it is in the middle of something, or about to be.
    pub(super) fn is_to_be_decided_alone(&self, base: &Base) -> bool {
        let group = self.groups.get(base);
        let is_under_way = group.is_some_and(|group| group.state != GroupState::Idle);
        is_under_way || (self.may_act() && self.next(base).is_some())
    }

    fn may_act(&self) -> bool {
        self.engine == Engine::Reachable && !self.is_stopping
    }

    /// The action that a group may begin.
    fn next(&self, base: &Base) -> Option<&Action> {
        let (actions, group) = (self.plan.groups.get(base)?, self.groups.get(base));
        if self.only_commands && group.is_none_or(|group| group.command.is_none()) {
            return None;
        }
        group.map_or(actions.first(), |group| group.next(actions))
    }

    /// Lets groups begin that may: promotions at once, removals when no promotion is under way, a few at a time.
    pub(super) fn schedule(&mut self, now: Duration) {
        if !self.is_ready() || !self.may_act() {
            return;
        }
        let is_idle = |base: &Base| self.groups.get(base).is_none_or(|group| group.state == GroupState::Idle);
        let asked = self.groups.iter().filter(|(_, group)| group.command.is_some());
        let mut promotions: BTreeSet<Base> =
            asked.map(|(base, _)| base).filter(|base| is_idle(base)).cloned().collect();
        let mut removals = Vec::new();
        for base in self.plan.groups.keys().filter(|base| is_idle(base)) {
            match self.next(base).map(lane) {
                Some(Lane::Promotion) => drop(promotions.insert(base.clone())),
                Some(Lane::Removal) if !promotions.contains(base) => removals.push(base.clone()),
                Some(Lane::Removal) | None => {}
            }
        }
        promotions.into_iter().for_each(|base| self.begin_reading(base, Lane::Promotion, now));
        let under_way = |lane: Lane| {
            let in_lane = self.groups.values().filter(move |group| group.state.lane() == Some(lane));
            in_lane.filter(|group| group.state.since().is_some_and(|since| now < since + PATIENCE)).count()
        };
        if under_way(Lane::Promotion) > 0 {
            return;
        }
        let free = REMOVALS.saturating_sub(under_way(Lane::Removal));
        // In turn: first those that come after the one that was cleaned up last.
        let start = removals.iter().position(|base| Some(base) > self.cleaned_last.as_ref()).unwrap_or(0);
        removals.rotate_left(start);
        for base in removals.into_iter().take(free) {
            self.cleaned_last = Some(base.clone());
            self.begin_reading(base, Lane::Removal, now);
        }
        self.settle_doubts(now);
    }

    /// When nothing is under way any more, what is known from after the last lists is settled by new ones.
    fn settle_doubts(&mut self, now: Duration) {
        let is_idle = self.groups.values().all(|group| group.state == GroupState::Idle);
        if let Some(newest) = self.newer.newest().filter(|_| is_idle) {
            self.ask_for_lists(newest, now);
        }
    }

    fn begin_reading(&mut self, base: Base, lane: Lane, now: Duration) {
        let Some(request) = self.request(&base, lane) else { return };
        self.groups.entry(base.clone()).or_default().state = GroupState::Reading { asked: now, lane };
        self.effects.push(Effect::ReadGroup { base, request });
    }

    /// A group was read again: decides on it, and on what is done next.
    pub(super) fn read(&mut self, base: &Base, reading: Result<Reading, String>, now: Duration) {
        let Some(Group { state: GroupState::Reading { asked, lane: reading_for }, .. }) = self.groups.get(base) else {
            return;
        };
        let (asked, reading_for) = (*asked, *reading_for);
        let reading = match reading {
            Ok(reading) => reading,
            Err(why) => return self.not_read(base, &why, now),
        };
        if self.snapshot_began > asked {
            // Lists that are newer, or not: only another reading tells.
            return self.begin_reading(base.clone(), reading_for, now);
        }
        let Some(request) = self.request(base, reading_for) else { return };
        let Reading { containers, latest } = reading;
        if latest.is_some_and(|image| !self.snapshot.images.contains_key(&image)) {
            // What `latest` is can only be said when a list has shown that image.
            if let Some(group) = self.groups.get_mut(base) {
                group.state = GroupState::Settling { since: now };
            }
            return self.ask_for_lists(now, now);
        }
        self.newer.add(News::Read(request, Seen { containers, latest }), now, &mut self.snapshot);
        self.decide_and_go_on(base, reading_for, now);
    }

    fn decide_and_go_on(&mut self, base: &Base, reading_for: Lane, now: Duration) {
        self.put_command(base);
        self.decide_alone(base, now);
        self.snapshot.commands.clear();
        self.plan_group(base, true, now);
        let actions = self.plan.groups.get(base).map_or(&[][..], Vec::as_slice);
        let Some(group) = self.groups.get_mut(base) else { return };
        let next = group.next(actions).filter(|action| reading_for == Lane::Removal || lane(action) == Lane::Promotion);
        if let Some(action) = next.filter(|_| !self.is_stopping) {
            group.state = GroupState::Decided { action: action.clone(), since: now };
        }
        self.answer(base);
    }

    /// A group that is in the middle of nothing has a new plan. `is_seen`: what it has done last shows in what was read.
    pub(super) fn plan_group(&mut self, base: &Base, is_seen: bool, now: Duration) {
        let actions = self.plan.groups.get(base).map_or(&[][..], Vec::as_slice);
        let longest = actions.first().map_or(self.pauses.clean_up, |action| self.longest_pause(&action.purpose));
        let Some(group) = self.groups.get_mut(base) else { return };
        group.state = GroupState::Idle;
        if group.planned(actions, is_seen, base, longest, now) {
            self.refuse_taken(base, "what was done had no effect; somebody else changes the same");
        }
    }

    fn not_read(&mut self, base: &Base, why: &str, now: Duration) {
        let longest = self.pauses.promotion;
        if let Some(group) = self.groups.get_mut(base) {
            group.state = GroupState::Idle;
            group.is_blocked = true;
            group.retry.failed(base, longest, now);
        }
        self.note_error(base, Some(why.to_owned()));
        self.refuse(base, &format!("not yet: {why}"));
        self.is_stale = true;
    }

    /// Begins the first step of each action that is decided on. What has to be remembered of it is saved.
    pub(super) fn begin_decided(&mut self) {
        for (base, group) in &mut self.groups {
            let GroupState::Decided { action, since } = &group.state else { continue };
            let (action, since) = (action.clone(), *since);
            if let Some(step) = action.steps.first().cloned() {
                self.effects.push(Effect::Step { base: base.clone(), step });
            }
            group.state = GroupState::Acting { action, done: 0, reclaimed: 0, since };
        }
    }

    /// A step has ended.
    pub(super) fn stepped(&mut self, base: &Base, outcome: StepOutcome, now: Duration) {
        let Some(group) = self.groups.get_mut(base) else { return };
        let GroupState::Acting { action, done, reclaimed, .. } = &mut group.state else { return };
        let Some(step) = action.steps.get(*done).cloned() else { return };
        let action = action.clone();
        if let StepOutcome::Done { reclaimed: freed } = outcome {
            (*done, *reclaimed) = (*done + 1, *reclaimed + freed);
            let (next, reclaimed) = (action.steps.get(*done).cloned(), *reclaimed);
            self.note_done(step, now);
            match next {
                Some(next) => self.effects.push(Effect::Step { base: base.clone(), step: next }),
                None => self.acted(base, action, StepOutcome::Done { reclaimed }, now),
            }
            return;
        }
        if let (StepOutcome::InUse, Some(image)) = (&outcome, removed(&step)) {
            self.snapshot.refused.insert(*image);
        }
        self.acted(base, action, outcome, now);
    }

    /// What a step has done is known without being read: on the engine as long as no newer list shows it, and in rows until
    /// they are read.
    fn note_done(&mut self, step: Step, now: Duration) {
        match step {
            Step::RecordVersions { row, stable, last, .. } => {
                if let Some(row) = self.snapshot.state.get_mut(&row) {
                    row.stable_version = Value::Is(stable);
                    row.last_version = last.map_or_else(|| row.last_version.clone(), Value::Is);
                }
            }
            step => self.newer.add(News::Done(step), now, &mut self.snapshot),
        }
    }

    /// An action has ended. Whatever comes next of its group, it is read again before it.
    fn acted(&mut self, base: &Base, action: Action, outcome: StepOutcome, now: Duration) {
        let longest = self.longest_pause(&action.purpose);
        self.effects.push(Effect::Acted(Acted {
            base: base.clone(),
            action: action.clone(),
            outcome: outcome.clone(),
        }));
        match outcome {
            StepOutcome::Done { .. } => {
                if let Some(group) = self.groups.get_mut(base) {
                    group.done(action);
                }
                self.note_error(base, None);
            }
            // The engine is asked again when something is gone that could have stood in the way.
            StepOutcome::InUse => {}
            StepOutcome::Changed(why) => {
                self.refuse_taken(base, &why);
                self.settle(base, action, longest, now);
                return;
            }
            StepOutcome::Failed(why) => {
                let why = format!("could not {}: {why}", action.purpose);
                self.refuse_taken(base, &why);
                self.note_error(base, Some(why));
                self.settle(base, action, longest, now);
                return;
            }
        }
        self.decide_alone(base, now);
        self.plan_group(base, false, now);
    }

    /// What is on the engine is known when its lists were read again.
    fn settle(&mut self, base: &Base, action: Action, longest: Duration, now: Duration) {
        let Some(group) = self.groups.get_mut(base) else { return };
        group.put_off(action, base, longest, now);
        group.state = GroupState::Settling { since: now };
        self.ask_for_lists(now, now);
    }

    /// Asks for the engine's lists as they are after this moment, unless they are awaited.
    pub(super) fn ask_for_lists(&mut self, after: Duration, now: Duration) {
        if self.lists_asked.is_none_or(|asked| asked < after) {
            self.lists_asked = Some(now);
            self.effects.push(Effect::ReadEngine);
        }
    }

    fn note_error(&mut self, base: &Base, error: Option<String>) {
        if let Some(group) = self.memory.groups.get_mut(base).filter(|group| group.error != error) {
            group.error = error;
            self.are_marks_saved = false;
            self.is_stale = true;
        }
    }

    fn longest_pause(&self, purpose: &Purpose) -> Duration {
        if purpose.is_removal() { self.pauses.clean_up } else { self.pauses.promotion }
    }

    /// What of a group's containers and rows its next action rests on.
    fn request(&self, base: &Base, lane: Lane) -> Option<ReadRequest> {
        let instances: BTreeSet<Instance> =
            self.report.instances_of(base).map(|(instance, _)| instance.clone()).collect();
        let rows = |instance: &Instance| {
            let told = self.report.instances.get(instance);
            told.and_then(|told| told.container)
                .or_else(|| Some(self.memory.instances.get(instance)?.takeover.as_ref()?.container))
        };
        let known: Vec<Option<ContainerId>> = instances.iter().map(rows).collect();
        Some(ReadRequest {
            names: instances.iter().map(|instance| instance.container_name().into()).collect(),
            every_container: lane == Lane::Removal || known.iter().any(Option::is_none),
            containers: known.into_iter().flatten().collect(),
            instances,
            latest: Reference::latest(base)?,
        })
    }
}

/// The image that a step would remove.
fn removed(step: &Step) -> Option<&ImageId> {
    match step {
        Step::RemoveReference { image, .. } | Step::RemoveImage { image } => Some(image),
        Step::Tag { .. } | Step::RemoveContainer { .. } | Step::RecordVersions { .. } => None,
    }
}

/// When a wake comes.
fn wake_at(wake: &Wake, stamps: &Stamps) -> Option<Duration> {
    Some(*stamps.get(&wake.mark)? + Duration::from_secs(u64::from(wake.age.seconds())))
}
