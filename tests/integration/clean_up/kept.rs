//! What is kept, and that it goes when nothing keeps it any more.

use imgmgrd_test_support::container::ContainerSpec;
use imgmgrd_test_support::image::Image;

use crate::story::{LOCAL, NEW, NEWER, NEWEST, Story};

#[test]
fn as_many_versions_as_keep_versions_says() {
    let mut story = Story::telemetry();
    story.policy("keep_versions", "3");
    let first = story.promote(NEW);
    let second = story.upgrade(&first, NEWER);
    story.is_promoted(NEWER);
    let third = story.upgrade(&second, NEWEST);
    story.is_promoted(NEWEST);
    story.let_it_pass();
    assert!(story.image(&first.image_id).is_some(), "the current one and two before");
    assert!(story.why(&first.image_id).contains("fallback version 20201231.84"));

    story.upgrade(&third, "20201231.87");
    story.is_promoted("20201231.87");
    story.loses(&first.image_id);
    assert!(story.image(&second.image_id).is_some() && story.image(&third.image_id).is_some());

    story.policy("keep_versions", "2");
    story.loses(&second.image_id);
    assert!(story.image(&third.image_id).is_some());
}

#[test]
fn a_pinned_version() {
    let mut story = Story::telemetry();
    let pinned = story.pull("20201231.50", "");
    let other = story.pull("20201231.51", "");
    story.switch.rows().feature_policy("telemetry", &[("pin", "20201231.50")]);
    story.promote(NEW);
    story.loses(&other);
    assert!(story.image(&pinned).is_some());
    assert!(story.why(&pinned).contains("version 20201231.50 is pinned"));

    story.switch.rows().feature_policy("telemetry", &[("pin", "")]);
    story.loses(&pinned);
}

#[test]
fn an_image_that_a_stopped_container_uses() {
    let mut story = Story::telemetry();
    let old = story.pull("20201231.50", "");
    story.engine().create_container(&ContainerSpec::new("an-old-pod", &old));
    let other = story.pull("20201231.51", "");
    story.promote(NEW);
    story.loses(&other);
    assert!(story.image(&old).is_some());
    assert!(story.why(&old).contains("used by container an-old-pod"), "{}", story.why(&old));

    story.engine().remove_container("an-old-pod");
    story.loses(&old);
}

#[test]
fn what_was_promoted_from_a_tag_that_is_given_to_each_new_version() {
    let mut story = Story::telemetry();
    // Loaded, not pulled: no digest names it either.
    let brings = |story: &Story, version| {
        let image = story.engine().load(&Image::new(Some(version)), &[&story.kube("production")]);
        let container = story.switch.kubelet().run(&story.deployment(version), &image);
        story.take_over(&container, version);
        container
    };
    let first = brings(&story, NEW);
    story.is_promoted(NEW);
    story.switch.kubelet().remove(&first);
    story.rows().goes_away();
    brings(&story, NEWER);
    story.is_promoted(NEWER);
    story.let_it_pass();
    assert_eq!(
        story.image(&story.local(NEW)),
        Some(first.image_id),
        "the last version is kept, under a name of its own"
    );
}

#[test]
fn what_was_promoted_though_its_version_is_another_image_in_the_registry_now() {
    let mut story = Story::telemetry();
    let first = story.engine().load(&Image::new(Some(NEW)), &[&story.kube(NEW)]);
    let container = story.switch.kubelet().run(&story.deployment(NEW), &first);
    story.take_over(&container, NEW);
    story.is_promoted(NEW);
    story.engine().load(&Image::new(Some(NEW)).salt("moved on"), &[&story.kube(NEW)]);
    assert_eq!(story.engine().references(&first).len(), 1, "latest is all that names it");

    story.upgrade(&container, NEWER);
    story.is_promoted(NEWER);
    story.let_it_pass();
    assert_eq!(story.image(&story.local(NEW)), Some(first), "the last version is kept, under a name of its own");
}

#[test]
fn an_image_that_was_pulled_after_the_takeover() {
    let mut story = Story::telemetry();
    let container = story.promote(NEW);
    let upgrade = story.pull(NEWER, "");
    story.let_it_pass();
    assert_eq!(story.image(&story.kube(NEWER)), Some(upgrade.clone()));
    assert!(story.why(&upgrade).contains("new: arrived after"), "{}", story.why(&upgrade));

    // It is passed over by the next version, and is old then.
    story.upgrade(&container, NEWEST);
    story.is_promoted(NEWEST);
    story.loses(&upgrade);
}

#[test]
fn the_kube_image_of_case_1_while_a_dry_run_uses_it() {
    let mut story = Story::telemetry();
    let local_image = story.latest();
    story.switch.publish("docker-sonic-telemetry", LOCAL, "by Kubernetes");
    let idle = story.switch.kubelet().deploy(&story.deployment(LOCAL));
    story.promote(NEW);
    story.let_it_pass();
    assert_eq!(story.image(&story.kube(LOCAL)), Some(idle.image_id.clone()));
    assert_eq!(story.image(&story.local(LOCAL)), Some(local_image.clone()), "it waits beside it");
    assert!(story.why(&local_image).contains("stands in for"), "{}", story.why(&local_image));

    story.switch.kubelet().remove(&idle);
    story.loses(&idle.image_id);
    story.until("it took its place", |story| story.image(&story.kube(LOCAL)) == Some(local_image.clone()));
    story.until("it has one name", |story| story.image(&story.local(LOCAL)).is_none());
}
