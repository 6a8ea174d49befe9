//! The group of decision: all instances that share an image name are decided together.

use std::collections::{BTreeMap, BTreeSet};

use super::planned_references::PlannedReferences;
use super::policy::GroupPolicy;
use crate::domain::{Base, ImageId, Version};
use crate::plan::{Action, Purpose, Step};
use crate::report::{CommandResult, Gate, GroupReport, Retention, Settled, Wake};
use crate::snapshot::index::Index;
use crate::snapshot::{Command, Policy};
use crate::snapshot::{GroupMemory, Memory, Now, Promotion};
use crate::takeover::{InstanceStatus, TakeoverStatus};

/// What was decided for a group.
pub(crate) struct GroupDecision {
    /// What to do.
    pub(crate) actions: Vec<Action>,
    /// Why each image stays or goes, and what holds the group back.
    pub(crate) report: GroupReport,
    /// What to remember; none for a group that Kubernetes has never had to do with.
    pub(crate) memory: Option<GroupMemory>,
    /// Why stable takeovers are not promoted.
    pub(crate) held: Option<Gate>,
    /// Why the group is stopped.
    pub(crate) stopped: Option<Gate>,
    /// Which version is to be kept as a fallback.
    pub(crate) last_version: Option<Version>,
    /// When to decide again for the sake of the images.
    pub(crate) wakes: BTreeSet<Wake>,
}

/// Decides one group.
pub(crate) fn decide(
    base: &Base,
    members: &[&InstanceStatus<'_>],
    index: &Index<'_>,
    memory: &Memory,
    policy: &Policy,
    now: &Now,
) -> GroupDecision {
    let mut planner = GroupPlanner::new(base, members, index, memory, policy, now);
    planner.remember();
    planner.settle();
    planner.make_latest();
    planner.restore_latest();
    planner.record_versions();
    planner.clean_up()
}

/// The decision of one group in the making. Each rule is a method, in the file of what it is about; it reads what is
/// planned so far, and adds to it.
pub(crate) struct GroupPlanner<'a> {
    /// The image name.
    pub(super) base: &'a Base,
    /// The instances that share it.
    pub(super) members: &'a [&'a InstanceStatus<'a>],
    /// Look-ups into the snapshot.
    pub(super) index: &'a Index<'a>,
    /// How long ago takeovers began and images were first seen.
    pub(super) now: &'a Now,
    /// The policies of all its features, taken together.
    pub(super) policy: GroupPolicy,
    /// What an operator asks for.
    pub(super) command: Option<&'a Command>,
    /// Kubernetes has, or had, to do with it: else nothing is remembered.
    is_known: bool,
    /// Nothing is remembered of it.
    is_new: bool,
    /// What is remembered, as the plan will have it.
    pub(super) memory: GroupMemory,
    /// The references as they are.
    pub(super) before: PlannedReferences<'a>,
    /// The references as the plan will have them.
    pub(super) names: PlannedReferences<'a>,
    /// The images that this decision is the first to see.
    pub(super) first_seen: BTreeSet<ImageId>,
    /// What to do.
    pub(super) actions: Vec<Action>,
    /// A promotion or rollback that is found to be done.
    pub(super) settled: Option<Settled>,
    /// Why stable takeovers are not promoted.
    pub(super) held: Option<Gate>,
    /// What comes of the operator's command.
    pub(super) answer: Option<CommandResult>,
}

/// What became of the images, at the end of the decision.
pub(super) struct Images {
    /// Which version is to be kept as a fallback.
    pub(super) last_version: Option<Version>,
    /// When images that stay only because they are new cease to be.
    pub(super) wakes: BTreeSet<Wake>,
    /// Why nothing is cleaned up, unless it is.
    pub(super) clean_up_waits: Option<Gate>,
    /// Why each stays or goes.
    pub(super) retentions: BTreeMap<ImageId, Retention>,
}

impl<'a> GroupPlanner<'a> {
    fn new(
        base: &'a Base,
        members: &'a [&'a InstanceStatus<'a>],
        index: &'a Index<'a>,
        memory: &Memory,
        policy: &Policy,
        now: &'a Now,
    ) -> Self {
        let remembered = memory.groups.get(base);
        let before = PlannedReferences::new(base, index);
        let commands = &index.snapshot.commands;
        Self {
            base,
            members,
            index,
            now,
            policy: GroupPolicy::new(base, members, index, policy),
            command: members.iter().find_map(|member| commands.get(&member.rows.instance.feature)),
            is_known: remembered.is_some() || members.iter().any(|member| member.is_kube()),
            is_new: remembered.is_none(),
            memory: remembered.cloned().unwrap_or_default(),
            names: before.clone(),
            before,
            first_seen: BTreeSet::new(),
            actions: Vec::new(),
            settled: None,
            held: None,
            answer: None,
        }
    }

    /// Takes note of what is seen: images, versions, and what no longer holds of what was remembered.
    fn remember(&mut self) {
        if self.is_known {
            self.remember_images();
            self.remember_reported();
        }
        // A rollback that is under way is finished first: what it leaves stays held until yet another image takes over.
        let is_rolling_back = self.memory.intention.as_ref().is_some_and(Promotion::is_rollback);
        if !is_rolling_back && self.is_taken_over_by_another() {
            self.memory.rolled_back.clear();
        }
        let members = self.members;
        self.memory.approved.retain(|instance, key| {
            let mut of_instance = members.iter().filter(|member| member.rows.instance == *instance);
            of_instance.any(|member| member.remembered().is_some_and(|takeover| takeover.key() == *key))
        });
    }

    /// A takeover begins whose image is none of those that are held.
    fn is_taken_over_by_another(&self) -> bool {
        let mut standing = self.members.iter().filter_map(|member| member.standing());
        standing.any(|it| it.has_begun && !self.memory.rolled_back.contains(&it.takeover.image))
    }

    /// Remembers the versions that containers report of images that declare another, or none.
    fn remember_reported(&mut self) {
        for takeover in self.members.iter().filter_map(|member| member.takeover()) {
            let image = self.index.snapshot.images.get(&takeover.image);
            if image.and_then(|image| image.declared_version()) != Some(&takeover.version) {
                self.memory.reported.entry(takeover.image).or_default().insert(takeover.version.clone());
            }
        }
    }

    /// A takeover that stood at the last decision goes on.
    pub(super) fn is_continued(&self) -> bool {
        self.members.iter().any(|member| match &member.takeover_status {
            TakeoverStatus::Stands(standing) => !standing.has_begun,
            TakeoverStatus::Unknown(_) => member.remembered().is_some(),
            TakeoverStatus::Local(_) | TakeoverStatus::No(_) => false,
        })
    }

    /// A takeover begins on an image that no other instance goes on running: what is on the disk came before it. So it
    /// did where nothing is remembered.
    pub(super) fn has_begun(&self) -> bool {
        let standing = || self.members.iter().filter_map(|member| member.standing());
        let continued: BTreeSet<_> = standing().filter(|it| !it.has_begun).map(|it| it.takeover.image).collect();
        self.is_new || standing().any(|it| it.has_begun && !continued.contains(&it.takeover.image))
    }

    /// What is, or is about to be, promoted.
    pub(super) fn current(&self) -> Option<&Promotion> {
        self.memory.intention.as_ref().or(self.memory.promoted.as_ref())
    }

    /// The same, if one of the takeovers that it is for stands.
    pub(super) fn standing_promotion(&self) -> Option<&Promotion> {
        self.current().filter(|current| self.members.iter().any(|member| member.is_covered_by(Some(current))))
    }

    /// Plans an action of these steps, if there are any. Whether there are.
    pub(super) fn act(&mut self, purpose: Purpose, steps: Vec<Step>) -> bool {
        if steps.is_empty() {
            return false;
        }
        self.apply(&steps);
        self.actions.push(Action { purpose, steps });
        true
    }

    /// Does to the references what the steps will do. Doing it twice is the same.
    pub(super) fn apply(&mut self, steps: &[Step]) {
        steps.iter().for_each(|step| self.names.apply(step));
    }

    /// What was decided, in the end.
    pub(super) fn decision(mut self, images: Images) -> GroupDecision {
        let Images { last_version, wakes, clean_up_waits, retentions } = images;
        if self.actions.is_empty() {
            self.memory.error = None;
        }
        let latest = self.before.latest();
        let promoted = self.memory.promoted.as_ref();
        let report = GroupReport {
            latest_moved: latest.is_some() && promoted.is_some_and(|promoted| latest != Some(promoted.image)),
            latest,
            promoted: promoted.map(|promotion| promotion.version.clone()),
            settled: self.settled,
            command: self.answer,
            clean_up_waits,
            images: retentions,
        };
        GroupDecision {
            actions: self.actions,
            report,
            // An operator may roll back what Kubernetes is no longer to own.
            memory: (self.is_known || self.memory.intention.is_some()).then_some(self.memory),
            held: self.held,
            stopped: self.policy.forbidden.filter(|gate| matches!(gate, Gate::Violation(_))),
            last_version,
            wakes,
        }
    }
}
