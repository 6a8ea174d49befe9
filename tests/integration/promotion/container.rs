//! The local container, which systemd would start again instead of making a new one.

use imgmgrd_test_support::container::ContainerSpec;

use crate::story::{NEW, Story};

const LATEST: &str = "docker-sonic-telemetry:latest";

#[test]
fn a_container_made_from_the_new_latest_is_kept() {
    let mut story = Story::telemetry();
    story.switch.publish("docker-sonic-telemetry", NEW, "");
    let container = story.switch.kubelet().deploy(&story.deployment(NEW));
    story.engine().remove_container("telemetry");
    story.engine().tag(&container.image_id, LATEST);
    let fresh = story.engine().create_container(&ContainerSpec::new("telemetry", LATEST));
    story.take_over(&container, NEW);
    story.is_promoted(NEW);
    story.let_it_pass();
    assert_eq!(story.engine().container("telemetry").expect("it is still there")["Id"], fresh.as_str());
}

#[test]
fn a_running_local_container_holds_the_promotion_and_is_not_touched() {
    let mut story = Story::telemetry();
    let local = story.latest();
    story.switch.publish("docker-sonic-telemetry", NEW, "");
    let container = story.switch.kubelet().deploy(&story.deployment(NEW));
    story.rows().set_owner("kube");
    story.rows().kube_takes_over(container.short_id(), NEW);
    story.is("held", "the local container telemetry runs");
    let started = story.engine().container("telemetry").expect("it runs")["State"].clone();
    story.let_it_pass();
    assert_eq!(story.latest(), local);
    assert_eq!(story.engine().container("telemetry").expect("it runs")["State"], started, "untouched");
    assert_eq!(story.history("held").len(), 1);

    story.engine().stop_container("telemetry");
    story.is_promoted(NEW);
    assert_eq!(story.latest(), container.image_id);
    assert!(story.engine().container("telemetry").is_none());
}

#[test]
fn a_paused_local_container_is_as_good_as_a_running_one() {
    let mut story = Story::telemetry();
    let local = story.latest();
    story.switch.publish("docker-sonic-telemetry", NEW, "");
    let container = story.switch.kubelet().deploy(&story.deployment(NEW));
    let id = story.engine().container("telemetry").expect("it runs")["Id"].as_str().expect("an id").to_owned();
    pause(&story, &id);
    story.rows().set_owner("kube");
    story.rows().kube_takes_over(container.short_id(), NEW);
    story.is("held", "the local container telemetry runs");
    assert_eq!(story.latest(), local);
    assert!(story.engine().container("telemetry").is_some());
}

/// `docker pause`.
fn pause(story: &Story, id: &str) {
    let answer = crate::story::ask_engine(&story.switch, "POST", &format!("/containers/{id}/pause"));
    assert!(answer.starts_with("HTTP/1.0 204"), "{answer}");
}
