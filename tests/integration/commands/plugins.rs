//! The plugins for SONiC's `show feature` and `config feature`, with the agent that they ask.

use std::path::Path;
use std::process::{Command, Output};

use imgmgrd_test_support::rows::Namespace;
use imgmgrd_test_support::switch::Switch;
use serde_json::{Value, json};

use super::promote_rollback::{BASE, FEATURE, latest, observing, promoted_twice};
use super::{NEW, OLD, OTHER, assert_refused, json as answer};
use crate::evidence::everything;
use crate::scene::{SOON, binary, wait_for_stability};

/// What comes of a line that an operator types.
fn typed(switch: &Switch, line: &str) -> Output {
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "/usr/bin/python3".into());
    // The plugins look for the agent's binary in PATH.
    let folder = binary().parent().and_then(Path::to_str).expect("a folder");
    let mut command = Command::new(python);
    command
        .args(["-B", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/sonic.py")])
        .arg(switch.redis(Namespace::Host).socket())
        .args(line.split(' '))
        .envs(switch.environment())
        .env_remove("DOCKER_HOST")
        .env("PATH", format!("{folder}:/usr/bin:/bin"))
        // What it installs for itself goes with the switch, however it ends.
        .env("TMPDIR", switch.path());
    command.output().expect("Python runs")
}

#[track_caller]
fn said(switch: &Switch, line: &str) -> String {
    let output = typed(switch, line);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*stderr), (Some(0), ""), "{line}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[track_caller]
fn shown(switch: &Switch, line: &str) -> Vec<Value> {
    serde_json::from_str(&said(switch, &format!("show feature {line} --json"))).expect("a list")
}

/// The fields of what is shown of the feature, which is one row.
#[track_caller]
fn standing(switch: &Switch, fields: [&str; 4]) -> [Value; 4] {
    let [row] = &shown(switch, &format!("image {FEATURE}"))[..] else { panic!("one row") };
    fields.map(|field| row[field].clone())
}

#[test]
fn what_is_on_the_disk_and_what_a_promotion_makes_of_it() {
    let (switch, mut agent, container) = observing();
    let fields = ["stability", "version", "stable_version", "reason"];
    assert_eq!(standing(&switch, fields), ["observing", NEW, OLD, "not yet stable"].map(Value::from));
    let left = &standing(&switch, ["time_left"; 4])[0];
    assert!(left.as_u64().is_some_and(|left| (500..=600).contains(&left)), "{left}");

    let promote = format!("config feature image promote {FEATURE} -y");
    assert_eq!(said(&switch, &promote), format!("{FEATURE}: latest is {NEW}\n"));
    assert_eq!(latest(&switch), Some(container.image_id.clone()));
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
    assert_eq!(standing(&switch, fields), ["stable", NEW, NEW, "promoted"].map(Value::from));
    let newest = shown(&switch, &format!("image-history {FEATURE}")).remove(0);
    assert_eq!((&newest["event"], &newest["version"]), (&"promoted".into(), &NEW.into()));
    assert_eq!(newest["image_id"], container.image_id);

    let (all, of_feature) = (shown(&switch, "image-list"), shown(&switch, &format!("image-list {FEATURE}")));
    let fields = ["image", "features", "image_id", "version", "references", "size", "kept"];
    // Why they stay differs in how long ago they came.
    let alike =
        |images: &[Value]| images.iter().map(|image| fields.map(|field| image[field].clone())).collect::<Vec<_>>();
    let mut from_agent = alike(&answer(&switch, &["images"]));
    from_agent.sort_by_key(|image| image[3].to_string());
    assert_eq!((alike(&all), alike(&of_feature)), (from_agent.clone(), from_agent));
    let promoted = all.iter().find(|image| image["image_id"] == container.image_id).expect("the promoted image");
    assert_eq!((&promoted["version"], &promoted["kept"]), (&NEW.into(), &true.into()));
    let because = promoted["because"].to_string();
    assert!(because.contains("latest names it") && because.contains("promoted version"), "{because}");

    let table = said(&switch, "show feature image-list");
    assert_eq!(table.lines().count(), 2 + all.len(), "{table}");
    let line = table.lines().find(|line| line.contains(NEW)).expect("a line of it");
    for words in [FEATURE, &container.image_id[7..19], &format!("{BASE}:latest"), " yes ", "; promoted version"] {
        assert!(line.contains(words), "\"{words}\" is missing: {line}");
    }
    let (_, digest) = line.split_once("@sha256:").expect("what was pulled has a digest");
    assert_eq!(digest.find(|character: char| !character.is_ascii_hexdigit()), Some(12), "{line}");
}

#[test]
fn a_rollback_and_why_there_is_no_second() {
    let (switch, mut agent, [first, _]) = promoted_twice();
    let roll_back = format!("config feature image rollback {FEATURE} -y");
    assert_eq!(said(&switch, &roll_back), format!("{FEATURE}: latest is {NEW}\n"));
    assert_eq!(latest(&switch), Some(first.image_id.clone()));
    wait_for_stability(&switch, &mut agent, FEATURE, "held");
    assert_eq!(
        standing(&switch, ["stability", "version", "stable_version", "last_version"]),
        ["held", OTHER, NEW, ""].map(Value::from)
    );
    let events = shown(&switch, &format!("image-history {FEATURE}"));
    assert!(events.iter().any(|event| event["event"] == "rolled back" && event["version"] == NEW), "{events:?}");

    let output = typed(&switch, &roll_back);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]));
    assert!(stdout.contains(&format!("already rolled back from {OTHER} to {NEW}")), "{stdout}");
    assert_eq!(latest(&switch), Some(first.image_id));
}

#[test]
fn what_cannot_be_done_is_said_and_nothing_is_changed() {
    let (mut switch, agent, _) = observing();
    let (before, images) = (everything(&switch), switch.engine().images());
    for line in ["show feature image", "show feature image-list", "show feature image-history"] {
        assert_refused(
            &typed(&switch, &format!("{line} nosuch")),
            1,
            &["no feature", "nosuch", "there are: telemetry"],
        );
    }
    for action in ["promote", "rollback"] {
        let line = |rest: &str| format!("config feature image {action} {rest}");
        assert_refused(&typed(&switch, &line("nosuch -y")), 1, &["no feature nosuch", "there are: telemetry"]);
        assert_refused(&typed(&switch, &line("$(reboot) -y")), 2, &["is not a valid name"]);
        // Nobody answers the question.
        let unanswered = typed(&switch, &line(FEATURE));
        assert_eq!(unanswered.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&unanswered.stdout).ends_with("[y/N]: "), "{unanswered:?}");
    }
    let refused = typed(&switch, &format!("config feature image rollback {FEATURE} -y"));
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stdout).starts_with("telemetry: not rolled back: "), "{refused:?}");
    assert_eq!(everything(&switch), before);

    let engine = switch.engine().socket().display().to_string();
    let (list, promote) = ("show feature image-list", format!("config feature image promote {FEATURE} -y"));
    switch.engine_mut().stop();
    assert_refused(&typed(&switch, list), 1, &[&engine, "systemctl status docker"]);
    assert_refused(&typed(&switch, &promote), 1, &["engine"]);
    // Without an agent the command itself finds it away.
    assert!(agent.terminate().0.success());
    assert_refused(&typed(&switch, &promote), 1, &[&engine, "systemctl status docker"]);
    switch.engine_mut().start_again();
    assert_eq!(switch.engine().images(), images);
}

#[test]
fn what_is_configured_is_what_the_agent_goes_by() {
    let (switch, mut agent, container) = observing();
    let pin = format!("config feature image pin {FEATURE}");
    assert_refused(&typed(&switch, &format!("{pin} latest")), 2, &["pin \"latest\"", "other than latest"]);
    assert_eq!(said(&switch, &format!("{pin} {OLD}")), format!("{FEATURE}: pin is {OLD} now (was not set)\n"));
    // Past the plugin.
    switch.rows().feature_policy(FEATURE, &[("pin", "latest")]);
    let refusal =
        format!("CONTAINER_IMAGE_FEATURE|{FEATURE} pin=\"latest\" is refused: it must be a version other than");
    agent.wait_until("the refusal", SOON, || agent.log().contains(&refusal));
    assert!(agent.log().contains(&format!("the last good one, {OLD}, stays")), "{}", agent.log());
    let output = typed(&switch, &format!("show feature image-policy {FEATURE} --json"));
    let policy: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(policy[FEATURE]["stable_time"], json!({"value": "600", "source": "global"}));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.starts_with("Warning: ") && stderr.contains("The agent keeps the last good value"), "{stderr}");

    assert_eq!(said(&switch, &format!("{pin} {OLD}")), format!("{FEATURE}: pin is {OLD} now (was latest)\n"));
    said(&switch, &format!("config feature image stable-time {FEATURE} 0"));
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
    assert_eq!(latest(&switch), Some(container.image_id));
    let images = shown(&switch, "image-list");
    let pinned = images.iter().find(|image| image["version"] == OLD).expect("the local image");
    assert!(pinned["because"].to_string().contains("pinned"), "{pinned}");
}
