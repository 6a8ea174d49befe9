//! The agent: the real controller, what is on its way to it and from it, and what it has saved and published.
//!
//! Steps are calls that are under way until the model says how they end: one that never ends hangs. What was saved and
//! published, and reads unless they are to be late, is answered at once.

use std::collections::BTreeMap;
use std::time::Duration;

use imgmgrd_planner::controller::{Controller, EngineSnapshot, Pauses, ReadRequest};
use imgmgrd_planner::domain::{Base, Feature, Instance, Version};
use imgmgrd_planner::{Command, Memory, Stability, Stamps, Step};

const PAUSES: Pauses = Pauses { promotion: Duration::from_secs(60), clean_up: Duration::from_secs(60) };

/// The process, what is on its way to it and from it, and what it has left on the disk and in STATE_DB.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Agent {
    /// The loop.
    pub controller: Controller,
    /// The calls that are under way.
    pub steps: BTreeMap<Base, Step>,
    /// The groups that are being read again.
    pub reads: BTreeMap<Base, ReadRequest>,
    /// The engine's lists as they were read some time ago.
    pub lists: Option<EngineSnapshot>,
    /// The engine's lists are asked for.
    pub wants_lists: bool,
    /// What happens to the next reading.
    pub next_read: Answer,
    /// The commands that are not answered.
    pub commands: BTreeMap<u64, (Command, Feature)>,
    /// What would be there after a power cut.
    pub disk: Disk,
    /// Nothing can be saved.
    pub disk_is_full: bool,
    /// What the agent has published.
    pub published: BTreeMap<Instance, Published>,
    /// Redis refuses every write.
    pub redis_refuses: bool,
    /// The world has moved on since what is under way was asked for.
    pub is_late: bool,
}

/// What is saved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Disk {
    /// The memory.
    pub memory: Memory,
    /// When its marks were made.
    pub stamps: Stamps,
}

impl Disk {
    /// The marks are as they were before; whether that makes a difference.
    pub fn lose_marks(&mut self, old: Self) -> bool {
        let new = self.clone();
        let mut groups = old.memory.groups;
        for (base, group) in &mut self.memory.groups {
            let old = groups.remove(base).unwrap_or_default();
            (group.images, group.error) = (old.images, old.error);
        }
        (self.memory.instances, self.stamps) = (old.memory.instances, old.stamps);
        *self != new
    }
}

/// What a row says: the stability, the version, the stable version and the last one.
pub type Published = (Stability, Option<Version>, Option<Version>, Option<Version>);

/// What happens to a reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It is answered at once.
    #[default]
    AtOnce,
    /// It is under way for a while, or for ever.
    Late,
    /// It fails.
    Fails,
}

impl Agent {
    /// A process that has just started.
    #[must_use]
    pub fn new(disk: Disk, published: BTreeMap<Instance, Published>) -> Self {
        Self {
            controller: Controller::new(disk.memory.clone(), disk.stamps.clone(), PAUSES),
            steps: BTreeMap::new(),
            reads: BTreeMap::new(),
            lists: None,
            wants_lists: false,
            next_read: Answer::AtOnce,
            commands: BTreeMap::new(),
            disk,
            disk_is_full: false,
            published,
            redis_refuses: false,
            is_late: false,
        }
    }

    /// What its report says of each instance.
    #[must_use]
    pub fn report(&self) -> BTreeMap<Instance, Published> {
        let rows = self.controller.report().instances.iter();
        let told = rows.map(|(instance, told)| {
            let versions = (told.version.clone(), told.stable_version.clone(), told.last_version.clone());
            (instance.clone(), (told.stability, versions.0, versions.1, versions.2))
        });
        told.collect()
    }

    /// Whether nothing is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.steps.is_empty() && self.reads.is_empty() && !self.wants_lists && self.lists.is_none()
    }

    /// What fallback depends on is saved, and the marks if `marks` says so.
    pub(crate) fn save(&mut self, marks: bool) {
        let memory = self.controller.memory();
        if marks {
            self.disk.stamps.clone_from(self.controller.stamps());
            self.disk.memory.instances.clone_from(&memory.instances);
        }
        let mut old = std::mem::take(&mut self.disk.memory.groups);
        for (base, group) in &memory.groups {
            let old = old.remove(base).unwrap_or_default();
            let mut saved = if marks { old.durable() } else { group.durable() };
            (saved.images, saved.error) =
                if marks { (group.images.clone(), group.error.clone()) } else { (old.images, old.error) };
            self.disk.memory.groups.insert(base.clone(), saved);
        }
    }
}
