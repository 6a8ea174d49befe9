//! What boots comes before what frees room: no tag and no stale container waits for the removal of an image.

use crate::fleet::{Fleet, LLDP, SNMP, TELEMETRY};
use crate::story::NEW;

const REMOVAL: &str = "DELETE /images/";

#[test]
fn all_that_are_due_are_promoted_before_the_first_image_is_removed() {
    let mut fleet = Fleet::of(&[LLDP, SNMP, TELEMETRY]);
    let features = [LLDP, SNMP, TELEMETRY];
    let old = features.map(|feature| fleet.old_versions(feature, 2)).concat();
    fleet.start_agent();
    let promoted = features.map(|feature| (feature, fleet.deploy(feature, NEW)));
    features.iter().for_each(|feature| fleet.becomes(*feature, "observing"));
    // Images are removed slowly.
    fleet.proxy.hold(REMOVAL);
    fleet.all_are_due();
    for (feature, container) in &promoted {
        fleet.is_promoted_in_time(*feature, container);
    }
    fleet.until("then an image is to be removed", || !fleet.proxy.calls(REMOVAL).is_empty());
    let calls = fleet.proxy.calls("");
    let is_promotion = |call: &String| call.starts_with("DELETE /containers/") || is_tag_of_latest(call);
    let last = calls.iter().rposition(is_promotion).expect("they were promoted");
    let first = calls.iter().position(|call| call.starts_with(REMOVAL)).expect("one is to be removed");
    assert!(last < first, "{calls:#?}");

    fleet.proxy.heal();
    let gone = |name: &String| fleet.switch.engine().image_id(name).is_none();
    fleet.until("all are removed in the end", || old.iter().all(gone));
}

fn is_tag_of_latest(call: &str) -> bool {
    call.starts_with("POST /images/") && call.contains("tag=latest")
}

#[test]
fn a_promotion_does_not_wait_for_a_removal_under_way() {
    let mut fleet = Fleet::of(&[SNMP, TELEMETRY]);
    fleet.old_versions(SNMP, 1);
    fleet.start_agent();
    fleet.stable_time(1);
    fleet.proxy.hold(REMOVAL);
    let first = fleet.deploy(SNMP, NEW);
    fleet.until("the removal of an image is under way", || !fleet.proxy.calls(REMOVAL).is_empty());
    assert!(fleet.boots(SNMP, &first));

    let second = fleet.deploy(TELEMETRY, NEW);
    fleet.is_promoted_in_time(TELEMETRY, &second);
}
