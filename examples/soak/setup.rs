//! The switch as it is installed, and what starts again after an engine that took its containers along.

use std::sync::Arc;
use std::time::Instant;

use imgmgrd_test_support::{Image, Instance, Switch};

use crate::actors::foreign_containers;
use crate::features::{ASICS, FEATURES, INSTALLED};
use crate::shared::Who;
use crate::stage::Stage;

/// Room on the engine's disk. Its images share their only large layer.
const ENGINE_DISK: u64 = 192 << 20;

/// Room in the agent's state directory.
const STATE_DISK: u64 = 1 << 20;

/// Images that are nobody's the agent knows: near names, and one in a registry of its own.
const FOREIGN: [&str; 4] =
    ["foreign:1", "foreign/docker-snmp-not:1", "docker-snmp-not:latest", "registry.example:5000/x/docker-lldp-tools:2"];

/// A switch with disks that can be filled.
pub(crate) fn switch() -> Switch {
    let switch = Switch::builder().asics(ASICS).engine_disk(ENGINE_DISK).state_disk(STATE_DISK);
    switch.image_name("gnmi-watchdog", "docker-sonic-gnmi-watchdog").still_loading().start()
}

/// Brings every image that is installed.
fn install(switch: &Switch) {
    let mut images: Vec<(Image, Vec<String>)> = FEATURES
        .iter()
        .map(|feature| {
            let image = Image::new(Some(INSTALLED)).salt(feature.name);
            (image, vec![feature.latest(), format!("{}:{INSTALLED}", feature.base)])
        })
        .collect();
    images.extend(FOREIGN.iter().map(|name| (Image::new(None).salt(name), vec![(*name).to_owned()])));
    switch.engine().load_all(&images);
}

impl Stage<'_> {
    /// Everything runs locally, and Kubernetes is to take over.
    pub(crate) fn set_up(&mut self) {
        let shared = Arc::clone(&self.shared);
        let turn = shared.turn(Who::Others);
        install(&self.switch);
        let [running, stopped] = foreign_containers();
        self.switch.engine().run_container(&running);
        self.switch.engine().create_container(&stopped);
        drop(turn);
        for (number, feature) in FEATURES.iter().enumerate() {
            let id = self.switch.engine().image_id(&feature.latest()).expect("it was loaded");
            self.shared.record().image_comes(&id, number, INSTALLED, Instant::now());
            for instance in feature.instances() {
                self.start_locally(number, &instance, INSTALLED);
            }
        }
        self.fill_config();
        self.config_is_loaded();
        // The version that runs locally, as Kubernetes would deploy it: it only idles (a dry run), and then there are
        // two images of one version.
        for number in crate::features::kube_features() {
            self.switch.publish(FEATURES[number].base, INSTALLED, FEATURES[number].base);
            self.pull(number, INSTALLED);
        }
    }

    /// What ran before the engine went down with its containers runs again.
    pub(crate) fn start_again(&mut self, feature: usize) {
        let kube = self.shared.record().groups[feature].kube.clone();
        if kube.iter().any(Option::is_some) {
            self.redeploy(feature);
        } else {
            for instance in FEATURES[feature].instances() {
                self.start_locally_again(feature, &instance);
            }
        }
    }

    /// A local container that was running, which all were that are there.
    fn start_locally_again(&mut self, feature: usize, instance: &Instance) {
        let Some(container) = self.switch.engine().container(instance.container()) else { return };
        let owner = self.switch.instance(instance).feature_row().and_then(|mut row| row.remove("current_owner"));
        if owner.as_deref() == Some("local") && container["State"]["Running"] != true {
            let words = container["Config"]["Env"].as_array().cloned().unwrap_or_default();
            let version = words.iter().filter_map(|word| word.as_str()?.strip_prefix("IMAGE_VERSION=")).next();
            self.start_locally(feature, instance, version.unwrap_or(INSTALLED));
        }
    }

    /// The foreign container that runs.
    pub(crate) fn start_foreign(&self) {
        let [running, _] = foreign_containers();
        let _turn = self.shared.turn(Who::Others);
        self.switch.engine().start_container(&running.name);
    }

    /// The foreign images and containers are as they were.
    pub(crate) fn foreign_is_whole(&self, view: &crate::view::View) -> Result<(), String> {
        for name in FOREIGN {
            if !view.names.contains_key(name) {
                return Err(format!("promise 3: {name} is gone"));
            }
        }
        for (spec, runs) in foreign_containers().iter().zip([true, false]) {
            if !view.containers.values().any(|seen| seen.name == spec.name && seen.is_running == runs) {
                return Err(format!("promise 3: container {} is not as it was", spec.name));
            }
        }
        Ok(())
    }
}
