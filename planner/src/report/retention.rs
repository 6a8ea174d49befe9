//! Why each image stays on the disk or goes.

use std::collections::BTreeSet;

use derive_more::Display;
use serde::{Serialize, Serializer};

use super::gate::Gate;
use super::words::list;
use crate::domain::{Age, Base, Version};

/// Whether an image stays, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Retention {
    /// It stays, for each of these reasons.
    Kept(Box<[RetentionReason]>),
    /// The image is removed, for this reason, as soon as clean-up runs.
    Removed(RetentionReason),
}

/// Why an image stays or goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display)]
pub enum RetentionReason {
    /// `BASE:latest` names it.
    #[display("latest names it")]
    Latest,
    /// It is the promoted version.
    #[display("promoted version")]
    Promoted,
    /// It is what a promotion is about to make `latest`.
    #[display("about to be promoted")]
    Intended,
    /// It is the last version, or one of the `keep_versions` before.
    #[display("fallback version {_0}")]
    Fallback(Version),
    /// Containers use it.
    #[display("used by container {}", list(_0))]
    UsedBy(BTreeSet<String>),
    /// It arrived after the promoted takeover began: an upgrade on its way in.
    #[display("new: arrived after the running version took over")]
    ArrivedDuringTakeover,
    /// It was first seen less than `stable_time` ago.
    #[display("new: first seen {seen} ago")]
    New {
        /// How long ago.
        seen: Age,
    },
    /// An operator pinned the version.
    #[display("version {_0} is pinned")]
    Pinned(Version),
    /// It has references that are not understood.
    #[display("it has a reference that is not understood")]
    UnreadableReference,
    /// It has not been inspected, or cannot be: it may be any version.
    #[display("it has not been inspected")]
    NotRead,
    /// Another feature needs it.
    #[display("needed for {_0}")]
    NeededBy(Base),
    /// sonic-package-manager starts the feature from it.
    #[display("sonic-package-manager starts the feature from it")]
    Package,
    /// The engine says that something uses it.
    #[display("the engine says that it is in use")]
    EngineRefused,
    /// The local image that actually ran stands in for the kube image of the same version as soon as this one is free.
    #[display("actually ran as {_0}; stands in for the Kubernetes image of that version when it is free")]
    Supersedes(Version),
    /// Clean-up does not run.
    #[display("no clean-up: {_0}")]
    NoCleanUp(Gate),
    /// Nothing needs it: it is none of the stable versions that are to be kept.
    #[display("neither promoted nor needed for fallback")]
    NotNeeded,
    /// A version known only as a local tag is no fallback.
    #[display("a local version is no fallback once a Kubernetes version is promoted")]
    LocalOnly,
    /// The local image that actually ran took its version's tag.
    #[display("the local image of this version, which actually ran, replaced it")]
    Superseded,
}

impl RetentionReason {
    /// Whether it stays so that there is something to start when Kubernetes is away.
    pub(crate) fn is_for_fallback(&self) -> bool {
        matches!(self, Self::Promoted | Self::Fallback(_))
    }
}

impl Serialize for RetentionReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
