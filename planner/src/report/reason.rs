//! Why an instance has its stability, and why a group is not cleaned up.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Serialize, Serializer};

use crate::domain::{Age, Base, ContainerId, ImageId, Instance, Namespace, Refused, Version};
use crate::snapshot::{Ending, Owner, RemoteState};

/// Why an instance has its stability, or why a group is not cleaned up.
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
        /// The name of the field, as in Redis.
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
    /// The image was promoted for this takeover.
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
    /// The last attempt to act failed, with this error; a retry is due.
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
    /// `latest` would leave this image without a tag, and it has not been inspected, so that no tag of its own is known.
    LatestNotInspected(ImageId),
    /// What has to be remembered cannot be.
    MemoryUnsaved,
}

fn or_none<T: fmt::Display>(value: Option<&T>) -> String {
    value.map_or_else(|| "absent".to_owned(), ToString::to_string)
}

pub(crate) fn list<T: fmt::Display>(items: &BTreeSet<T>) -> String {
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
            Self::NothingPromoted => f.write_str("no promoted Kubernetes container is running"),
            Self::Disconnected => f.write_str("the switch is not connected to Kubernetes (connected=false)"),
            Self::CleanUpDisabled => f.write_str("policy cleanup=disabled"),
            Self::NamespaceUnreadable(Namespace::Host) => f.write_str("the host's database cannot be read"),
            Self::NamespaceUnreadable(namespace) => write!(f, "the database of {namespace} cannot be read"),
            Self::InstancesUnreadable(instances) => {
                let named = |instance: &Instance| format!("{instance} ({})", instance.namespace);
                let named: BTreeSet<String> = instances.iter().map(named).collect();
                write!(f, "the databases that say how they stand cannot be read: {}", list(&named))
            }
            Self::LatestNotInspected(image) => {
                write!(f, "image {}, which latest names, has not been inspected yet", image.short())
            }
            Self::ContainerStateUnknown(container) => {
                write!(f, "container {} is in a state that is not known", container.short())
            }
            Self::MemoryUnsaved => f.write_str("the memory cannot be saved; the log says why"),
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
