//! What the rows of Redis say (DESIGN.md, section 2; the writes of SONiC's scripts are recorded in section 7).

use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString};

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

/// Who is to run, or runs, a feature. As all words of a fixed set, compared without regard to case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Display, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase", ascii_case_insensitive)]
pub enum Owner {
    /// systemd.
    Local,
    /// A container that the kubelet runs.
    Kube,
    /// Nobody (STATE_DB only).
    None,
}

/// How far a kube container is, as the container and the host tell each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Display, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase", ascii_case_insensitive)]
pub enum RemoteState {
    /// There is none.
    None,
    /// It has started and asks to take over.
    Pending,
    /// The host has made room for it.
    Ready,
    /// It runs the feature.
    Running,
    /// It has gone away.
    Stopped,
}

/// Whether systemd considers the feature's service up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Display, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase", ascii_case_insensitive)]
pub enum SystemState {
    /// The service is started.
    Up,
    /// The service is stopped.
    Down,
}

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
