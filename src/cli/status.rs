//! `imgmgrd status`: how each feature stands.

use comfy_table::Cell;
use serde::Serialize;

use super::table;
use crate::domain::Feature;
use crate::planner::{Reason, Report};

/// What `status --json` says of an instance.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "generate", derive(schemars::JsonSchema))]
pub(super) struct Status {
    /// The instance: the feature's name, on a multi-ASIC switch followed by the ASIC's number.
    pub(super) instance: String,
    /// The feature.
    #[cfg_attr(feature = "generate", schemars(regex(pattern = crate::schema::pattern::Pattern::Feature.exactly())))]
    pub(super) feature: String,
    /// The namespace; empty for the host.
    pub(super) namespace: String,
    /// The image name.
    #[cfg_attr(feature = "generate", schemars(regex(pattern = crate::schema::pattern::Pattern::ImageName.exactly())))]
    pub(super) image: Option<String>,
    /// The stability.
    #[cfg_attr(feature = "generate", schemars(extend("enum" = crate::schema::pattern::STABILITIES)))]
    pub(super) stability: String,
    /// Why.
    pub(super) reason: String,
    /// The version that runs.
    #[cfg_attr(feature = "generate", schemars(regex(pattern = crate::schema::pattern::Pattern::Version.exactly())))]
    pub(super) version: Option<String>,
    /// The kube container's full id.
    #[cfg_attr(feature = "generate", schemars(regex(pattern = crate::schema::pattern::Pattern::ContainerId.exactly())))]
    pub(super) container_id: Option<String>,
    /// The image that runs.
    #[cfg_attr(feature = "generate", schemars(regex(pattern = crate::schema::pattern::Pattern::ImageId.exactly())))]
    pub(super) image_id: Option<String>,
    /// The version that was last stable.
    #[cfg_attr(feature = "generate", schemars(regex(pattern = crate::schema::pattern::Pattern::Version.exactly())))]
    pub(super) stable_version: Option<String>,
    /// The stable version before that, while it is on the disk.
    #[cfg_attr(feature = "generate", schemars(regex(pattern = crate::schema::pattern::Pattern::Version.exactly())))]
    pub(super) last_version: Option<String>,
    /// How long the takeover has stood, in seconds, up to a day.
    pub(super) observed_seconds: Option<u32>,
    /// How long until it is stable, in seconds.
    pub(super) stable_after: Option<u32>,
}

/// The instances of a report, all or those of one feature, in natural order.
#[must_use]
pub(super) fn statuses(report: &Report, feature: Option<&Feature>) -> Vec<Status> {
    report
        .instances
        .iter()
        .filter(|(instance, _)| feature.is_none_or(|feature| instance.answers_to(feature)))
        .map(|(instance, report)| Status {
            instance: instance.to_string(),
            feature: instance.feature.to_string(),
            namespace: instance.namespace.to_string(),
            image: report.base.as_ref().map(ToString::to_string),
            stability: report.stability.to_string(),
            reason: report.reason.to_string(),
            version: report.version.as_ref().map(ToString::to_string),
            container_id: report.container.as_ref().map(ToString::to_string),
            image_id: report.image.as_ref().map(ToString::to_string),
            stable_version: report.stable_version.as_ref().map(ToString::to_string),
            last_version: report.last_version.as_ref().map(ToString::to_string),
            observed_seconds: report.observing.as_ref().map(|observing| observing.age.seconds()),
            stable_after: report
                .observing
                .as_ref()
                .filter(|_| matches!(report.reason, Reason::Observing(_)))
                .map(|observing| observing.remaining.seconds()),
        })
        .collect()
}

/// The instances as a table.
#[must_use]
pub(super) fn render(report: &Report, feature: Option<&Feature>) -> String {
    let mut table = table::table(&["FEATURE", "STABILITY", "VERSION", "STABLE", "LAST", "REASON"]);
    for (instance, report) in &report.instances {
        if feature.is_none_or(|feature| instance.answers_to(feature)) {
            table.add_row([
                Cell::new(instance),
                table::stability(report.stability),
                Cell::new(table::optional(report.version.as_ref())),
                Cell::new(table::optional(report.stable_version.as_ref())),
                Cell::new(table::optional(report.last_version.as_ref())),
                Cell::new(&report.reason),
            ]);
        }
    }
    table::render(&table)
}
