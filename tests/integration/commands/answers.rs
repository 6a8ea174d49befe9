//! What `status` and `images` say.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Mixed, NEW, OLD, answer, json};
use crate::evidence::{everything, writes};
use crate::scene::binary;

#[test]
fn every_command_answers_for_every_kind_of_feature_and_changes_nothing() {
    let mut mixed = Mixed::new();
    with_an_agent_or_without(&mixed);
    mixed.stop_agent();
    with_an_agent_or_without(&mixed);
}

fn with_an_agent_or_without(mixed: &Mixed) {
    let (before, written) = (everything(&mixed.switch), writes(&mixed.switch));
    status_for_programs(mixed);
    status_for_people(mixed);
    images_for_programs(mixed);
    images_for_people(mixed);
    let plans = answer(&mixed.switch, &["plan"]);
    assert!(plans.contains("snmp is observing: stable in"), "{plans}");
    assert!(plans.contains("nothing to do now") && plans.contains("Nothing to do for 3 instances."), "{plans}");
    assert_eq!((everything(&mixed.switch), writes(&mixed.switch)), (before, written));
}

fn status_for_programs(mixed: &Mixed) {
    let all = json(&mixed.switch, &["status"]);
    let stabilities: Vec<_> = all.iter().map(|one| (one["instance"].clone(), one["stability"].clone())).collect();
    let expected = [("bgp", "local"), ("lldp", "local"), ("snmp", "observing"), ("telemetry", "stable")];
    assert_eq!(stabilities, expected.map(|(name, stability)| (Value::from(name), Value::from(stability))));
    let one = &json(&mixed.switch, &["status", "telemetry"])[..];
    let [telemetry] = one else { panic!("one instance: {one:?}") };
    for (field, value) in [
        ("image", "docker-sonic-telemetry"),
        ("version", NEW),
        ("stable_version", NEW),
        ("container_id", &mixed.telemetry.id),
        ("image_id", &mixed.telemetry.image_id),
        ("reason", "promoted"),
    ] {
        assert_eq!(telemetry[field], value, "{field}");
    }
    let snmp = &json(&mixed.switch, &["status", "snmp"])[0];
    assert!(snmp["stable_after"].as_u64().is_some_and(|left| (500..=600).contains(&left)), "{snmp}");
    assert_eq!((&snmp["stable_version"], &snmp["container_id"]), (&OLD.into(), &mixed.snmp.id.as_str().into()));
    assert_eq!(json(&mixed.switch, &["status", "bgp"])[0]["container_id"], Value::Null);
}

fn status_for_people(mixed: &Mixed) {
    let text = answer(&mixed.switch, &["status"]);
    assert!(!text.contains('\x1b'), "no colour in a pipe: {text:?}");
    let line = |name: &str| text.lines().find(|line| line.trim().starts_with(name)).unwrap_or_default().to_owned();
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(line("FEATURE").contains("STABILITY"), "{text}");
    assert!(line("bgp").contains("local") && line("snmp").contains("stable in"), "{text}");
    assert!(line("telemetry").contains("stable") && line("telemetry").contains(NEW), "{text}");
    assert_eq!(answer(&mixed.switch, &["status", "bgp"]).lines().count(), 2);
}

fn images_for_programs(mixed: &Mixed) {
    let all = json(&mixed.switch, &["images"]);
    let of = |image: &str| all.iter().filter(|one| one["image"] == image).cloned().collect::<Vec<_>>();
    assert_eq!(all.len(), 5, "{all:?}");
    let telemetry = of("docker-sonic-telemetry");
    assert_eq!(telemetry.len(), 1, "the local one is cleaned up: {telemetry:?}");
    assert_eq!(
        (&telemetry[0]["image_id"], &telemetry[0]["kept"]),
        (&mixed.telemetry.image_id.as_str().into(), &true.into())
    );
    let because = telemetry[0]["because"].to_string();
    assert!(because.contains("latest names it") && because.contains("promoted version"), "{because}");
    assert!(because.contains("used by container k8s_telemetry"), "{because}");
    assert!(telemetry[0]["size"].as_u64().is_some_and(|size| size > 1_000_000), "{telemetry:?}");
    assert_eq!(of("docker-snmp").len(), 2);
    // Not their reasons: one of them counts seconds, and a second may have passed in between.
    let ids = |images: &[Value]| images.iter().map(|one| one["image_id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&json(&mixed.switch, &["images", "snmp"])), ids(&of("docker-snmp")));
    assert!(of("docker-fpm-frr").iter().all(|one| one["features"] == serde_json::json!(["bgp"])));
}

fn images_for_people(mixed: &Mixed) {
    let text = answer(&mixed.switch, &["images"]);
    assert!(!text.contains('\x1b'), "{text:?}");
    assert_eq!(text.lines().count(), 6, "{text}");
    assert!(
        text.contains("BECAUSE") && text.contains("kept") && text.contains(&mixed.telemetry.image_id[7..19]),
        "{text}"
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mixed = Mixed::new();
    for command in ["status", "images", "plan"] {
        let mut process = Command::new(binary());
        process.arg(command).env_remove("DOCKER_HOST").envs(mixed.switch.environment());
        let mut child = process.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command runs");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]), "{command}");
    }
}
