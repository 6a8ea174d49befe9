//! Rows of STATE_DB.

// Only their shape matters: it is what the schemas are made of.
#![expect(dead_code, reason = "no row is ever held in these types")]

use schemars::JsonSchema;

use super::pattern::Pattern::{self, Words};
use super::pattern::STABILITIES;

/// How a feature stands, as the agent publishes it. Every field is there; what is absent is the empty string.
#[derive(JsonSchema)]
#[schemars(title = "STATE_DB CONTAINER_IMAGE|<feature>", deny_unknown_fields)]
pub(super) struct Image {
    /// The image name: the last path component of the feature's repositories.
    #[schemars(regex(pattern = Pattern::ImageName.or_empty()))]
    image: String,
    /// How the feature stands.
    #[schemars(extend("enum" = STABILITIES))]
    stability: String,
    /// Why, for people.
    reason: String,
    /// The version that runs.
    #[schemars(regex(pattern = Pattern::Version.or_empty()))]
    version: String,
    /// The first 12 digits of the id of the feature's Kubernetes container.
    #[schemars(regex(pattern = Pattern::ShortContainerId.or_empty()))]
    container_id: String,
    /// The id of its image.
    #[schemars(regex(pattern = Pattern::ImageId.or_empty()))]
    image_id: String,
    /// The version that was last stable.
    #[schemars(regex(pattern = Pattern::Version.or_empty()))]
    stable_version: String,
    /// The stable version before that, while it is on the disk.
    #[schemars(regex(pattern = Pattern::Version.or_empty()))]
    last_version: String,
    /// When the standing takeover began, UTC.
    #[schemars(regex(pattern = Pattern::Time.or_empty()))]
    observing_since: String,
    /// The seconds that were left until it is stable when the row was written.
    #[schemars(regex(pattern = Pattern::Count.or_empty()))]
    stable_after: String,
    /// When it became stable, UTC.
    #[schemars(regex(pattern = Pattern::Time.or_empty()))]
    stable_since: String,
    /// How many images of the feature are on the disk.
    #[schemars(regex(pattern = Pattern::Count.exactly()))]
    images: String,
    /// How many bytes clean-up has given back since boot.
    #[schemars(regex(pattern = Pattern::Count.exactly()))]
    reclaimed: String,
    /// When the row was written, UTC.
    #[schemars(regex(pattern = Pattern::Time.exactly()))]
    update_time: String,
}

/// What happened to a feature, as the agent publishes it. Every field is there; what is absent is the empty string. The same
/// event of the same image for the same reason, with the same exit code, is one row: when it happens again, it gets a new
/// number and counts one more.
#[derive(JsonSchema)]
#[schemars(title = "STATE_DB CONTAINER_IMAGE_HISTORY|<feature>|<n>", deny_unknown_fields)]
pub(super) struct History {
    /// When it happened last, UTC.
    #[schemars(regex(pattern = Pattern::Time.exactly()))]
    time: String,
    /// What, in a word or two: promoted, cleaned, failed, held, error, restored, latest moved, ...
    #[schemars(regex(pattern = "^[a-z]+( [a-z]+)*$"))]
    event: String,
    /// The version that it is about.
    #[schemars(regex(pattern = Pattern::Version.or_empty()))]
    version: String,
    /// The id of its image.
    #[schemars(regex(pattern = Pattern::ImageId.or_empty()))]
    image_id: String,
    /// Why, as a short word that stays the same from release to release.
    #[schemars(regex(pattern = "^([a-z]+(_[a-z]+)*)?$"))]
    reason: String,
    /// More of it, for people.
    detail: String,
    /// The first 12 digits or more of the id of the container that it happened to.
    #[schemars(regex(pattern = "^([0-9a-f]{12,64})?$"))]
    container_id: String,
    /// The exit code of that container.
    #[schemars(regex(pattern = "^(-?[0-9]+)?$"))]
    exit_code: String,
    /// How often it happened, if more than once.
    #[schemars(regex(pattern = Pattern::Count.or_empty()))]
    count: String,
    /// When it happened first, UTC, if it happened more than once.
    #[schemars(regex(pattern = Pattern::Time.or_empty()))]
    first_time: String,
}

/// What the agent reads of how a feature runs, and the two versions that it writes. The row's other fields are SONiC's.
#[derive(JsonSchema)]
#[schemars(title = "STATE_DB FEATURE|<feature>")]
pub(super) struct Feature {
    /// Who runs it.
    #[schemars(regex(pattern = Words(&["local", "kube", "none"]).or_empty()))]
    current_owner: Option<String>,
    /// How far its Kubernetes container is.
    #[schemars(regex(pattern = Words(&["none", "pending", "ready", "running", "stopped"]).or_empty()))]
    remote_state: Option<String>,
    /// Hex digits of the Kubernetes container's id, 12 at least; the container's name when local.
    container_id: Option<String>,
    /// The version that runs.
    #[schemars(regex(pattern = Pattern::Version.or_empty()))]
    container_version: Option<String>,
    /// The version that was last stable. Written by the agent at a promotion.
    #[schemars(regex(pattern = Pattern::Version.or_empty()))]
    container_stable_version: Option<String>,
    /// The stable version before that. Written by the agent at a promotion.
    #[schemars(regex(pattern = Pattern::Version.or_empty()))]
    container_last_version: Option<String>,
    /// Whether the feature's service runs.
    #[schemars(regex(pattern = Words(&["up", "down"]).or_empty()))]
    system_state: Option<String>,
    /// When the row was last written, in local time.
    #[schemars(regex(pattern = Pattern::Time.or_empty()))]
    update_time: Option<String>,
}

/// What the agent reads of the connection to the control plane. The row's other fields are SONiC's.
#[derive(JsonSchema)]
#[schemars(title = "STATE_DB KUBERNETES_MASTER|SERVER")]
pub(super) struct KubernetesMaster {
    /// Whether the switch has joined. While it is false, nothing is removed.
    #[schemars(regex(pattern = Words(&["true", "false"]).or_empty()))]
    connected: Option<String>,
}
