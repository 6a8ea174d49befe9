//! What a pod's own environment says, and ids that only look like a container's.

use crate::story::{NEW, Story};

#[test]
fn a_pod_that_overrides_its_images_version_is_promoted() {
    const OF_THE_POD: &str = "20201231.84.kube";
    let mut story = Story::telemetry();
    story.switch.publish("docker-sonic-telemetry", NEW, "");
    let deployment = story.deployment(NEW).with(|spec| spec.variable("IMAGE_VERSION", OF_THE_POD));
    let container = story.switch.kubelet().deploy(&deployment);
    story.take_over(&container, OF_THE_POD);
    story.is_promoted(OF_THE_POD);
    assert_eq!(story.latest(), container.image_id);
    assert_eq!(story.rows().feature_row().expect("the row")["container_stable_version"], OF_THE_POD);
}

#[test]
fn the_same_image_under_another_version_is_no_other_version() {
    let mut story = Story::telemetry();
    let first = story.promote(NEW);
    story.switch.kubelet().remove(&first);
    story.rows().goes_away();
    let deployment = story.deployment(NEW).with(|spec| spec.variable("IMAGE_VERSION", "20201231.84.kube"));
    let second = story.switch.kubelet().deploy(&deployment);
    story.take_over(&second, "20201231.84.kube");
    story.is_promoted("20201231.84.kube");
    assert_eq!(story.latest(), first.image_id);
    // What was stable before is the same image: no version to fall back to.
    assert_eq!(story.rows().feature_row().expect("the row")["container_last_version"], crate::story::LOCAL);
}

#[test]
fn an_id_with_more_digits_than_any_container_has_names_none() {
    let mut story = Story::telemetry();
    let local = story.latest();
    story.switch.publish("docker-sonic-telemetry", NEW, "");
    let container = story.switch.kubelet().deploy(&story.deployment(NEW));
    story.rows().set_owner("kube");
    story.engine().stop_container("telemetry");
    story.rows().service_restart();
    // One write, as the takeover is: an id that was right for a moment would have begun one, which then fails.
    story.rows().set(&[
        ("current_owner", "kube"),
        ("container_id", &format!("{}00", container.id)),
        ("container_version", NEW),
        ("remote_state", "running"),
    ]);
    story.is("waiting", "");
    story.let_it_pass();
    story.is("waiting", "");
    story.nothing_was_promoted(&local);
    story.rows().set(&[("container_id", &container.id)]);
    story.is_promoted(NEW);
}
