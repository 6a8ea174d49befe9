//! What the loop knows and is in the middle of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::event::{CommandAnswer, Effect};
use super::group::{Group, GroupState};
use super::newer::Newer;
use super::retry::Retry;
use crate::domain::{Base, Feature, Instance};
use crate::{Command, GroupMemory, Memory, Plan, Policy, Report, Snapshot, Stamps, Step};

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
    pub(super) pauses: Pauses,
    pub(super) snapshot: Snapshot,
    pub(super) policy: Policy,
    pub(super) memory: Memory,
    /// When each mark of the memory was made. A mark that is not here is from an earlier boot, and old.
    pub(super) stamps: Stamps,
    /// What fallback depends on, as it is on the disk.
    pub(super) saved: BTreeMap<Base, GroupMemory>,
    pub(super) saving: Saving,
    pub(super) are_marks_saved: bool,
    pub(super) plan: Plan,
    pub(super) report: Arc<Report>,
    pub(super) violations: BTreeMap<Base, String>,
    /// The groups about which something is being done or was tried.
    pub(super) groups: BTreeMap<Base, Group>,
    /// The group that was cleaned up last: the next one is another's turn.
    pub(super) cleaned_last: Option<Base>,
    pub(super) commands: BTreeMap<u64, PendingCommand>,
    pub(super) newer: Newer,
    /// When the engine's lists were asked for that were seen last.
    pub(super) snapshot_began: Duration,
    /// When the lists were asked for that are awaited.
    pub(super) lists_asked: Option<Duration>,
    /// The containers that rows name and no list shows, for which the lists were asked for again.
    pub(super) looked_for: BTreeSet<Arc<str>>,
    pub(super) has_rows: bool,
    pub(super) engine: Engine,
    pub(super) publishing: Publishing,
    /// Something was seen that is not decided on yet.
    pub(super) is_stale: bool,
    /// When everything was decided on last.
    pub(super) decided_at: Duration,
    pub(super) is_stopping: bool,
    /// Nothing is done but what operators ask for.
    pub(super) only_commands: bool,
    pub(super) effects: Vec<Effect>,
}

/// Whether the engine can be acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Engine {
    /// It was never seen: nothing can be decided.
    Unseen,
    Reachable,
    /// What was seen last counts; nothing is done.
    Unreachable,
}

/// Whether the memory can be saved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Saving {
    /// It is being saved.
    pub(super) is_under_way: bool,
    pub(super) retry: Retry,
}

/// Whether STATE_DB says what the report says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Publishing {
    /// There may be something to write.
    pub(super) is_due: bool,
    pub(super) is_under_way: bool,
    pub(super) retry: Retry,
}

/// A command that was not answered yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PendingCommand {
    pub(super) command: Command,
    pub(super) features: BTreeSet<Feature>,
    /// The groups that it is still about.
    pub(super) groups: BTreeSet<Base>,
    pub(super) answers: BTreeMap<Instance, CommandAnswer>,
}

impl Controller {
    /// Begins with what is remembered.
    #[must_use]
    pub fn new(memory: Memory, stamps: Stamps, pauses: Pauses) -> Self {
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
    pub fn stamps(&self) -> &Stamps {
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
}
