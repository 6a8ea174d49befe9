//! `imgmgrd plan`: what would be done now and why, changing nothing.

use std::fmt::Write;

use serde::Serialize;

use crate::decide::{Action, Plan, Report};
use crate::domain::Base;

/// What `plan --json` says of an image name.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "generate", derive(schemars::JsonSchema))]
pub(super) struct UnitPlan {
    /// The image name.
    #[cfg_attr(feature = "generate", schemars(regex(pattern = crate::schema::Pattern::ImageName.exactly())))]
    pub(super) image: String,
    /// The features that run from it.
    pub(super) features: Vec<String>,
    /// What would be done, in order.
    pub(super) actions: Vec<PlannedAction>,
    /// How each instance stands, and why.
    pub(super) instances: Vec<Standing>,
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
pub(super) struct Standing {
    /// The instance.
    pub(super) instance: String,
    /// Its stability.
    #[cfg_attr(feature = "generate", schemars(extend("enum" = crate::schema::STABILITIES)))]
    pub(super) stability: String,
    /// Why.
    pub(super) reason: String,
}

/// The plans of the units in `bases`, of all if none is named.
#[must_use]
pub(super) fn plans(plan: &Plan, report: &Report, bases: Option<&[Base]>) -> Vec<UnitPlan> {
    report
        .units
        .iter()
        .filter(|(base, _)| bases.is_none_or(|bases| bases.contains(base)))
        .map(|(base, unit)| UnitPlan {
            image: base.to_string(),
            features: super::features_of(report, base),
            actions: plan.units.get(base).into_iter().flatten().map(planned).collect(),
            instances: report
                .instances
                .iter()
                .filter(|(_, instance)| instance.base.as_ref() == Some(base))
                .map(|(instance, report)| Standing {
                    instance: instance.to_string(),
                    stability: report.stability.to_string(),
                    reason: report.reason.to_string(),
                })
                .collect(),
            clean_up_waits: unit.clean_up_waits.as_ref().map(ToString::to_string),
        })
        .collect()
}

fn planned(action: &Action) -> PlannedAction {
    PlannedAction { purpose: action.purpose.to_string(), steps: action.steps.iter().map(ToString::to_string).collect() }
}

/// The plans for a person. Without a feature named, units that have nothing to do and nothing to wait for are left out.
#[must_use]
pub(super) fn render(plan: &Plan, report: &Report, bases: Option<&[Base]>) -> String {
    let mut text = String::new();
    let mut nothing = 0_usize;
    for unit in plans(plan, report, bases) {
        let is_quiet = unit.actions.is_empty()
            && unit.instances.iter().all(|instance| matches!(instance.stability.as_str(), "local" | "stable"));
        if is_quiet && bases.is_none() {
            nothing += unit.instances.len();
            continue;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        render_unit(&unit, &mut text);
    }
    if nothing > 0 {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "Nothing to do for {nothing} {}.", if nothing == 1 { "instance" } else { "instances" });
    }
    text
}

fn render_unit(unit: &UnitPlan, text: &mut String) {
    let _ = writeln!(text, "{} ({})", unit.features.join(", "), unit.image);
    for instance in &unit.instances {
        let _ = writeln!(text, "  {} is {}: {}", instance.instance, instance.stability, instance.reason);
    }
    for (number, action) in unit.actions.iter().enumerate() {
        let _ = writeln!(text, "  {}. {}", number + 1, action.purpose);
        for step in &action.steps {
            let _ = writeln!(text, "       {step}");
        }
    }
    if unit.actions.is_empty() {
        let _ = writeln!(text, "  nothing to do now");
    }
    if let Some(reason) = &unit.clean_up_waits {
        let _ = writeln!(text, "  no clean-up: {reason}");
    }
}
