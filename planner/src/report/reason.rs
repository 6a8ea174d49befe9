//! Why an instance has its stability.

use std::collections::BTreeSet;

use derive_more::Display;

use super::gate::Gate;
use super::words::{list, or_absent, unreadable};
use crate::domain::{Age, Base, ContainerId, Namespace, Refused, Version};
use crate::snapshot::{Ending, Owner, RemoteState};

/// Why an instance has its stability: one kind for each step of the decision that can say the last word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display)]
pub enum Reason {
    /// systemd runs it.
    Local(LocalReason),
    /// The takeover is not complete.
    Incomplete(Incomplete),
    /// Whether a takeover stands cannot be told now.
    Unknown(Unknown),
    /// The takeover stands, not yet long enough.
    #[display("stable in {_0}")]
    Observing(Age),
    /// Long enough: the promotion is due.
    #[display("has proven stable, promotion is due")]
    PromotionDue,
    /// The image was promoted for this takeover.
    #[display("promoted")]
    Promoted,
    /// Promoted, but somebody moved `latest` since.
    #[display("promoted; latest was moved to another image since")]
    LatestMoved,
    /// The takeover ended before it was stable.
    #[display("{_1} was not stable: {_0}")]
    Ended(Ending, Version),
    /// A gate holds it back.
    Held(Gate),
    /// The last attempt to act failed, with this error; a retry is due.
    Failed(String),
}

/// Why an instance counts as local.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display)]
pub enum LocalReason {
    /// `set_owner` is local.
    #[display("set_owner is local")]
    Owner,
    /// `current_owner` is local and no kube container is on its way.
    #[display("runs locally, no Kubernetes container is on its way")]
    Runs,
    /// The same, though a kube container of the feature runs: a dry run, or one that reports itself as local.
    #[display(
        "runs locally; Kubernetes container {}{} is a dry run or reports itself as local",
        _0.short(),
        _1.as_ref().map(|version| format!(" ({version})")).unwrap_or_default()
    )]
    RunsBesideKube(ContainerId, Option<Version>),
}

/// What a takeover still lacks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display)]
pub enum Incomplete {
    /// Neither `set_owner` row nor memory says who is to own it.
    #[display("CONFIG_DB does not say who is to own it")]
    OwnerUnknown,
    /// A field holds a value that is refused.
    #[display("{field} holds \"{value}\", which is not valid")]
    Refused {
        /// The name of the field, as in Redis.
        field: &'static str,
        /// What it holds.
        value: Refused,
    },
    /// `current_owner` is not kube yet.
    #[display("current_owner is {}, not yet kube", or_absent(_0.as_ref()))]
    CurrentOwner(Option<Owner>),
    /// `remote_state` is not running yet.
    #[display("remote_state is {}, not yet running", or_absent(_0.as_ref()))]
    RemoteState(Option<RemoteState>),
    /// `container_id` is too short to name a container.
    #[display("container_id \"{_0}\" has fewer than 12 digits")]
    ContainerIdTooShort(String),
    /// `container_id` is too long to name a container.
    #[display("container_id \"{_0}\" has more than 64 digits")]
    ContainerIdTooLong(String),
    /// No container has this id.
    #[display("container {_0} does not exist")]
    NoSuchContainer(String),
    /// More than one container has an id that begins like this.
    #[display("container_id {_0} fits several containers")]
    AmbiguousContainerId(String),
    /// `container_id` names none, and no running container with the kubelet's labels fits.
    #[display("container_id names no container, and none with the kubelet's labels and this version runs")]
    NoLabelledContainer,
    /// `container_id` names none, and several running containers with the kubelet's labels fit.
    #[display("container_id names no container, and several with the kubelet's labels and this version run")]
    SeveralLabelledContainers,
    /// `container_id` names a pod's sandbox.
    #[display("container {} is a pod's sandbox", _0.short())]
    Sandbox(ContainerId),
    /// The container's image has no reference in the feature's repositories.
    #[display("container {} runs an image that is not in a {_1} repository", _0.short())]
    ForeignImage(ContainerId, Base),
    /// The container is another feature's, by its label.
    #[display("container {} is labelled as \"{_1}\"", _0.short())]
    LabelledFor(ContainerId, String),
    /// The container has none of the kubelet's labels, and nothing else says what the feature's image is.
    #[display("container {} does not carry the kubelet's labels", _0.short())]
    NotLabelled(ContainerId),
    /// No repository is known to be the feature's.
    #[display("the name of its image is not known")]
    ImageNameUnknown,
    /// More than one repository may be the feature's.
    #[display("its image may be any of {}", list(_0))]
    ImageNameAmbiguous(BTreeSet<Base>),
    /// The repository that the container suggests belongs to another feature.
    #[display("its container runs {_0}, which is another feature's image")]
    ImageNameTaken(Base),
    /// The container does not run.
    #[display("container {} does not run", _0.short())]
    ContainerNotRunning(ContainerId),
    /// The container's health check says unhealthy.
    #[display("container {} is unhealthy", _0.short())]
    Unhealthy(ContainerId),
    /// `container_version` is not the version that the container reports: the rows are in the middle of a change.
    #[display("container_version is {row}, the container's version is {container}: a change is under way")]
    VersionsDiffer {
        /// The row's.
        row: Version,
        /// The container's.
        container: Version,
    },
    /// Neither image nor row say what version runs.
    #[display("neither image nor row say which version runs")]
    VersionUnknown,
}

/// Why it cannot be told whether a takeover stands. What was so is taken to be so still, and nothing is done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display)]
pub enum Unknown {
    /// The database of this namespace cannot be read.
    #[display("{}", unreadable(*_0))]
    Namespace(Namespace),
    /// The container has not been inspected, or cannot be.
    #[display("container {} has not been inspected yet", _0.short())]
    NotInspected(ContainerId),
    /// The engine says something of the container that this agent does not know.
    #[display("container {} is in a state that is not known", _0.short())]
    ContainerState(ContainerId),
}
