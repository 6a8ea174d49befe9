//! What the engine loses on the way, or says too much of: an event, a list, an answer.

use std::time::Duration;

use serde_json::json;

use crate::fleet::{Fleet, LLDP, SNMP, TELEMETRY};
use crate::story::NEW;

/// `MemoryMax` of the unit, in KiB.
const ALLOWED: u64 = 64 * 1024;

#[test]
fn a_row_that_names_a_container_not_seen_leads_to_reading_again() {
    let mut fleet = Fleet::of(&[TELEMETRY]);
    fleet.start_agent();
    fleet.becomes(TELEMETRY, "local");
    fleet.stable_time(1);
    // The stream of events stays open, and nothing comes of it any more.
    fleet.proxy.mute_events();
    let container = fleet.deploy(TELEMETRY, NEW);
    fleet.within(Duration::from_secs(10), "it is promoted, without any event", || {
        fleet.latest(TELEMETRY).as_ref() == Some(&container.image_id)
    });
}

#[test]
fn a_list_of_images_that_answers_404_is_asked_for_again() {
    let mut fleet = Fleet::of(&[TELEMETRY]);
    fleet.start_agent();
    let container = fleet.deploy(TELEMETRY, NEW);
    fleet.becomes(TELEMETRY, "observing");
    // Once when something happens to an image, and once when it is about to be promoted.
    let lists = || fleet.proxy.calls("GET /images/json").len();
    let before = lists();
    fleet.proxy.refuse_once("GET /images/json", 404);
    fleet.old_versions(LLDP, 1);
    fleet.until("the list was asked for", || lists() > before);
    fleet.has_read_the_rows("nat");
    fleet.proxy.refuse_once("GET /images/json", 404);
    fleet.all_are_due();
    fleet.is_promoted_in_time(TELEMETRY, &container);
    assert!(!fleet.log().contains("the engine is unreachable"), "{}", fleet.log());
}

#[test]
fn more_images_with_more_labels_than_fit_into_memory_at_once() {
    let mut fleet = Fleet::of(&[TELEMETRY]);
    fleet.proxy.rewrite("GET /images/json", |list| {
        let label = "x".repeat(20 << 10);
        let padding = (0..600).map(|number| {
            json!({
                "Id": format!("sha256:{number:064x}"), "ParentId": "", "Created": 1_609_372_800, "Size": 1_000,
                "SharedSize": -1, "VirtualSize": 1_000, "Containers": -1, "Labels": { "com.example.manifest": label },
                "RepoTags": [format!("registry.example/some-other-image:{number}")], "RepoDigests": [],
            })
        });
        list.as_array_mut().into_iter().for_each(|list| list.extend(padding.clone()));
    });
    fleet.stable_time(1);
    fleet.start_agent();
    let container = fleet.deploy(TELEMETRY, NEW);
    fleet.until("it is promoted", || fleet.boots(TELEMETRY, &container));
    let peak = fleet.agent().peak_memory_kib();
    assert!(peak < ALLOWED, "12 MiB of labels cost {peak} KiB");
}

#[test]
fn a_removal_that_the_engine_refuses_is_not_tried_again_with_each_event() {
    let mut fleet = Fleet::of(&[LLDP, SNMP, TELEMETRY]);
    let others = [SNMP, TELEMETRY];
    for (feature, _) in others {
        fleet.switch.rows().feature_policy(feature, &[("cleanup", "disabled")]);
    }
    let [refused] = &fleet.old_versions(LLDP, 1)[..] else { panic!("one old version") };
    let refused = refused.clone();
    let call = format!("DELETE /images/{refused}");
    fleet.proxy.refuse(&call, 409);
    fleet.start_agent();
    fleet.stable_time(0);
    for feature in [SNMP, TELEMETRY, LLDP] {
        fleet.deploy(feature, NEW);
        fleet.becomes(feature, "stable");
    }
    fleet.until("all but the refused one is removed", || fleet.published(LLDP, "images") == "2");
    fleet.until("it is refused", || !fleet.proxy.calls(&call).is_empty());
    let tries = fleet.proxy.calls(&call).len();
    // Images of others go, one after the other: what the engine tells of them cannot have freed this one.
    for feature in others {
        fleet.switch.rows().feature_policy(feature.0, &[("cleanup", "enabled")]);
        fleet.until("the other feature is cleaned up", || fleet.published(feature, "images") == "1");
    }
    fleet.has_read_the_rows("nat");
    assert_eq!(fleet.proxy.calls(&call).len(), tries, "tried again:\n{}", fleet.log());
    let told = fleet.log().lines().filter(|line| line.contains(&refused)).count();
    assert!(told <= 1, "told {told} times:\n{}", fleet.log());
}
