//! A stop is clean and quick, whatever the agent is doing.

use std::time::Duration;

use imgmgrd_test_support::Signal;
use imgmgrd_test_support::agent::Agent;

use crate::scene::{SOON, binary, deploy, local_switch, wait_for_stability};

const FEATURE: &str = "telemetry";
const BASE: &str = "docker-sonic-telemetry";

#[track_caller]
fn assert_clean_stop(agent: Agent) {
    let (status, took) = agent.terminate();
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn while_idle_and_while_observing() {
    let switch = local_switch(FEATURE, BASE, "20201231.11", 60);
    let mut agent = switch.agent(binary());
    wait_for_stability(&switch, &mut agent, FEATURE, "local");
    assert_clean_stop(agent);
    let mut agent = switch.agent(binary());
    deploy(&switch, FEATURE, BASE, "20201231.84");
    wait_for_stability(&switch, &mut agent, FEATURE, "observing");
    assert_clean_stop(agent);
}

#[test]
fn by_a_persons_interrupt() {
    let switch = local_switch(FEATURE, BASE, "20201231.11", 60);
    let mut agent = switch.agent(binary());
    wait_for_stability(&switch, &mut agent, FEATURE, "local");
    agent.signal(Signal::INT);
    assert!(agent.wait_exit(Duration::from_secs(1)).success());
    assert!(agent.log().contains("stopped"), "{}", agent.log());
}

#[test]
fn in_the_middle_of_a_plan_between_two_steps() {
    let switch = local_switch(FEATURE, BASE, "20201231.11", 0);
    let mut agent = switch.agent_with(binary(), &["run"], &[("FAILPOINTS", "before-step=sleep(300)")]);
    wait_for_stability(&switch, &mut agent, FEATURE, "local");
    let container = deploy(&switch, FEATURE, BASE, "20201231.84");
    let latest = || switch.engine().image_id(&format!("{BASE}:latest"));
    agent.wait_until("the tag", SOON, || latest().as_ref() == Some(&container.image_id));
    assert_clean_stop(agent);
    let row = switch.feature(FEATURE).feature_row().expect("the row");
    assert_eq!(row["container_stable_version"], "20201231.11", "the rest was left");

    let agent = switch.agent(binary());
    agent.wait_until("the rest", SOON, || {
        let row = switch.feature(FEATURE).feature_row().expect("the row");
        row["container_stable_version"] == "20201231.84"
    });
    assert!(switch.engine().container(FEATURE).is_none(), "the stale container is gone");
}
