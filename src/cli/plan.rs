//! `imgmgrd plan`: what would be done now and why, changing nothing.

use std::fmt::Write;

use serde::Serialize;

use crate::domain::Base;
use crate::planner::{Action, Plan, Report};

/// What `plan --json` says of an image name.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "generate", derive(schemars::JsonSchema))]
pub(super) struct GroupPlan {
    /// The image name.
    #[cfg_attr(feature = "generate", schemars(regex(pattern = crate::schema::pattern::Pattern::ImageName.exactly())))]
    pub(super) image: String,
    /// The features that run from it.
    pub(super) features: Vec<String>,
    /// What would be done, in order.
    pub(super) actions: Vec<PlannedAction>,
    /// How each instance stands, and why.
    pub(super) instances: Vec<InstanceStability>,
    /// Why nothing would be cleaned up, unless it would.
    pub(super) clean_up_waits: Option<String>,
}

/// One action.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "generate", derive(schemars::JsonSchema))]
pub(super) struct PlannedAction {
    /// What it is for.
    pub(super) purpose: String,
    /// Its steps, in order.
    pub(super) steps: Vec<String>,
}

/// How an instance stands.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "generate", derive(schemars::JsonSchema))]
pub(super) struct InstanceStability {
    /// The instance.
    pub(super) instance: String,
    /// Its stability.
    #[cfg_attr(feature = "generate", schemars(extend("enum" = crate::schema::pattern::STABILITIES)))]
    pub(super) stability: String,
    /// Why.
    pub(super) reason: String,
}

/// The plans of the groups in `bases`, of all if none is named.
#[must_use]
pub(super) fn plans(plan: &Plan, report: &Report, bases: Option<&[Base]>) -> Vec<GroupPlan> {
    report
        .groups
        .iter()
        .filter(|(base, _)| bases.is_none_or(|bases| bases.contains(base)))
        .map(|(base, group)| GroupPlan {
            image: base.to_string(),
            features: super::features_of(report, base),
            actions: plan.groups.get(base).into_iter().flatten().map(planned).collect(),
            instances: report
                .instances
                .iter()
                .filter(|(_, instance)| instance.base.as_ref() == Some(base))
                .map(|(instance, report)| InstanceStability {
                    instance: instance.to_string(),
                    stability: report.stability.to_string(),
                    reason: report.reason.to_string(),
                })
                .collect(),
            clean_up_waits: group.clean_up_waits.as_ref().map(ToString::to_string),
        })
        .collect()
}

fn planned(action: &Action) -> PlannedAction {
    PlannedAction { purpose: action.purpose.to_string(), steps: action.steps.iter().map(ToString::to_string).collect() }
}

/// The plans for a person. Without a feature named, groups that have nothing to do and nothing to wait for are left out.
#[must_use]
pub(super) fn render(plan: &Plan, report: &Report, bases: Option<&[Base]>) -> String {
    let mut text = String::new();
    let mut nothing = 0_usize;
    for group in plans(plan, report, bases) {
        let is_quiet = group.actions.is_empty()
            && group.instances.iter().all(|instance| matches!(instance.stability.as_str(), "local" | "stable"));
        if is_quiet && bases.is_none() {
            nothing += group.instances.len();
            continue;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        render_group(&group, &mut text);
    }
    if nothing > 0 {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "Nothing to do for {nothing} {}.", if nothing == 1 { "instance" } else { "instances" });
    }
    text
}

fn render_group(group: &GroupPlan, text: &mut String) {
    let _ = writeln!(text, "{} ({})", group.features.join(", "), group.image);
    for instance in &group.instances {
        let _ = writeln!(text, "  {} is {}: {}", instance.instance, instance.stability, instance.reason);
    }
    for (number, action) in group.actions.iter().enumerate() {
        let _ = writeln!(text, "  {}. {}", number + 1, action.purpose);
        for step in &action.steps {
            let _ = writeln!(text, "       {step}");
        }
    }
    if group.actions.is_empty() {
        let _ = writeln!(text, "  nothing to do now");
    }
    if let Some(reason) = &group.clean_up_waits {
        let _ = writeln!(text, "  no clean-up: {reason}");
    }
}
