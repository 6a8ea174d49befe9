//! What was found, and what to do about it.

use serde::Serialize;
use strum::Display;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Display)]
#[cfg_attr(feature = "generate", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing; or it could not be checked.
    Note,
    /// The agent runs, and does not do all that is expected of it.
    Warning,
    /// The agent cannot work here.
    Error,
}

/// What was checked. The words are stable: scripts may rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Display)]
#[cfg_attr(feature = "generate", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(super) enum Check {
    /// Where the databases are, and whether they can be reached.
    Redis,
    /// Whether CONFIG_DB is loaded.
    ConfigDb,
    /// Whether Redis notifies of changes.
    Notifications,
    /// Whether the engine can be used, and its API version.
    Engine,
    /// How the engine stores images.
    ImageStore,
    /// Whether the agent can keep what it remembers, and whether one runs.
    StateDir,
    /// Which image belongs to which feature.
    ImageNames,
    /// Features that sonic-package-manager starts from an image id.
    Packages,
    /// The wall clock.
    Clock,
    /// How full the disk of the images is.
    Disk,
    /// Whether the images outlive a reboot.
    RamDisk,
    /// Whether the Python daemon manages images as well.
    Ctrmgrd,
    /// Programs known to remove images.
    Collectors,
    /// The kubelet's own image collection.
    Kubelet,
    /// Local containers that were not started from `BASE:latest`.
    StartedFrom,
    /// Rows that do not name the kube container.
    ContainerId,
    /// Kube containers that report themselves as local.
    ReportsLocal,
}

/// One thing that `doctor` found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "generate", derive(schemars::JsonSchema))]
pub(in crate::cli) struct Finding {
    /// How bad it is.
    pub(super) level: Level,
    /// What was checked.
    pub(super) check: Check,
    /// What is so.
    pub(super) found: String,
    /// What to do about it; absent where nothing is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(with = "String"))]
    pub(super) remedy: Option<String>,
}

impl Finding {
    /// All is as it should be.
    pub(super) fn ok(check: Check, found: impl Into<String>) -> Self {
        Self { level: Level::Ok, check, found: found.into(), remedy: None }
    }

    /// Worth knowing.
    pub(super) fn note(check: Check, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::with(Level::Note, check, found.into(), remedy.into())
    }

    /// The agent does not do all that is expected of it.
    pub(super) fn warning(check: Check, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::with(Level::Warning, check, found.into(), remedy.into())
    }

    /// The agent cannot work.
    pub(super) fn error(check: Check, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::with(Level::Error, check, found.into(), remedy.into())
    }

    /// It could not be checked because `cause` failed.
    pub(super) fn unchecked(check: Check, cause: Check) -> Self {
        Self::note(check, "not checked", format!("remedy what is found under {cause}, then run this again"))
    }

    fn with(level: Level, check: Check, found: String, remedy: String) -> Self {
        Self { level, check, found, remedy: Some(remedy) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_have_the_same_word_everywhere_and_ok_has_no_mend() {
        for check in [Check::Redis, Check::ConfigDb, Check::StateDir, Check::RamDisk, Check::ReportsLocal] {
            let json = serde_json::to_value(Finding::ok(check, "x")).unwrap();
            assert_eq!(json, serde_json::json!({"level": "ok", "check": check.to_string(), "found": "x"}));
        }
    }
}
