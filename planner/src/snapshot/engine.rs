//! What the engine has on its disk (Docker Engine API, `/images/json`, `/containers/json` and their inspections).

use std::sync::Arc;

use crate::domain::{Base, ImageId, Reference, References, StartedAt, Value, Version};

/// An image on the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Image {
    /// Its tags and digest references.
    pub references: References,
    /// How many references it has that are not understood. With any, its owner cannot be established and it stays.
    pub unreadable_references: u16,
    /// `IMAGE_VERSION` of its environment.
    pub version: ImageVersion,
    /// Size in bytes, as the engine reports it.
    pub size: u64,
}

/// `IMAGE_VERSION` of an image's environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImageVersion {
    /// Not inspected: the image belongs to nobody the agent manages.
    #[default]
    NotRead,
    /// The image was inspected; the value is absent where the environment does not set it.
    Read(Value<Version>),
}

impl Image {
    /// `IMAGE_VERSION`, where it is known and valid.
    #[must_use]
    pub fn declared_version(&self) -> Option<&Version> {
        match &self.version {
            ImageVersion::Read(value) => value.get(),
            ImageVersion::NotRead => None,
        }
    }

    /// The version for people: `IMAGE_VERSION`, else a tag in the repositories of `base`.
    #[must_use]
    pub fn version_in<'a>(&'a self, base: &'a Base) -> Option<&'a Version> {
        let tags = || self.references_of(base).filter_map(Reference::tag);
        self.declared_version().or_else(|| tags().find(|tag| !tag.is_latest()))
    }

    /// The references in the repositories of `base`.
    pub fn references_of<'a>(&'a self, base: &'a Base) -> impl Iterator<Item = &'a Reference> {
        self.references.iter().filter(move |reference| reference.repository.base() == base)
    }
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Container {
    /// Its name, without the leading slash.
    pub name: Arc<str>,
    /// The image it was created from.
    pub image: ImageId,
    /// The reference it was created from, unless that was an image id.
    pub created_from: Option<Reference>,
    /// What the kubelet's labels say; none for a container that is not the kubelet's.
    pub kubelet: Option<KubeletLabels>,
    /// What it does.
    pub status: ContainerStatus,
    /// Details of a running container that a decision may need; none if it was not inspected.
    pub details: Option<ContainerDetails>,
    /// With what exit code it ended, if it has and the engine said so.
    pub exit_code: Option<i64>,
}

/// The labels of a container that the kubelet created.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KubeletLabels {
    /// `io.kubernetes.container.name`: in SONiC's deployments the feature's name.
    pub container_name: Arc<str>,
    /// `io.kubernetes.docker.type` is `container`; else it is a pod's sandbox.
    pub is_container: bool,
}

/// What a container does, in the engine's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContainerStatus {
    /// The engine says `running` (or `stopping`: its processes are still there).
    Running,
    /// Its processes are frozen.
    Paused,
    /// The engine is about to start it again.
    Restarting,
    /// It was created and never started, has exited, or is being or could not be removed.
    Stopped,
    /// The engine uses a word for it that this agent does not know.
    Unknown,
}

impl ContainerStatus {
    /// Whether the container is to be left alone: it runs, or would.
    #[must_use]
    pub fn is_alive(self) -> bool {
        self != Self::Stopped
    }
}

/// What only an inspection of a container tells.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerDetails {
    /// When it was last started, as the engine wrote it.
    pub started_at: StartedAt,
    /// `IMAGE_VERSION` of its own environment: its image's, unless whoever created it said otherwise.
    pub version: Value<Version>,
    /// Its health check says unhealthy.
    pub unhealthy: bool,
    /// How many of its processes the kernel has killed for lack of memory since it was started, as far as known.
    pub oom_kills: u32,
}
