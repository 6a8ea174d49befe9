//! Deploys as the kubelet does: pulls from the registry, runs a sandbox and a container under names of its own.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::container::ContainerSpec;
use crate::engine::Engine;
use crate::image::Image;
use crate::registry::Registry;

/// Whose pods have the sandbox container's image.
const PAUSE: &str = "k8s.gcr.io/pause:3.5";

/// What to deploy, and how.
#[derive(Clone, Debug)]
pub struct Deployment {
    feature: String,
    name: String,
    tag: String,
    by_digest: bool,
    create_from_digest: bool,
    sandbox: bool,
    adjust: fn(ContainerSpec) -> ContainerSpec,
}

impl Deployment {
    /// Deploys `name:tag` of the registry for a feature: pulled by its tag, run from the image id.
    pub fn new(feature: &str, name: &str, tag: &str) -> Self {
        Self {
            feature: feature.to_owned(),
            name: name.to_owned(),
            tag: tag.to_owned(),
            by_digest: false,
            create_from_digest: false,
            sandbox: true,
            adjust: |spec| spec,
        }
    }

    /// Pulls `name@sha256:...`: the image gets no tag. `tag` is then a digest, or a tag whose digest is looked up.
    #[must_use]
    pub fn by_digest(mut self) -> Self {
        self.by_digest = true;
        self
    }

    /// Creates the container from `REPOSITORY@sha256:...` instead of the image id.
    #[must_use]
    pub fn created_from_digest(mut self) -> Self {
        self.create_from_digest = true;
        self
    }

    /// Runs no pod sandbox beside it: faster, where nobody looks at it.
    #[must_use]
    pub fn without_sandbox(mut self) -> Self {
        self.sandbox = false;
        self
    }

    /// Changes the container before it is made: its command, health check, memory, restart policy.
    #[must_use]
    pub fn with(mut self, adjust: fn(ContainerSpec) -> ContainerSpec) -> Self {
        self.adjust = adjust;
        self
    }
}

/// A container that the kubelet runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KubeContainer {
    /// Its id, 64 hex digits.
    pub id: String,
    /// Its name, `k8s_<feature>_pod_...`.
    pub name: String,
    /// The id of its image, `sha256:...`.
    pub image_id: String,
    /// The pod sandbox beside it, by name.
    pub sandbox: Option<String>,
}

impl KubeContainer {
    /// The 12 digits that SONiC writes into STATE_DB.
    pub fn short_id(&self) -> &str {
        &self.id[..12]
    }
}

/// The kubelet of a switch.
#[derive(Debug)]
pub struct Kubelet<'a> {
    engine: &'a Engine,
    registry: &'a Registry,
}

impl<'a> Kubelet<'a> {
    /// A kubelet on this engine, pulling from this registry.
    pub fn new(engine: &'a Engine, registry: &'a Registry) -> Self {
        Self { engine, registry }
    }

    /// Pulls; returns the image id.
    pub fn pull(&self, deployment: &Deployment) -> String {
        self.engine.pull(&self.reference(deployment))
    }

    /// Pulls and runs.
    pub fn deploy(&self, deployment: &Deployment) -> KubeContainer {
        let image_id = self.pull(deployment);
        self.run(deployment, &image_id)
    }

    /// Runs an image that is already on the disk.
    pub fn run(&self, deployment: &Deployment, image_id: &str) -> KubeContainer {
        static PODS: AtomicU32 = AtomicU32::new(1);
        let feature = &deployment.feature;
        let number = PODS.fetch_add(1, Ordering::Relaxed);
        let pod = format!("{feature}-pod_default_{number:08x}-1c7e-4b0f-9d52-6a1f0e8b3c47");
        let labelled = |name: String, image: &str, container: &str, kind: &str| {
            ContainerSpec::new(&name, image)
                .label("io.kubernetes.pod.namespace", "default")
                .label("io.kubernetes.pod.name", &format!("{feature}-pod"))
                .label("io.kubernetes.container.name", container)
                .label("io.kubernetes.docker.type", kind)
        };
        let sandbox = deployment.sandbox.then(|| {
            if self.engine.image_id(PAUSE).is_none() {
                self.engine.load(&Image::new(None).salt("pause"), &[PAUSE]);
            }
            let name = format!("k8s_POD_{pod}_0");
            self.engine.run_container(&labelled(name.clone(), PAUSE, "POD", "podsandbox"));
            name
        });
        let source = if deployment.create_from_digest {
            format!("{}@{}", self.registry.repository(&deployment.name), self.digest(deployment))
        } else {
            image_id.to_owned()
        };
        let name = format!("k8s_{feature}_{pod}_0");
        let spec = (deployment.adjust)(labelled(name.clone(), &source, feature, "container"));
        let id = self.engine.run_container(&spec);
        KubeContainer { id, name, image_id: image_id.to_owned(), sandbox }
    }

    /// Ends a pod: the container and its sandbox are gone.
    pub fn remove(&self, container: &KubeContainer) {
        self.engine.remove_container(&container.id);
        if let Some(sandbox) = &container.sandbox {
            self.engine.remove_container(sandbox);
        }
    }

    /// The reference that is pulled.
    pub fn reference(&self, deployment: &Deployment) -> String {
        let repository = self.registry.repository(&deployment.name);
        if deployment.by_digest {
            format!("{repository}@{}", self.digest(deployment))
        } else {
            format!("{repository}:{}", deployment.tag)
        }
    }

    fn digest(&self, deployment: &Deployment) -> String {
        if deployment.tag.starts_with("sha256:") {
            return deployment.tag.clone();
        }
        self.registry.digest(&deployment.name, &deployment.tag)
    }
}
