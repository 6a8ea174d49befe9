//! The decision itself.

use std::collections::BTreeMap;

use super::index::Index;
use super::instances;
use super::memory::{Mark, Memory, Now};
use super::observation::{Observation, Owner};
use super::plan::Plan;
use super::policy::Policy;
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
    let index = Index::new(observation, memory);
    let assessments: Vec<Assessment<'_>> = instances::instances(observation, memory)
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
        let unit = unit::decide(base, members, &index, memory, policy, now);
        for member in members {
            let report = describe(member, Some((base, &unit)), policy);
            decision.report.instances.insert(member.rows.instance.clone(), report);
        }
        decision.report.wakes.extend(unit.wakes);
        decision.report.units.insert((*base).clone(), unit.report);
        if let Some(memory) = unit.memory {
            decision.memory.units.insert((*base).clone(), memory);
        }
        if !unit.actions.is_empty() {
            decision.plan.units.insert((*base).clone(), unit.actions);
        }
    }
    // A unit whose image name is not known now is remembered as it is.
    for (base, unit) in memory.units.iter().filter(|(base, _)| !members.contains_key(*base)) {
        decision.memory.units.insert(base.clone(), unit.clone());
    }
    for assessment in &assessments {
        let instance = &assessment.rows.instance;
        if assessment.base.is_err() {
            decision.report.instances.insert(instance.clone(), describe(assessment, None, policy));
        }
        if assessment.memory != super::memory::InstanceMemory::default() {
            decision.memory.instances.insert(instance.clone(), assessment.memory.clone());
        }
        decision.report.wakes.extend(wake(assessment, policy));
    }
    decision
}

/// When an observed takeover becomes stable.
fn wake(assessment: &Assessment<'_>, policy: &Policy) -> Option<Wake> {
    let (takeover, _, is_stable) = assessment.takeover()?;
    let stable_time = policy.of(&assessment.rows.instance.feature).stable_time;
    (!is_stable).then(|| Wake {
        mark: Mark::Takeover(takeover.mark(&assessment.rows.instance)),
        age: takeover.head_start.until(stable_time),
    })
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
        Standing::Unknown(reason) if member.memory.takeover.is_some() => (Stability::Observing, reason.clone()),
        Standing::Unknown(reason) => failed(reason),
        Standing::Stands { age, is_stable, .. } => {
            let remaining = age.until(policy.of(&member.rows.instance.feature).stable_time);
            unit.map_or((Stability::Observing, Reason::Observing(remaining)), |unit| {
                standing_stability(member, unit, *is_stable, Reason::Observing(remaining))
            })
        }
    }
}

fn standing_stability(
    member: &Assessment<'_>,
    unit: &UnitDecision,
    is_stable: bool,
    observing: Reason,
) -> (Stability, Reason) {
    let memory = unit.memory.as_ref();
    let error = memory.and_then(|memory| memory.error.as_ref()).filter(|_| !unit.actions.is_empty());
    let is_covered = promotion::covers(memory.and_then(|memory| memory.promoted.as_ref()), member);
    let rolled_back = memory.and_then(|memory| memory.rolled_back.as_ref());
    let held = member.takeover().filter(|(takeover, ..)| !is_covered && rolled_back == Some(&takeover.image));
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
        instances::instances(self, memory).into_iter().map(|rows| rows.instance).collect()
    }

    /// The instances that are to be owned by kube.
    #[must_use]
    pub fn instances_of_kube(&self, memory: &Memory) -> Vec<Instance> {
        instances::instances(self, memory)
            .into_iter()
            .filter(|rows| {
                rows.set_owner(memory.instances.get(&rows.instance), self.config_initialized).is(&Owner::Kube)
            })
            .map(|rows| rows.instance)
            .collect()
    }
}
