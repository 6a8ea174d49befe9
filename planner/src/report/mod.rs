//! Why each thing is as it is: the half of a decision that people read.
//!
//! `status`, `images`, `plan`, the log, STATE_DB and the history all render this one report.

mod command;
mod gate;
mod reason;
mod retention;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use strum::Display;

use crate::domain::{Age, Base, ContainerId, ImageId, Instance, Version};
use crate::snapshot::{Ending, Mark};

pub use command::*;
pub use gate::Gate;
pub use reason::*;
pub use retention::*;

/// What a decision found, and why.
#[must_use]
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Report {
    /// Of every instance.
    pub instances: BTreeMap<Instance, InstanceReport>,
    /// Of every image name.
    pub groups: BTreeMap<Base, GroupReport>,
    /// When to decide again though nothing happens.
    pub wakes: BTreeSet<Wake>,
}

/// Decide again when `mark` reaches `age`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wake {
    /// The takeover or image whose age matters.
    pub mark: Mark,
    /// The age, in whole seconds.
    pub age: Age,
}

/// What was found of an instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceReport {
    /// The image name, if it is known.
    pub base: Option<Base>,
    /// The word that is published as `stability`.
    pub stability: Stability,
    /// Why the instance has this stability.
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
    /// A takeover that ended before it was stable, if this decision is the first to see that.
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
    /// The version as the container reports it (`IMAGE_VERSION`), for people and for STATE_DB.
    pub version: Version,
    /// The id of the image that the container was created from.
    pub image: ImageId,
    /// The full id of the kube container.
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
pub struct GroupReport {
    /// The image that `BASE:latest` names.
    pub latest: Option<ImageId>,
    /// The version promoted last.
    pub promoted: Option<Version>,
    /// A promotion or rollback that this decision found to be done.
    pub settled: Option<Settled>,
    /// What comes of an operator's order.
    pub command: Option<CommandResult>,
    /// Why nothing is cleaned up, unless it is.
    pub clean_up_waits: Option<Gate>,
    /// Every image in the group's repositories or remembered as the group's.
    pub images: BTreeMap<ImageId, Retention>,
    /// `latest` names another image than the one that was promoted.
    pub latest_moved: bool,
}

/// A promotion or rollback that was found to be done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Settled {
    /// The version that is `latest` now.
    pub version: Version,
    /// The id of the image that the container was created from.
    pub image: ImageId,
    /// What it came of.
    pub cause: Cause,
    /// The instances whose takeovers it was; they may have ended since. None for a rollback.
    pub instances: BTreeSet<Instance>,
}

/// Why `latest` was made an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// It stood for as long as the policy asks for.
    ProvenStable,
    /// An operator said that it is good.
    Approved,
    /// An operator wanted the last version back.
    RolledBack,
}

/// The stability of an instance, as published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Stability {
    /// systemd's.
    Local,
    /// Kubernetes is to own it; the takeover is not complete.
    Waiting,
    /// The takeover stands, not yet long enough.
    Observing,
    /// `BASE:latest` was made the image of this container.
    Stable,
    /// The takeover ended before it was stable.
    Failed,
    /// Stable enough, but something forbids acting.
    Held,
    /// Acting failed; a retry is due.
    Error,
}
