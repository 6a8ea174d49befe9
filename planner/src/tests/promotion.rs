//! Promotion, steps 0 to 4, and what holds it back.

use crate::domain::{Age, ContainerId, ImageId, Value};
use crate::fixtures::*;
use crate::*;

const BASE: &str = "docker-sonic-telemetry";
const V11: &str = "20201231.11";
const V84: &str = "20201231.84";
const V85: &str = "20201231.85";

fn latest(switch: &Switch) -> Option<ImageId> {
    switch.named(&format!("{BASE}:latest"))
}

/// A takeover by `image` that has just become stable.
fn stable(mut switch: Switch, image: &Described) -> (Switch, ContainerId) {
    let image = switch.image(image);
    let container = switch.upgrade(&on_host("telemetry"), &image);
    let _ = switch.reconcile();
    switch.wait(600);
    (switch, container)
}

/// The same, promoted.
fn promoted(switch: Switch, image: &Described) -> (Switch, ContainerId) {
    let (mut switch, container) = stable(switch, image);
    switch.act();
    assert_eq!(latest(&switch), Some(image.id()));
    (switch, container)
}

fn held(switch: &mut Switch) -> String {
    let decision = switch.reconcile();
    let report = &decision.report.instances[&on_host("telemetry")];
    assert_eq!(report.stability, Stability::Held, "{}", report.reason);
    assert!(decision.plan.is_empty(), "{}", switch.text(&decision));
    report.reason.to_string()
}

#[test]
fn a_stable_takeover_is_promoted_recorded_and_cleaned_up() {
    let (mut switch, _) = stable(Switch::telemetry(), &kube(BASE, V84));
    let decision = switch.plan_and_act();
    insta::assert_snapshot!(switch.text(&decision));
    assert_eq!(latest(&switch), Some(kube(BASE, V84).id()));
    assert_eq!(switch.container_named("telemetry"), None);
    let row = switch.row(&on_host("telemetry"));
    assert_eq!((row.stable_version, row.last_version), (Value::Is(version(V84)), Value::Is(version(V11))));
    assert_eq!(switch.stability(&on_host("telemetry")), (Stability::Stable, "promoted".to_owned()));
}

#[test]
fn what_is_already_true_is_not_done_again() {
    let (mut switch, _) = promoted(Switch::telemetry(), &kube(BASE, V84));
    let memory = switch.memory.clone();
    for _ in 0..3 {
        switch.wait(100_000);
        assert!(switch.reconcile().plan.is_empty());
        switch.restart_agent();
    }
    assert_eq!(switch.memory, memory);
}

#[test]
fn a_promotion_for_which_nothing_has_to_be_done_is_one() {
    let (mut switch, container) = promoted(Switch::telemetry(), &kube(BASE, V84));
    switch.start(&container);
    let _ = switch.reconcile();
    switch.wait(600);
    let decision = switch.reconcile();
    assert!(decision.plan.is_empty());
    assert_eq!(decision.report.groups[&base(BASE)].settled.as_ref().map(|it| it.image), Some(kube(BASE, V84).id()));
    assert_eq!(switch.stability(&on_host("telemetry")).0, Stability::Stable);
    assert_eq!(switch.reconcile().report.groups[&base(BASE)].settled, None, "told once");
}

/// Step 0 and section "Holding back".
#[test]
fn what_holds_a_promotion() {
    type Change = fn(&mut Switch);
    let cases: &[(&str, Change, &str)] = &[
        (
            "a local container runs",
            |s| {
                s.run("telemetry", &image_id(&format!("local {BASE} {V11}")), None);
            },
            "the local container telemetry runs",
        ),
        (
            "a local container is paused",
            |s| {
                let id = s.run("telemetry", &image_id(&format!("local {BASE} {V11}")), None);
                s.snapshot.containers_mut().get_mut(&id).unwrap().status = ContainerStatus::Paused;
            },
            "the local container telemetry runs",
        ),
        (
            "sonic-package-manager",
            |s| {
                s.snapshot.packages.insert(feature("telemetry"), Some(image_id(&format!("local {BASE} {V11}"))));
            },
            "sonic-package-manager starts it from an image id",
        ),
        ("kube disabled", |s| s.snapshot.kubernetes.disabled = true, "Kubernetes is disabled"),
        ("CONFIG_DB is being loaded", |s| s.snapshot.config_initialized = false, "CONFIG_DB is being loaded"),
        ("policy", |s| s.policy(|policy| policy.enabled = false), "policy state=disabled"),
        (
            "policy of the feature alone",
            |s| {
                let policy = FeaturePolicy { enabled: false, ..FeaturePolicy::default() };
                s.policy.features.insert(feature("telemetry"), policy);
            },
            "policy state=disabled",
        ),
        (
            "the CONFIG_DB row is absent",
            |s| {
                let _ = s.reconcile();
                s.snapshot.configuration.clear();
            },
            "the CONFIG_DB row is absent",
        ),
        (
            "rolled back",
            |s| {
                s.memory.groups.get_mut(&base(BASE)).unwrap().rolled_back = [kube(BASE, V84).id()].into();
            },
            "an operator rolled back from 20201231.84",
        ),
    ];
    for (what, change, reason) in cases {
        let mut switch = Switch::telemetry();
        let image = switch.image(&kube(BASE, V84));
        let local = switch.container_named("telemetry").unwrap();
        switch.upgrade(&on_host("telemetry"), &image);
        switch.snapshot.containers_mut().remove(&local);
        let _ = switch.reconcile();
        switch.wait(if *what == "the CONFIG_DB row is absent" { 599 } else { 600 });
        change(&mut switch);
        switch.wait(1);
        let found = held(&mut switch);
        assert!(found.contains(reason), "{what}: {found}");
        assert_eq!(latest(&switch), Some(local_id()), "{what}");
    }
}

fn local_id() -> ImageId {
    local(BASE, V11).id()
}

#[test]
fn being_disconnected_holds_no_promotion_but_the_clean_up() {
    let (mut switch, _) = stable(Switch::telemetry(), &kube(BASE, V84));
    switch.snapshot.kubernetes.connected = Some(false);
    let decision = switch.plan_and_act();
    insta::assert_snapshot!(switch.text(&decision));
    assert_eq!(latest(&switch), Some(kube(BASE, V84).id()));
    assert!(switch.named(&format!("{BASE}:{V11}")).is_some());
    switch.snapshot.kubernetes.connected = Some(true);
    switch.act();
    assert!(switch.named(&format!("{BASE}:{V11}")).is_none());
}

#[test]
fn a_rolled_back_image_is_held_until_another_takes_over() {
    let (mut switch, _) = promoted(Switch::telemetry(), &kube(BASE, V84));
    switch.memory.groups.get_mut(&base(BASE)).unwrap().rolled_back = [kube(BASE, V85).id()].into();
    let (mut switch, _) = stable(switch, &kube(BASE, V85));
    assert_eq!(held(&mut switch), format!("an operator rolled back from {V85}"));
    switch.restart_agent();
    assert_eq!(held(&mut switch), format!("an operator rolled back from {V85}"));
    switch.memory = switch.memory.clone().after_reboot();
    assert_eq!(switch.memory.groups[&base(BASE)].rolled_back, [kube(BASE, V85).id()].into());
    let (mut switch, _) = promoted(switch, &kube(BASE, "20201231.86"));
    assert_eq!(switch.memory.groups[&base(BASE)].rolled_back, [].into());
    assert_eq!(switch.stability(&on_host("telemetry")).0, Stability::Stable);
}

/// Step 1: an image that `latest` leaves without another tag first gets one.
#[test]
fn the_image_that_latest_leaves_keeps_a_name() {
    let only_latest = local(BASE, V11).nameless().latest();
    let cases: &[(&str, Described, Option<&str>)] = &[
        ("no other tag", only_latest.clone(), Some(V11)),
        ("another tag", local(BASE, V11).latest(), None),
        ("a tag in a registry", kube(BASE, V11).latest(), None),
        ("only a digest", kube(BASE, V11).only_digest().latest(), Some(V11)),
        ("another version than its tag", local(BASE, V11).declares("7").latest(), None),
        ("no version", only_latest.clone().undeclared(), None),
    ];
    for (what, image, alias) in cases {
        let mut switch = Switch::new().feature("telemetry", BASE);
        switch.set_owner("telemetry", Owner::Kube);
        switch.image(image);
        switch.policy(|policy| policy.cleanup = false);
        let (mut switch, _) = stable(switch, &kube(BASE, V84));
        let decision = switch.reconcile();
        let steps: Vec<_> = decision.plan.groups[&base(BASE)][0].steps.clone();
        let aliased = steps.iter().find_map(|step| match step {
            Step::Tag { reference, image, .. } if !reference.is_local_latest() => Some((reference.to_string(), image)),
            _ => None,
        });
        let expected = alias.map(|alias| (format!("{BASE}:{alias}"), image.id()));
        assert_eq!(aliased.map(|(reference, image)| (reference, *image)), expected, "{what}");
        switch.act();
        assert_eq!(latest(&switch), Some(kube(BASE, V84).id()), "{what}");
    }
}

#[test]
fn the_name_of_another_image_is_not_taken_for_an_alias() {
    let mut switch = Switch::new().feature("telemetry", BASE);
    switch.set_owner("telemetry", Owner::Kube);
    switch.policy(|policy| policy.cleanup = false);
    switch.image(&local(BASE, V11).nameless().latest());
    let other = switch.image(&local(BASE, V11).called("another 11"));
    let (mut switch, _) = promoted(switch, &kube(BASE, V84));
    assert_eq!(switch.named(&format!("{BASE}:{V11}")), Some(other));
    assert!(switch.reconcile().plan.is_empty());
}

/// Step 2.
#[test]
fn a_stopped_container_stays_if_it_was_created_from_the_new_latest() {
    let (mut switch, _) = promoted(Switch::telemetry(), &kube(BASE, V84));
    let created = switch.run("telemetry", &kube(BASE, V84).id(), None);
    switch.stop(&created);
    let (mut switch, kube_container) = {
        switch.wait(1);
        let image = kube(BASE, V84).id();
        let container = switch.upgrade(&on_host("telemetry"), &image);
        let _ = switch.reconcile();
        switch.wait(600);
        (switch, container)
    };
    switch.act();
    assert_eq!(switch.container_named("telemetry"), Some(created));
    switch.stop(&kube_container);
    let (switch, _) = promoted(switch, &kube(BASE, V85));
    assert_eq!(switch.container_named("telemetry"), None, "stale by now");
}

#[test]
fn a_latest_that_is_moved_is_a_fact_and_one_that_is_gone_is_tagged_again() {
    let (mut switch, _) = promoted(Switch::telemetry(), &kube(BASE, V84));
    let moved = switch.image(&local(BASE, "20201231.90").latest());
    let decision = switch.plan_and_act();
    let report = &decision.report.instances[&on_host("telemetry")];
    assert_eq!((report.stability, &report.reason), (Stability::Stable, &Reason::LatestMoved));
    switch.wait(100_000);
    switch.act();
    assert_eq!(latest(&switch), Some(moved), "not reverted, and its image kept");
    switch.untag(&reference(&format!("{BASE}:latest")));
    let decision = switch.plan_and_act();
    insta::assert_snapshot!(switch.text(&decision));
    assert_eq!(latest(&switch), Some(kube(BASE, V84).id()));
}

#[test]
fn a_latest_that_is_gone_is_left_when_nothing_may_be_changed_or_the_image_is_gone_too() {
    let (mut switch, container) = promoted(Switch::telemetry(), &kube(BASE, V84));
    switch.untag(&reference(&format!("{BASE}:latest")));
    let mut disabled = switch.clone();
    disabled.snapshot.kubernetes.disabled = true;
    assert!(disabled.reconcile().plan.is_empty());
    switch.snapshot.containers_mut().remove(&container);
    switch.snapshot.images_mut().remove(&kube(BASE, V84).id());
    assert!(switch.reconcile().plan.is_empty());
    switch.image(&kube(BASE, V84));
    switch.act();
    assert_eq!(latest(&switch), Some(kube(BASE, V84).id()), "pulled again");
}

/// Step 3.
#[test]
fn the_versions_that_are_recorded() {
    let cases = [
        // stable, last before; stable, last after
        (None, None, V84, None),
        (Some(V11), None, V84, Some(V11)),
        (Some(V11), Some("7"), V84, Some(V11)),
        (Some(V84), Some("7"), V84, Some("7")),
        (Some(V84), None, V84, None),
        (None, Some("7"), V84, Some("7")),
    ];
    for (stable_before, last_before, stable_after, last_after) in cases {
        let (mut switch, _) = stable(Switch::telemetry(), &kube(BASE, V84));
        switch.write(&on_host("telemetry"), |row| {
            row.stable_version = Value::read(stable_before);
            row.last_version = Value::read(last_before);
        });
        let decision = switch.plan_and_act();
        let row = switch.row(&on_host("telemetry"));
        let what = format!("{stable_before:?} {last_before:?}");
        assert_eq!(row.stable_version, Value::read(Some(stable_after)), "{what}");
        assert_eq!(row.last_version, Value::read(last_after), "{what}");
        let writes = decision.plan.groups.values().flatten().flat_map(|action| &action.steps);
        let writes = writes.filter(|step| matches!(step, Step::RecordVersions { .. })).count();
        assert_eq!(writes, usize::from(stable_before != Some(stable_after)), "{what}: only what changes is written");
    }
}

#[test]
fn the_versions_are_recorded_again_when_state_db_was_emptied() {
    let (switch, _) = promoted(Switch::telemetry(), &kube(BASE, V84));
    let (mut switch, container) = promoted(switch, &kube(BASE, V85));
    switch.snapshot.state.clear();
    assert!(switch.reconcile().plan.is_empty(), "no row is brought back");
    switch.take_over(&on_host("telemetry"), &container);
    let _ = switch.reconcile();
    switch.wait(600);
    switch.act();
    let row = switch.row(&on_host("telemetry"));
    assert_eq!((row.stable_version, row.last_version), (Value::Is(version(V85)), Value::Is(version(V84))));
}

#[test]
fn a_row_deleted_meanwhile_is_not_brought_back() {
    let (mut switch, _) = stable(Switch::telemetry(), &kube(BASE, V84));
    let decision = switch.reconcile();
    switch.snapshot.state.clear();
    let actions = &decision.plan.groups[&base(BASE)];
    let record = actions.iter().find(|action| matches!(action.purpose, Purpose::RecordVersions(_))).unwrap();
    assert_eq!(switch.carry_out(record), Ok(()), "there is nothing to be done");
    assert!(switch.snapshot.state.is_empty());
}

#[test]
fn the_versions_are_not_written_to_a_row_that_is_about_another_container_by_then() {
    let (mut switch, _) = stable(Switch::telemetry(), &kube(BASE, V84));
    let decision = switch.reconcile();
    switch.write(&on_host("telemetry"), |row| row.container_id = Value::read(Some("0123456789ab")));
    let before = switch.row(&on_host("telemetry"));
    let actions = &decision.plan.groups[&base(BASE)];
    let record = actions.iter().find(|action| matches!(action.purpose, Purpose::RecordVersions(_))).unwrap();
    assert_eq!(switch.carry_out(record), Err(Refusal::Changed));
    assert_eq!(switch.row(&on_host("telemetry")), before);
}

#[test]
fn an_error_is_published_while_a_retry_is_due() {
    let (mut switch, _) = stable(Switch::telemetry(), &kube(BASE, V84));
    let _ = switch.reconcile();
    switch.memory.groups.get_mut(&base(BASE)).unwrap().error = Some("the engine is on fire".into());
    assert_eq!(switch.stability(&on_host("telemetry")), (Stability::Error, "the engine is on fire".to_owned()));
    switch.act();
    assert_eq!(switch.stability(&on_host("telemetry")).0, Stability::Stable);
    assert_eq!(switch.memory.groups[&base(BASE)].error, None);
}

#[test]
fn a_crash_after_any_step_is_finished_by_the_next_agent() {
    let (switch, _) = stable(Switch::telemetry(), &kube(BASE, V84));
    let mut undisturbed = switch.clone();
    let decision = undisturbed.plan_and_act();
    let steps: Vec<Step> = decision.plan.groups.values().flatten().flat_map(|action| action.steps.clone()).collect();
    assert_eq!(steps.len(), 4);
    for done in 0..=steps.len() {
        let mut killed = switch.clone();
        let _ = killed.reconcile();
        steps[..done].iter().for_each(|step| killed.step(step).unwrap());
        killed.restart_agent();
        killed.act();
        assert_eq!(killed.references(), undisturbed.references(), "{done}");
        assert_eq!(killed.snapshot.containers, undisturbed.snapshot.containers, "{done}");
        assert_eq!(killed.snapshot.state, undisturbed.snapshot.state, "{done}");
        assert_eq!(killed.memory, undisturbed.memory, "{done}");
    }
}

#[test]
fn a_switch_whose_features_are_all_local_has_nothing_to_do_or_remember() {
    let mut switch = Switch::telemetry();
    switch.set_owner("telemetry", Owner::Local);
    switch.image(&local(BASE, "20201231.10"));
    switch.wait(100_000);
    let decision = switch.reconcile();
    assert!(decision.plan.is_empty());
    assert!(decision.memory.groups.is_empty());
    assert!(decision.report.wakes.is_empty());
    let stable_time = Age::from_seconds(600);
    assert_eq!(switch.policy.global.stable_time, stable_time);
}

#[test]
fn an_image_that_latest_would_leave_without_a_tag_is_inspected_first() {
    let mut switch = Switch::telemetry();
    let old = switch.named(&format!("{BASE}:latest")).unwrap();
    switch.untag(&reference(&format!("{BASE}:20201231.11")));
    let v84 = switch.image(&kube(BASE, "20201231.84"));
    switch.upgrade(&on_host("telemetry"), &v84);
    let _ = switch.reconcile();
    switch.wait(600);
    let read = switch.snapshot.images_mut().get_mut(&old).unwrap();
    let version = std::mem::replace(&mut read.version, ImageVersion::NotRead);
    let decision = switch.reconcile();
    assert!(decision.plan.is_empty(), "{}", switch.text(&decision));
    let (stability, reason) = switch.stability(&on_host("telemetry"));
    assert_eq!(stability, Stability::Held);
    assert!(reason.ends_with("which latest names, has not been inspected yet"), "{reason}");
    switch.snapshot.images_mut().get_mut(&old).unwrap().version = version;
    let decision = switch.reconcile();
    assert!(switch.text(&decision).contains(&format!("as {BASE}:20201231.11")), "{}", switch.text(&decision));
    switch.act();
    assert_eq!(switch.named(&format!("{BASE}:latest")), Some(v84));
}
