//! What the kubelet, systemd, ctrmgrd, the operator and others do, in the real order of their writes.

use std::time::Instant;

use imgmgrd_test_support::{ContainerSpec, Deployment, Instance};

use crate::faults::Ending;
use crate::features::{FEATURES, INSTALLED};
use crate::journal::Table;
use crate::record::{Hold, Kube, Order};
use crate::schedule::{Event, Life};
use crate::shared::{Trap, Who, lock};
use crate::stage::Stage;
use crate::view::View;

impl Stage<'_> {
    /// Lets it happen, if the switch is such that it can.
    pub(crate) fn act(&mut self, event: Event) {
        self.shared.journal.count(Table::Events, event.kind());
        match event {
            Event::Deploy { feature, life } => self.deploy(feature, life),
            Event::Redeploy { feature } => self.redeploy(feature),
            Event::Crash { feature } => self.crash(feature),
            Event::FallBack { feature } => self.fall_back(feature),
            Event::Pull { feature } => {
                let version = self.publish(feature);
                self.pull(feature, &version);
            }
            Event::Untag { feature, pick } => self.untag(feature, pick),
            Event::Retag { feature, pick } => self.retag(feature, pick),
            Event::Promote { feature } => self.order(feature, Order::Promote),
            Event::Rollback { feature } => self.order(feature, Order::Rollback),
            Event::Pin { feature, on } => self.pin(feature, on),
            Event::StableTime(seconds) => {
                self.says("operator", format_args!("stable_time={seconds}"));
                self.shared.record().stable_time.set(seconds);
                self.write_policy();
            }
            Event::KeepVersions(count) => {
                self.says("operator", format_args!("keep_versions={count}"));
                self.shared.record().keep_versions.set(count);
                self.write_policy();
            }
            Event::Disabled(time) => {
                self.shared.record().holds.disabled = Hold::begin();
                self.hold("state=disabled", time, Ending::Enable);
            }
            Event::KubernetesDisabled(time) => {
                self.shared.record().holds.kubernetes = Hold::begin();
                self.hold("Kubernetes is disabled", time, Ending::EnableKubernetes);
            }
            Event::Disconnected(time) => {
                self.shared.record().holds.disconnected = Hold::begin();
                self.hold("the control plane is away", time, Ending::Connect);
            }
            Event::RowTrap => {
                let mut trap = lock(&self.shared.trap);
                // One that has sprung is still to be noticed.
                if *trap == Trap::None {
                    *trap = Trap::Set;
                }
            }
            Event::RowGone { feature, time } => {
                let name = FEATURES[feature].name;
                self.says("script", format_args!("deletes FEATURE|{name} of STATE_DB"));
                FEATURES[feature].instances().iter().for_each(|one| self.switch.instance(one).remove_state());
                self.actors[feature].rows_gone = true;
                self.later(time, Ending::WriteRows(feature));
            }
        }
    }

    fn hold(&mut self, what: &str, time: u64, ending: Ending) {
        self.says("operator", format_args!("{what} for {time} ms"));
        self.write_policy();
        self.write_masters();
        self.later(time, ending);
    }

    /// Puts the next version into the registry.
    pub(crate) fn publish(&mut self, feature: usize) -> String {
        let actor = &mut self.actors[feature];
        actor.published += 1;
        let version = format!("20260101.{}", actor.published);
        self.switch.publish(FEATURES[feature].base, &version, FEATURES[feature].base);
        version
    }

    fn deployment(feature: usize, version: &str) -> Deployment {
        // One feature with a pod sandbox beside its container stands for all.
        let deployment = Deployment::new(FEATURES[feature].name, FEATURES[feature].base, version);
        if feature == 0 { deployment } else { deployment.without_sandbox() }
    }

    /// Pulls a version; returns its image.
    pub(crate) fn pull(&mut self, feature: usize, version: &str) -> String {
        let deployment = Self::deployment(feature, version);
        self.says("kubelet", format_args!("pulls {}", self.switch.kubelet().reference(&deployment)));
        let since = Instant::now();
        let image = self.changing(feature, |stage| stage.switch.kubelet().pull(&deployment));
        self.shared.record().image_comes(&image, feature, version, since);
        image
    }

    /// Changes something about a feature's images and containers on the engine, in its turn.
    pub(crate) fn changing<T>(&self, feature: usize, change: impl FnOnce(&Self) -> T) -> T {
        let _turn = self.shared.turn(Who::Others);
        self.shared.record().touch(feature);
        let result = change(self);
        self.shared.record().touch(feature);
        result
    }

    fn deploy(&mut self, feature: usize, life: Life) {
        let version = self.publish(feature);
        let image = self.pull(feature, &version);
        self.end_pods(feature);
        for instance in FEATURES[feature].instances() {
            if self.switch.engine().is_running(instance.container()) {
                self.says("systemd", format_args!("stops the local container {}", instance.container()));
                self.changing(feature, |stage| stage.switch.engine().stop_container(instance.container()));
            }
        }
        {
            let mut record = self.shared.record();
            let group = &mut record.groups[feature];
            group.orders.clear();
            group.latest_meddled = false;
        }
        self.run(feature, &version, &image);
        if let Life::Crashes(after) = life {
            let kube = self.shared.record().groups[feature].kube[0].clone();
            if let Some(kube) = kube {
                self.later(after, Ending::Crash(feature, kube.id));
            }
        }
    }

    /// Runs a version for every instance, and each takes over.
    fn run(&mut self, feature: usize, version: &str, image: &str) {
        for (number, instance) in FEATURES[feature].instances().iter().enumerate() {
            let deployment = Self::deployment(feature, version);
            let begun = Instant::now();
            let pod = self.changing(feature, |stage| stage.switch.kubelet().run(&deployment, image));
            self.says(
                "kubelet",
                format_args!("runs {} {version} as {} {}", instance.container(), pod.short_id(), &image[7..19]),
            );
            let kube = Kube {
                id: pod.id.clone(),
                name: pod.name.clone(),
                image: image.to_owned(),
                version: version.to_owned(),
                begun,
            };
            {
                let group = &mut self.shared.record().groups[feature];
                // An order under way may be about the container that it finds.
                if self.orders.promotes(FEATURES[feature].name) {
                    group.approved.insert(kube.id.clone());
                }
                group.kube[number] = Some(kube);
            }
            let rows = self.switch.instance(instance);
            rows.set_owner("kube");
            rows.kube_takes_over(&pod.id, version);
        }
        self.actors[feature].rows_gone = false;
    }

    /// Ends the pods of a feature.
    fn end_pods(&mut self, feature: usize) {
        for (number, instance) in FEATURES[feature].instances().iter().enumerate() {
            let kube = self.shared.record().groups[feature].kube[number].clone();
            let Some(kube) = kube else { continue };
            self.says("kubelet", format_args!("ends {} {}", instance.container(), kube.version));
            self.remove_pod(feature, &kube);
            self.goes_away(feature, instance);
        }
    }

    fn remove_pod(&self, feature: usize, kube: &Kube) {
        let sandbox = kube.name.replacen(&format!("k8s_{}_", FEATURES[feature].name), "k8s_POD_", 1);
        self.changing(feature, |stage| {
            stage.shared.record().groups[feature].ends(&kube.id);
            let engine = stage.switch.engine();
            for name in [&kube.name, &sandbox] {
                if engine.container(name).is_some() {
                    engine.remove_container(name);
                }
            }
        });
    }

    fn goes_away(&mut self, feature: usize, instance: &Instance) {
        self.switch.instance(instance).goes_away();
        self.actors[feature].rows_gone = false;
    }

    pub(crate) fn redeploy(&mut self, feature: usize) {
        let kube = self.shared.record().groups[feature].kube.iter().flatten().next().cloned();
        let Some(kube) = kube else { return };
        self.end_pods(feature);
        // Between the end of the old and the begin of the new pod the image may have gone.
        let image = self.pull(feature, &kube.version);
        self.run(feature, &kube.version, &image);
    }

    fn crash(&mut self, feature: usize) {
        let kube = self.shared.record().groups[feature].kube[0].clone();
        if let Some(kube) = kube {
            self.crash_container(feature, &kube.id);
        }
    }

    /// The container's process dies; with it the pod, of which a stopped container stays for a while.
    pub(crate) fn crash_container(&mut self, feature: usize, id: &str) {
        let number = self.shared.record().groups[feature]
            .kube
            .iter()
            .position(|kube| kube.as_ref().is_some_and(|kube| kube.id == id));
        let Some(number) = number.filter(|_| self.switch.engine().is_running(id)) else { return };
        let instance = &FEATURES[feature].instances()[number];
        self.says("switch", format_args!("the container of {} crashes", instance.container()));
        let kube = self.shared.record().groups[feature].kube[number].clone();
        self.changing(feature, |stage| {
            stage.shared.record().groups[feature].ends(id);
            let engine = stage.switch.engine();
            engine.crash_container(id);
            imgmgrd_test_support::wait_until("its end", std::time::Duration::from_secs(20), || !engine.is_running(id));
        });
        self.goes_away(feature, instance);
        if let Some(kube) = kube {
            self.later(3_000, Ending::CollectPod(feature, kube));
        }
    }

    /// The kubelet removes what is left of a pod.
    pub(crate) fn collect_pod(&mut self, feature: usize, kube: &Kube) {
        self.remove_pod(feature, kube);
    }

    fn fall_back(&mut self, feature: usize) {
        let view = View::take(self.switch.engine()).expect("the engine is there");
        let Some(latest) = view.names.get(&FEATURES[feature].latest()).cloned() else { return };
        self.end_pods(feature);
        let version = self.version(&latest);
        for instance in FEATURES[feature].instances() {
            self.switch.instance(&instance).nobody_takes_over();
            self.start_locally(feature, &instance, &version);
        }
        self.actors[feature].rows_gone = false;
    }

    /// systemd starts the local container: the one that is there, or a new one of `latest`.
    pub(crate) fn start_locally(&mut self, feature: usize, instance: &Instance, version: &str) {
        self.says("systemd", format_args!("starts the local container {}", instance.container()));
        let base = FEATURES[feature].base;
        self.changing(feature, |stage| stage.switch.start_locally(instance, base, version));
    }

    fn version(&self, image: &str) -> String {
        self.shared.record().images.get(image).map_or(INSTALLED.to_owned(), |known| known.version.clone())
    }

    /// Removes a name of an image that no container uses, as the kubelet's image collection does; `latest` too.
    fn untag(&mut self, feature: usize, pick: usize) {
        let view = View::take(self.switch.engine()).expect("the engine is there");
        let base = FEATURES[feature].base;
        let names: Vec<&String> = view
            .names
            .iter()
            .filter(|(name, image)| is_of(name, base) && view.users(image).next().is_none())
            .map(|(name, _)| name)
            .collect();
        let Some(name) = names.get(pick % names.len().max(1)) else { return };
        let refused = self.changing(feature, |stage| stage.switch.engine().try_untag(name).err());
        self.says(
            "others",
            format_args!("remove {name}: {}", refused.map_or("done".to_owned(), |(code, _)| code.to_string())),
        );
        if **name == FEATURES[feature].latest() {
            self.shared.record().groups[feature].latest_meddled = true;
        }
    }

    fn retag(&mut self, feature: usize, pick: usize) {
        let view = View::take(self.switch.engine()).expect("the engine is there");
        let base = FEATURES[feature].base;
        let of_base = |name: &&String| is_of(name, base) && name.contains('/');
        let images: Vec<&String> =
            view.names.iter().filter(|(name, _)| of_base(name)).map(|(_, image)| image).collect();
        let Some(image) = images.get(pick % images.len().max(1)) else { return };
        let latest = FEATURES[feature].latest();
        self.says("others", format_args!("tag {} as {latest}", &image[7..19]));
        self.changing(feature, |stage| stage.switch.engine().tag(image, &latest));
        self.shared.record().groups[feature].latest_meddled = true;
    }

    fn pin(&mut self, feature: usize, on: bool) {
        let name = FEATURES[feature].name;
        let pin = self.shared.record().groups[feature].kube.iter().flatten().next().map(|kube| kube.version.clone());
        let pin = pin.filter(|_| on);
        self.says("operator", format_args!("pin of {name}: {pin:?}"));
        self.shared.record().groups[feature].pin = pin;
        self.write_policy();
    }
}

/// Whether a name is in a repository of this image name.
fn is_of(name: &str, base: &str) -> bool {
    crate::judge::split(name).0.rsplit('/').next() == Some(base)
}

/// A container of nobody's the agent knows.
pub(crate) fn foreign_containers() -> [ContainerSpec; 2] {
    [ContainerSpec::new("foreign", "foreign/docker-snmp-not:1"), ContainerSpec::new("foreign-stopped", "foreign:1")]
}
