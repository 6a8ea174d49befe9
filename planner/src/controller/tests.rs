//! The controller on a simulated switch, one event at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use std::sync::Arc;

use super::*;
use crate::StepOutcome;
use crate::domain::{Base, ContainerId, Instance};
use crate::fixtures::{self, Refusal, Switch, kube, on_host};
use crate::{Command, Memory, Owner, Stability, Step};

const SECOND: Duration = Duration::from_secs(1);

/// Drives a controller, as the agent does. What is asked for is done when a test says so, or all at once.
struct Driver {
    switch: Switch,
    controller: Controller,
    now: Duration,
    reads: BTreeMap<Base, ReadRequest>,
    steps: BTreeMap<Base, Step>,
    done: Vec<String>,
    answers: BTreeMap<u64, BTreeMap<Instance, CommandAnswer>>,
    saves: Result<(), String>,
    publishes: bool,
    published: usize,
}

impl Driver {
    fn new(switch: Switch) -> Self {
        let pauses = Pauses { promotion: SECOND * 60, clean_up: SECOND * 60 };
        Self {
            now: Duration::from_secs(switch.clock),
            switch,
            controller: Controller::new(Memory::default(), BTreeMap::new(), pauses),
            reads: BTreeMap::new(),
            steps: BTreeMap::new(),
            done: Vec::new(),
            answers: BTreeMap::new(),
            saves: Ok(()),
            publishes: true,
            published: 0,
        }
    }

    fn tell(&mut self, event: Event) {
        self.now += Duration::from_micros(1);
        self.controller.handle(event, self.now);
        self.effects();
    }

    fn effects(&mut self) {
        loop {
            let effects = self.controller.effects(self.now);
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                match effect {
                    Effect::ReadGroup { base, request } => drop(self.reads.insert(base, request)),
                    Effect::Step { base, step } => drop(self.steps.insert(base, step)),
                    Effect::Save => self.controller.handle(Event::Saved(self.saves.clone()), self.now),
                    Effect::Publish => {
                        self.published += usize::from(self.publishes);
                        self.controller.handle(Event::Published { is_complete: self.publishes }, self.now);
                    }
                    Effect::Answer { id, answers } => drop(self.answers.insert(id, answers)),
                    Effect::ReadEngine | Effect::Found(_) | Effect::Acted(_) | Effect::SaveMarks => {}
                    Effect::Refused { violation, .. } => panic!("{violation}"),
                }
            }
        }
    }

    fn rows(&self) -> Rows {
        Rows { snapshot: self.switch.observe(), policy: self.switch.policy.clone() }
    }

    /// Rows and lists are read.
    fn reconcile(&mut self) {
        let snapshot = self.switch.observe();
        self.tell(Event::Rows(Box::new(self.rows())));
        let began = self.now + Duration::from_nanos(1);
        let (images, containers) = (snapshot.images, snapshot.containers);
        self.tell(Event::Engine(EngineSnapshot { images, containers, began }));
    }

    fn read(&mut self, base: &Base) {
        let Some(request) = self.reads.remove(base) else { return };
        let seen = self.switch.observe();
        let is_asked = |id: &ContainerId, name: &Arc<str>| {
            request.every_container || request.containers.contains(id) || request.names.contains(name)
        };
        let containers = seen.containers.iter().filter(|(id, container)| is_asked(id, &container.name));
        let containers = containers.map(|(id, container)| (*id, container.clone())).collect();
        let latest = self.switch.naming(&request.latest);
        let reading = Ok(Box::new(Reading { containers, latest }));
        let rows = Event::Rows(Box::new(self.rows()));
        self.controller.handle(rows, self.now);
        self.tell(Event::Read { base: base.clone(), reading });
    }

    fn step(&mut self, base: &Base) {
        let Some(step) = self.steps.remove(base) else { return };
        self.done.push(step.to_string());
        let outcome = match self.switch.step(&step) {
            Ok(()) => StepOutcome::DONE,
            Err(Refusal::Changed) => StepOutcome::Changed("changed".to_owned()),
            Err(Refusal::InUse(_)) => StepOutcome::InUse,
        };
        self.tell(Event::Stepped { base: base.clone(), outcome });
    }

    /// Everything that is asked for is done, but what is about `hung`.
    fn work(&mut self, hung: &BTreeSet<Base>) {
        for _ in 0..1000 {
            let bases: BTreeSet<Base> = self.reads.keys().chain(self.steps.keys()).cloned().collect();
            let Some(base) = bases.into_iter().find(|base| !hung.contains(base)) else { return };
            self.read(&base);
            self.step(&base);
        }
        panic!("there is always something left to do: {:?}", self.done);
    }

    /// Time passes up to the next deadline, which comes within so many seconds.
    fn wake(&mut self, within: u64) {
        let at = self.controller.next_wake().expect("a deadline");
        assert!(at > self.now && at < self.now + SECOND * u32::try_from(within + 1).unwrap(), "{at:?} {:?}", self.now);
        self.now = at;
        self.tell(Event::Wake);
    }

    fn stability(&self, name: &str) -> Stability {
        self.controller.report().instances[&on_host(name)].stability
    }
}

/// A switch with two features, each with a kube version that has just taken over.
fn two_features() -> Switch {
    let mut switch = Switch::new();
    for (name, base) in [("snmp", "docker-snmp"), ("telemetry", "docker-sonic-telemetry")] {
        switch = switch.feature(name, base);
        let image = switch.image(&fixtures::local(base, "10").latest());
        switch.local_start(&on_host(name), &image);
        switch.set_owner(name, Owner::Kube);
        let image = switch.image(&kube(base, "84"));
        switch.upgrade(&on_host(name), &image);
    }
    switch
}

fn base(name: &str) -> Base {
    name.parse().unwrap()
}

#[test]
fn a_version_that_proves_stable_is_promoted_at_its_deadline() {
    let mut driver = Driver::new(two_features());
    driver.reconcile();
    assert_eq!(driver.stability("snmp"), Stability::Observing);
    assert!(driver.controller.is_at_rest());
    driver.wake(600);
    assert_eq!(driver.reads.len(), 2, "both are read again at once");
    driver.work(&BTreeSet::new());
    assert_eq!((driver.stability("snmp"), driver.stability("telemetry")), (Stability::Stable, Stability::Stable));
    driver.reconcile();
    assert!(driver.controller.is_at_rest(), "{:?}", driver.controller);
    assert_eq!(driver.controller.next_wake(), None);
}

#[test]
fn a_command_is_answered_by_what_was_read_back() {
    let mut driver = Driver::new(two_features());
    driver.reconcile();
    let features = BTreeSet::from(["snmp".parse().unwrap()]);
    driver.tell(Event::Command { id: 1, command: Command::Promote, features: features.clone() });
    driver.work(&BTreeSet::new());
    assert_eq!(driver.answers[&1][&on_host("snmp")], Ok(("84".parse().unwrap(), None)));
    assert_eq!(driver.stability("telemetry"), Stability::Observing);
    driver.tell(Event::Command { id: 2, command: Command::Promote, features });
    driver.work(&BTreeSet::new());
    assert_eq!(driver.answers[&2][&on_host("snmp")], Ok(("84".parse().unwrap(), None)), "it is so already");
}

#[test]
fn what_hangs_holds_up_only_itself() {
    let mut driver = Driver::new(two_features());
    driver.reconcile();
    driver.wake(600);
    let hung = BTreeSet::from([base("docker-snmp")]);
    driver.work(&hung);
    assert_eq!(driver.stability("telemetry"), Stability::Stable);
    assert!(driver.switch.named("docker-sonic-telemetry:10").is_some(), "no image goes before what is due");
    driver.wake(5);
    driver.work(&hung);
    assert!(driver.switch.named("docker-sonic-telemetry:10").is_none(), "what hangs is not waited for");
}

#[test]
fn what_changes_before_an_action_ends_it() {
    let mut driver = Driver::new(two_features());
    driver.reconcile();
    driver.wake(600);
    driver.switch.set_owner("snmp", Owner::Local);
    driver.work(&BTreeSet::new());
    assert!(!driver.done.iter().any(|step| step.contains("docker-snmp:latest")), "{:?}", driver.done);
    assert_eq!(driver.stability("snmp"), Stability::Local);
}

#[test]
fn without_a_saved_memory_nothing_is_promoted_and_everything_is_published() {
    let mut driver = Driver::new(two_features());
    driver.reconcile();
    driver.saves = Err("no space left".to_owned());
    driver.wake(600);
    driver.work(&BTreeSet::new());
    assert_eq!(driver.done, Vec::<String>::new());
    assert_eq!(driver.stability("snmp"), Stability::Held);
    let published = driver.published;
    assert!(published > 0);
    driver.saves = Ok(());
    driver.wake(60);
    driver.work(&BTreeSet::new());
    assert_eq!(driver.stability("snmp"), Stability::Stable);
}

#[test]
fn what_redis_refuses_is_published_when_it_takes_it() {
    let mut driver = Driver::new(two_features());
    driver.publishes = false;
    driver.reconcile();
    assert_eq!(driver.published, 0);
    driver.publishes = true;
    driver.wake(1);
    assert_eq!(driver.published, 1);
    assert!(driver.controller.is_at_rest());
}

#[test]
fn a_step_that_fails_is_tried_again_ever_later() {
    let mut driver = Driver::new(two_features());
    driver.reconcile();
    driver.wake(600);
    let telemetry = base("docker-sonic-telemetry");
    for within in [1, 2, 4, 8] {
        driver.read(&telemetry);
        assert!(driver.steps.remove(&telemetry).is_some());
        let outcome = StepOutcome::Failed("500".to_owned());
        driver.tell(Event::Stepped { base: telemetry.clone(), outcome });
        driver.work(&BTreeSet::new());
        driver.reconcile();
        assert_eq!(driver.stability("telemetry"), Stability::Error);
        assert_eq!(driver.reads.len() + driver.steps.len(), 0, "nothing before the pause is over");
        driver.work(&BTreeSet::new());
        driver.wake(within);
    }
    driver.work(&BTreeSet::new());
    assert_eq!(driver.stability("telemetry"), Stability::Stable);
}

#[test]
fn a_takeover_is_remembered_with_the_images_that_came_before_it() {
    let mut switch = two_features();
    switch.policy.global.stable_time = crate::domain::Age::ZERO;
    let mut driver = Driver::new(switch);
    driver.reconcile();
    assert_eq!(driver.reads.len(), 2, "both are due, and not decided on by themselves yet");
    let memory = driver.controller.memory().clone();
    assert!(memory.instances.values().all(|instance| instance.takeover.is_some()));
    for group in memory.groups.values() {
        assert_eq!(group.images.values().collect::<Vec<_>>(), [&crate::Arrival::Before; 2]);
    }
    assert_eq!(memory.groups.len(), 2);
    // Killed after the first save, and started again.
    let mut next = Driver::new(driver.switch.clone());
    next.controller = Controller::new(memory, driver.controller.stamps().clone(), driver.controller.pauses);
    next.reconcile();
    next.work(&BTreeSet::new());
    assert!(next.switch.named("docker-snmp:10").is_none(), "what was there before the takeover is cleaned up");
}
