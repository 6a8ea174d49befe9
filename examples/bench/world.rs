//! A switch with 30 features, a third of them owned by kube, and 100 images.

use std::path::Path;
use std::time::Duration;

use imgmgrd_test_support::rows::Instance;
use imgmgrd_test_support::{Agent, Deployment, Image, KubeContainer, Namespace, STATE_DB, Switch, wait_until};

use crate::process::asleep;

/// How many features there are.
pub(crate) const FEATURES: usize = 30;
/// How many images.
pub(crate) const IMAGES: usize = 100;
/// Those that kube owns.
const KUBE: usize = 10;
/// The version that runs locally, and the one that runs by kube.
const LOCAL_VERSION: &str = "20201231.64";
const KUBE_VERSION: &str = "20201231.84";

/// How long anything may take.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// The name of a feature's images.
pub(crate) fn base(feature: &str) -> String {
    format!("docker-{feature}")
}

/// The switch, and what is on it.
pub(crate) struct World {
    /// The switch.
    pub(crate) switch: Switch,
    /// Its features.
    pub(crate) features: Vec<String>,
}

impl World {
    /// Sets everything up; what kube owns has been taken over.
    pub(crate) fn new() -> Self {
        let features: Vec<String> = (0..FEATURES).map(|number| format!("feature{number:02}")).collect();
        // Those that the promotions use are known from the start: the file is read when the agent starts.
        let promoted = (0..64).map(crate::promotion::feature);
        let builder = features.iter().cloned().chain(promoted).fold(Switch::builder(), |builder, feature| {
            let base = base(&feature);
            builder.image_name(&feature, &base)
        });
        let switch = builder.start();
        switch.rows().policy(&[("stable_time", "3600"), ("cleanup", "disabled")]);
        switch.rows().kubernetes_master(false);
        switch.engine().load_all(&images(&switch, &features));
        for (number, feature) in features.iter().enumerate() {
            switch.rows().config_feature(feature, if number < KUBE { "kube" } else { "local" }, false, true);
        }
        std::thread::scope(|scope| {
            for (number, feature) in features.iter().enumerate() {
                let switch = &switch;
                scope.spawn(move || run(switch, feature, number < KUBE));
            }
        });
        Self { switch, features }
    }

    /// Starts the agent, and waits until it has published everything and sleeps.
    pub(crate) fn agent(&self, binary: &Path) -> Agent {
        let agent = self.switch.agent(binary);
        await_published(&agent, &self.switch, FEATURES);
        agent
    }
}

/// Waits until so many features are published and the agent sleeps.
pub(crate) fn await_published(agent: &Agent, switch: &Switch, features: usize) {
    let published = || switch.rows().keys(STATE_DB, "CONTAINER_IMAGE|*").len();
    agent.wait_until("every feature to be published", LONG, || published() >= features);
    asleep(agent.pid());
}

/// A connection to the host's STATE_DB.
pub(crate) fn state_db(switch: &Switch) -> redis::Connection {
    switch.redis(Namespace::Host).connection(STATE_DB)
}

/// A kube container's takeover, which is one write.
pub(crate) fn takeover(feature: &str, container: &KubeContainer, version: &str) -> redis::Cmd {
    let mut hset = redis::cmd("HSET");
    hset.arg(format!("FEATURE|{feature}")).arg("current_owner").arg("kube");
    hset.arg("container_id").arg(container.short_id()).arg("container_version").arg(version);
    hset.arg("remote_state").arg("running").arg("update_time").arg("2026-11-21 21:32:29");
    hset
}

/// One local image per feature, one kube image per feature of kube's, and old kube images up to the wanted number.
fn images(switch: &Switch, features: &[String]) -> Vec<(Image, Vec<String>)> {
    let mut images = Vec::new();
    for (number, feature) in features.iter().enumerate() {
        let base = base(feature);
        let local = Image::new(Some(LOCAL_VERSION)).salt(feature);
        images.push((local, vec![format!("{base}:latest"), format!("{base}:{LOCAL_VERSION}")]));
        if number < KUBE {
            images.push(kube_image(switch, feature, KUBE_VERSION));
        }
    }
    for number in images.len()..IMAGES {
        let feature = &features[number % features.len()];
        images.push(kube_image(switch, feature, &format!("20201231.{number}")));
    }
    images
}

/// An image as the kubelet pulls it.
pub(crate) fn kube_image(switch: &Switch, feature: &str, version: &str) -> (Image, Vec<String>) {
    let reference = format!("{}:{version}", switch.registry().repository(&base(feature)));
    (Image::new(Some(version)).salt(&format!("kube {feature}")), vec![reference])
}

/// Starts a feature, by systemd or by the kubelet.
fn run(switch: &Switch, feature: &str, is_kube: bool) {
    let base = base(feature);
    if !is_kube {
        switch.start_locally(&Instance::host(feature), &base, LOCAL_VERSION);
        return;
    }
    let deployment = Deployment::new(feature, &base, KUBE_VERSION).without_sandbox();
    let image = switch.engine().image_id(&format!("{}:{KUBE_VERSION}", switch.registry().repository(&base)));
    let container = switch.kubelet().run(&deployment, &image.expect("the image was loaded"));
    switch.feature(feature).kube_takes_over(container.short_id(), KUBE_VERSION);
    wait_until("the container to run", LONG, || switch.engine().is_running(&container.name));
}
