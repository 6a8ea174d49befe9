//! The decision itself.

use std::collections::BTreeMap;

use super::index::Index;
use super::instances;
use super::memory::{InstanceMemory, Mark, Memory, Now};
use super::observation::{Observation, Owner};
use super::plan::Plan;
use super::policy::Policy;
use super::promises::{self, Violation};
use super::promotion;
use super::report::{InstanceReport, Observing, Reason, Report, Stability, Wake};
use super::takeover::{self, Assessment, Standing};
use super::unit::{self, UnitDecision};
use crate::domain::{Base, Instance};

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
pub fn decide(observation: &Observation, memory: &Memory, policy: &Policy, now: &Now) -> Decision {
    let index = Index::new(observation, memory, None);
    let assessments: Vec<Assessment<'_>> = instances::instances(observation, memory, None)
        .into_iter()
        .map(|rows| takeover::assess(rows, &index, memory, policy, now))
        .collect();
    let mut members: BTreeMap<&Base, Vec<&Assessment<'_>>> = BTreeMap::new();
    for assessment in &assessments {
        if let Ok(base) = &assessment.base {
            members.entry(base).or_default().push(assessment);
        }
    }

    let mut decision = Decision { plan: Plan::default(), report: Report::default(), memory: Memory::default() };
    for (base, members) in &members {
        decision.add_unit(base, members, unit::decide(base, members, &index, memory, policy, now), policy);
    }
    // A unit whose image name is not known now is remembered as it is.
    for (base, unit) in memory.units.iter().filter(|(base, _)| !members.contains_key(*base)) {
        decision.memory.units.insert(base.clone(), unit.clone());
    }
    for assessment in assessments.iter().filter(|assessment| assessment.base.is_err()) {
        decision.add_instance(assessment, None, policy);
    }
    decision
}

/// Decides, has the promises judge the plan, and where they are against it decides again with those units stopped.
/// The units that are stopped by this, and why.
pub fn decide_checked(
    observation: &Observation,
    memory: &Memory,
    policy: &Policy,
    now: &Now,
) -> (Decision, BTreeMap<Base, Violation>) {
    checked(observation, policy, |observation| decide(observation, memory, policy, now))
}

/// Decides one unit alone, as [`decide_checked`] does with all: plan and report are of this unit and its instances, and
/// only they change in the memory. Why it is stopped, if this stops it.
///
/// An instance that is not in `ctr_image_names.json` is one of the unit's as long as its container says so: what becomes of
/// it when it no longer does is for [`decide`] to find out.
pub fn decide_unit(
    base: &Base,
    observation: &Observation,
    memory: &Memory,
    policy: &Policy,
    now: &Now,
) -> (Decision, Option<Violation>) {
    let (decision, mut violations) = checked(observation, policy, |observation| {
        let index = Index::new(observation, memory, Some(base));
        let assessments: Vec<Assessment<'_>> = instances::instances(observation, memory, Some(base))
            .into_iter()
            .map(|rows| takeover::assess(rows, &index, memory, policy, now))
            .filter(|assessment| assessment.base.as_ref() == Ok(base))
            .collect();
        let members: Vec<&Assessment<'_>> = assessments.iter().collect();
        let mut decision = Decision { plan: Plan::default(), report: Report::default(), memory: memory.clone() };
        if !members.is_empty() {
            members.iter().for_each(|member| {
                decision.memory.instances.remove(&member.rows.instance);
            });
            decision.memory.units.remove(base);
            decision.add_unit(base, &members, unit::decide(base, &members, &index, memory, policy, now), policy);
        }
        decision
    });
    (decision, violations.remove(base))
}

/// Decides, and where the promises are against the plan of a unit decides again with that unit stopped.
pub(super) fn checked(
    observation: &Observation,
    policy: &Policy,
    decide: impl Fn(&Observation) -> Decision,
) -> (Decision, BTreeMap<Base, Violation>) {
    let decision = decide(observation);
    let violations = promises::check(observation, &decision.memory, policy, &decision.plan);
    if violations.is_empty() {
        return (decision, violations);
    }
    let mut observation = observation.clone();
    observation.stopped.extend(violations.iter().map(|(base, violation)| (base.clone(), violation.to_string())));
    (decide(&observation), violations)
}

impl Decision {
    /// What was decided for a unit, and what that says of its instances.
    fn add_unit(&mut self, base: &Base, members: &[&Assessment<'_>], unit: UnitDecision, policy: &Policy) {
        for member in members {
            self.add_instance(member, Some((base, &unit)), policy);
        }
        let UnitDecision { actions, report, memory, wakes, held: _, stopped: _, last_version: _ } = unit;
        self.report.wakes.extend(wakes);
        self.report.units.insert(base.clone(), report);
        self.memory.units.extend(memory.map(|memory| (base.clone(), memory)));
        if !actions.is_empty() {
            self.plan.units.insert(base.clone(), actions);
        }
    }

    fn add_instance(&mut self, assessment: &Assessment<'_>, unit: Option<(&Base, &UnitDecision)>, policy: &Policy) {
        let instance = &assessment.rows.instance;
        self.report.instances.insert(instance.clone(), describe(assessment, unit, policy));
        self.report.wakes.extend(wake(assessment, policy));
        if assessment.memory != InstanceMemory::default() {
            self.memory.instances.insert(instance.clone(), assessment.memory.clone());
        }
    }
}

/// When an observed takeover becomes stable.
fn wake(assessment: &Assessment<'_>, policy: &Policy) -> Option<Wake> {
    let (takeover, _, is_stable) = assessment.takeover()?;
    let stable_time = policy.of(&assessment.rows.instance.feature).stable_time;
    (!is_stable).then(|| Wake { mark: Mark::Takeover(takeover.mark(&assessment.rows.instance)), age: stable_time })
}

/// What people are told about an instance.
fn describe(member: &Assessment<'_>, unit: Option<(&Base, &UnitDecision)>, policy: &Policy) -> InstanceReport {
    let state = &member.rows.state;
    let (stability, reason) = stability(member, unit.map(|(_, unit)| unit), policy);
    let takeover = member.takeover();
    let version = takeover.map(|(takeover, ..)| &takeover.version).or_else(|| state.container_version.get());
    let stable_time = policy.of(&member.rows.instance.feature).stable_time;
    let promoted = unit.and_then(|(_, unit)| unit.report.promoted.clone()).filter(|_| stability == Stability::Stable);
    InstanceReport {
        base: unit.map(|(base, _)| base.clone()),
        stability,
        reason,
        version: version.cloned(),
        container: takeover.map(|(takeover, ..)| takeover.container),
        image: takeover.map(|(takeover, ..)| takeover.image),
        stable_version: promoted.or_else(|| state.stable_version.get().cloned()),
        last_version: unit.and_then(|(_, unit)| unit.last_version.clone()),
        observing: takeover.map(|(takeover, age, _)| Observing {
            mark: Mark::Takeover(takeover.mark(&member.rows.instance)),
            age,
            remaining: age.until(stable_time),
        }),
        ended: member.ended.clone(),
    }
}

/// The stability of an instance, and why.
fn stability(member: &Assessment<'_>, unit: Option<&UnitDecision>, policy: &Policy) -> (Stability, Reason) {
    let failed = |otherwise: &Reason| match &member.memory.failed {
        // What is refused has to be mended first.
        Some(_) if matches!(otherwise, Reason::Refused { .. }) => (Stability::Failed, otherwise.clone()),
        Some(failure) => (Stability::Failed, Reason::Ended(failure.ending.clone(), failure.version.clone())),
        None => (Stability::Waiting, otherwise.clone()),
    };
    match &member.standing {
        Standing::Local(reason) => (Stability::Local, reason.clone()),
        Standing::No(reason) => failed(reason),
        Standing::Unknown(reason) => (as_before(member, unit, failed(reason).0), reason.clone()),
        Standing::Stands { age, is_stable, .. } => {
            let remaining = age.until(policy.of(&member.rows.instance.feature).stable_time);
            unit.map_or((Stability::Observing, Reason::Observing(remaining)), |unit| {
                standing_stability(member, unit, *is_stable, Reason::Observing(remaining))
            })
        }
    }
}

/// The stability of an instance of which nothing is known now: as it was.
fn as_before(member: &Assessment<'_>, unit: Option<&UnitDecision>, otherwise: Stability) -> Stability {
    let promoted = unit.and_then(|unit| unit.memory.as_ref()?.promoted.as_ref());
    let promoted_for = promoted.and_then(|promoted| promoted.takeovers.get(&member.rows.instance));
    match member.remembered() {
        _ if member.set_owner == Some(Owner::Local) => Stability::Local,
        Some(takeover) if promoted_for == Some(&takeover.key()) => Stability::Stable,
        Some(_) => Stability::Observing,
        None => otherwise,
    }
}

fn standing_stability(
    member: &Assessment<'_>,
    unit: &UnitDecision,
    is_stable: bool,
    observing: Reason,
) -> (Stability, Reason) {
    if let Some(reason) = &unit.stopped {
        return (Stability::Error, reason.clone());
    }
    let memory = unit.memory.as_ref();
    let error = memory.and_then(|memory| memory.error.as_ref()).filter(|_| !unit.actions.is_empty());
    let is_covered = promotion::covers(memory.and_then(|memory| memory.promoted.as_ref()), member);
    let is_rolled_back = |image| memory.is_some_and(|memory| memory.rolled_back.contains(image));
    let held = member.takeover().filter(|(takeover, ..)| !is_covered && is_rolled_back(&takeover.image));
    match (is_covered, is_stable) {
        // However long it has run: waiting leads to nothing.
        (false, false) if held.is_some() => {
            (Stability::Held, held.map_or(observing, |(takeover, ..)| Reason::RolledBack(takeover.version.clone())))
        }
        (false, false) => (Stability::Observing, observing),
        _ if error.is_some() => (Stability::Error, Reason::Failed(error.cloned().unwrap_or_default())),
        (true, _) if unit.report.latest_moved => (Stability::Stable, Reason::LatestMoved),
        (true, _) => (Stability::Stable, Reason::Promoted),
        (false, true) => match &unit.held {
            Some(reason) => (Stability::Held, reason.clone()),
            None => (Stability::Observing, Reason::PromotionDue),
        },
    }
}

impl Observation {
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
