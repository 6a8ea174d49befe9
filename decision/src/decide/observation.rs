//! What is: rows, images and containers, as the decision sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::Arc;

use crate::domain::{
    Base, ContainerId, Feature, ImageId, InvalidName, Namespace, Reference, References, StartedAt, Value, Version,
};

/// Everything a decision is made from, besides memory, policy and the time.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Observation {
    /// CONFIG_DB's `CONFIG_DB_INITIALIZED` is 1; else it is being loaded and absent rows mean nothing.
    pub config_initialized: bool,
    /// The two `KUBERNETES_MASTER|SERVER` rows.
    pub kubernetes: Kubernetes,
    /// The ASIC namespaces of a multi-ASIC switch (never the host); empty with one ASIC.
    pub asics: BTreeSet<Namespace>,
    /// CONFIG_DB `FEATURE|<feature>` of each namespace.
    pub configuration: BTreeMap<RowKey, FeatureConfiguration>,
    /// STATE_DB `FEATURE|<feature>` of each namespace. The key is the row's, so `bgp0` on the host is a key of its own.
    pub state: BTreeMap<RowKey, FeatureState>,
    /// `ctr_image_names.json`: which repository belongs to which feature.
    pub image_names: BTreeMap<Feature, Base>,
    /// The features of sonic-package-manager that start from an image id instead of `BASE:latest`, and that id where
    /// it is valid.
    pub packages: BTreeMap<Feature, Option<ImageId>>,
    /// Every image on the disk. Shared with whoever looked, since there may be many.
    pub images: Arc<BTreeMap<ImageId, Image>>,
    /// Every container, running or not.
    pub containers: Arc<BTreeMap<ContainerId, Container>>,
    /// The images that the engine refused to remove because something uses them. Not asked for again until the
    /// engine reports that something changed.
    pub refused: BTreeSet<ImageId>,
    /// What an operator asks for at this moment.
    pub orders: BTreeMap<Feature, Order>,
    /// The namespaces whose databases cannot be read now. Their rows are as they were last read, if ever: what rests on
    /// them is unknown.
    pub unreadable: BTreeSet<Namespace>,
    /// The memory cannot be saved: what has to be remembered before it is done must not be done. The memory that is
    /// decided with is then the one that was saved last.
    pub memory_unsaved: bool,
    /// The units whose plan the check of the promises refused, and why: nothing is planned for them.
    pub stopped: BTreeMap<Base, String>,
}

impl Observation {
    /// The images, to be changed.
    pub fn images_mut(&mut self) -> &mut BTreeMap<ImageId, Image> {
        Arc::make_mut(&mut self.images)
    }

    /// The containers, to be changed.
    pub fn containers_mut(&mut self) -> &mut BTreeMap<ContainerId, Container> {
        Arc::make_mut(&mut self.containers)
    }
}

/// What an operator may ask for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// The version that runs is good: promote it without waiting any longer. Every other check stays.
    Promote,
    /// Make the last version `latest` again.
    Rollback {
        /// Only from this version; without it, one rollback is followed by no further one.
        from: Option<Version>,
    },
}

/// The key of a `FEATURE` row and the namespace of its database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// The database's namespace.
    pub namespace: Namespace,
    /// What follows `FEATURE|`: a feature, or on the host of a multi-ASIC switch a feature and an ASIC's number.
    pub key: Feature,
}

/// What the control plane's rows say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kubernetes {
    /// CONFIG_DB `disable`. An unreadable word counts as true: it forbids, and forbidding is the careful side.
    pub disabled: bool,
    /// STATE_DB `connected`, if the row is there and says one or the other.
    pub connected: Option<bool>,
}

/// Declares an enum of the fixed words of a field, compared without regard to case.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $(if text.eq_ignore_ascii_case($word) { return Ok(Self::$variant); })+
                Err(UnknownWord { what: $what })
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(match self { $(Self::$variant => $word),+ })
            }
        }
    };
}

/// A word that is none of a field's fixed set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no {what}")]
pub struct UnknownWord {
    /// What was expected.
    what: &'static str,
}

words!(
    /// Who is to run, or runs, a feature.
    Owner, "owner" {
        /// systemd.
        Local = "local",
        /// Kubernetes.
        Kube = "kube",
        /// Nobody (STATE_DB only).
        None = "none",
    }
);

words!(
    /// How far a kube container is, as the container and the host tell each other.
    RemoteState, "remote state" {
        /// There is none.
        None = "none",
        /// It has started and asks to take over.
        Pending = "pending",
        /// The host has made room for it.
        Ready = "ready",
        /// It runs the feature.
        Running = "running",
        /// It has gone away.
        Stopped = "stopped",
    }
);

words!(
    /// Whether systemd considers the feature's service up.
    SystemState, "system state" {
        /// Up.
        Up = "up",
        /// Down.
        Down = "down",
    }
);

/// CONFIG_DB `FEATURE|<feature>`, the fields that matter to images.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeatureConfiguration {
    /// Who is to run the feature.
    pub set_owner: Value<Owner>,
    /// Whether one instance per ASIC runs on a multi-ASIC switch.
    pub has_per_asic_scope: bool,
    /// Whether an instance runs on the host of a multi-ASIC switch.
    pub has_global_scope: bool,
}

/// STATE_DB `FEATURE|<feature>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeatureState {
    /// Who runs the feature now.
    pub current_owner: Value<Owner>,
    /// How far the kube container is.
    pub remote_state: Value<RemoteState>,
    /// The container that runs it.
    pub container_id: Value<NamedContainer>,
    /// The version that runs, or is about to.
    pub container_version: Value<Version>,
    /// The last version that was stable.
    pub stable_version: Value<Version>,
    /// The stable version before that.
    pub last_version: Value<Version>,
    /// Whether the service is up.
    pub system_state: Value<SystemState>,
}

/// What `container_id` holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NamedContainer {
    /// At least 12 hex digits: the beginning of a container's id.
    Prefix(Arc<str>),
    /// Hex digits, but too few to name a container.
    TooShort(Arc<str>),
    /// Hex digits, more than an id has; of these, the first.
    TooLong(Arc<str>),
    /// No hex at all: a name, when local, or what a cgroup setup left of an id.
    Name(Arc<str>),
}

impl FromStr for NamedContainer {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        Ok(if !is_hex {
            Self::Name(crate::domain::printable(text).into())
        } else if text.len() < 12 {
            Self::TooShort(text.into())
        } else if text.len() > 64 {
            Self::TooLong(crate::domain::printable(text).into())
        } else {
            Self::Prefix(text.into())
        })
    }
}

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
    /// Not looked at: the image belongs to nobody the agent manages.
    #[default]
    NotRead,
    /// Looked at.
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
    /// It runs.
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
