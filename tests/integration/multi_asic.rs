//! Several instances of a feature, one per ASIC, on one shared image.

use imgmgrd_test_support::kubelet::{Deployment, KubeContainer};
use imgmgrd_test_support::rows::{Instance, Namespace, STATE_DB};
use imgmgrd_test_support::switch::Switch;
use imgmgrd_test_support::wait::wait_equal;

use crate::scene::SOON;
use crate::story::{LOCAL, NEW, Story};

const BASE: &str = "docker-fpm-frr";

/// How an instance's STATE_DB row comes.
type Shape = fn(usize, &str) -> Instance;

/// A switch with two ASICs on which bgp runs locally, its rows of this shape.
fn two_asics(shape: Shape) -> Story {
    let switch = Switch::with_asics(2);
    switch.rows().policy(&[("stable_time", "1")]);
    switch.rows().config_feature("bgp", "local", true, false);
    switch.engine().import_image(&format!("{BASE}:latest"), Some(LOCAL), &[], "local");
    for number in 0..2 {
        switch.rows_of(Namespace::Asic(number)).config_feature("bgp", "local", true, false);
        switch.start_locally(&shape(number, "bgp"), BASE, LOCAL);
    }
    let story = Story::on(switch, "bgp", BASE);
    for number in 0..2 {
        becomes(&story, number, "local");
    }
    story
}

/// Kubernetes is to own an instance.
fn set_owner(story: &Story, number: usize, owner: &str) {
    story.switch.rows_of(Namespace::Asic(number)).config_feature("bgp", owner, true, false);
}

/// Kubernetes brings a version of one instance, which takes over.
fn deploy(story: &Story, shape: Shape, number: usize, version: &str) -> KubeContainer {
    let instance = shape(number, "bgp");
    story.switch.publish(BASE, version, "");
    let container = story.switch.kubelet().deploy(&Deployment::new("bgp", BASE, version).without_sandbox());
    set_owner(story, number, "kube");
    if story.engine().is_running(instance.container()) {
        story.engine().stop_container(instance.container());
    }
    story.switch.instance(&instance).kube_takes_over(container.short_id(), version);
    container
}

/// What the agent publishes of an instance, in its namespace.
fn published(story: &Story, number: usize, field: &str) -> String {
    story.switch.instance(&Instance::asic(number, "bgp")).published(field)
}

#[track_caller]
fn becomes(story: &Story, number: usize, stability: &str) {
    wait_equal(&format!("bgp{number} to be {stability}"), SOON, stability, || published(story, number, "stability"));
}

fn one_runs_the_old_version(shape: Shape) {
    let mut story = two_asics(shape);
    let local = story.latest();
    set_owner(&story, 1, "kube");
    let first = deploy(&story, shape, 0, NEW);
    becomes(&story, 0, "held");
    assert_eq!(published(&story, 0, "reason"), "not yet stable on the same image: bgp1");
    story.let_it_pass();
    assert_eq!(story.latest(), local, "nothing pulls latest back and forth");
    assert!(story.engine().container("bgp0").is_some() && story.engine().is_running("bgp1"));

    let second = deploy(&story, shape, 1, NEW);
    for number in 0..2 {
        becomes(&story, number, "stable");
    }
    assert_eq!(story.latest(), first.image_id);
    assert_eq!(first.image_id, second.image_id);
    for (number, container) in [(0, &first), (1, &second)] {
        assert!(story.engine().container(&format!("bgp{number}")).is_none(), "the stale bgp{number} is gone");
        assert_eq!(published(&story, number, "container_id"), container.short_id());
        assert_eq!(published(&story, number, "image"), BASE);
        assert_eq!(published(&story, number, "version"), NEW);
        let row = story.switch.instance(&shape(number, "bgp")).feature_row().expect("the row");
        assert_eq!((row["container_stable_version"].as_str(), row["container_last_version"].as_str()), (NEW, LOCAL));
    }
    assert_eq!(story.switch.rows().keys(STATE_DB, "CONTAINER_IMAGE|bgp*"), Vec::<String>::new(), "none is the host's");
    // No row was made of a shape that was not there.
    for number in 0..2 {
        let shapes: [Shape; 2] = [Instance::asic, Instance::asic_in_host_row];
        let rows = shapes.map(|shape| story.switch.instance(&shape(number, "bgp")).feature_row());
        assert_eq!(rows.iter().flatten().count(), 1, "{rows:?}");
    }
}

#[test]
fn one_instance_still_runs_the_old_version_with_rows_in_each_namespace() {
    one_runs_the_old_version(Instance::asic);
}

#[test]
fn one_instance_still_runs_the_old_version_with_rows_on_the_host() {
    one_runs_the_old_version(Instance::asic_in_host_row);
}

#[test]
fn versions_are_written_to_each_row_that_exists() {
    let mut story = two_asics(Instance::asic);
    set_owner(&story, 1, "kube");
    // The host knows the instance, too, but not all of it.
    let on_host = Instance::asic_in_host_row(0, "bgp");
    story.switch.instance(&on_host).set(&[("container_stable_version", LOCAL), ("system_state", "up")]);
    deploy(&story, Instance::asic, 0, NEW);
    deploy(&story, Instance::asic, 1, NEW);
    becomes(&story, 0, "stable");
    story.until("both rows have it", |story| {
        [Instance::asic(0, "bgp"), on_host.clone()].iter().all(|instance| {
            let row = story.switch.instance(instance).feature_row().unwrap_or_default();
            row.get("container_stable_version").is_some_and(|version| version == NEW)
                && row.get("container_last_version").is_some_and(|version| version == LOCAL)
        })
    });
    assert_eq!(story.switch.instance(&Instance::asic_in_host_row(1, "bgp")).feature_row(), None);
}

#[test]
fn an_instance_owned_by_local_keeps_its_container() {
    let mut story = two_asics(Instance::asic);
    let local = story.latest();
    let container = deploy(&story, Instance::asic, 0, NEW);
    becomes(&story, 0, "stable");
    assert_eq!(story.latest(), container.image_id);
    assert!(story.engine().container("bgp0").is_none());
    becomes(&story, 1, "local");
    story.engine().stop_container("bgp1");
    story.let_it_pass();
    let kept = story.engine().container("bgp1").expect("it is kept");
    assert_eq!(kept["Image"], local.as_str());
    assert!(story.image(&local).is_some(), "and its image");
}

#[test]
fn an_instance_that_is_down_holds_nobody() {
    let mut story = two_asics(Instance::asic);
    set_owner(&story, 1, "kube");
    story.engine().stop_container("bgp1");
    story.switch.instance(&Instance::asic(1, "bgp")).goes_away();
    let container = deploy(&story, Instance::asic, 0, NEW);
    becomes(&story, 0, "stable");
    assert_eq!(story.latest(), container.image_id);
    story.let_it_pass();
    assert!(story.engine().container("bgp1").is_some(), "it is not under takeover");
}
