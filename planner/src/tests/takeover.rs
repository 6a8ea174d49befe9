//! Takeover and stability: what continues it, what starts it over, and from when it counts.

use crate::domain::{Age, ContainerId, Value};
use crate::fixtures::*;
use crate::*;

const BASE: &str = "docker-sonic-telemetry";

/// Telemetry, taken over by version 20201231.84 and seen at that moment.
fn taken_over() -> (Switch, ContainerId) {
    let mut switch = Switch::telemetry();
    let v84 = switch.image(&kube(BASE, "20201231.84"));
    let container = switch.upgrade(&on_host("telemetry"), &v84);
    let _ = switch.reconcile();
    (switch, container)
}

fn stability(switch: &mut Switch) -> (Stability, String) {
    switch.stability(&on_host("telemetry"))
}

#[test]
fn each_row_of_the_stability_table() {
    type Change = fn(&mut Switch, &ContainerId);
    let cases: &[(&str, Change, Stability, &str)] = &[
        ("nothing", |_, _| (), Stability::Observing, "stable in 500 s"),
        ("owner local", |s, _| s.set_owner("telemetry", Owner::Local), Stability::Local, "set_owner is local"),
        (
            "fallback to local",
            |s, c| {
                s.stop(c);
                s.local_start(&on_host("telemetry"), &image_id(&format!("local {BASE} 20201231.11")));
            },
            Stability::Local,
            "runs locally, no Kubernetes container is on its way",
        ),
        (
            "fallback to local beside a kube container",
            |s, _| {
                s.local_start(&on_host("telemetry"), &image_id(&format!("local {BASE} 20201231.11")));
            },
            Stability::Local,
            "is a dry run or reports itself as local",
        ),
        ("goes away", |s, _| s.gone(&on_host("telemetry")), Stability::Failed, "current_owner is no longer kube"),
        ("exits", |s, c| s.stop(c), Stability::Failed, "20201231.84 was not stable: the container exited"),
        ("is restarted", |s, c| s.start(c), Stability::Observing, "stable in 600 s"),
        ("loses a process", |s, c| s.details(c, |d| d.oom_kills = 1), Stability::Observing, "stable in 600 s"),
        ("is unhealthy", |s, c| s.details(c, |d| d.unhealthy = true), Stability::Failed, "health check says unhealthy"),
        (
            "is removed",
            |s, c| {
                s.snapshot.containers_mut().remove(c);
            },
            Stability::Failed,
            "the container was removed",
        ),
        (
            "is paused",
            |s, c| s.snapshot.containers_mut().get_mut(c).unwrap().status = ContainerStatus::Paused,
            Stability::Failed,
            "the container was paused",
        ),
        (
            "is restarting",
            |s, c| s.snapshot.containers_mut().get_mut(c).unwrap().status = ContainerStatus::Restarting,
            Stability::Failed,
            "the container was restarted",
        ),
        (
            "another container, remote_state running all the time",
            |s, c| {
                let image = s.snapshot.containers_mut().remove(c).unwrap().image;
                let new = s.run_kube("telemetry", &image);
                s.take_over(&on_host("telemetry"), &new);
            },
            Stability::Observing,
            "stable in 600 s",
        ),
        (
            "the row names another version",
            |s, _| s.write(&on_host("telemetry"), |row| row.container_version = Value::Is(version("20201231.85"))),
            Stability::Waiting,
            "container_version is 20201231.85, the container's version is 20201231.84: a change is under way",
        ),
        (
            "remote_state stopped",
            |s, _| s.write(&on_host("telemetry"), |row| row.remote_state = Value::Is(RemoteState::Stopped)),
            Stability::Failed,
            "remote_state became stopped",
        ),
        ("the row is deleted", |s, _| s.snapshot.state.clear(), Stability::Failed, "current_owner is no longer kube"),
        (
            "the CONFIG_DB row is absent during a reload",
            |s, _| {
                s.snapshot.config_initialized = false;
                s.snapshot.configuration.clear();
            },
            Stability::Observing,
            "stable in 500 s",
        ),
        (
            "a word that is none",
            |s, _| s.write(&on_host("telemetry"), |row| row.remote_state = Value::read(Some("run ning"))),
            Stability::Failed,
            "remote_state holds \"run ning\", which is not valid",
        ),
        (
            "not inspected yet",
            |s, c| s.snapshot.containers_mut().get_mut(c).unwrap().details = None,
            Stability::Observing,
            "has not been inspected yet",
        ),
    ];
    for (what, change, stability, reason) in cases {
        let (mut switch, container) = taken_over();
        switch.wait(100);
        change(&mut switch, &container);
        let (found, why) = self::stability(&mut switch);
        assert_eq!(found, *stability, "{what}: {why}");
        assert!(why.contains(reason), "{what}: {why}");
    }
}

#[test]
fn waiting_until_the_takeover_is_complete() {
    let mut switch = Switch::telemetry();
    let telemetry = on_host("telemetry");
    let v84 = switch.image(&kube(BASE, "20201231.84"));
    let container = switch.run_kube("telemetry", &v84);
    assert_eq!(stability(&mut switch).0, Stability::Local, "a dry run writes nothing");
    switch.pending(&telemetry, &container);
    assert_eq!(stability(&mut switch), (Stability::Waiting, "current_owner is local, not yet kube".to_owned()));
    switch.ready(&telemetry);
    assert_eq!(stability(&mut switch), (Stability::Waiting, "current_owner is none, not yet kube".to_owned()));
    switch.take_over(&telemetry, &container);
    assert_eq!(stability(&mut switch).0, Stability::Observing);
}

#[test]
fn a_failure_stays_until_the_next_takeover_or_change_of_owner() {
    let (mut switch, container) = taken_over();
    switch.stop(&container);
    let decision = switch.reconcile();
    let ended = decision.report.instances[&on_host("telemetry")].ended.clone().unwrap();
    assert_eq!(ended.ending, Ending::Exited);
    switch.wait(90_000);
    let decision = switch.reconcile();
    assert_eq!(decision.report.instances[&on_host("telemetry")].ended, None, "told once");
    switch.gone(&on_host("telemetry"));
    assert_eq!(stability(&mut switch).0, Stability::Failed);
    let mut next = switch.clone();
    let v85 = next.image(&kube(BASE, "20201231.85"));
    next.upgrade(&on_host("telemetry"), &v85);
    assert_eq!(stability(&mut next).0, Stability::Observing);
    switch.set_owner("telemetry", Owner::Local);
    assert_eq!(stability(&mut switch).0, Stability::Local);
    switch.set_owner("telemetry", Owner::Kube);
    assert_eq!(stability(&mut switch).0, Stability::Waiting);
}

#[test]
fn a_flapping_container_is_never_promoted() {
    let (mut switch, container) = taken_over();
    for _ in 0..20 {
        switch.wait(590);
        switch.start(&container);
        assert_eq!(stability(&mut switch), (Stability::Observing, "stable in 600 s".to_owned()));
    }
    for _ in 0..20 {
        switch.wait(590);
        switch.details(&container, |details| details.unhealthy = true);
        assert_eq!(stability(&mut switch).0, Stability::Failed);
        switch.details(&container, |details| details.unhealthy = false);
        assert_eq!(stability(&mut switch), (Stability::Observing, "stable in 600 s".to_owned()));
    }
    assert_ne!(switch.named(&format!("{BASE}:latest")), switch.named(&format!("{REGISTRY}/{BASE}:20201231.84")));
}

#[test]
fn writes_that_change_nothing_start_nothing_over() {
    let (mut switch, container) = taken_over();
    switch.wait(300);
    switch.take_over(&on_host("telemetry"), &container);
    assert_eq!(stability(&mut switch).1, "stable in 300 s");
}

/// From when an agent counts that has just been started: the wall clock, by which containers and rows tell when they
/// began, may have been stepped since.
#[test]
fn an_agent_that_starts_into_a_takeover_counts_from_what_it_remembers_or_from_first_sight() {
    type Change = fn(&mut Switch, &ContainerId);
    let cases: &[(&str, Change, &str)] = &[
        ("remembered", |_, _| (), "stable in 300 s"),
        ("no memory", |s, _| s.memory = Memory::default(), "stable in 600 s"),
        ("remembered, but restarted meanwhile", |s, c| s.start(c), "stable in 600 s"),
        (
            "remembered as failed, healthy again meanwhile",
            |s, c| {
                s.details(c, |d| d.unhealthy = true);
                let _ = s.reconcile();
                s.details(c, |d| d.unhealthy = false);
            },
            "stable in 600 s",
        ),
        (
            "held after it was stable, then unhealthy, healthy again meanwhile",
            |s, c| {
                s.policy(|policy| policy.enabled = false);
                s.wait(400);
                let _ = s.reconcile();
                s.details(c, |d| d.unhealthy = true);
                let _ = s.reconcile();
                s.details(c, |d| d.unhealthy = false);
            },
            "stable in 600 s",
        ),
        (
            "another version in between",
            |s, _| {
                s.write(&on_host("telemetry"), |row| row.container_version = Value::Is(version("99")));
                let _ = s.reconcile();
                s.write(&on_host("telemetry"), |row| row.container_version = Value::Is(version("20201231.84")));
            },
            "stable in 600 s",
        ),
    ];
    for (what, change, reason) in cases {
        let (mut switch, container) = taken_over();
        switch.wait(300);
        change(&mut switch, &container);
        switch.restart_agent();
        assert_eq!(stability(&mut switch), (Stability::Observing, (*reason).to_owned()), "{what}");
    }
}

#[test]
fn an_agent_that_runs_counts_from_when_it_saw_the_takeover() {
    let mut switch = Switch::telemetry();
    let v84 = switch.image(&kube(BASE, "20201231.84"));
    switch.upgrade(&on_host("telemetry"), &v84);
    switch.wait(300);
    assert_eq!(stability(&mut switch).1, "stable in 600 s");
}

#[test]
fn no_takeover_outlives_a_reboot() {
    let (mut switch, container) = taken_over();
    switch.memory = switch.memory.clone().after_reboot();
    switch.marks.clear();
    switch.start(&container);
    switch.take_over(&on_host("telemetry"), &container);
    switch.restart_agent();
    assert_eq!(stability(&mut switch).1, "stable in 600 s");
}

#[test]
fn the_agent_wakes_when_the_deadline_comes() {
    let (mut switch, _) = taken_over();
    switch.wait(250);
    let decision = switch.reconcile();
    let wake = decision.report.wakes.iter().find(|wake| matches!(wake.mark, Mark::Takeover(_))).unwrap();
    assert_eq!(wake.age, Age::from_seconds(600), "counted from its mark");
    switch.wait(350);
    assert!(!switch.plan_and_act().plan.is_empty());
    assert!(switch.reconcile().report.wakes.is_empty());
}

#[test]
fn a_stable_time_of_zero_promotes_at_once() {
    let mut switch = Switch::telemetry();
    switch.policy(|policy| policy.stable_time = Age::ZERO);
    let v84 = switch.image(&kube(BASE, "20201231.84"));
    switch.upgrade(&on_host("telemetry"), &v84);
    switch.act();
    assert_eq!(stability(&mut switch).0, Stability::Stable);
}
