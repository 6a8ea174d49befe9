//! Why each thing is as it is: the half of a decision that people read.
//!
//! `status`, `images`, `plan`, the log, STATE_DB and the history all render this one report.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::memory::Mark;
use super::observation::{Owner, RemoteState};
use super::order::OrderOutcome;
use super::promotion::Settled;
use crate::domain::{Age, Base, ContainerId, ImageId, Instance, Namespace, Refused, Version};

/// What a decision found, and why.
#[must_use]
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Report {
    /// Of every instance.
    pub instances: BTreeMap<Instance, InstanceReport>,
    /// Of every image name.
    pub units: BTreeMap<Base, UnitReport>,
    /// When to look again though nothing happens.
    pub wakes: BTreeSet<Wake>,
}

/// Look again when `mark` reaches `age`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wake {
    /// Whose age.
    pub mark: Mark,
    /// The age, in whole seconds.
    pub age: Age,
}

/// What was found of an instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceReport {
    /// The image name, if it is known.
    pub base: Option<Base>,
    /// The stability.
    pub stability: Stability,
    /// Why.
    pub reason: Reason,
    /// The version that runs.
    pub version: Option<Version>,
    /// The kube container.
    pub container: Option<ContainerId>,
    /// The image that runs.
    pub image: Option<ImageId>,
    /// The version that was last stable.
    pub stable_version: Option<Version>,
    /// The stable version before that, while it is on the disk.
    pub last_version: Option<Version>,
    /// The takeover that stands, and how old it is.
    pub observing: Option<Observing>,
    /// A takeover that ended before it was stable, if this look is the first to see that.
    pub ended: Option<Ended>,
}

/// A takeover that stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Observing {
    /// By which it is known.
    pub mark: Mark,
    /// How long it has stood.
    pub age: Age,
    /// How long until it is stable.
    pub remaining: Age,
}

/// A takeover that ended before it was stable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ended {
    /// Its version.
    pub version: Version,
    /// Its image.
    pub image: ImageId,
    /// Its container.
    pub container: ContainerId,
    /// How it ended.
    pub ending: Ending,
    /// The container's exit code, if it exited and the engine said so.
    pub exit_code: Option<i64>,
    /// How long it had stood.
    pub after: Age,
}

/// What was found of an image name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitReport {
    /// The image that `BASE:latest` names.
    pub latest: Option<ImageId>,
    /// The version promoted last.
    pub promoted: Option<Version>,
    /// A promotion or rollback that this look found to be done.
    pub settled: Option<Settled>,
    /// What comes of an operator's order.
    pub order: Option<OrderOutcome>,
    /// Why nothing is cleaned up, unless it is.
    pub clean_up_waits: Option<Reason>,
    /// Every image in the unit's repositories or remembered as the unit's.
    pub images: BTreeMap<ImageId, Verdict>,
    /// `latest` names another image than the one that was promoted.
    pub latest_moved: bool,
}

/// Whether an image stays, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It stays, for each of these reasons.
    Kept(Box<[Because]>),
    /// It goes.
    Removed(Because),
}

/// Why an image stays or goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Because {
    /// `BASE:latest` names it.
    Latest,
    /// It is the promoted version.
    Promoted,
    /// It is what a promotion is about to make `latest`.
    Intended,
    /// It is the last version, or one of the `keep_versions` before.
    Fallback(Version),
    /// Containers use it.
    UsedBy(BTreeSet<String>),
    /// It arrived after the promoted takeover began: an upgrade on its way in.
    ArrivedDuringTakeover,
    /// It was first seen less than `stable_time` ago.
    New {
        /// How long ago.
        seen: Age,
    },
    /// An operator pinned the version.
    Pinned(Version),
    /// It has references that are not understood.
    UnreadableReference,
    /// It has not been inspected, or cannot be: it may be any version.
    NotRead,
    /// Another feature needs it.
    NeededBy(Base),
    /// sonic-package-manager starts the feature from it.
    Package,
    /// The engine says that something uses it.
    EngineRefused,
    /// The local image that really ran stands in for the kube image of the same version as soon as this one is free.
    Supersedes(Version),
    /// Clean-up does not run.
    NoCleanUp(Reason),
    /// Nothing needs it: it is none of the stable versions that are to be kept.
    NotNeeded,
    /// A version known only as a local tag is no fallback.
    LocalOnly,
    /// The local image that really ran took its version's tag.
    Superseded,
}

impl Because {
    /// Whether it stays so that there is something to start when Kubernetes is away.
    pub(super) fn is_for_fallback(&self) -> bool {
        matches!(self, Self::Promoted | Self::Fallback(_))
    }
}

/// The stability of an instance, as published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stability {
    /// systemd's.
    Local,
    /// Kubernetes is to own it; the takeover is not complete.
    Waiting,
    /// The takeover stands, not yet long enough.
    Observing,
    /// Promoted.
    Stable,
    /// The takeover ended before it was stable.
    Failed,
    /// Stable enough, but something forbids acting.
    Held,
    /// Acting failed; a retry is due.
    Error,
}

impl fmt::Display for Stability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Local => "local",
            Self::Waiting => "waiting",
            Self::Observing => "observing",
            Self::Stable => "stable",
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Error => "error",
        })
    }
}

/// How a takeover ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The container was started again.
    Restarted,
    /// The container exited.
    Exited,
    /// The container is paused.
    Paused,
    /// The container was removed.
    Removed,
    /// The kernel killed one of its processes for lack of memory.
    OutOfMemory,
    /// Its health check says unhealthy.
    Unhealthy,
    /// Another container took over.
    Replaced,
    /// `current_owner` is no longer kube.
    OwnerChanged,
    /// `remote_state` is no longer running.
    RemoteState(Option<RemoteState>),
    /// `container_version` changed.
    VersionChanged,
    /// The container is no longer known for sure.
    Unidentified,
}

impl Ending {
    /// A short word for programs, which stays the same from release to release.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Restarted => "restarted",
            Self::Exited => "exited",
            Self::Paused => "paused",
            Self::Removed => "removed",
            Self::OutOfMemory => "out_of_memory",
            Self::Unhealthy => "unhealthy",
            Self::Replaced => "replaced",
            Self::OwnerChanged => "owner_changed",
            Self::RemoteState(_) => "remote_state",
            Self::VersionChanged => "version_changed",
            Self::Unidentified => "unidentified",
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restarted => f.write_str("the container was restarted"),
            Self::Exited => f.write_str("the container exited"),
            Self::Paused => f.write_str("the container was paused"),
            Self::Removed => f.write_str("the container was removed"),
            Self::OutOfMemory => f.write_str("a process of the container was killed for lack of memory"),
            Self::Unhealthy => f.write_str("the health check says unhealthy"),
            Self::Replaced => f.write_str("another container took over"),
            Self::OwnerChanged => f.write_str("current_owner is no longer kube"),
            Self::RemoteState(Some(state)) => write!(f, "remote_state became {state}"),
            Self::RemoteState(None) => f.write_str("remote_state is gone"),
            Self::VersionChanged => f.write_str("container_version changed"),
            Self::Unidentified => f.write_str("the container can no longer be identified"),
        }
    }
}

/// Why an instance has its stability, or why a unit is not cleaned up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// `set_owner` is local.
    OwnerIsLocal,
    /// `current_owner` is local and no kube container is on its way.
    RunsLocally,
    /// The same, though a kube container of the feature runs: a dry run, or one that reports itself as local.
    RunsLocallyBesideKube(ContainerId, Option<Version>),
    /// Neither `set_owner` row nor memory says who is to own it.
    OwnerUnknown,
    /// A field holds a value that is refused.
    Refused {
        /// The field.
        field: &'static str,
        /// What it holds.
        value: Refused,
    },
    /// `current_owner` is not kube yet.
    CurrentOwner(Option<Owner>),
    /// `remote_state` is not running yet.
    RemoteState(Option<RemoteState>),
    /// `container_id` is too short to name a container.
    ContainerIdTooShort(String),
    /// `container_id` is too long to name a container.
    ContainerIdTooLong(String),
    /// No container has this id.
    NoSuchContainer(String),
    /// More than one container has an id that begins like this.
    AmbiguousContainerId(String),
    /// `container_id` names none, and no running container with the kubelet's labels fits.
    NoLabelledContainer,
    /// `container_id` names none, and several running containers with the kubelet's labels fit.
    SeveralLabelledContainers,
    /// `container_id` names a pod's sandbox.
    Sandbox(ContainerId),
    /// The container's image has no reference in the feature's repositories.
    Stranger(ContainerId, Base),
    /// The container is another feature's, by its label.
    LabelledFor(ContainerId, String),
    /// The container has none of the kubelet's labels, and nothing else says what the feature's image is.
    NotLabelled(ContainerId),
    /// No repository is known to be the feature's.
    ImageNameUnknown,
    /// More than one repository may be the feature's.
    ImageNameAmbiguous(BTreeSet<Base>),
    /// The repository that the container suggests belongs to another feature.
    ImageNameTaken(Base),
    /// The container does not run.
    ContainerNotRunning(ContainerId),
    /// The container's health check says unhealthy.
    Unhealthy(ContainerId),
    /// The container has not been looked at yet.
    NotInspected(ContainerId),
    /// `container_version` is not the version that the container reports: the rows are in the middle of a change.
    VersionsDiffer {
        /// The row's.
        row: Version,
        /// The container's.
        container: Version,
    },
    /// Neither image nor row say what version runs.
    VersionUnknown,
    /// The takeover stands, not yet long enough.
    Observing(Age),
    /// Long enough: the promotion is due.
    PromotionDue,
    /// Promoted.
    Promoted,
    /// Promoted, but somebody moved `latest` since.
    LatestMoved,
    /// The takeover ended before it was stable.
    Ended(Ending, Version),
    /// Other instances that share the image have to be stable on it too.
    OtherInstances(BTreeSet<Instance>),
    /// `KUBERNETES_MASTER|SERVER` `disable=true`.
    KubernetesDisabled,
    /// CONFIG_DB is being loaded.
    ConfigurationNotInitialized,
    /// The feature's CONFIG_DB row is absent.
    ConfigurationAbsent,
    /// Policy `state=disabled`.
    PolicyDisabled,
    /// An operator rolled back from this image.
    RolledBack(Version),
    /// A container named like the instance runs.
    LocalContainerRuns(String),
    /// sonic-package-manager starts the feature from another reference than `BASE:latest`.
    PackageReference,
    /// The second opinion refused the plan.
    Violation(String),
    /// `latest` is not the version that is to be rolled back from.
    LatestIsNot {
        /// What is to be rolled back from.
        from: Version,
        /// What `latest` is.
        latest: Option<Version>,
    },
    /// There is no version to roll back to: the one that was promoted before, if any, is not on the disk.
    NoLastVersion(Option<Version>),
    /// Acting failed.
    Failed(String),
    /// Nothing that was promoted stands.
    NothingPromoted,
    /// STATE_DB says `connected=false`: nothing could be pulled again.
    Disconnected,
    /// Policy `cleanup=disabled`.
    CleanUpDisabled,
    /// The database of this namespace cannot be read.
    NamespaceUnreadable(Namespace),
    /// The databases that would say how these instances stand cannot be read.
    InstancesUnreadable(BTreeSet<Instance>),
    /// The engine says something of the container that this agent does not know.
    ContainerStateUnknown(ContainerId),
    /// What has to be remembered cannot be.
    MemoryUnsaved,
}

fn or_none<T: fmt::Display>(value: Option<&T>) -> String {
    value.map_or_else(|| "absent".to_owned(), ToString::to_string)
}

pub(super) fn list<T: fmt::Display>(items: &BTreeSet<T>) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnerIsLocal => f.write_str("set_owner is local"),
            Self::RunsLocally => f.write_str("runs locally, no Kubernetes container is on its way"),
            Self::RunsLocallyBesideKube(container, version) => write!(
                f,
                "runs locally; Kubernetes container {}{} is a dry run or reports itself as local",
                container.short(),
                version.as_ref().map(|version| format!(" ({version})")).unwrap_or_default()
            ),
            Self::OwnerUnknown => f.write_str("CONFIG_DB does not say who is to own it"),
            Self::Refused { field, value } => write!(f, "{field} holds \"{value}\", which is not valid"),
            Self::CurrentOwner(owner) => write!(f, "current_owner is {}, not yet kube", or_none(owner.as_ref())),
            Self::RemoteState(state) => write!(f, "remote_state is {}, not yet running", or_none(state.as_ref())),
            Self::ContainerIdTooShort(id) => write!(f, "container_id \"{id}\" has fewer than 12 digits"),
            Self::ContainerIdTooLong(id) => write!(f, "container_id \"{id}\" has more than 64 digits"),
            Self::NoSuchContainer(id) => write!(f, "container {id} does not exist"),
            Self::AmbiguousContainerId(id) => write!(f, "container_id {id} fits several containers"),
            Self::NoLabelledContainer => {
                f.write_str("container_id names no container, and none with the kubelet's labels and this version runs")
            }
            Self::SeveralLabelledContainers => f.write_str(
                "container_id names no container, and several with the kubelet's labels and this version run",
            ),
            Self::Sandbox(container) => write!(f, "container {} is a pod's sandbox", container.short()),
            Self::Stranger(container, base) => {
                write!(f, "container {} runs an image that is not in a {base} repository", container.short())
            }
            Self::LabelledFor(container, name) => {
                write!(f, "container {} is labelled as \"{name}\"", container.short())
            }
            Self::NotLabelled(container) => {
                write!(f, "container {} does not carry the kubelet's labels", container.short())
            }
            Self::ImageNameUnknown => f.write_str("the name of its image is not known"),
            Self::ImageNameAmbiguous(bases) => write!(f, "its image may be any of {}", list(bases)),
            Self::ImageNameTaken(base) => write!(f, "its container runs {base}, which is another feature's image"),
            Self::ContainerNotRunning(container) => write!(f, "container {} does not run", container.short()),
            Self::Unhealthy(container) => write!(f, "container {} is unhealthy", container.short()),
            Self::NotInspected(container) => write!(f, "container {} has not been inspected yet", container.short()),
            Self::VersionsDiffer { row, container } => {
                write!(f, "container_version is {row}, the container's version is {container}: a change is under way")
            }
            Self::VersionUnknown => f.write_str("neither image nor row say which version runs"),
            Self::Observing(remaining) => write!(f, "stable in {remaining}"),
            Self::PromotionDue => f.write_str("has proven stable, promotion is due"),
            Self::Promoted => f.write_str("promoted"),
            Self::LatestMoved => f.write_str("promoted; latest was moved to another image since"),
            Self::Ended(ending, version) => write!(f, "{version} was not stable: {ending}"),
            Self::OtherInstances(others) => write!(f, "not yet stable on the same image: {}", list(others)),
            Self::KubernetesDisabled => f.write_str("Kubernetes is disabled (KUBERNETES_MASTER|SERVER disable=true)"),
            Self::ConfigurationNotInitialized => f.write_str("CONFIG_DB is being loaded"),
            Self::ConfigurationAbsent => f.write_str("the CONFIG_DB row is absent"),
            Self::PolicyDisabled => f.write_str("policy state=disabled"),
            Self::RolledBack(version) => write!(f, "an operator rolled back from {version}"),
            Self::LocalContainerRuns(name) => write!(f, "the local container {name} runs"),
            Self::PackageReference => {
                f.write_str("sonic-package-manager starts it from an image id, not from its latest tag")
            }
            Self::Violation(what) => write!(f, "stopped, the plan would break a promise: {what}"),
            Self::LatestIsNot { from, latest } => {
                write!(
                    f,
                    "latest is {}, not {from}",
                    latest.as_ref().map_or_else(|| "gone".to_owned(), ToString::to_string)
                )
            }
            Self::NoLastVersion(Some(version)) => {
                write!(
                    f,
                    "the last version, {version}, is not on the disk; deploy it through Kubernetes to have it back"
                )
            }
            Self::NoLastVersion(None) => f.write_str("no other version was promoted before"),
            Self::Failed(error) => f.write_str(error),
            Self::NothingPromoted => f.write_str("no promoted Kubernetes container stands"),
            Self::Disconnected => f.write_str("the switch is not connected to Kubernetes (connected=false)"),
            Self::CleanUpDisabled => f.write_str("policy cleanup=disabled"),
            Self::NamespaceUnreadable(Namespace::Host) => f.write_str("the host's database cannot be read"),
            Self::NamespaceUnreadable(namespace) => write!(f, "the database of {namespace} cannot be read"),
            Self::InstancesUnreadable(instances) => {
                let named = |instance: &Instance| format!("{instance} ({})", instance.namespace);
                let named: BTreeSet<String> = instances.iter().map(named).collect();
                write!(f, "the databases that say how they stand cannot be read: {}", list(&named))
            }
            Self::ContainerStateUnknown(container) => {
                write!(f, "container {} is in a state that is not known", container.short())
            }
            Self::MemoryUnsaved => f.write_str("the state directory cannot be written"),
        }
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest names it"),
            Self::Promoted => f.write_str("promoted version"),
            Self::Intended => f.write_str("about to be promoted"),
            Self::Fallback(version) => write!(f, "fallback version {version}"),
            Self::UsedBy(names) => write!(f, "used by container {}", list(names)),
            Self::ArrivedDuringTakeover => f.write_str("new: arrived after the running version took over"),
            Self::New { seen } => write!(f, "new: first seen {seen} ago"),
            Self::Pinned(version) => write!(f, "version {version} is pinned"),
            Self::UnreadableReference => f.write_str("it has a reference that is not understood"),
            Self::NotRead => f.write_str("it has not been inspected"),
            Self::NeededBy(base) => write!(f, "needed for {base}"),
            Self::Package => f.write_str("sonic-package-manager starts the feature from it"),
            Self::EngineRefused => f.write_str("the engine says that it is in use"),
            Self::Supersedes(version) => {
                write!(f, "really ran as {version}; stands in for the Kubernetes image of that version when it is free")
            }
            Self::NoCleanUp(reason) => write!(f, "no clean-up: {reason}"),
            Self::NotNeeded => f.write_str("neither promoted nor needed for fallback"),
            Self::LocalOnly => f.write_str("a local version is no fallback once a Kubernetes version is promoted"),
            Self::Superseded => f.write_str("the local image of this version, which really ran, replaced it"),
        }
    }
}

impl Serialize for Because {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
