//! Bugs that are put in on purpose: each must be caught, by the promise that it breaks, with a way to it in words.

use std::time::Duration;

use imgmgrd_model::agent::{Agent, Answer};
use imgmgrd_model::bounds::Left;
use imgmgrd_model::conduct::{Conduct, Faithful};
use imgmgrd_model::explore::Exploration;
use imgmgrd_model::property::Promise;
use imgmgrd_model::scenario::Scenario;
use imgmgrd_model::scenarios::{Size, scenarios};
use imgmgrd_planner::controller::{Controller, Event, Reading};
use imgmgrd_planner::domain::{Base, ContainerId};
use imgmgrd_planner::fixtures::{Refusal, Switch};
use imgmgrd_planner::{Container, Purpose, Snapshot, Step};

/// Explores a scenario with a bug, and gives the way to what it broke.
#[track_caller]
fn caught(scenario: &str, bounds: Left, bug: impl Conduct + 'static, promise: Promise) -> String {
    let scenario = scenarios(Size::Small).into_iter().find(|other| other.name == scenario).expect("a scenario");
    caught_in(Scenario { bounds, ..scenario }, bug, promise)
}

/// The same in a scenario of its own.
#[track_caller]
fn caught_in(scenario: Scenario, bug: impl Conduct + 'static, promise: Promise) -> String {
    let findings = Exploration::new(scenario, Box::new(bug)).run(1);
    let names: Vec<_> = findings.counterexamples.iter().map(|(name, _)| *name).collect();
    // What breaks one promise may break another in the same number of steps.
    assert!(names.contains(&promise.name()), "{findings:#?}");
    let mut found = findings.counterexamples.into_iter();
    let (_, trace) = found.find(|(name, _)| *name == promise.name()).expect("a counterexample");
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
    unsaved: 0,
    refusals: 0,
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
            switch.snapshot.containers_mut().remove(container);
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
            for image in switch.snapshot.images_mut().values_mut() {
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
    fn begins(&self, agent: &Agent) -> Option<(Base, Step)> {
        removal(agent, |_, promotes| promotes)
    }
}

/// The first removal of an image that is planned of a group of which `is_it`, given whether it is to be promoted.
fn removal(agent: &Agent, is_it: impl Fn(&Base, bool) -> bool) -> Option<(Base, Step)> {
    let mut groups = agent.controller.plan().groups.iter();
    groups.find_map(|(base, actions)| {
        let promotes = actions.iter().any(|action| matches!(action.purpose, Purpose::Promote(_)));
        let removal = actions.iter().find(|action| matches!(action.purpose, Purpose::RemoveImage(_)))?;
        let step = removal.steps.first().filter(|_| is_it(base, promotes))?;
        Some((base.clone(), step.clone()))
    })
}

#[test]
fn a_clean_up_before_the_promotion() {
    let trace = caught("faults", NOTHING, CleansUpFirst, Promise::Fallback);
    assert!(trace.contains("the last version is gone"), "{trace}");
}

/// A container is known by its id alone: one that was started again passes for the one that ran before.
struct DoesNotSeeRestarts;

impl Conduct for DoesNotSeeRestarts {
    fn see(&self, controller: &Controller, event: &mut Event) {
        let hide = |id: &ContainerId, container: &mut Container| {
            let known = controller.memory().instances.values().filter_map(|instance| instance.takeover.as_ref());
            let started_at = known.filter(|takeover| takeover.container == *id).map(|it| it.started_at.clone()).next();
            if let (Some(details), Some(started_at)) = (&mut container.details, started_at) {
                details.started_at = started_at;
            }
        };
        match event {
            Event::Engine(snapshot) => {
                let containers = std::sync::Arc::make_mut(&mut snapshot.containers);
                containers.iter_mut().for_each(|(id, container)| hide(id, container));
            }
            Event::Read { reading: Ok(reading), .. } => {
                reading.containers.iter_mut().for_each(|(id, container)| hide(id, container));
            }
            _ => {}
        }
    }

    fn carry_out(&self, switch: &mut Switch, step: &Step) -> Result<(), Refusal> {
        TrustsTheProof.carry_out(switch, step)
    }
}

#[test]
fn a_restart_that_does_not_start_the_wait_over() {
    let trace = caught("faults", Left { mishaps: 2, ..NOTHING }, DoesNotSeeRestarts, Promise::Proven);
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
    let trace = caught("faults", Left { mishaps: 2, ..NOTHING }, TrustsTheProof, Promise::Proven);
    assert!(trace.contains("no container has run long enough"), "{trace}");
}

/// The memory is saved some time, not before the first step.
struct SavesLate;

impl Conduct for SavesLate {
    fn saves_before_acting(&self) -> bool {
        false
    }
}

#[test]
fn a_memory_that_is_saved_after_the_first_step() {
    caught("commands", Left { operations: 1, ..NOTHING }, SavesLate, Promise::Saved);
}

/// What was saved is not read at the start.
struct Forgets;

impl Conduct for Forgets {
    fn remembers(&self) -> bool {
        false
    }
}

#[test]
fn a_memory_that_a_crash_wipes() {
    caught("commands", Left { operations: 1, crashes: 1, ..NOTHING }, Forgets, Promise::Crash);
}

/// A write of versions is not conditional on the row's container.
struct WritesToAnyRow;

impl Conduct for WritesToAnyRow {
    fn carry_out(&self, switch: &mut Switch, step: &Step) -> Result<(), Refusal> {
        let mut step = step.clone();
        if let Step::RecordVersions { row, container_id, .. } = &mut step {
            if let Some(row) = switch.snapshot.state.get(row) {
                container_id.clone_from(&row.container_id);
            }
        }
        switch.step(&step)
    }
}

#[test]
fn versions_for_a_row_that_is_about_another_container_by_now() {
    let trace = caught("faults", Left { mishaps: 1, ..NOTHING }, WritesToAnyRow, Promise::Rows);
    assert!(trace.contains("its versions were overwritten"), "{trace}");
}

/// The removal of a container counts as done when it was asked for. (An image that is there again counts as a new one.)
struct RemovesNothing;

impl Conduct for RemovesNothing {
    fn carry_out(&self, switch: &mut Switch, step: &Step) -> Result<(), Refusal> {
        if matches!(step, Step::RemoveContainer { .. }) { Ok(()) } else { switch.step(step) }
    }
}

#[test]
fn a_stale_container_that_stays() {
    let trace = caught("first", UPGRADE, RemovesNothing, Promise::Rest);
    assert!(trace.contains("the stale container telemetry is left"), "{trace}");
}

/// Changes the rows that the agent sees.
fn alter(event: &mut Event, change: impl Fn(&mut Snapshot)) {
    if let Event::Rows(rows) = event {
        change(&mut rows.snapshot);
    }
}

/// The clean-up is forgotten.
struct NeverCleansUp;

impl Conduct for NeverCleansUp {
    fn see(&self, _: &Controller, event: &mut Event) {
        alter(event, |snapshot| snapshot.kubernetes.connected = Some(false));
    }
}

#[test]
fn an_image_that_is_left() {
    let trace = caught("faults", NOTHING, NeverCleansUp, Promise::Rest);
    assert!(trace.contains("is left on the disk"), "{trace}");
}

/// That Kubernetes is disabled is not seen.
struct DoesNotHold;

impl Conduct for DoesNotHold {
    fn see(&self, _: &Controller, event: &mut Event) {
        alter(event, |snapshot| snapshot.kubernetes.disabled = false);
    }
}

#[test]
fn a_promotion_while_kubernetes_is_disabled() {
    caught("policy", Left { operations: 1, ..NOTHING }, DoesNotHold, Promise::HeldBack);
}

/// One group at a time: what comes of the others is not looked at before.
struct OneAtATime;

impl Conduct for OneAtATime {
    fn waits_for(&self, agent: &Agent, base: &Base) -> bool {
        agent.steps.keys().chain(agent.reads.keys()).min() == Some(base)
    }

    fn answers(&self, agent: &Agent) -> Option<Answer> {
        (!agent.steps.is_empty() || !agent.reads.is_empty()).then_some(Answer::Late)
    }
}

#[test]
fn a_hung_call_that_holds_up_another_group() {
    let trace = caught("two-groups", NOTHING, OneAtATime, Promise::Bulkheads);
    assert!(trace.contains("docker-snmp hangs"), "{trace}");
}

/// The rows are those that were known before, not read again.
struct ReadsNothingAgain;

impl Conduct for ReadsNothingAgain {
    fn reads_rows_again(&self) -> bool {
        false
    }
}

#[test]
fn rows_that_are_not_read_again() {
    let bounds = Left { operations: 1, delays: 1, ..NOTHING };
    let trace = caught("two-owners", bounds, ReadsNothingAgain, Promise::Fresh);
    assert!(trace.contains("it is not kube's"), "{trace}");
}

/// Images are removed without regard to the promotions of others.
struct RemovesBesidePromotions;

impl Conduct for RemovesBesidePromotions {
    fn begins(&self, agent: &Agent) -> Option<(Base, Step)> {
        removal(agent, |base, promotes| !promotes && agent.steps.keys().any(|other| other != base))
    }
}

#[test]
fn a_removal_while_another_promotion_is_due() {
    let scenario = scenarios(Size::Small).into_iter().find(|other| other.name == "two-groups").expect("a scenario");
    let old = Scenario { promoted: vec!["1", "2"], running: Some("3"), bounds: NOTHING, ..scenario };
    let trace = caught_in(old, RemovesBesidePromotions, Promise::PromotionsFirst);
    assert!(trace.contains("is due"), "{trace}");
}

/// A memory that cannot be saved ends the round before anything is published.
struct SavesOrStops;

impl Conduct for SavesOrStops {
    fn publishes(&self, agent: &Agent) -> bool {
        !agent.disk_is_full
    }
}

#[test]
fn rows_that_stay_as_they_are_when_the_disk_is_full() {
    caught("unsaved", Left { unsaved: 1, ..NOTHING }, SavesOrStops, Promise::Published);
}

/// A write that Redis refuses is taken for done.
struct PublishesOnce;

impl Conduct for PublishesOnce {
    fn takes_refused_for_done(&self) -> bool {
        true
    }
}

#[test]
fn a_refused_row_that_nobody_writes_again() {
    caught("refused", Left { refusals: 1, ..NOTHING }, PublishesOnce, Promise::Published);
}

/// Lists that were asked for before a step are taken for newer than it.
struct TakesOldForNew;

impl Conduct for TakesOldForNew {
    fn began(&self, _: Duration, now: Duration) -> Duration {
        now
    }
}

#[test]
fn an_old_list_that_is_taken_for_a_new_one() {
    let trace = caught("late", Left { delays: 1, ..NOTHING }, TakesOldForNew, Promise::Says);
    assert!(trace.contains("is not so"), "{trace}");
}

/// What `latest` is is not read back before a command is answered.
struct RecallsLatest;

impl Conduct for RecallsLatest {
    fn reading(&self, controller: &Controller, reading: Reading) -> Reading {
        let images = &controller.snapshot().images;
        let base: Option<&Base> = controller.report().groups.keys().next();
        let latest = base.and_then(imgmgrd_planner::domain::Reference::latest);
        let named = images.iter().find(|(_, image)| latest.as_ref().is_some_and(|it| image.references.contains(it)));
        Reading { latest: named.map(|(id, _)| *id), ..reading }
    }
}

#[test]
fn a_command_that_is_answered_without_reading_back() {
    let trace = caught("commands", Left { operations: 2, ..NOTHING }, RecallsLatest, Promise::Says);
    assert!(trace.contains("it was answered that latest is"), "{trace}");
}
