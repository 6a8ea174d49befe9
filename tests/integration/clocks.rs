//! The wall clock is set while nobody looks, between a container's start and the agent's: an agent without memory counts
//! from the moment at which it first sees a takeover.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::fleet::{Fleet, IN_TIME, TELEMETRY};
use crate::story::NEW;

const STABLE_TIME: Duration = Duration::from_secs(3);

/// The container has just started, in this year, as the wall clock was then; now it is another one.
fn it_counts_from_first_sight(year: &'static str) {
    let mut fleet = Fleet::of(&[TELEMETRY]);
    let local = fleet.latest(TELEMETRY);
    fleet.stable_time(3);
    let container = fleet.deploy(TELEMETRY, NEW);
    fleet.switch.feature("telemetry").set(&[("update_time", &format!("{year}-12-31 00:00:00"))]);
    fleet.proxy.rewrite(&format!("GET /containers/{}/json", container.id), move |container| {
        container["State"]["StartedAt"] = json!(format!("{year}-12-31T00:00:00.123456789Z"));
    });
    let started = Instant::now();
    fleet.start_agent();
    fleet.until("it is promoted", || fleet.latest(TELEMETRY) != local);
    let waited = started.elapsed();
    assert!((STABLE_TIME..STABLE_TIME + IN_TIME).contains(&waited), "promoted {waited:?} after the agent's start");
    assert_eq!(fleet.latest(TELEMETRY), Some(container.image_id));
}

#[test]
fn a_container_that_seems_to_be_years_old_has_proven_nothing() {
    it_counts_from_first_sight("2020");
}

#[test]
fn a_container_that_seems_to_start_in_the_future_does_not_wait_for_it() {
    it_counts_from_first_sight("2099");
}
