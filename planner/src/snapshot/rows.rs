//! What the rows of Redis say (DESIGN.md, section 2; the writes of SONiC's scripts are recorded in section 7).

use std::str::FromStr;
use std::sync::Arc;

use crate::domain::{Feature, InvalidName, Namespace, Value, Version};

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
        /// A container that the kubelet runs.
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
        /// The service is started.
        Up = "up",
        /// The service is stopped.
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
