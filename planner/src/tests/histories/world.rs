//! A switch on which things happen, and an agent that reconciles it.

use super::events::Event;
use super::oracle::Oracle;
use crate::domain::{Base, ContainerId, ImageId, Instance, Reference, Value};
use crate::fixtures::*;
use crate::*;

/// What kind of switch it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// One feature.
    OneFeature,
    /// Two features, the image name of one beginning with the other's.
    NearNames,
    /// Two instances that share an image, with rows of this shape.
    TwoAsics(Shape),
}

/// The version that came with SONiC; the kubelet may pull an image of this version too.
pub(super) const VERSIONS: [&str; 5] = ["10", "1", "2", "3", "4"];

/// The switch and the agent on it.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) switch: Switch,
    pub(super) instances: Vec<(Instance, Base)>,
    pub(super) oracle: Oracle,
}

impl World {
    pub(super) fn new(kind: Kind) -> Self {
        let (mut switch, instances) = match kind {
            Kind::OneFeature => {
                let switch = Switch::new().feature("telemetry", "docker-sonic-telemetry");
                (switch, vec![(on_host("telemetry"), base("docker-sonic-telemetry"))])
            }
            Kind::NearNames => {
                let switch = Switch::new().feature("gnmi", "docker-sonic-gnmi");
                let switch = switch.feature("gnmi-watchdog", "docker-sonic-gnmi-watchdog");
                let watchdog = (on_host("gnmi-watchdog"), base("docker-sonic-gnmi-watchdog"));
                (switch, vec![(on_host("gnmi"), base("docker-sonic-gnmi")), watchdog])
            }
            Kind::TwoAsics(shape) => {
                let mut switch = Switch::new().feature("bgp", "docker-fpm-frr").asics(2);
                switch.shape = shape;
                let instance = |number| (on_asic("bgp", number), base("docker-fpm-frr"));
                (switch, vec![instance(0), instance(1)])
            }
        };
        for (instance, base) in &instances {
            let image = switch.image(&local(base.as_str(), VERSIONS[0]).latest());
            switch.local_start(instance, &image);
            switch.set_owner(instance.feature.as_str(), Owner::Kube);
        }
        Self { switch, instances, oracle: Oracle::default() }
    }

    pub(super) fn restart_agent(&mut self) {
        self.switch.restart_agent();
        self.oracle.restarted(&self.switch.memory);
    }

    pub(super) fn instance(&self, number: usize) -> (Instance, Base) {
        self.instances[number % self.instances.len()].clone()
    }

    /// The kube container that an instance's row names, if it is there.
    fn kube(&self, number: usize) -> Option<ContainerId> {
        let (instance, _) = self.instance(number);
        let Value::Is(NamedContainer::Prefix(prefix)) = self.switch.row(&instance).container_id else { return None };
        self.switch.snapshot.containers.keys().find(|id| id.starts_with(&prefix)).cloned()
    }

    pub(super) fn pull(&mut self, base: &Base, version: usize, second: bool, rebuilt: bool) -> ImageId {
        let version = VERSIONS[version];
        let mut described = kube(base.as_str(), version);
        if rebuilt {
            described = described.called(&format!("rebuilt {base} {version}")).nameless();
            described = described.named(&format!("{REGISTRY}/{base}:{version}")).digest(REGISTRY);
        }
        if second {
            described = described.named(&format!("10.1.0.1:5000/{base}:{version}")).digest("10.1.0.1:5000");
        }
        self.switch.image(&described)
    }

    /// The image of a version as the kubelet would run it: what the registry's tag names, else it is pulled.
    pub(super) fn image_of(&mut self, base: &Base, version: usize) -> ImageId {
        let tag = format!("{REGISTRY}/{base}:{}", VERSIONS[version]);
        self.switch.named(&tag).unwrap_or_else(|| self.pull(base, version, false, false))
    }

    /// Something happens.
    pub(super) fn play(&mut self, event: &Event) {
        match event {
            Event::Pull { version, second, rebuilt } => {
                for base in self.instances.iter().map(|(_, base)| base.clone()).collect::<Vec<_>>() {
                    self.pull(&base, *version, *second, *rebuilt);
                }
            }
            Event::Upgrade { instance: number, version, leaves_old } => {
                let (instance, base) = self.instance(*number);
                let image = self.image_of(&base, *version);
                if let Some(old) = self.kube(*number) {
                    self.switch.stop(&old);
                    if *leaves_old {
                        self.switch.gone(&instance);
                    }
                }
                self.switch.upgrade(&instance, &image);
            }
            Event::Replace { instance: number, version } => {
                let (instance, base) = self.instance(*number);
                if let Some(old) = self.kube(*number) {
                    let image = self.image_of(&base, *version);
                    self.switch.snapshot.containers_mut().remove(&old);
                    let new = self.switch.run_kube(&instance.container_name(), &image);
                    self.switch.take_over(&instance, &new);
                }
            }
            Event::DryRun { instance, version } => {
                let (instance, base) = self.instance(*instance);
                let image = self.image_of(&base, *version);
                self.switch.run_kube(&instance.container_name(), &image);
            }
            Event::Exit(_)
            | Event::Restart(_)
            | Event::OutOfMemory(_)
            | Event::Health(..)
            | Event::Gone(_)
            | Event::RemoveContainer(_)
            | Event::Collect(_)
            | Event::LocalStart(_)
            | Event::LocalStop(_)
            | Event::LocalCreate(_) => self.play_container(event),
            Event::Reconcile => self.reconcile(),
            Event::Killed(after) => {
                let decision = self.decide();
                self.switch.remember(&decision);
                self.act(&decision.plan, *after, usize::MAX);
                self.restart_agent();
            }
            Event::KilledSaving => {
                let mut durable = self.decide().memory;
                durable.instances = self.switch.memory.instances.clone();
                for (base, group) in &mut durable.groups {
                    let old = self.switch.memory.groups.get(base).cloned().unwrap_or_default();
                    (group.images, group.error) = (old.images, old.error);
                }
                self.switch.memory = durable;
                self.restart_agent();
            }
            Event::MarksLost => {
                self.switch.memory.instances.clear();
                self.switch.memory.groups.values_mut().for_each(|group| group.images.clear());
                self.switch.marks.clear();
                self.restart_agent();
                self.oracle.rebooted();
            }
            Event::RefusedLook(at) => {
                let decision = self.decide();
                self.switch.remember(&decision);
                self.act(&decision.plan, usize::MAX, *at);
            }
            Event::LateLook(event) => {
                let decision = self.decide();
                self.switch.remember(&decision);
                if !matches!(**event, Event::Reboot | Event::MemoryLost | Event::KilledSaving | Event::MarksLost) {
                    self.play(event);
                    self.oracle.is_late = true;
                    self.act(&decision.plan, usize::MAX, usize::MAX);
                    self.oracle.is_late = false;
                }
            }
            _ => self.play_operator(event),
        }
    }

    fn play_container(&mut self, event: &Event) {
        match event {
            Event::Exit(number) => {
                if let Some(container) = self.kube(*number) {
                    self.switch.stop(&container);
                }
            }
            Event::Restart(number) => {
                if let Some(container) = self.kube(*number) {
                    self.switch.start(&container);
                }
            }
            Event::OutOfMemory(number) => {
                if let Some(container) = self.running(*number) {
                    self.switch.details(&container, |details| details.oom_kills += 1);
                }
            }
            Event::Health(number, unhealthy) => {
                if let Some(container) = self.running(*number) {
                    self.switch.details(&container, |details| details.unhealthy = *unhealthy);
                }
            }
            Event::Gone(number) => {
                if let Some(container) = self.kube(*number) {
                    let (instance, _) = self.instance(*number);
                    self.switch.stop(&container);
                    self.switch.gone(&instance);
                }
            }
            Event::RemoveContainer(number) => {
                let containers = self.switch.snapshot.containers.iter();
                let stopped = containers.filter(|(_, container)| !container.status.is_alive());
                if let Some(id) = stopped.map(|(id, _)| *id).nth(*number) {
                    self.switch.snapshot.containers_mut().remove(&id);
                }
            }
            Event::Collect(number) => self.collect(*number),
            Event::LocalStart(number) => {
                let (instance, base) = self.instance(*number);
                let latest = self.switch.named(&format!("{base}:latest"));
                let exists = self.switch.container_named(&instance.container_name()).is_some();
                if let Some(image) = latest.or_else(|| exists.then(|| image_id("unused"))) {
                    self.switch.local_start(&instance, &image);
                }
            }
            Event::LocalStop(number) => {
                let (instance, _) = self.instance(*number);
                if let Some(container) = self.switch.container_named(&instance.container_name()) {
                    self.switch.stop(&container);
                }
            }
            Event::LocalCreate(number) => {
                let (instance, base) = self.instance(*number);
                let name = instance.container_name();
                let latest = self.switch.named(&format!("{base}:latest"));
                if let (None, Some(image)) = (self.switch.container_named(&name), latest) {
                    let id = self.switch.run(&name, &image, None);
                    self.switch.stop(&id);
                }
            }
            _ => {}
        }
    }

    fn running(&self, number: usize) -> Option<ContainerId> {
        self.kube(number).filter(|id| self.switch.snapshot.containers[id].status == ContainerStatus::Running)
    }

    /// The kubelet takes a reference of an image that no container uses; the last one takes the image.
    fn collect(&mut self, number: usize) {
        let images = self.switch.snapshot.images.iter();
        let all: Vec<(ImageId, Reference)> =
            images.flat_map(|(id, image)| image.references.iter().map(|r| (*id, r.clone()))).collect();
        let Some((id, reference)) = all.get(number % all.len().max(1)).cloned() else { return };
        if !self.switch.snapshot.containers.values().any(|container| container.image == id) {
            self.switch.untag(&reference);
            self.switch.snapshot.images_mut().retain(|other, image| *other != id || !image.references.is_empty());
        }
    }

    /// Decides, and lets the second opinion and the oracle see it.
    pub(super) fn decide(&mut self) -> Decision {
        let snapshot = self.switch.observe();
        let decision = decide(&snapshot, &self.switch.memory, &self.switch.policy, &self.switch.now());
        let violations = invariants::check(&snapshot, &decision.memory, &self.switch.policy, &decision.plan);
        assert!(violations.is_empty(), "{violations:#?}\n{}", self.switch.text(&decision));
        self.oracle.decided(&self.switch, &self.instances, &decision.memory);
        decision
    }

    /// Reconciles, and once more to see what became of it.
    pub(super) fn reconcile(&mut self) {
        let decision = self.decide();
        self.switch.remember(&decision);
        if !decision.plan.is_empty() {
            self.act(&decision.plan, usize::MAX, usize::MAX);
            let after = self.decide();
            self.switch.remember(&after);
        }
    }

    /// Reconciles until nothing is left to do.
    pub(super) fn settle(&mut self, most: usize) {
        for _ in 0..most {
            let decision = self.decide();
            self.switch.remember(&decision);
            if decision.plan.is_empty() {
                let further = self.decide();
                assert!(further.plan.is_empty(), "a further decision finds something to do");
                assert_eq!(self.switch.memory, further.memory, "a further decision changes the memory");
                return;
            }
            self.act(&decision.plan, usize::MAX, usize::MAX);
        }
        let decision = self.decide();
        panic!("there is always something left to do:\n{}", self.switch.text(&decision));
    }

    /// Seconds until the next wake that the agent asks for.
    pub(super) fn next_wake(&mut self) -> Option<u64> {
        let decision = self.decide();
        let due = |wake: &Wake| {
            let since = self.switch.marks.get(&wake.mark).copied().unwrap_or_else(|| panic!("no mark for {wake:?}"));
            (since + u64::from(wake.age.seconds())).checked_sub(self.switch.clock)
        };
        decision.report.wakes.iter().map(|wake| due(wake).unwrap_or_else(|| panic!("past: {wake:?}"))).min()
    }

    /// Carries out a plan as the agent does, up to a step after which it is killed, one of them refused by the engine.
    pub(super) fn act(&mut self, plan: &Plan, killed_after: usize, refused: usize) {
        let mut number = 0;
        for (base, actions) in &plan.groups {
            'group: for action in actions {
                for step in &action.steps {
                    if number >= killed_after {
                        return;
                    }
                    number += 1;
                    let before = self.switch.clone();
                    let is_done = number != refused && self.switch.step(step).is_ok();
                    self.oracle.judge(base, step, &before, &self.switch, &self.instances);
                    if !is_done && action.purpose.is_required() {
                        break 'group;
                    }
                    if !is_done {
                        break;
                    }
                }
            }
        }
    }
}
