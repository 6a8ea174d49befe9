//! Rows of CONFIG_DB.

// Only their shape matters: it is what the schemas are made of.
#![expect(dead_code, reason = "no row is ever held in these types")]

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::pattern::Pattern::{self, Words};

const MODE: Pattern = Words(&["enabled", "disabled"]);
const BOOLEAN: Pattern = Words(&["true", "false"]);
const LEVEL: Pattern = Words(&["EMERG", "ALERT", "CRIT", "ERROR", "WARN", "NOTICE", "INFO", "DEBUG"]);

/// The agent's policy in a config_db.json. Other tables are ignored.
#[derive(JsonSchema)]
#[schemars(title = "imgmgrd in config_db.json")]
pub(super) struct ConfigDb {
    #[schemars(rename = "CONTAINER_IMAGE")]
    container_image: Option<ContainerImage>,
    /// The policies of single features, by feature.
    #[schemars(rename = "CONTAINER_IMAGE_FEATURE", extend("propertyNames" = {"pattern": Pattern::Feature.exactly()}))]
    container_image_feature: Option<BTreeMap<String, FeaturePolicy>>,
}

/// The policy for all features.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ContainerImage {
    #[schemars(rename = "GLOBAL")]
    global: Option<GlobalPolicy>,
}

/// The policy of each feature whose own row does not say otherwise.
#[derive(JsonSchema)]
#[schemars(title = "CONFIG_DB CONTAINER_IMAGE|GLOBAL", deny_unknown_fields)]
pub(super) struct GlobalPolicy {
    /// Whether the agent may change anything; disabled, it only observes and publishes. Enabled if absent.
    #[schemars(regex(pattern = MODE.or_empty()))]
    state: Option<String>,
    /// How many seconds, 0 to 86400, a version has to run without interruption before it becomes latest. If absent,
    /// `tag_latest_image_on_wait_seconds` of /etc/sonic/remote_ctr.config.json, else 600.
    #[schemars(regex(pattern = Pattern::Day.or_empty()))]
    stable_time: Option<String>,
    /// How many promoted versions, 2 to 10, stay on the disk, the current one included. 2 if absent.
    #[schemars(regex(pattern = Pattern::TwoToTen.or_empty()))]
    keep_versions: Option<String>,
    /// Whether old images are removed. Enabled if absent.
    #[schemars(regex(pattern = MODE.or_empty()))]
    cleanup: Option<String>,
    /// What SONiC stores in a row that has no fields.
    #[schemars(rename = "NULL")]
    null: Option<String>,
}

/// The policy of one feature. Where it does not say otherwise, CONTAINER_IMAGE|GLOBAL holds.
#[derive(JsonSchema)]
#[schemars(title = "CONFIG_DB CONTAINER_IMAGE_FEATURE|<feature>", deny_unknown_fields)]
pub(super) struct FeaturePolicy {
    /// Whether the agent may change anything for this feature.
    #[schemars(regex(pattern = MODE.or_empty()))]
    state: Option<String>,
    /// How many seconds, 0 to 86400, a version has to run without interruption before it becomes latest.
    #[schemars(regex(pattern = Pattern::Day.or_empty()))]
    stable_time: Option<String>,
    /// How many promoted versions, 2 to 10, stay on the disk, the current one included.
    #[schemars(regex(pattern = Pattern::TwoToTen.or_empty()))]
    keep_versions: Option<String>,
    /// Whether old images are removed.
    #[schemars(regex(pattern = MODE.or_empty()))]
    cleanup: Option<String>,
    /// A version that clean-up leaves alone: any but latest, which always stays. It does not hold promotions back.
    #[schemars(regex(pattern = Pattern::Version.or_empty()), extend("not" = {"const": "latest"}))]
    pin: Option<String>,
    /// What SONiC stores in a row that has no fields.
    #[schemars(rename = "NULL")]
    null: Option<String>,
}

/// What the agent reads of a feature's configuration. The row's other fields are SONiC's.
#[derive(JsonSchema)]
#[schemars(title = "CONFIG_DB FEATURE|<feature>")]
pub(super) struct Feature {
    /// Who is to run the feature.
    #[schemars(regex(pattern = Words(&["local", "kube"]).or_empty()))]
    set_owner: Option<String>,
    /// Whether each ASIC has an instance. False if absent.
    #[schemars(regex(pattern = BOOLEAN.or_empty()))]
    has_per_asic_scope: Option<String>,
    /// Whether the host has an instance. True if absent.
    #[schemars(regex(pattern = BOOLEAN.or_empty()))]
    has_global_scope: Option<String>,
}

/// What the agent reads of the control plane's configuration. The row's other fields are SONiC's.
#[derive(JsonSchema)]
#[schemars(title = "CONFIG_DB KUBERNETES_MASTER|SERVER")]
pub(super) struct KubernetesMaster {
    /// While it is true, nothing is promoted or removed. False if absent.
    #[schemars(regex(pattern = BOOLEAN.or_empty()))]
    disable: Option<String>,
}

/// The log level, as swssloglevel sets it. The row's other fields are SONiC's.
#[derive(JsonSchema)]
#[schemars(title = "CONFIG_DB LOGGER|imgmgrd")]
pub(super) struct Logger {
    /// The least severe messages that are logged. NOTICE if absent.
    #[schemars(rename = "LOGLEVEL", regex(pattern = LEVEL.exactly()))]
    log_level: Option<String>,
}
