//! A container whose shim is dead: inspecting it, or removing it, never ends, or ends with an error.

use imgmgrd_test_support::kubelet::KubeContainer;

use crate::fleet::{Fleet, SNMP, TELEMETRY};
use crate::story::NEW;

/// The agent starts where both have been taken over, and inspecting one of the containers goes wrong.
fn one_cannot_be_inspected(goes_wrong: fn(&Fleet, &str)) {
    let mut fleet = Fleet::of(&[SNMP, TELEMETRY]);
    fleet.stable_time(1);
    let [broken, sound] = [SNMP, TELEMETRY].map(|feature| fleet.deploy(feature, NEW));
    goes_wrong(&fleet, &inspecting(&broken));
    fleet.start_agent();
    fleet.is_promoted_in_time(TELEMETRY, &sound);
    says_why(&fleet, &broken);

    fleet.proxy.heal();
    fleet.until("the other one is promoted, too", || fleet.boots(SNMP, &broken));
}

fn inspecting(container: &KubeContainer) -> String {
    format!("GET /containers/{}/json", container.id)
}

/// What is broken is not promoted, and its row names the container.
#[track_caller]
fn says_why(fleet: &Fleet, broken: &KubeContainer) {
    fleet.until("the broken one says why", || fleet.published(SNMP, "reason").contains(broken.short_id()));
    assert_ne!(fleet.published(SNMP, "stability"), "stable");
    assert_ne!(fleet.latest(SNMP), Some(broken.image_id.clone()));
}

#[test]
fn an_inspection_that_hangs_at_the_start() {
    one_cannot_be_inspected(|fleet, call| fleet.proxy.hold(call));
}

#[test]
fn an_inspection_that_answers_500_at_the_start() {
    one_cannot_be_inspected(|fleet, call| fleet.proxy.refuse(call, 500));
}

#[test]
fn an_image_whose_inspection_hangs_at_the_start() {
    let mut fleet = Fleet::of(&[SNMP, TELEMETRY]);
    fleet.stable_time(1);
    let [broken, sound] = [SNMP, TELEMETRY].map(|feature| fleet.deploy(feature, NEW));
    fleet.proxy.hold(&format!("GET /images/{}", broken.image_id));
    fleet.start_agent();
    fleet.is_promoted_in_time(TELEMETRY, &sound);
    fleet.until("what is known of the other one is published", || !fleet.published(SNMP, "reason").is_empty());
}

#[test]
fn an_inspection_that_hangs_while_others_are_observed() {
    let mut fleet = Fleet::of(&[SNMP, TELEMETRY]);
    fleet.start_agent();
    let [broken, sound] = [SNMP, TELEMETRY].map(|feature| fleet.deploy(feature, NEW));
    fleet.becomes(SNMP, "observing");
    fleet.becomes(TELEMETRY, "observing");
    fleet.proxy.hold(&inspecting(&broken));
    fleet.all_are_due();
    fleet.is_promoted_in_time(TELEMETRY, &sound);
    assert_ne!(fleet.latest(SNMP), Some(broken.image_id), "what it is now is not known");
}

#[test]
fn a_container_whose_removal_hangs_delays_its_own_unit_only() {
    let mut fleet = Fleet::of(&[SNMP, TELEMETRY]);
    fleet.start_agent();
    let [stuck, sound] = [SNMP, TELEMETRY].map(|feature| fleet.deploy(feature, NEW));
    fleet.becomes(SNMP, "observing");
    fleet.becomes(TELEMETRY, "observing");
    let stale =
        fleet.switch.engine().container(SNMP.0).expect("it is stopped")["Id"].as_str().expect("an id").to_owned();
    fleet.proxy.hold(&format!("DELETE /containers/{stale}"));
    fleet.all_are_due();
    fleet.is_promoted_in_time(TELEMETRY, &sound);
    fleet.until("its tag comes before the removal", || fleet.latest(SNMP).as_ref() == Some(&stuck.image_id));

    fleet.proxy.heal();
    fleet.until("the other one is done, too", || fleet.boots(SNMP, &stuck));
}
