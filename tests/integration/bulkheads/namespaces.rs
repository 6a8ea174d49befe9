//! One ASIC's Redis is down, hangs, or never came up: the host's features and the other ASICs' go on.

use imgmgrd_test_support::kubelet::{Deployment, KubeContainer};
use imgmgrd_test_support::rows::{Instance, Namespace};
use imgmgrd_test_support::switch::Switch;

use crate::fleet::{Fleet, TELEMETRY};
use crate::story::{LOCAL, NEW};

const BGP: &str = "bgp";
const BASE: &str = "docker-fpm-frr";

/// A switch with two ASICs: telemetry runs on the host, and bgp on each ASIC, all locally.
fn two_asics() -> Fleet {
    let switch = Switch::with_asics(2);
    switch.rows().config_feature(BGP, "local", true, false);
    switch.engine().import_image(&format!("{BASE}:latest"), Some(LOCAL), &[], "bgp");
    for number in 0..2 {
        switch.rows_of(Namespace::Asic(number)).config_feature(BGP, "local", true, false);
        switch.start_locally(&Instance::asic(number, BGP), BASE, LOCAL);
    }
    let fleet = Fleet::on(switch, &[TELEMETRY]);
    fleet.stable_time(1);
    fleet
}

fn published(fleet: &Fleet, number: usize, field: &str) -> String {
    fleet.switch.instance(&Instance::asic(number, BGP)).published(field)
}

/// bgp0 and telemetry are taken over.
fn both_are_taken_over(fleet: &Fleet) -> [KubeContainer; 2] {
    let instance = Instance::asic(0, BGP);
    fleet.switch.publish(BASE, NEW, BASE);
    let bgp = fleet.switch.kubelet().deploy(&Deployment::new(BGP, BASE, NEW).without_sandbox());
    fleet.switch.engine().stop_container(instance.container());
    fleet.switch.instance(&instance).set_owner("kube");
    fleet.switch.instance(&instance).kube_takes_over(bgp.short_id(), NEW);
    [bgp, fleet.deploy(TELEMETRY, NEW)]
}

/// Telemetry is promoted; bgp0 is held, since nobody knows what the other instance on the same image needs.
#[track_caller]
fn only_bgp_is_held(fleet: &Fleet, [bgp, telemetry]: &[KubeContainer; 2]) {
    fleet.is_promoted_in_time(TELEMETRY, telemetry);
    fleet.until("bgp0 is held", || published(fleet, 0, "stability") == "held");
    let reason = published(fleet, 0, "reason");
    assert!(reason.contains("asic1"), "the ASIC that cannot be read is named: {reason}");
    assert_ne!(fleet.latest((BGP, BASE)), Some(bgp.image_id.clone()));
}

#[track_caller]
fn bgp_is_promoted(fleet: &Fleet, [bgp, _]: &[KubeContainer; 2]) {
    fleet.until("bgp0 is promoted", || published(fleet, 0, "stability") == "stable");
    assert_eq!(fleet.latest((BGP, BASE)), Some(bgp.image_id.clone()));
    fleet.until("the other one is read", || published(fleet, 1, "stability") == "local");
}

#[test]
fn one_that_never_came_up() {
    let mut fleet = two_asics();
    fleet.switch.redis_mut(Namespace::Asic(1)).stop();
    let containers = both_are_taken_over(&fleet);
    fleet.start_agent();
    only_bgp_is_held(&fleet, &containers);

    fleet.switch.redis_mut(Namespace::Asic(1)).launch();
    fleet.switch.rows_of(Namespace::Asic(1)).config_feature(BGP, "local", true, false);
    fleet.switch.instance(&Instance::asic(1, BGP)).local_start(LOCAL);
    fleet.switch.rows_of(Namespace::Asic(1)).config_initialized(true);
    bgp_is_promoted(&fleet, &containers);
}

#[test]
fn one_that_hangs_from_the_start() {
    let mut fleet = two_asics();
    fleet.switch.redis_mut(Namespace::Asic(1)).pause();
    let containers = both_are_taken_over(&fleet);
    fleet.start_agent();
    only_bgp_is_held(&fleet, &containers);

    fleet.switch.redis_mut(Namespace::Asic(1)).resume();
    bgp_is_promoted(&fleet, &containers);
}

#[test]
fn one_that_hangs_later() {
    let mut fleet = two_asics();
    fleet.start_agent();
    fleet.until("all is read", || published(&fleet, 1, "stability") == "local");
    fleet.switch.redis_mut(Namespace::Asic(1)).pause();
    let containers = both_are_taken_over(&fleet);
    only_bgp_is_held(&fleet, &containers);

    fleet.switch.redis_mut(Namespace::Asic(1)).resume();
    bgp_is_promoted(&fleet, &containers);
}
