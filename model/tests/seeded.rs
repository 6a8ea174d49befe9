//! Bugs that are put in on purpose: each must be caught, by the promise that it breaks, with a way to it in words.

use imgmgrd_decision::decide::fixtures::{Refusal, Switch};
use imgmgrd_decision::decide::{Memory, Observation, Plan, Purpose, Step};
use imgmgrd_model::agent::{Conduct, Faithful};
use imgmgrd_model::explore::Exploration;
use imgmgrd_model::promises::Promise;
use imgmgrd_model::scenario::{Left, Scenario};
use imgmgrd_model::scenarios::{Size, scenarios};

/// Explores a scenario with a bug, and gives the way to what it broke.
#[track_caller]
fn caught(scenario: &str, bounds: Left, bug: impl Conduct + 'static, promise: Promise) -> String {
    let scenario = scenarios(Size::Small).into_iter().find(|other| other.name == scenario).expect("a scenario");
    let findings = Exploration::new(Scenario { bounds, ..scenario }, Box::new(bug)).run(1);
    let names: Vec<_> = findings.counterexamples.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, [promise.name()], "{findings:#?}");
    let (_, trace) = findings.counterexamples.into_iter().next().expect("a counterexample");
    println!("{} states\n{trace}", findings.states);
    trace
}

/// Only time and the agent.
const NOTHING: Left = Left {
    upgrades: 0,
    pulls: 0,
    mishaps: 0,
    collects: 0,
    reverts: 0,
    operations: 0,
    reloads: 0,
    deletions: 0,
    reboots: 0,
    crashes: 0,
    faults: 0,
    delays: 0,
};

/// One upgrade.
const UPGRADE: Left = Left { upgrades: 1, pulls: 1, ..NOTHING };

#[test]
fn a_scenario_in_which_too_little_can_happen() {
    let scenario = scenarios(Size::Small).into_iter().find(|scenario| scenario.name == "first").expect("a scenario");
    let wanted: Vec<_> = scenario.reaches.iter().map(|reach| reach.name()).collect();
    let findings = Exploration::new(Scenario { bounds: NOTHING, ..scenario }, Box::new(Faithful)).run(1);
    assert_eq!((findings.counterexamples.len(), findings.unreached), (0, wanted));
}

/// `latest` is removed, and tagged by the call after that.
struct RemovesLatestFirst;

impl Conduct for RemovesLatestFirst {
    fn carry_out(&self, switch: &mut Switch, step: &Step) -> Result<(), Refusal> {
        match step {
            Step::Tag { reference, .. } if reference.is_local_latest() && switch.naming(reference).is_some() => {
                switch.untag(reference);
                Err(Refusal::Changed)
            }
            step => switch.step(step),
        }
    }
}

#[test]
fn latest_that_is_removed_before_it_is_tagged() {
    let trace = caught("first", UPGRADE, RemovesLatestFirst, Promise::Latest);
    assert!(trace.contains("latest names nothing"), "{trace}");
}

/// Containers are removed by force, without another look at them.
struct RemovesByForce;

impl Conduct for RemovesByForce {
    fn carry_out(&self, switch: &mut Switch, step: &Step) -> Result<(), Refusal> {
        if let Step::RemoveContainer { container, .. } = step {
            switch.observation.containers_mut().remove(container);
            return Ok(());
        }
        switch.step(step)
    }
}

#[test]
fn a_container_that_is_removed_by_force() {
    let bounds = Left { mishaps: 1, reverts: 1, ..UPGRADE };
    let trace = caught("first", bounds, RemovesByForce, Promise::InUse);
    assert!(trace.contains("the running telemetry was touched"), "{trace}");
}

/// What ctrmgrd does: with a reference of gnmi's, the same tag goes of whatever begins with gnmi's image name.
struct TakesNearNames;

impl Conduct for TakesNearNames {
    fn carry_out(&self, switch: &mut Switch, step: &Step) -> Result<(), Refusal> {
        if let Step::RemoveReference { reference, .. } = step {
            let base = reference.repository.base().as_str().to_owned();
            for image in switch.observation.images_mut().values_mut() {
                image.references.retain(|other| {
                    let other_base = other.repository.base().as_str();
                    !(other_base.starts_with(&base) && other_base != base && other.tag() == reference.tag())
                });
            }
        }
        switch.step(step)
    }
}

#[test]
fn an_image_name_that_begins_with_the_features() {
    let scenario = Scenario { promoted: Vec::new(), ..near_names() };
    let findings = Exploration::new(scenario, Box::new(TakesNearNames)).run(1);
    assert_eq!(findings.counterexamples.len(), 1, "{findings:#?}");
    assert_eq!(findings.counterexamples[0].0, Promise::Own.name());
}

fn near_names() -> Scenario {
    scenarios(Size::Small).into_iter().find(|scenario| scenario.name == "near-names").expect("a scenario")
}

/// The clean-up comes before the promotion.
struct CleansUpFirst;

impl Conduct for CleansUpFirst {
    fn arrange(&self, mut plan: Plan) -> Plan {
        for actions in plan.units.values_mut() {
            actions.sort_by_key(|action| !matches!(action.purpose, Purpose::RemoveImage(_)));
        }
        plan
    }
}

#[test]
fn a_clean_up_before_the_promotion() {
    let trace = caught("upgrade", UPGRADE, CleansUpFirst, Promise::Fallback);
    assert!(trace.contains("the last version is gone"), "{trace}");
}

/// A container is known by its id alone: one that was started again passes for the one that ran before.
struct DoesNotSeeRestarts;

impl Conduct for DoesNotSeeRestarts {
    fn see(&self, memory: &Memory, observation: &mut Observation) {
        for takeover in memory.instances.values().filter_map(|instance| instance.takeover.as_ref()) {
            let container = observation.containers_mut().get_mut(&takeover.container);
            if let Some(details) = container.and_then(|container| container.details.as_mut()) {
                details.started_at = takeover.started_at.clone();
            }
        }
    }

    fn carry_out(&self, switch: &mut Switch, step: &Step) -> Result<(), Refusal> {
        TrustsTheProof.carry_out(switch, step)
    }
}

#[test]
fn a_restart_that_does_not_start_the_wait_over() {
    let trace = caught("first", Left { mishaps: 2, ..UPGRADE }, DoesNotSeeRestarts, Promise::Proven);
    assert!(trace.contains("has not run it long enough"), "{trace}");
}

/// The proof of a promotion is not looked at again right before the tag.
struct TrustsTheProof;

impl Conduct for TrustsTheProof {
    fn carry_out(&self, switch: &mut Switch, step: &Step) -> Result<(), Refusal> {
        let mut step = step.clone();
        if let Step::Tag { proven_by, .. } = &mut step {
            proven_by.clear();
        }
        switch.step(&step)
    }
}

#[test]
fn a_proof_that_is_not_looked_at_again() {
    let trace = caught("first", Left { mishaps: 2, ..UPGRADE }, TrustsTheProof, Promise::Proven);
    assert!(trace.contains("no container has run long enough"), "{trace}");
}

/// The memory is saved when the plan is carried out, not before.
struct SavesLate;

impl Conduct for SavesLate {
    fn saves_before_acting(&self) -> bool {
        false
    }
}

#[test]
fn a_memory_that_is_saved_after_the_first_step() {
    caught("orders", Left { operations: 1, crashes: 1, ..NOTHING }, SavesLate, Promise::Crash);
}

/// A write of versions expects the row as a look in between has read it, not as the plan was made from it. This one
/// was in the agent until the model found it.
struct ExpectsWhatIsThere;

impl Conduct for ExpectsWhatIsThere {
    fn expects_rows_as_last_read(&self) -> bool {
        true
    }

    fn carry_out(&self, switch: &mut Switch, step: &Step) -> Result<(), Refusal> {
        let mut step = step.clone();
        if let Step::RecordVersions { row, container_id, .. } = &mut step {
            let now = switch.observation.state.get(row);
            now.into_iter().for_each(|now| container_id.clone_from(&now.container_id));
        }
        switch.step(&step)
    }
}

#[test]
fn versions_for_a_row_that_is_about_another_container_by_now() {
    let trace = caught("first", Left { mishaps: 1, ..UPGRADE }, ExpectsWhatIsThere, Promise::Rows);
    assert!(trace.contains("its versions were overwritten"), "{trace}");
}

/// A removal counts as done when it was asked for.
struct RemovesNothing;

impl Conduct for RemovesNothing {
    fn carry_out(&self, switch: &mut Switch, step: &Step) -> Result<(), Refusal> {
        if matches!(step, Step::RemoveReference { .. }) { Ok(()) } else { switch.step(step) }
    }
}

#[test]
fn a_clean_up_that_never_ends() {
    let trace = caught("upgrade", UPGRADE, RemovesNothing, Promise::Rest);
    assert!(trace.contains("always something left to do"), "{trace}");
}

/// The clean-up is forgotten.
struct NeverCleansUp;

impl Conduct for NeverCleansUp {
    fn see(&self, _: &Memory, observation: &mut Observation) {
        observation.kubernetes.connected = Some(false);
    }
}

#[test]
fn an_image_that_is_left() {
    let trace = caught("upgrade", UPGRADE, NeverCleansUp, Promise::Rest);
    assert!(trace.contains("is left on the disk"), "{trace}");
}

/// That Kubernetes is disabled is not seen.
struct DoesNotHold;

impl Conduct for DoesNotHold {
    fn see(&self, _: &Memory, observation: &mut Observation) {
        observation.kubernetes.disabled = false;
    }
}

#[test]
fn a_promotion_while_kubernetes_is_disabled() {
    caught("policy", Left { operations: 1, ..UPGRADE }, DoesNotHold, Promise::HeldBack);
}
