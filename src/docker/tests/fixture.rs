//! A private engine, and both sides of it: the test's and the agent's.

use std::time::Duration;

use imgmgrd_test_support::workdir::Workdir;
use imgmgrd_test_support::{ContainerSpec, Engine as Dockerd};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::docker::{Engine, EngineSnapshot, Interest, Reader, State};
use crate::domain::{ContainerId, ImageId, Reference};

/// How long anything may take in a test.
pub(super) const SOON: Duration = Duration::from_secs(20);

/// A private engine. Fields are dropped in order: first the engine, then its folder.
pub(super) struct Rig {
    pub(super) dockerd: Dockerd,
    pub(super) engine: Engine,
    pub(super) folder: Workdir,
}

impl Rig {
    pub(super) fn new() -> Self {
        let folder = Workdir::new();
        let dockerd = Dockerd::start(&folder.folder("d"));
        let engine = Engine::new(dockerd.host().parse().unwrap());
        Self { dockerd, engine, folder }
    }

    /// An image under a reference, its `IMAGE_VERSION` the reference's tag.
    pub(super) fn image(&self, reference: &str) -> ImageId {
        let version = reference.rsplit_once(':').map(|(_, version)| version);
        id(&self.dockerd.import_image(reference, version, &[], reference))
    }

    /// Runs a container as the kubelet does.
    pub(super) fn kube(&self, feature: &str, image: &ImageId) -> ContainerId {
        self.run(&kube_spec(feature, image))
    }

    pub(super) fn run(&self, spec: &ContainerSpec) -> ContainerId {
        self.dockerd.run_container(spec).parse().unwrap()
    }

    /// A container that is there and does not run.
    pub(super) fn stopped(&self, name: &str, image: &str) -> ContainerId {
        self.dockerd.create_container(&ContainerSpec::new(name, image)).parse().unwrap()
    }

    pub(super) async fn read(&self, interest: &Interest) -> EngineSnapshot {
        Reader::new(self.engine.clone()).read(interest).await.unwrap()
    }
}

pub(super) fn kube_spec(feature: &str, image: &ImageId) -> ContainerSpec {
    ContainerSpec::new(&format!("k8s_{feature}_pod"), &image.to_string())
        .label("io.kubernetes.container.name", feature)
        .label("io.kubernetes.docker.type", "container")
        .label("io.kubernetes.pod.namespace", "default")
}

pub(super) fn id(text: &str) -> ImageId {
    text.parse().unwrap()
}

pub(super) fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

/// Interest in features and image names.
pub(super) fn interest(features: &[&str], bases: &[&str]) -> Interest {
    Interest {
        features: features.iter().map(|feature| (*feature).into()).collect(),
        bases: bases.iter().map(|base| base.parse().unwrap()).collect(),
        ..Interest::default()
    }
}

/// Waits for a state.
pub(super) async fn until(
    state: &mut watch::Receiver<State>,
    what: &str,
    mut condition: impl FnMut(&State) -> bool,
) -> State {
    let found = timeout(SOON, state.wait_for(|state| condition(state))).await;
    let found = found.map(|state| state.expect("the watcher goes on").clone());
    found.unwrap_or_else(|_| panic!("never {what}: {:?}", state.borrow()))
}

/// The first snapshot that meets a condition.
pub(super) async fn until_snapshot(
    state: &mut watch::Receiver<State>,
    what: &str,
    mut condition: impl FnMut(&EngineSnapshot) -> bool,
) -> EngineSnapshot {
    let state = until(state, what, |state| state.snapshot.as_ref().is_some_and(&mut condition)).await;
    state.snapshot.expect("it was just there")
}
