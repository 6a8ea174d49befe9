//! How it ended: shown to the person, and checked.

use imgmgrd_test_support::Switch;

use crate::stage::{Feature, Stage};
use crate::stop::Stop;
use crate::story::{FEATURES, FOURTH, INSTALLED, SECOND, SNMP, TELEMETRY, THIRD};

/// The person asks the agent.
pub(crate) fn show(stage: &mut Stage<'_>) -> Result<(), Stop> {
    stage.narrator.heading("6. What the agent says about all that");
    stage.run(&["status"])?;
    stage.run(&["history", SNMP.name])
}

/// Says what the person has seen, by the histories and rows that the agent published.
pub(crate) fn sum_up(stage: &mut Stage<'_>) {
    stage.scene("7. What you have seen");
    let entries = |feature: Feature, event: &str| -> Vec<String> {
        let entries = stage.switch.feature(feature.name).history().into_iter().map(|(_, entry)| entry);
        let entries = entries.filter(|entry| entry.get("event").is_some_and(|found| found == event));
        entries.filter_map(|entry| entry.get("version").cloned()).collect()
    };
    let promoted =
        [TELEMETRY, SNMP].map(|feature| format!("{} {}", feature.name, entries(feature, "promoted").join(", ")));
    let failed = entries(SNMP, "failed").join(", ");
    let reclaimed = [TELEMETRY, SNMP]
        .iter()
        .filter_map(|feature| stage.switch.feature(feature.name).published("reclaimed").parse::<u64>().ok())
        .sum::<u64>();
    let narrator = stage.narrator;
    narrator.entry("promoted", &promoted.join("; "));
    narrator.entry("failed", &format!("{} {failed}: it crashed, and latest stayed the good {SECOND}", SNMP.name));
    narrator.entry(
        "cleaned up",
        &format!(
            "{:.1} MiB of old images; the last version of {} stays, for a rollback",
            reclaimed as f64 / f64::from(1 << 20),
            TELEMETRY.name
        ),
    );
    narrator.entry("left alone", &format!("{} features that Kubernetes does not own", FEATURES.len() - 2));
}

/// What is expected, and what is not so.
struct Findings(Vec<String>);

impl Findings {
    fn expect(&mut self, holds: bool, what: impl Into<String>) {
        if !holds {
            self.0.push(what.into());
        }
    }
}

/// Checks images, containers and rows by asking the servers themselves.
pub(crate) fn verify(switch: &Switch, features: &[Feature]) -> Result<(), Stop> {
    let mut findings = Findings(Vec::new());
    verify_kube(&mut findings, switch, TELEMETRY, FOURTH, Some(THIRD), &[INSTALLED, SECOND]);
    verify_kube(&mut findings, switch, SNMP, SECOND, None, &[INSTALLED, THIRD]);
    for feature in features.iter().filter(|feature| ![TELEMETRY.name, SNMP.name].contains(&feature.name)) {
        let engine = switch.engine();
        let tags = ["latest", INSTALLED].map(|tag| engine.image_id(&format!("{}:{tag}", feature.base)));
        findings.expect(tags.iter().all(Option::is_some), format!("{}: a local image is gone", feature.name));
        findings.expect(engine.is_running(feature.name), format!("{}: its container does not run", feature.name));
        let is_local = switch.feature(feature.name).stability() == "local";
        findings.expect(is_local, format!("{}: its stability is not local", feature.name));
        let history = switch.feature(feature.name).history();
        findings.expect(history.is_empty(), format!("{}: something was done to it", feature.name));
    }
    if findings.0.is_empty() {
        Ok(())
    } else {
        Err(Stop::wrong(format!("the outcome is wrong:\n  {}", findings.0.join("\n  "))))
    }
}

/// A feature that kube owns: its latest, what stays, what goes, and its rows.
fn verify_kube(
    findings: &mut Findings,
    switch: &Switch,
    feature: Feature,
    version: &str,
    last: Option<&str>,
    gone: &[&str],
) {
    let (name, base) = (feature.name, feature.base);
    let engine = switch.engine();
    let kube = |version: &str| engine.image_id(&format!("{}:{version}", switch.registry().repository(base)));
    let latest = engine.image_id(&format!("{base}:latest"));
    findings.expect(latest.is_some() && latest == kube(version), format!("{base}:latest is not {version}"));
    if let Some(last) = last {
        findings.expect(kube(last).is_some(), format!("{name}: {last}, the last version, is gone"));
    }
    for version in gone {
        findings.expect(kube(version).is_none(), format!("{name}: {version} is still on the disk"));
        let local = engine.image_id(&format!("{base}:{version}"));
        findings.expect(local.is_none(), format!("{name}: the local tag {version} is still there"));
    }
    let is_stale_gone = engine.container(name).is_none();
    findings.expect(is_stale_gone, format!("the stale container {name} is still there"));
    let rows = switch.feature(name);
    let state = rows.feature_row().unwrap_or_default();
    let stable = state.get("container_stable_version").map(String::as_str);
    findings.expect(stable == Some(version), format!("{name}: container_stable_version is {stable:?}"));
    let image = rows.image_row().unwrap_or_default();
    let field = |field: &str| image.get(field).map_or("", String::as_str);
    for (field, found, wanted) in [
        ("stability", field("stability"), "stable"),
        ("version", field("version"), version),
        ("stable_version", field("stable_version"), version),
    ] {
        findings.expect(found == wanted, format!("{name}: {field} is {found}, not {wanted}"));
    }
    if let Some(last) = last {
        let found = field("last_version");
        findings.expect(found == last, format!("{name}: last_version is {found}, not {last}"));
    }
    let failed = rows.history().iter().any(|(_, entry)| entry.get("event").is_some_and(|event| event == "failed"));
    findings.expect(failed == last.is_none(), format!("{name}: its history does not tell what failed"));
}
