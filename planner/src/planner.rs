//! The decision itself.

use std::collections::BTreeMap;

use crate::domain::{Base, Instance};
use crate::images::group::{self, GroupDecision};
use crate::invariants::{self, Violation};
use crate::plan::Plan;
use crate::report::{Gate, Incomplete, InstanceReport, Observing, Reason, Report, Stability, Wake};
use crate::snapshot::Policy;
use crate::snapshot::index::Index;
use crate::snapshot::{InstanceMemory, Mark, Memory, Now};
use crate::snapshot::{Owner, Snapshot};
use crate::takeover::instances;
use crate::takeover::{self, InstanceStatus, StandingTakeover, TakeoverStatus};

/// What a decision results in.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decision {
    /// What to do. The memory has to be saved before the first step is carried out.
    pub plan: Plan,
    /// What was found, and why.
    pub report: Report,
    /// What to remember.
    pub memory: Memory,
}

/// Decides what to do about everything that was observed.
///
/// Pure: the same arguments always give the same result. `now` holds the ages of the marks in `memory`.
pub fn decide(snapshot: &Snapshot, memory: &Memory, policy: &Policy, now: &Now) -> Decision {
    let index = Index::new(snapshot, memory, None);
    let statuses: Vec<InstanceStatus<'_>> = instances::instances(snapshot, memory, None)
        .into_iter()
        .map(|rows| takeover::assess(rows, &index, memory, policy, now))
        .collect();
    let mut members: BTreeMap<&Base, Vec<&InstanceStatus<'_>>> = BTreeMap::new();
    for status in &statuses {
        if let Ok(base) = &status.base {
            members.entry(base).or_default().push(status);
        }
    }

    let mut decision = Decision { plan: Plan::default(), report: Report::default(), memory: Memory::default() };
    for (base, members) in &members {
        decision.add_group(base, members, group::decide(base, members, &index, memory, policy, now), policy);
    }
    // A group whose image name is not known now is remembered as it is.
    for (base, group) in memory.groups.iter().filter(|(base, _)| !members.contains_key(*base)) {
        decision.memory.groups.insert(base.clone(), group.clone());
    }
    for status in statuses.iter().filter(|status| status.base.is_err()) {
        decision.add_instance(status, None, policy);
    }
    decision
}

/// Decides, has the promises judge the plan, and where they are against it decides again with those groups stopped.
/// The groups that are stopped by this, and why.
pub fn decide_checked(
    snapshot: &Snapshot,
    memory: &Memory,
    policy: &Policy,
    now: &Now,
) -> (Decision, BTreeMap<Base, Violation>) {
    checked(snapshot, policy, |snapshot| decide(snapshot, memory, policy, now))
}

/// Decides one group alone, as [`decide_checked`] does with all: plan and report are of this group and its instances, and
/// only they change in the memory. Why it is stopped, if this stops it.
///
/// An instance that is not in `ctr_image_names.json` is one of the group's as long as its container says so: what becomes of
/// it when it no longer does is for [`decide`] to find out.
pub fn decide_group(
    base: &Base,
    snapshot: &Snapshot,
    memory: &Memory,
    policy: &Policy,
    now: &Now,
) -> (Decision, Option<Violation>) {
    let (decision, mut violations) = checked(snapshot, policy, |snapshot| {
        let index = Index::new(snapshot, memory, Some(base));
        let statuses: Vec<InstanceStatus<'_>> = instances::instances(snapshot, memory, Some(base))
            .into_iter()
            .map(|rows| takeover::assess(rows, &index, memory, policy, now))
            .filter(|status| status.base.as_ref() == Ok(base))
            .collect();
        let members: Vec<&InstanceStatus<'_>> = statuses.iter().collect();
        let mut decision = Decision { plan: Plan::default(), report: Report::default(), memory: memory.clone() };
        if !members.is_empty() {
            members.iter().for_each(|member| {
                decision.memory.instances.remove(&member.rows.instance);
            });
            decision.memory.groups.remove(base);
            decision.add_group(base, &members, group::decide(base, &members, &index, memory, policy, now), policy);
        }
        decision
    });
    (decision, violations.remove(base))
}

/// Decides, and where the promises are against the plan of a group decides again with that group stopped.
pub(crate) fn checked(
    snapshot: &Snapshot,
    policy: &Policy,
    decide: impl Fn(&Snapshot) -> Decision,
) -> (Decision, BTreeMap<Base, Violation>) {
    let decision = decide(snapshot);
    let violations = invariants::check(snapshot, &decision.memory, policy, &decision.plan);
    if violations.is_empty() {
        return (decision, violations);
    }
    let mut snapshot = snapshot.clone();
    snapshot.stopped.extend(violations.iter().map(|(base, violation)| (base.clone(), violation.to_string())));
    (decide(&snapshot), violations)
}

impl Decision {
    /// What was decided for a group, and what that says of its instances.
    fn add_group(&mut self, base: &Base, members: &[&InstanceStatus<'_>], group: GroupDecision, policy: &Policy) {
        for member in members {
            self.add_instance(member, Some((base, &group)), policy);
        }
        let GroupDecision { actions, report, memory, wakes, held: _, stopped: _, last_version: _ } = group;
        self.report.wakes.extend(wakes);
        self.report.groups.insert(base.clone(), report);
        self.memory.groups.extend(memory.map(|memory| (base.clone(), memory)));
        if !actions.is_empty() {
            self.plan.groups.insert(base.clone(), actions);
        }
    }

    fn add_instance(&mut self, status: &InstanceStatus<'_>, group: Option<(&Base, &GroupDecision)>, policy: &Policy) {
        let instance = &status.rows.instance;
        self.report.instances.insert(instance.clone(), describe(status, group, policy));
        self.report.wakes.extend(wake(status, policy));
        if status.memory != InstanceMemory::default() {
            self.memory.instances.insert(instance.clone(), status.memory.clone());
        }
    }
}

/// When an observed takeover becomes stable.
fn wake(status: &InstanceStatus<'_>, policy: &Policy) -> Option<Wake> {
    let standing = status.standing().filter(|standing| !standing.is_stable)?;
    let stable_time = policy.of(&status.rows.instance.feature).stable_time;
    Some(Wake { mark: Mark::Takeover(standing.takeover.mark(&status.rows.instance)), age: stable_time })
}

/// What people are told about an instance.
fn describe(member: &InstanceStatus<'_>, group: Option<(&Base, &GroupDecision)>, policy: &Policy) -> InstanceReport {
    let state = &member.rows.state;
    let (stability, reason) = stability(member, group.map(|(_, group)| group), policy);
    let takeover = member.takeover();
    let version = takeover.map(|takeover| &takeover.version).or_else(|| state.container_version.get());
    let stable_time = policy.of(&member.rows.instance.feature).stable_time;
    let promoted =
        group.and_then(|(_, group)| group.report.promoted.clone()).filter(|_| stability == Stability::Stable);
    InstanceReport {
        base: group.map(|(base, _)| base.clone()),
        stability,
        reason,
        version: version.cloned(),
        container: takeover.map(|takeover| takeover.container),
        image: takeover.map(|takeover| takeover.image),
        stable_version: promoted.or_else(|| state.stable_version.get().cloned()),
        last_version: group.and_then(|(_, group)| group.last_version.clone()),
        observing: member.standing().map(|standing| Observing {
            mark: Mark::Takeover(standing.takeover.mark(&member.rows.instance)),
            age: standing.age,
            remaining: standing.age.until(stable_time),
        }),
        ended: member.ended.clone(),
    }
}

/// The stability of an instance, and why.
fn stability(member: &InstanceStatus<'_>, group: Option<&GroupDecision>, policy: &Policy) -> (Stability, Reason) {
    let failed = member.memory.failed.as_ref();
    match &member.takeover_status {
        TakeoverStatus::Local(reason) => (Stability::Local, Reason::Local(reason.clone())),
        TakeoverStatus::No(reason) => match failed {
            None => (Stability::Waiting, Reason::Incomplete(reason.clone())),
            // What is refused has to be remedied first.
            Some(_) if matches!(reason, Incomplete::Refused { .. }) => {
                (Stability::Failed, Reason::Incomplete(reason.clone()))
            }
            Some(failure) => (Stability::Failed, Reason::Ended(failure.ending.clone(), failure.version.clone())),
        },
        TakeoverStatus::Unknown(reason) => {
            let otherwise = if failed.is_some() { Stability::Failed } else { Stability::Waiting };
            (as_before(member, group, otherwise), Reason::Unknown(reason.clone()))
        }
        TakeoverStatus::Stands(standing) => {
            let stable_time = policy.of(&member.rows.instance.feature).stable_time;
            let observing = Reason::Observing(standing.age.until(stable_time));
            match group {
                Some(group) => standing_stability(member, standing, group, observing),
                None => (Stability::Observing, observing),
            }
        }
    }
}

/// The stability of an instance of which nothing is known now: as it was.
fn as_before(member: &InstanceStatus<'_>, group: Option<&GroupDecision>, otherwise: Stability) -> Stability {
    let promoted = group.and_then(|group| group.memory.as_ref()?.promoted.as_ref());
    let promoted_for = promoted.and_then(|promoted| promoted.takeovers.get(&member.rows.instance));
    match member.remembered() {
        _ if member.set_owner == Some(Owner::Local) => Stability::Local,
        Some(takeover) if promoted_for == Some(&takeover.key()) => Stability::Stable,
        Some(_) => Stability::Observing,
        None => otherwise,
    }
}

fn standing_stability(
    member: &InstanceStatus<'_>,
    standing: &StandingTakeover,
    group: &GroupDecision,
    observing: Reason,
) -> (Stability, Reason) {
    if let Some(gate) = &group.stopped {
        return (Stability::Error, Reason::Held(gate.clone()));
    }
    let memory = group.memory.as_ref();
    let error = memory.and_then(|memory| memory.error.as_ref()).filter(|_| !group.actions.is_empty());
    let is_covered = member.is_covered_by(memory.and_then(|memory| memory.promoted.as_ref()));
    let is_rolled_back = memory.is_some_and(|memory| memory.rolled_back.contains(&standing.takeover.image));
    match (is_covered, standing.is_stable) {
        // However long it has run: waiting leads to nothing.
        (false, false) if is_rolled_back => {
            (Stability::Held, Reason::Held(Gate::RolledBack(standing.takeover.version.clone())))
        }
        (false, false) => (Stability::Observing, observing),
        _ if error.is_some() => (Stability::Error, Reason::Failed(error.cloned().unwrap_or_default())),
        (true, _) if group.report.latest_moved => (Stability::Stable, Reason::LatestMoved),
        (true, _) => (Stability::Stable, Reason::Promoted),
        (false, true) => match &group.held {
            Some(gate) => (Stability::Held, Reason::Held(gate.clone())),
            None => (Stability::Observing, Reason::PromotionDue),
        },
    }
}

impl Snapshot {
    /// Every instance that has a row, or had one while CONFIG_DB is being loaded.
    #[must_use]
    pub fn instances(&self, memory: &Memory) -> Vec<Instance> {
        instances::instances(self, memory, None).into_iter().map(|rows| rows.instance).collect()
    }

    /// The instances that are to be owned by kube.
    #[must_use]
    pub fn instances_of_kube(&self, memory: &Memory) -> Vec<Instance> {
        instances::instances(self, memory, None)
            .into_iter()
            .filter(|rows| {
                rows.set_owner(memory.instances.get(&rows.instance), self.config_initialized).is(&Owner::Kube)
            })
            .map(|rows| rows.instance)
            .collect()
    }
}
