//! The engine is restarted, or hangs.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use imgmgrd_test_support::container::ContainerSpec;
use imgmgrd_test_support::kubelet::Deployment;
use imgmgrd_test_support::wait::wait_equal;

use super::{BASE, FEATURE, NEW, count, observing, other_feature_starts, switch, until};
use crate::evidence::{rows, writes};
use crate::scene::{SOON, binary, take_over, wait_for_stability};

#[test]
fn containers_that_an_engine_restarts_count_anew() {
    let mut switch = switch(2);
    let mut agent = switch.agent(binary());
    wait_for_stability(&switch, &mut agent, FEATURE, "local");
    switch.publish(BASE, NEW, "");
    let container = switch.kubelet().deploy(&Deployment::new(FEATURE, BASE, NEW).with(ContainerSpec::restart_always));
    take_over(&switch, FEATURE, NEW, &container);
    wait_for_stability(&switch, &mut agent, FEATURE, "observing");
    let before = switch.feature(FEATURE).published("observing_since");
    switch.engine_mut().restart();
    agent.wait_until("its return", SOON, || agent.log().contains("the engine is back"));
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
    // By the engine's own clock.
    let time =
        |value: &serde_json::Value| -> DateTime<Utc> { value.as_str().expect("a time").parse().expect("a time") };
    let started = time(&switch.engine().container(&container.id).expect("it runs")["State"]["StartedAt"]);
    let tagged = time(&switch.engine().image(&container.image_id).expect("it is there")["Metadata"]["LastTagTime"]);
    let waited = tagged - started;
    assert!(waited >= TimeDelta::seconds(2), "not from before the restart: {waited}");
    assert_ne!(switch.feature(FEATURE).published("observing_since"), before);
    assert_eq!(switch.engine().image_id(&format!("{BASE}:latest")), Some(container.image_id));
    let log = agent.log();
    assert_eq!((count(&log, "the engine is unreachable"), count(&log, "the engine is back")), (1, 1), "{log}");
}

#[test]
fn an_engine_that_restarts_while_idle_changes_nothing() {
    let mut switch = switch(1);
    let mut agent = switch.agent(binary());
    wait_for_stability(&switch, &mut agent, FEATURE, "local");
    let before = rows(&switch);
    switch.engine_mut().restart();
    agent.wait_until("its return", SOON, || agent.log().contains("the engine is back"));
    other_feature_starts(&switch);
    wait_for_stability(&switch, &mut agent, "snmp", "local");
    let key = "6 CONTAINER_IMAGE|telemetry";
    assert_eq!(rows(&switch)[key], before[key]);
    let log = agent.log();
    assert_eq!((count(&log, "the engine is unreachable"), count(&log, "the engine is back")), (1, 1), "{log}");
}

#[test]
fn while_the_engine_hangs_rows_are_followed_and_afterwards_it_is_promoted() {
    let (mut switch, mut agent, began) = observing(2);
    switch.engine_mut().pause();
    other_feature_starts(&switch);
    wait_equal("the other feature's row", Duration::from_secs(2), "local", || switch.feature("snmp").stability());
    until(began, 3000);
    switch.feature("snmp").set(&[("container_version", "20201231.12")]);
    wait_equal("it is still followed", Duration::from_secs(2), "20201231.12", || {
        switch.feature("snmp").published("version")
    });
    assert_eq!(switch.feature(FEATURE).stability(), "observing");
    switch.engine_mut().resume();
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
}

#[test]
fn a_stop_is_honoured_while_the_engine_hangs() {
    let (mut switch, agent, began) = observing(1);
    switch.engine_mut().pause();
    until(began, 1500);
    let written = writes(&switch);
    let (status, took) = agent.terminate();
    assert!(status.success() && took < Duration::from_secs(1), "{status} after {took:?}");
    assert_eq!(writes(&switch), written);
    switch.engine_mut().resume();
    let mut agent = switch.agent(binary());
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
}

#[test]
fn an_engine_that_hangs_for_long_is_told_of_once() {
    let (mut switch, mut agent, _) = observing(1);
    switch.engine_mut().pause();
    // The deadline of a call is ten seconds.
    agent.wait_until("what is wrong", SOON, || agent.log().contains("did not answer within"));
    let told = agent.log();
    until(Instant::now(), 2000);
    assert_eq!(count(&agent.log(), "did not answer within"), count(&told, "did not answer within"));
    switch.engine_mut().resume();
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
}

#[test]
fn an_agent_that_starts_before_its_engine_waits_for_it() {
    let mut switch = switch(1);
    switch.engine_mut().stop();
    let mut agent = switch.agent(binary());
    agent.wait_until("the engine is missed", SOON, || agent.log().contains("the engine is unreachable"));
    switch.engine_mut().start_again();
    wait_for_stability(&switch, &mut agent, FEATURE, "local");
    assert_eq!(count(&agent.log(), "the engine is unreachable"), 1);
}
