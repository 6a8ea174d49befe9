//! The second opinion finds what is wrong with a plan, whoever made it.

use super::promoted;
use crate::domain::{ContainerId, ImageId, StartedAt, Value};
use crate::fixtures::*;
use crate::invariants::check;
use crate::*;

const BASE: &str = "docker-sonic-telemetry";

/// Version 84 is about to be promoted, 60 was before.
fn switch() -> (Switch, Decision) {
    let mut switch = Switch::telemetry();
    promoted(&mut switch, &kube(BASE, "60"));
    switch.image(&kube(BASE, "40"));
    switch.image(&kube("docker-other", "1"));
    let image = switch.image(&kube(BASE, "84"));
    let stale = switch.run("telemetry", &kube(BASE, "60").id(), None);
    switch.stop(&stale);
    switch.upgrade(&on_host("telemetry"), &image);
    let _ = switch.reconcile();
    switch.wait(600);
    let decision = switch.reconcile();
    (switch, decision)
}

fn judge(switch: &Switch, memory: &Memory, steps: Vec<Step>) -> String {
    let action = Action { purpose: Purpose::RemoveImage(None), steps };
    let plan = Plan { groups: [(base(BASE), vec![action])].into() };
    let found = check(&switch.observe(), memory, &switch.policy, &plan);
    found.values().next().map_or_else(String::new, ToString::to_string)
}

fn remove(text: &str, image: &Described) -> Step {
    let text = text.replace('R', REGISTRY).replace('B', BASE);
    Step::RemoveReference { reference: reference(&text), image: image.id() }
}

fn tag(image: &Described, text: &str, from: Option<&Described>, proven_by: Option<&(ContainerId, StartedAt)>) -> Step {
    let text = text.replace('R', REGISTRY).replace('B', BASE);
    let (reference, from) = (reference(&text), from.map(Described::id));
    Step::Tag { image: image.id(), reference, from, proven_by: proven_by.cloned().into_iter().collect() }
}

fn started_at(switch: &Switch, container: &ContainerId) -> StartedAt {
    switch.snapshot.containers[container].details.as_ref().unwrap().started_at.clone()
}

#[test]
fn what_is_wrong_with_a_plan() {
    let k = |version: &str| kube(BASE, version);
    let (switch, decision) = switch();
    let runs = switch.kube_container("telemetry");
    let proof = (runs, started_at(&switch, &runs));
    let restarted = (runs, "2026-11-22T00:00:00Z".parse().unwrap());
    let stale = switch.container_named("telemetry").unwrap();
    let container =
        |id: &ContainerId, image: ImageId| Step::RemoveContainer { container: *id, name: "telemetry".into(), image };
    let promote = || tag(&k("84"), "B:latest", Some(&k("60")), Some(&proof));
    let record = |key: &str, stable: &str| Step::RecordVersions {
        row: RowKey { namespace: crate::domain::Namespace::Host, key: feature(key) },
        container_id: switch.row(&on_host(key)).container_id,
        stable: version(stable),
        last: None,
    };
    let cases: Vec<(&str, Vec<Step>, &str)> = vec![
        ("a promotion", vec![promote(), container(&stale, k("60").id())], ""),
        ("old", vec![remove("R/B:40", &k("40"))], ""),
        ("latest goes", vec![remove("B:latest", &k("60"))], "promise 1: latest would name nothing"),
        (
            "latest unproven",
            vec![tag(&k("40"), "B:latest", Some(&k("60")), Some(&proof))],
            "no takeover_status takeover has proven",
        ),
        (
            "latest by a container that was started again",
            vec![tag(&k("84"), "B:latest", Some(&k("60")), Some(&restarted))],
            "no takeover_status takeover has proven",
        ),
        (
            "latest without proof",
            vec![tag(&k("84"), "B:latest", Some(&k("60")), None)],
            "no takeover_status takeover has proven",
        ),
        ("in use", vec![promote(), remove("R/B:60", &k("60"))], "promise 2: image"),
        ("alive", vec![container(&runs, k("84").id())], "is alive"),
        ("not stale yet", vec![container(&stale, k("60").id())], "was created from what latest names"),
        (
            "another feature's",
            vec![Step::RemoveReference {
                reference: reference(&format!("{REGISTRY}/docker-other:1")),
                image: kube("docker-other", "1").id(),
            }],
            "promise 3",
        ),
        ("an image of another's by id", vec![Step::RemoveImage { image: kube("docker-other", "1").id() }], "promise 3"),
        ("promoted", vec![promote(), remove("R/B:84", &k("84"))], "promise 4: the promoted image would lose"),
        (
            "the last version",
            vec![promote(), container(&stale, k("60").id()), remove("R/B:60", &k("60"))],
            "promise 4: the last version 60 would be gone",
        ),
        ("a registry's tag", vec![tag(&k("84"), "R/B:40", Some(&k("40")), None)], "promise 3"),
        ("a made up local tag", vec![tag(&k("84"), "B:40", None, None)], "promise 3"),
        ("names another", vec![remove("R/B:40", &k("84"))], "names another image or none"),
        ("twice", vec![remove("R/B:40", &k("40")), remove("R/B:40", &k("40"))], "(step 2:"),
        ("still named", vec![Step::RemoveImage { image: k("40").id() }], "still has names"),
        ("records another version", vec![promote(), record("telemetry", "40")], "which is not what is promoted"),
        ("records in no row", vec![promote(), record("gnmi", "84")], "promise 6"),
    ];
    for (what, steps, expected) in cases {
        let found = judge(&switch, &decision.memory, steps);
        assert!(if expected.is_empty() { found.is_empty() } else { found.contains(expected) }, "{what}: {found}");
    }
}

#[test]
fn circumstances_that_make_a_good_plan_a_bad_one() {
    type Change = fn(&mut Switch, &mut Memory);
    let cases: &[(&str, Change, &str)] = &[
        ("none", |_, _| (), ""),
        ("kube disabled", |s, _| s.snapshot.kubernetes.disabled = true, "Kubernetes is disabled"),
        ("reload", |s, _| s.snapshot.config_initialized = false, "CONFIG_DB is being loaded"),
        ("policy", |s, _| s.policy(|p| p.enabled = false), "policy state=disabled"),
        (
            "rolled back",
            |_, m| m.groups.get_mut(&base(BASE)).unwrap().rolled_back = [kube(BASE, "84").id()].into(),
            "though an operator rolled back from it",
        ),
        (
            "no takeover",
            |_, m| m.instances.get_mut(&on_host("telemetry")).unwrap().takeover = None,
            "no takeover_status takeover",
        ),
        (
            "exited",
            |s, _| {
                let id = s.kube_container("telemetry");
                s.stop(&id);
            },
            "no takeover_status takeover",
        ),
        (
            "unhealthy",
            |s, _| {
                let id = s.kube_container("telemetry");
                s.details(&id, |details| details.unhealthy = true);
            },
            "no takeover_status takeover",
        ),
        ("no intention", |_, m| m.groups.get_mut(&base(BASE)).unwrap().intention = None, "no takeover_status takeover"),
        (
            "the local container was started",
            |s, _| {
                let id = s.container_named("telemetry").unwrap();
                s.start(&id);
            },
            "is alive",
        ),
        ("the row is gone", |s, _| s.snapshot.state.clear(), "promise 6"),
    ];
    for (what, change, expected) in cases {
        let (mut switch, mut decision) = switch();
        change(&mut switch, &mut decision.memory);
        let found = check(&switch.observe(), &decision.memory, &switch.policy, &decision.plan);
        let found = found.values().next().map_or_else(String::new, ToString::to_string);
        assert!(if expected.is_empty() { found.is_empty() } else { found.contains(expected) }, "{what}: {found}");
    }
}

#[test]
fn a_pinned_version_keeps_its_name() {
    let (mut switch, decision) = switch();
    switch.policy(|policy| policy.pin = [version("40")].into());
    let found = judge(&switch, &decision.memory, vec![remove("R/B:40", &kube(BASE, "40"))]);
    assert!(found.contains("the pinned version 40 would be gone"), "{found}");
}

#[test]
fn the_last_version_that_state_db_names_counts_before_memory() {
    let (mut switch, mut decision) = switch();
    let runs = switch.kube_container("telemetry");
    switch.write(&on_host("telemetry"), |row| row.last_version = Value::Is(version("40")));
    decision.memory.groups.get_mut(&base(BASE)).unwrap().previous.clear();
    let proof = (runs, started_at(&switch, &runs));
    let promote = tag(&kube(BASE, "84"), "B:latest", Some(&kube(BASE, "60")), Some(&proof));
    let found = judge(&switch, &decision.memory, vec![promote, remove("R/B:40", &kube(BASE, "40"))]);
    assert!(found.contains("the last version 40 would be gone"), "{found}");
}

#[test]
fn a_violation_stops_only_its_group() {
    let (switch, decision) = switch();
    let mut plan = decision.plan.clone();
    let bad = Action { purpose: Purpose::RemoveImage(None), steps: vec![remove("R/B:40", &kube(BASE, "40"))] };
    plan.groups.insert(base("docker-other"), vec![bad]);
    let found = check(&switch.observe(), &decision.memory, &switch.policy, &plan);
    assert_eq!(found.keys().cloned().collect::<Vec<_>>(), [base("docker-other")]);
}
