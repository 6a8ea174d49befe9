//! What restarts, hangs or is reloaded around the agent, and the agent itself.

mod agent;
mod disk;
mod engine;
mod flood;
mod redis_server;
mod rows;

use std::time::{Duration, Instant};

use imgmgrd_test_support::agent::Agent;
use imgmgrd_test_support::switch::Switch;

use crate::scene::{deploy, local_switch, wait_for_stability};

const FEATURE: &str = "telemetry";
const BASE: &str = "docker-sonic-telemetry";
const LOCAL: &str = "20201231.11";
const NEW: &str = "20201231.84";

/// A switch on which the feature runs locally.
fn switch(stable_time: u32) -> Switch {
    local_switch(FEATURE, BASE, LOCAL, stable_time)
}

/// A switch and an agent that observes a takeover, and when it was seen to.
fn observing(stable_time: u32) -> (Switch, Agent, Instant) {
    let switch = switch(stable_time);
    let mut agent = switch.agent(crate::scene::binary());
    wait_for_stability(&switch, &mut agent, FEATURE, "local");
    deploy(&switch, FEATURE, BASE, NEW);
    wait_for_stability(&switch, &mut agent, FEATURE, "observing");
    (switch, agent, Instant::now())
}

/// Lets time pass, where time itself is what a test is about.
fn until(start: Instant, milliseconds: u64) {
    let end = start + Duration::from_millis(milliseconds);
    std::thread::sleep(end.saturating_duration_since(Instant::now()));
}

/// Another feature's local start, to see whether the agent listens.
fn other_feature_starts(switch: &Switch) {
    switch.rows().config_feature("snmp", "local", false, true);
    switch.feature("snmp").local_start("20201231.11");
}

fn promoted(switch: &Switch) -> usize {
    switch.feature(FEATURE).history().iter().filter(|(_, row)| row["event"] == "promoted").count()
}

fn count(text: &str, what: &str) -> usize {
    text.matches(what).count()
}
