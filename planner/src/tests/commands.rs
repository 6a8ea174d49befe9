//! What operators ask for: a promotion without waiting, and a rollback.

use serde::de::IntoDeserializer as _;
use serde::de::value::Error;

use super::promoted;
use crate::domain::ImageId;
use crate::fixtures::*;
use crate::*;

const BASE: &str = "docker-sonic-telemetry";

fn command(switch: &mut Switch, command: Command) {
    switch.snapshot.commands.insert(feature("telemetry"), command);
}

/// Carries out what the order asks for; what came of it.
fn obey(switch: &mut Switch, asked: Command) -> Result<String, String> {
    command(switch, asked);
    let decision = switch.plan_and_act();
    switch.snapshot.commands.clear();
    switch.act();
    match decision.report.groups[&base(BASE)].command.clone().expect("an answer") {
        CommandResult::Refused(reason) => Err(reason.to_string()),
        obeyed => Ok(obeyed.to_string()),
    }
}

const ROLLBACK: Command = Command::Rollback { from: None };

fn rollback_from(from: &str) -> Command {
    Command::Rollback { from: Some(version(from)) }
}

fn latest(switch: &Switch) -> Option<ImageId> {
    switch.named(&format!("{BASE}:latest"))
}

/// 60 was promoted, then 84.
fn upgraded() -> Switch {
    let mut switch = Switch::telemetry();
    promoted(&mut switch, &kube(BASE, "60"));
    promoted(&mut switch, &kube(BASE, "84"));
    assert_eq!(latest(&switch), Some(kube(BASE, "84").id()));
    switch
}

/// 84 runs since a moment.
fn observing() -> Switch {
    let mut switch = Switch::telemetry();
    promoted(&mut switch, &kube(BASE, "60"));
    let image = switch.image(&kube(BASE, "84"));
    switch.upgrade(&on_host("telemetry"), &image);
    let _ = switch.reconcile();
    switch
}

#[test]
fn a_promotion_by_order_does_not_wait() {
    let mut switch = observing();
    assert_eq!(obey(&mut switch, Command::Promote), Ok("promoted 84".to_owned()));
    assert_eq!(latest(&switch), Some(kube(BASE, "84").id()));
    assert_eq!(switch.stability(&on_host("telemetry")).0, Stability::Stable);
    assert_eq!(obey(&mut switch, Command::Promote), Ok("already promoted 84".to_owned()));
}

#[test]
fn every_other_check_stays() {
    type Change = fn(&mut Switch);
    let cases: &[(&str, Change, &str)] = &[
        ("disabled", |s| s.snapshot.kubernetes.disabled = true, "Kubernetes is disabled"),
        ("policy", |s| s.policy(|policy| policy.enabled = false), "policy state=disabled"),
        ("loading", |s| s.snapshot.config_initialized = false, "CONFIG_DB is being loaded"),
        (
            "unhealthy",
            |s| {
                let container = s.kube_container("telemetry");
                s.details(&container, |details| details.unhealthy = true);
            },
            "is unhealthy",
        ),
        ("gone", |s| s.gone(&on_host("telemetry")), "current_owner is none"),
    ];
    for (what, change, reason) in cases {
        let mut switch = observing();
        change(&mut switch);
        let told = obey(&mut switch, Command::Promote).expect_err(what);
        assert!(told.contains(reason), "{what}: {told}");
        assert_eq!(latest(&switch), Some(kube(BASE, "60").id()), "{what}");
    }
}

#[test]
fn a_rollback_makes_the_last_version_latest_and_holds_the_other() {
    let mut switch = upgraded();
    assert_eq!(obey(&mut switch, ROLLBACK), Ok("rolled back from 84 to 60".to_owned()));
    assert_eq!(latest(&switch), Some(kube(BASE, "60").id()));
    let row = switch.row(&on_host("telemetry"));
    assert!(row.stable_version.is(&version("60")), "{row:?}");
    let held = (Stability::Held, "an operator rolled back from 84".to_owned());
    assert_eq!(switch.stability(&on_host("telemetry")), held);
    // However often it is started again, and after a reboot.
    switch.wait(10_000);
    switch.restart_agent();
    assert_eq!(switch.stability(&on_host("telemetry")), held);
    let image = switch.image(&kube(BASE, "84"));
    switch.upgrade(&on_host("telemetry"), &image);
    let _ = switch.reconcile();
    switch.wait(10_000);
    switch.act();
    assert_eq!(switch.stability(&on_host("telemetry")), held);
    assert_eq!(latest(&switch), Some(kube(BASE, "60").id()));
    // A person promotes it after all.
    assert_eq!(obey(&mut switch, Command::Promote), Ok("promoted 84".to_owned()));
    assert_eq!(switch.stability(&on_host("telemetry")).0, Stability::Stable);
}

#[test]
fn another_image_ends_what_a_rollback_holds() {
    let mut switch = upgraded();
    obey(&mut switch, ROLLBACK).unwrap();
    promoted(&mut switch, &kube(BASE, "91"));
    assert_eq!(latest(&switch), Some(kube(BASE, "91").id()));
    let last = &switch.memory.groups[&base(BASE)].previous[0];
    assert_eq!(last.image, kube(BASE, "60").id(), "what was rolled back from is no fallback");
}

#[test]
fn without_a_last_version_nothing_changes() {
    let mut switch = Switch::telemetry();
    promoted(&mut switch, &kube(BASE, "60"));
    let before = switch.references();
    let told = obey(&mut switch, ROLLBACK).unwrap_err();
    assert!(told.contains("not on the disk") || told.contains("no other version"), "{told}");
    assert_eq!(switch.references(), before);
    assert_eq!(switch.memory.groups[&base(BASE)].rolled_back, [].into());
}

#[test]
fn a_rollback_is_finished_after_a_crash_at_any_step() {
    survives_kills(&upgraded);
}

#[test]
fn a_rollback_removes_the_stale_container_after_a_crash_too() {
    let with_stale_container = || {
        let mut switch = upgraded();
        let stale = switch.run("telemetry", &kube(BASE, "84").id(), None);
        switch.stop(&stale);
        switch
    };
    survives_kills(&with_stale_container);
    // What runs meanwhile is held, or is not stable yet.
    survives_kills(&|| {
        let mut switch = with_stale_container();
        let image = switch.image(&kube(BASE, "90"));
        switch.upgrade(&on_host("telemetry"), &image);
        let stale = switch.container_named("telemetry").expect("it was stopped");
        assert_eq!(switch.snapshot.containers[&stale].image, kube(BASE, "84").id());
        switch
    });
}

/// A rollback of this switch comes to the same, after however many of its steps the agent is killed.
fn survives_kills(upgraded: &dyn Fn() -> Switch) {
    let mut undisturbed = upgraded();
    obey(&mut undisturbed, ROLLBACK).unwrap();
    let mut planned = upgraded();
    command(&mut planned, ROLLBACK);
    let decision = planned.reconcile();
    let steps: Vec<Step> = decision.plan.groups.values().flatten().flat_map(|action| action.steps.clone()).collect();
    assert!(!steps.is_empty());
    for done in 0..=steps.len() {
        let mut killed = upgraded();
        command(&mut killed, ROLLBACK);
        let _ = killed.reconcile();
        killed.snapshot.commands.clear();
        for step in &steps[..done] {
            killed.step(step).unwrap();
        }
        killed.restart_agent();
        killed.act();
        assert_eq!(latest(&killed), latest(&undisturbed), "killed after {done} steps");
        assert_eq!(killed.snapshot.containers, undisturbed.snapshot.containers, "killed after {done} steps");
        assert_eq!(killed.row(&on_host("telemetry")), undisturbed.row(&on_host("telemetry")), "after {done} steps");
        assert_eq!(killed.memory.groups, undisturbed.memory.groups, "killed after {done} steps");
    }
}

#[test]
fn a_rollback_that_a_crash_cut_short_is_recorded_before_the_next_promotion() {
    let mut switch = upgraded();
    command(&mut switch, ROLLBACK);
    let _ = switch.reconcile();
    switch.snapshot.commands.clear();
    // Before it can be carried out, another version takes over, and is stable.
    let image = switch.image(&kube(BASE, "90"));
    switch.upgrade(&on_host("telemetry"), &image);
    let stale = switch.run("telemetry", &image, None);
    switch.stop(&stale);
    let _ = switch.reconcile();
    switch.wait(600);
    let decision = switch.reconcile();
    let first = &decision.plan.groups[&base(BASE)][0].steps[0];
    switch.step(first).unwrap();
    assert_eq!(latest(&switch), Some(kube(BASE, "60").id()));
    switch.restart_agent();
    switch.act();
    assert_eq!(latest(&switch), Some(kube(BASE, "90").id()));
    let row = switch.row(&on_host("telemetry"));
    let versions = (row.stable_version.get().cloned(), row.last_version.get().cloned());
    assert_eq!(versions, (Some(version("90")), Some(version("60"))), "not what was rolled back from");
    assert!(switch.named(&format!("{REGISTRY}/{BASE}:60")).is_some(), "the fallback stays");
    assert_eq!(switch.container_named("telemetry"), None, "as the rollback would have done it");
}

#[test]
fn a_promotion_by_order_waits_for_a_rollback_to_be_recorded() {
    let mut switch = upgraded();
    command(&mut switch, ROLLBACK);
    let decision = switch.reconcile();
    switch.snapshot.commands.clear();
    switch.step(&decision.plan.groups[&base(BASE)][0].steps[0]).unwrap();
    let image = switch.image(&kube(BASE, "90"));
    switch.upgrade(&on_host("telemetry"), &image);
    switch.restart_agent();
    assert_eq!(obey(&mut switch, Command::Promote), Ok("promoted 90".to_owned()));
    assert_eq!(latest(&switch), Some(kube(BASE, "90").id()));
    let row = switch.row(&on_host("telemetry"));
    assert_eq!((row.stable_version.get(), row.last_version.get()), (Some(&version("90")), Some(&version("60"))));
}

#[test]
fn a_rollback_while_the_kube_container_is_down_removes_the_stale_container_of_what_it_leaves() {
    let mut switch = upgraded();
    let stale = switch.run("telemetry", &kube(BASE, "84").id(), None);
    switch.stop(&stale);
    let runs = switch.kube_container("telemetry");
    switch.stop(&runs);
    switch.gone(&on_host("telemetry"));
    switch.act();
    assert_eq!(switch.container_named("telemetry"), Some(stale), "it is of what latest names");
    obey(&mut switch, ROLLBACK).unwrap();
    assert_eq!(latest(&switch), Some(kube(BASE, "60").id()));
    assert_eq!(switch.container_named("telemetry"), None);
    assert!(switch.row(&on_host("telemetry")).stable_version.is(&version("60")));
}

#[test]
fn a_running_local_container_stops_no_rollback_and_is_removed_once_it_stops() {
    let mut switch = upgraded();
    let runs = switch.kube_container("telemetry");
    switch.stop(&runs);
    switch.gone(&on_host("telemetry"));
    let local = switch.local_start(&on_host("telemetry"), &kube(BASE, "84").id());
    let told = "rolled back from 84 to 60; the local container telemetry still runs 84, and is removed when it stops";
    assert_eq!(obey(&mut switch, ROLLBACK), Ok(told.to_owned()));
    assert_eq!(latest(&switch), Some(kube(BASE, "60").id()));
    assert_eq!(switch.container_named("telemetry"), Some(local));
    switch.restart_agent();
    switch.act();
    switch.stop(&local);
    // Somebody has moved `latest` meanwhile: then it is no rollback's any more.
    let mut moved = switch.clone();
    moved.tag(&reference(&format!("{BASE}:latest")), &kube(BASE, "84").id());
    moved.act();
    assert_eq!(moved.container_named("telemetry"), Some(local));
    switch.act();
    assert_eq!(switch.container_named("telemetry"), None);
    assert_eq!(obey(&mut switch, ROLLBACK), Ok("already rolled back from 84 to 60".to_owned()));
}

#[test]
fn a_further_rollback_changes_nothing_unless_it_says_from_where() {
    let mut switch = Switch::telemetry();
    switch.policy(|policy| policy.keep_versions = 4);
    for version in ["40", "60", "84"] {
        promoted(&mut switch, &kube(BASE, version));
    }
    obey(&mut switch, ROLLBACK).unwrap();
    let before = switch.clone();
    assert_eq!(obey(&mut switch, ROLLBACK), Ok("already rolled back from 84 to 60".to_owned()));
    assert_eq!(obey(&mut switch, rollback_from("84")), Ok("already rolled back from 84 to 60".to_owned()));
    assert_eq!((switch.references(), &switch.memory.groups), (before.references(), &before.memory.groups));
    assert_eq!(obey(&mut switch, rollback_from("40")), Err("latest is 60, not 40".to_owned()));
    assert_eq!(obey(&mut switch, rollback_from("60")), Ok("rolled back from 60 to 40".to_owned()));
    assert_eq!(latest(&switch), Some(kube(BASE, "40").id()));
    assert_eq!(obey(&mut switch, rollback_from("60")), Ok("already rolled back from 60 to 40".to_owned()));
    assert_eq!(obey(&mut switch, rollback_from("40")), Err("no other version was promoted before".to_owned()));
    // What runs, and what it left in between, stay held.
    switch.wait(10_000);
    switch.act();
    assert_eq!(latest(&switch), Some(kube(BASE, "40").id()));
    let held = [kube(BASE, "60").id(), kube(BASE, "84").id()];
    assert_eq!(switch.memory.groups[&base(BASE)].rolled_back, held.into());
    // They count as versions that were promoted.
    promoted(&mut switch, &kube(BASE, "91"));
    for version in ["40", "60", "84", "91"] {
        assert!(switch.named(&format!("{REGISTRY}/{BASE}:{version}")).is_some(), "{version}");
    }
    assert_eq!(switch.memory.groups[&base(BASE)].rolled_back, [].into());
    assert_eq!(obey(&mut switch, ROLLBACK), Ok("rolled back from 91 to 40".to_owned()));
}

#[test]
fn a_version_that_was_rolled_back_from_is_not_the_last_one() {
    let mut switch = Switch::telemetry();
    switch.policy(|policy| policy.keep_versions = 3);
    for version in ["40", "60", "84"] {
        promoted(&mut switch, &kube(BASE, version));
    }
    obey(&mut switch, ROLLBACK).unwrap();
    // Kubernetes deploys the version that it was rolled back to: that is no other version.
    promoted(&mut switch, &kube(BASE, "60"));
    assert_eq!(switch.stability(&on_host("telemetry")).0, Stability::Stable);
    assert_eq!(switch.row(&on_host("telemetry")).last_version.get(), Some(&version("40")));
    assert_eq!(obey(&mut switch, ROLLBACK), Ok("already rolled back from 84 to 60".to_owned()));
    assert_eq!(obey(&mut switch, rollback_from("60")), Ok("rolled back from 60 to 40".to_owned()));
}

#[test]
fn a_rollback_that_somebody_else_has_made_already_is_remembered() {
    let mut switch = upgraded();
    switch.tag(&reference(&format!("{BASE}:latest")), &kube(BASE, "60").id());
    let stale = switch.run("telemetry", &kube(BASE, "84").id(), None);
    switch.stop(&stale);
    assert_eq!(obey(&mut switch, ROLLBACK), Ok("rolled back from 84 to 60".to_owned()));
    let group = &switch.memory.groups[&base(BASE)];
    assert_eq!(group.promoted.as_ref().map(|promoted| promoted.image), Some(kube(BASE, "60").id()));
    assert_eq!(group.rolled_back, [kube(BASE, "84").id()].into());
    assert_eq!(switch.container_named("telemetry"), None);
    assert_eq!(switch.stability(&on_host("telemetry")).0, Stability::Held);
    assert!(switch.row(&on_host("telemetry")).stable_version.is(&version("60")));
}

#[test]
fn without_memory_the_version_that_latest_names_is_on_the_disk() {
    let mut switch = upgraded();
    switch.memory = Memory::default();
    switch.tag(&reference(&format!("{BASE}:latest")), &kube(BASE, "60").id());
    assert_eq!(obey(&mut switch, ROLLBACK), Ok("rolled back from 84 to 60".to_owned()));
    assert_eq!(latest(&switch), Some(kube(BASE, "60").id()));
}

#[test]
fn a_rollback_answers_for_what_is_true() {
    // Somebody has moved `latest` since.
    let mut switch = upgraded();
    obey(&mut switch, ROLLBACK).unwrap();
    switch.tag(&reference(&format!("{BASE}:latest")), &kube(BASE, "84").id());
    assert_eq!(obey(&mut switch, ROLLBACK), Ok("rolled back from 84 to 60".to_owned()));
    assert_eq!(latest(&switch), Some(kube(BASE, "60").id()));
    // And a promotion does, too.
    let mut switch = upgraded();
    switch.tag(&reference(&format!("{BASE}:latest")), &kube(BASE, "60").id());
    switch.wait(10_000);
    switch.act();
    assert_eq!(latest(&switch), Some(kube(BASE, "60").id()), "a fact that nobody asked to change");
    assert_eq!(obey(&mut switch, Command::Promote), Ok("promoted 84".to_owned()));
    assert_eq!(latest(&switch), Some(kube(BASE, "84").id()));
    assert_eq!(obey(&mut switch, Command::Promote), Ok("already promoted 84".to_owned()));
    // Also when it is killed in between.
    switch.tag(&reference(&format!("{BASE}:latest")), &kube(BASE, "60").id());
    command(&mut switch, Command::Promote);
    let _ = switch.reconcile();
    switch.snapshot.commands.clear();
    switch.restart_agent();
    switch.act();
    assert_eq!(latest(&switch), Some(kube(BASE, "84").id()));
}

#[test]
fn a_memory_of_before_names_one_image_or_none() {
    let image = kube(BASE, "84").id();
    let text = image.to_string();
    let none: Result<_, Error> = one_or_more(().into_deserializer());
    let one: Result<_, Error> = one_or_more(text.as_str().into_deserializer());
    let several: Result<_, Error> = one_or_more(vec![text.as_str()].into_deserializer());
    assert_eq!(none, Ok([].into()));
    assert_eq!(one, Ok([image].into()));
    assert_eq!(several, Ok([image].into()));
}
