//! The loop as a value: it is told what happens and what time it is, and asked for what to do and when to be woken.
//!
//! No input or output, no clock, no task: whoever drives it (the agent, a command that acts alone, the model) turns the world
//! into [`Event`]s and [`Effect`]s into calls. All of them drive this very state machine, so what is verified is what ships.
//!
//! The way of a group (an image name and the instances that share it):
//!
//! ```text
//!            due              read             saved              done
//!   Idle ─────────> Reading ────────> Decided ────────> Acting ────────> Reading ...
//!     ^                │ failed                           │ failed
//!     └────────────────┴─────── pause <───── Settling <───┘
//! ```
//!
//! One action at a time: what it rests on is read again right before it, and decided on anew. Groups do not wait for each
//! other; only removals of images wait for promotions that are due.

#[cfg(feature = "fixtures")]
mod clock;
mod command;
mod event;
mod group;
mod newer;
mod remembered;
mod retry;
mod schedule;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::{Age, Base, ContainerId, ImageId, Instance, Reference, Value};
use crate::{
    Decision, GroupMemory, Mark, Memory, NamedContainer, Now, Plan, Policy, Report, Snapshot, Step, Wake,
    decide_checked, decide_group,
};
use command::PendingCommand;
pub use event::{Acted, CommandAnswer, Effect, EngineSnapshot, Event, ReadRequest, Reading, Rows};
use group::{Asked, Group, GroupState, Lane};
use newer::Newer;
use retry::Retry;

/// What is set for a controller, by `remote_ctr.config.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pauses {
    /// The longest pause before a failed promotion is tried again.
    pub promotion: Duration,
    /// The longest pause before a failed clean-up is tried again.
    pub clean_up: Duration,
}

/// The state of the loop. Times are on the boot-time clock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Controller {
    pauses: Pauses,
    snapshot: Snapshot,
    policy: Policy,
    memory: Memory,
    /// When each mark of the memory was made. A mark that is not here is from an earlier boot, and old.
    stamps: BTreeMap<Mark, Duration>,
    /// What fallback depends on, as it is on the disk.
    saved: BTreeMap<Base, GroupMemory>,
    saving: Saving,
    are_marks_saved: bool,
    plan: Plan,
    report: Arc<Report>,
    violations: BTreeMap<Base, String>,
    /// The groups about which something is being done or was tried.
    groups: BTreeMap<Base, Group>,
    /// The group that was cleaned up last: the next one is another's turn.
    cleaned_last: Option<Base>,
    commands: BTreeMap<u64, PendingCommand>,
    newer: Newer,
    /// When the engine's lists were asked for that were seen last.
    snapshot_began: Duration,
    /// When the lists were asked for that are awaited.
    lists_asked: Option<Duration>,
    /// The containers that rows name and no list shows, for which the lists were asked for again.
    looked_for: BTreeSet<Arc<str>>,
    has_rows: bool,
    engine: Engine,
    publishing: Publishing,
    /// Something was seen that is not decided on yet.
    is_stale: bool,
    /// When everything was decided on last.
    decided_at: Duration,
    is_stopping: bool,
    /// Nothing is done but what operators ask for.
    only_commands: bool,
    effects: Vec<Effect>,
}

/// Whether the engine can be acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Engine {
    /// It was never seen: nothing can be decided.
    Unseen,
    Reachable,
    /// What was seen last counts; nothing is done.
    Unreachable,
}

/// Whether the memory can be saved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Saving {
    /// It is being saved.
    is_under_way: bool,
    retry: Retry,
}

/// Whether STATE_DB says what the report says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Publishing {
    /// There may be something to write.
    is_due: bool,
    is_under_way: bool,
    retry: Retry,
}

impl Controller {
    /// Begins with what is remembered.
    #[must_use]
    pub fn new(memory: Memory, stamps: BTreeMap<Mark, Duration>, pauses: Pauses) -> Self {
        Self {
            pauses,
            snapshot: Snapshot::default(),
            policy: Policy::default(),
            saved: memory.groups.iter().map(|(base, group)| (base.clone(), group.durable())).collect(),
            memory,
            stamps,
            saving: Saving::default(),
            are_marks_saved: true,
            plan: Plan::default(),
            report: Arc::default(),
            violations: BTreeMap::new(),
            groups: BTreeMap::new(),
            cleaned_last: None,
            commands: BTreeMap::new(),
            newer: Newer::default(),
            snapshot_began: Duration::ZERO,
            lists_asked: None,
            looked_for: BTreeSet::new(),
            has_rows: false,
            engine: Engine::Unseen,
            publishing: Publishing::default(),
            is_stale: false,
            decided_at: Duration::ZERO,
            is_stopping: false,
            only_commands: false,
            effects: Vec::new(),
        }
    }

    /// Takes note of what has happened. What is to be done about it, [`effects`](Self::effects) tells: once, when nothing
    /// else has happened in the meantime.
    pub fn handle(&mut self, event: Event, now: Duration) {
        match event {
            Event::Rows(rows) => self.see_rows(*rows, now),
            Event::Engine(lists) => self.see_engine(lists, now),
            Event::EngineUnreachable => {
                if self.engine == Engine::Reachable {
                    self.engine = Engine::Unreachable;
                }
            }
            Event::Read { base, reading } => self.read(&base, reading.map(|reading| *reading), now),
            Event::Saved(result) => self.saved(result, now),
            Event::Stepped { base, outcome } => self.stepped(&base, outcome, now),
            Event::Published { is_complete } => {
                self.publishing.is_under_way = false;
                if is_complete {
                    self.publishing.retry.worked();
                } else {
                    self.publishing.retry.failed("publish", Duration::MAX, now);
                }
            }
            Event::Command { id, command, features } => self.command(id, command, features, now),
            Event::Wake => self.is_stale = true,
            Event::Stop => {
                self.is_stopping = true;
                let decided =
                    self.groups.values_mut().filter(|group| matches!(group.state, GroupState::Decided { .. }));
                decided.for_each(|group| group.state = GroupState::Idle);
                self.refuse_all("the agent is stopping");
            }
        }
    }

    /// What is to be done now, in this order.
    pub fn effects(&mut self, now: Duration) -> Vec<Effect> {
        self.retry(now);
        if self.is_stale && self.is_ready() {
            self.decide(now);
        }
        self.schedule(now);
        self.begin_saving(now);
        // What could not be written does not keep what is new from being written.
        if self.publishing.retry.has_failed() && !self.publishing.retry.waits(now) {
            self.publishing.retry.over();
            self.publishing.is_due = true;
        }
        if self.publishing.is_due && !self.publishing.is_under_way {
            self.publishing.is_due = false;
            self.publishing.is_under_way = true;
            self.effects.push(Effect::Publish);
        }
        if !std::mem::replace(&mut self.are_marks_saved, true) {
            self.effects.push(Effect::SaveMarks);
        }
        self.groups.retain(|_, group| !group.is_at_rest());
        std::mem::take(&mut self.effects)
    }

    /// Everything that is known, as it is decided on.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// What is remembered.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// When the marks of the memory were made; what is not here is from an earlier boot, and old.
    #[must_use]
    pub fn stamps(&self) -> &BTreeMap<Mark, Duration> {
        &self.stamps
    }

    /// What was found, and why.
    #[must_use]
    pub fn report(&self) -> &Arc<Report> {
        &self.report
    }

    /// What is to be done, as far as decided.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The steps that are under way.
    pub fn steps(&self) -> impl Iterator<Item = (&Base, &Step)> {
        self.groups.iter().filter_map(|(base, group)| Some((base, group.state.step()?)))
    }

    /// From now on nothing is done but what operators ask for: for a command that acts while no agent runs.
    pub fn obey_only(&mut self) {
        self.only_commands = true;
    }

    /// Sets how long pauses may become.
    pub fn set_pauses(&mut self, pauses: Pauses) {
        self.pauses = pauses;
    }

    /// Whether databases and engine were seen, so that something can be decided.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.has_rows && self.engine != Engine::Unseen
    }

    /// Whether everything was decided on, done and published that can be, with no answer awaited.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.is_ready()
            && !self.is_stale
            && self.newer.is_empty()
            && !(self.publishing.is_due || self.publishing.is_under_way || self.saving.is_under_way)
            && self.groups.values().all(|group| group.state == GroupState::Idle)
    }

    /// Why what was decided on is not done, for each group where that is so.
    pub fn failures(&self) -> impl Iterator<Item = (&Base, &str)> {
        let has_failed = |base: &Base| self.groups.get(base).is_some_and(Group::has_failed);
        let errors = self.memory.groups.iter().filter_map(|(base, group)| Some((base, group.error.as_deref()?)));
        errors.filter(move |(base, _)| has_failed(base))
    }

    fn see_rows(&mut self, rows: Rows, now: Duration) {
        let was_unreadable = std::mem::take(&mut self.snapshot.unreadable);
        self.take_rows(rows);
        self.has_rows = true;
        if self.snapshot.unreadable.len() < was_unreadable.len() {
            self.publishing.retry.at_once(now);
            self.try_blocked_again(now);
        }
        self.look_for_containers(now);
    }

    fn take_rows(&mut self, Rows { snapshot, policy }: Rows) {
        let old = std::mem::take(&mut self.snapshot);
        self.snapshot = Snapshot {
            images: old.images,
            containers: old.containers,
            refused: old.refused,
            memory_unsaved: old.memory_unsaved,
            stopped: BTreeMap::new(),
            commands: BTreeMap::new(),
            ..snapshot
        };
        self.policy = policy;
        self.is_stale = true;
    }

    /// A row that names a container which no list shows is a reason to read the lists again: the engine's events may be
    /// lost. Once for each.
    fn look_for_containers(&mut self, now: Duration) {
        let named = self.snapshot.state.values().filter_map(|row| match &row.container_id {
            Value::Is(NamedContainer::Prefix(prefix)) => Some(prefix),
            _ => None,
        });
        let missing: BTreeSet<Arc<str>> =
            named.filter(|prefix| self.container(prefix).is_none()).map(Arc::clone).collect();
        if self.engine == Engine::Reachable && !missing.is_subset(&self.looked_for) {
            self.ask_for_lists(now, now);
        }
        self.looked_for = missing;
    }

    fn container(&self, prefix: &str) -> Option<&ContainerId> {
        let from = ContainerId::first_with(prefix)?;
        let (id, _) = self.snapshot.containers.range(from..).next()?;
        id.starts_with(prefix).then_some(id)
    }

    fn see_engine(&mut self, lists: EngineSnapshot, now: Duration) {
        if lists.began < self.snapshot_began {
            return;
        }
        if std::mem::replace(&mut self.engine, Engine::Reachable) == Engine::Unreachable {
            self.try_blocked_again(now);
        }
        self.allow_refused(&lists);
        self.snapshot_began = lists.began;
        self.lists_asked = self.lists_asked.filter(|asked| *asked >= lists.began);
        self.newer.take_lists(lists, &mut self.snapshot);
        for group in self.groups.values_mut() {
            if matches!(group.state, GroupState::Settling { since } if since < self.snapshot_began) {
                group.state = GroupState::Idle;
            }
        }
        self.is_stale = true;
    }

    /// What stood in the way of a removal that the engine refused can only be something that is gone by now.
    fn allow_refused(&mut self, lists: &EngineSnapshot) {
        let is_gone = |known: bool| !known;
        let (old, refused) = (&self.snapshot, &self.snapshot.refused);
        if refused.is_empty() {
            return;
        }
        let containers = old.containers.keys().any(|id| is_gone(lists.containers.contains_key(id)));
        let images = old.images.keys().any(|id| is_gone(lists.images.contains_key(id)));
        if containers || images {
            self.snapshot.refused.clear();
        }
    }

    /// Decides on everything. What fallback depends on stays as it is for a group that is in the middle of something, or is
    /// about to be: it is decided on again by itself, when it was read again. What was observed of it is remembered at once:
    /// a takeover that is remembered without its images would make them newer than itself after a crash.
    fn decide(&mut self, now: Duration) {
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
    fn decide_alone(&mut self, base: &Base, now: Duration) {
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

    /// What could not be saved is not remembered: what is done then rests on what was saved last.
    fn forget_unsaved(&mut self) {
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
    fn begin_saving(&mut self, now: Duration) {
        let is_due = if self.saving.retry.has_failed() { !self.saving.retry.waits(now) } else { !self.is_saved() };
        if is_due && !self.saving.is_under_way {
            self.saving.is_under_way = true;
            self.effects.push(Effect::Save);
        }
        if !self.saving.is_under_way {
            self.begin_decided();
        }
    }

    fn saved(&mut self, result: Result<(), String>, now: Duration) {
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

/// Rounded up, so that nothing comes of age early, and the same in the process as on the disk.
fn up_to_milliseconds(time: Duration) -> Duration {
    let milliseconds = time.as_nanos().div_ceil(1_000_000);
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX))
}

/// The image that a step would remove.
fn removed(step: &Step) -> Option<&ImageId> {
    match step {
        Step::RemoveReference { image, .. } | Step::RemoveImage { image } => Some(image),
        Step::Tag { .. } | Step::RemoveContainer { .. } | Step::RecordVersions { .. } => None,
    }
}

/// When a wake comes.
fn wake_at(wake: &Wake, stamps: &BTreeMap<Mark, Duration>) -> Option<Duration> {
    Some(*stamps.get(&wake.mark)? + Duration::from_secs(u64::from(wake.age.seconds())))
}
