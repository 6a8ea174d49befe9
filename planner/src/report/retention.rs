//! Why each image stays on the disk or goes.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Serialize, Serializer};

use super::reason::{Reason, list};
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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RetentionReason {
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
    /// The local image that actually ran stands in for the kube image of the same version as soon as this one is free.
    Supersedes(Version),
    /// Clean-up does not run.
    NoCleanUp(Reason),
    /// Nothing needs it: it is none of the stable versions that are to be kept.
    NotNeeded,
    /// A version known only as a local tag is no fallback.
    LocalOnly,
    /// The local image that actually ran took its version's tag.
    Superseded,
}

impl RetentionReason {
    /// Whether it stays so that there is something to start when Kubernetes is away.
    pub(crate) fn is_for_fallback(&self) -> bool {
        matches!(self, Self::Promoted | Self::Fallback(_))
    }
}

impl fmt::Display for RetentionReason {
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
                write!(
                    f,
                    "actually ran as {version}; stands in for the Kubernetes image of that version when it is free"
                )
            }
            Self::NoCleanUp(reason) => write!(f, "no clean-up: {reason}"),
            Self::NotNeeded => f.write_str("neither promoted nor needed for fallback"),
            Self::LocalOnly => f.write_str("a local version is no fallback once a Kubernetes version is promoted"),
            Self::Superseded => f.write_str("the local image of this version, which actually ran, replaced it"),
        }
    }
}

impl Serialize for RetentionReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
