//! The group of decision: several instances that share an image.

use crate::domain::{ContainerId, Instance, Value};
use crate::fixtures::*;
use crate::*;

const FRR: &str = "docker-fpm-frr";

fn bgp(number: u16) -> Instance {
    on_asic("bgp", number)
}

/// `bgp` on two ASICs, owned by kube, both running locally; the name of the feature is no part of its image's.
fn two_asics(shape: Shape) -> Switch {
    let mut switch = Switch::new().feature("bgp", FRR).asics(2);
    switch.shape = shape;
    switch.set_owner("bgp", Owner::Kube);
    let image = switch.image(&local(FRR, "11").latest());
    for number in 0..2 {
        switch.local_start(&bgp(number), &image);
    }
    switch
}

fn upgrade(switch: &mut Switch, number: u16, version: &str) -> ContainerId {
    let image = switch.image(&kube(FRR, version));
    switch.upgrade(&bgp(number), &image)
}

#[test]
fn instances_are_promoted_together_when_all_are_stable_on_one_image() {
    for shape in [Shape::Namespace, Shape::Host] {
        let mut switch = two_asics(shape);
        upgrade(&mut switch, 0, "84");
        let _ = switch.reconcile();
        switch.wait(600);
        let decision = switch.reconcile();
        assert!(decision.plan.is_empty());
        let report = &decision.report.instances[&bgp(0)];
        assert_eq!(report.stability, Stability::Held);
        assert_eq!(report.reason.to_string(), "not yet stable on the same image: bgp1", "{shape:?}");
        upgrade(&mut switch, 1, "84");
        let _ = switch.reconcile();
        switch.wait(600);
        let decision = switch.plan_and_act();
        if shape == Shape::Namespace {
            insta::assert_snapshot!("two_asics_namespace_rows", switch.text(&decision));
        } else {
            insta::assert_snapshot!("two_asics_host_rows", switch.text(&decision));
        }
        for number in 0..2 {
            assert_eq!(switch.stability(&bgp(number)).0, Stability::Stable, "{shape:?}");
            assert_eq!(switch.row(&bgp(number)).stable_version, Value::Is(version("84")), "{shape:?}");
            assert_eq!(switch.container_named(&format!("bgp{number}")), None, "{shape:?}");
        }
    }
}

#[test]
fn instances_on_different_images_do_not_pull_latest_back_and_forth() {
    let mut switch = two_asics(Shape::Namespace);
    upgrade(&mut switch, 0, "84");
    upgrade(&mut switch, 1, "85");
    let _ = switch.reconcile();
    switch.wait(600);
    let decision = switch.reconcile();
    assert!(decision.plan.is_empty());
    for number in 0..2 {
        assert_eq!(decision.report.instances[&bgp(number)].stability, Stability::Held);
    }
}

#[test]
fn which_instances_have_to_be_stable_too() {
    type Change = fn(&mut Switch);
    let cases: &[(&str, Change, bool)] = &[
        ("runs locally still", |_| (), false),
        (
            "is down",
            |s| {
                let local = s.container_named("bgp1").unwrap();
                s.stop(&local);
                s.gone(&bgp(1));
            },
            true,
        ),
        ("has no row", |s| s.snapshot.state.retain(|key, _| *key != s_key(1)), false),
        (
            "is owned by local",
            |s| {
                let row = RowKey { namespace: bgp(1).namespace, key: feature("bgp") };
                let mut configuration = s.snapshot.configuration.values().next().unwrap().clone();
                configuration.set_owner = Value::Is(Owner::Local);
                s.snapshot.configuration.insert(row, configuration);
            },
            true,
        ),
    ];
    for (what, change, is_promoted) in cases {
        let mut switch = two_asics(Shape::Namespace);
        upgrade(&mut switch, 0, "84");
        change(&mut switch);
        let _ = switch.reconcile();
        switch.wait(600);
        let before = switch.container_named("bgp1");
        switch.act();
        let latest = switch.named(&format!("{FRR}:latest"));
        assert_eq!(latest == Some(kube(FRR, "84").id()), *is_promoted, "{what}");
        assert_eq!(switch.container_named("bgp1"), before, "{what}: not under takeover");
    }
}

fn s_key(number: u16) -> RowKey {
    RowKey { namespace: bgp(number).namespace, key: feature("bgp") }
}

#[test]
fn one_instance_restarted_keeps_the_other_waiting() {
    let mut switch = two_asics(Shape::Host);
    upgrade(&mut switch, 0, "84");
    let second = upgrade(&mut switch, 1, "84");
    let _ = switch.reconcile();
    switch.wait(599);
    switch.start(&second);
    let _ = switch.reconcile();
    switch.wait(1);
    let decision = switch.reconcile();
    assert!(decision.plan.is_empty());
    assert_eq!(decision.report.instances[&bgp(0)].stability, Stability::Held);
    assert_eq!(decision.report.instances[&bgp(1)].reason.to_string(), "stable in 599 s");
}

/// Per field, the row with a container id wins and the other fills the gaps.
#[test]
fn the_two_shapes_of_a_row_are_one_instance() {
    let mut switch = two_asics(Shape::Namespace);
    upgrade(&mut switch, 0, "84");
    upgrade(&mut switch, 1, "84");
    switch.shape = Shape::Host;
    switch.write(&bgp(0), |row| {
        row.current_owner = Value::Is(Owner::Local);
        row.remote_state = Value::Is(RemoteState::None);
        row.stable_version = Value::Is(version("11"));
    });
    switch.shape = Shape::Namespace;
    let _ = switch.reconcile();
    switch.wait(600);
    let decision = switch.plan_and_act();
    assert_eq!(decision.report.instances.len(), 2);
    for shape in [Shape::Namespace, Shape::Host] {
        switch.shape = shape;
        assert_eq!(switch.row(&bgp(0)).stable_version, Value::Is(version("84")), "{shape:?}: each row that exists");
    }
    assert!(!switch.snapshot.state.contains_key(&switch.key(&bgp(1))), "no row is made up");
}

#[test]
fn two_features_may_share_an_image() {
    let mut switch = Switch::new().feature("telemetry", "docker-shared").feature("gnmi", "docker-shared");
    switch.image(&local("docker-shared", "11").latest());
    for name in ["telemetry", "gnmi"] {
        switch.set_owner(name, Owner::Kube);
    }
    let image = switch.image(&kube("docker-shared", "84"));
    switch.upgrade(&on_host("telemetry"), &image);
    let _ = switch.reconcile();
    switch.wait(600);
    assert_eq!(switch.stability(&on_host("telemetry")).1, "not yet stable on the same image: gnmi");
    switch.upgrade(&on_host("gnmi"), &image);
    let _ = switch.reconcile();
    switch.wait(600);
    switch.act();
    assert_eq!(switch.stability(&on_host("gnmi")).0, Stability::Stable);
}
