//! Redis is restarted empty, hangs, or does not notify.

use std::time::{Duration, Instant};

use imgmgrd_test_support::rows::{Instance, Namespace};
use imgmgrd_test_support::switch::Switch;
use imgmgrd_test_support::wait::wait_equal;

use super::{BASE, FEATURE, LOCAL, NEW, count, observing, other_feature_starts, until};
use crate::scene::{SOON, binary, wait_for_stability};

#[test]
fn after_a_restart_of_redis_everything_is_published_again() {
    let (mut switch, mut agent, _) = observing(1);
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
    agent.wait_until("the clean-up", SOON, || switch.feature(FEATURE).published("images") == "1");
    let history = switch.feature(FEATURE).history();
    let row = switch.feature(FEATURE).feature_row().expect("the row");
    let container = row["container_id"].clone();
    let images = switch.engine().images();

    switch.redis_mut(Namespace::Host).restart_empty();
    agent.wait_until("its return", SOON, || agent.log().contains("Redis is back"));
    switch.rows().config_feature(FEATURE, "kube", false, true);
    switch.rows().policy(&[("stable_time", "1")]);
    switch.feature(FEATURE).takeover(&container, NEW);
    switch.rows().config_initialized(true);
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
    agent.wait_until("the history", SOON, || {
        let published = switch.feature(FEATURE).history();
        history.iter().all(|entry| published.contains(entry))
    });
    assert_eq!(switch.engine().images(), images);
    let log = agent.log();
    assert_eq!((count(&log, "Redis is unreachable"), count(&log, "Redis is back")), (1, 1), "{log}");
}

#[test]
fn nothing_is_promoted_while_redis_hangs() {
    let (mut switch, mut agent, began) = observing(2);
    let latest = switch.engine().image_id(&format!("{BASE}:latest"));
    switch.redis_mut(Namespace::Host).pause();
    until(began, 4000);
    assert_eq!(switch.engine().image_id(&format!("{BASE}:latest")), latest);
    switch.redis_mut(Namespace::Host).resume();
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
}

#[test]
fn that_redis_is_unreachable_is_told_once_and_nothing_is_made_up_meanwhile() {
    let (mut switch, mut agent, _) = observing(1);
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
    switch.redis_mut(Namespace::Host).stop();
    agent.wait_until("Redis is missed", SOON, || agent.log().contains("Redis is unreachable"));
    let pods = switch.engine().container_names().into_iter().filter(|name| name.starts_with("k8s_"));
    pods.for_each(|name| switch.engine().remove_container(&name));
    // Each has the agent reconcile once more.
    for version in ["1", "2", "3", "4"] {
        switch.engine().import_image(&format!("{BASE}:{version}"), Some(version), &[], "");
        until(Instant::now(), 200);
    }
    let log = agent.log();
    let (_, since) = log.split_once("Redis is unreachable").expect("it said so");
    assert_eq!(since.lines().count(), 1, "{log}");
}

#[test]
fn a_stop_is_honoured_while_redis_hangs() {
    let (mut switch, agent, began) = observing(1);
    switch.redis_mut(Namespace::Host).pause();
    // The deadline is over: the rows are being read again.
    until(began, 1200);
    let (status, took) = agent.terminate();
    assert!(status.success() && took < Duration::from_secs(1), "{status} after {took:?}");
}

#[test]
fn without_notifications_it_says_so_once_and_polls() {
    let switch = Switch::builder().notifications("").start();
    switch.engine().import_image(&format!("{BASE}:latest"), Some(LOCAL), &[], "local");
    switch.rows().config_feature(FEATURE, "local", false, true);
    switch.start_locally(&Instance::host(FEATURE), BASE, LOCAL);
    let mut agent = switch.agent(binary());
    wait_for_stability(&switch, &mut agent, FEATURE, "local");
    for version in ["20201231.12", "20201231.13"] {
        switch.feature(FEATURE).set(&[("container_version", version)]);
        wait_equal("it is polled", Duration::from_secs(12), version, || switch.feature(FEATURE).published("version"));
    }
    assert_eq!(count(&agent.log(), "notify-keyspace-events AKE"), 1, "{}", agent.log());
}

#[test]
fn an_agent_that_starts_before_redis_waits_for_it() {
    let mut switch = Switch::new();
    switch.redis_mut(Namespace::Host).stop();
    let mut agent = switch.agent(binary());
    agent.wait_until("Redis is missed", SOON, || agent.log().contains("Redis is unreachable"));
    switch.redis_mut(Namespace::Host).launch();
    switch.rows().config_initialized(true);
    other_feature_starts(&switch);
    wait_for_stability(&switch, &mut agent, "snmp", "local");
}
