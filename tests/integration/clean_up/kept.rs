//! What is kept, and that it goes when nothing keeps it any more.

use imgmgrd_test_support::container::ContainerSpec;

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
    let really_ran = story.latest();
    story.switch.publish("docker-sonic-telemetry", LOCAL, "by Kubernetes");
    let idle = story.switch.kubelet().deploy(&story.deployment(LOCAL));
    story.promote(NEW);
    story.let_it_pass();
    assert_eq!(story.image(&story.kube(LOCAL)), Some(idle.image_id.clone()));
    assert_eq!(story.image(&story.local(LOCAL)), Some(really_ran.clone()), "it waits beside it");
    assert!(story.why(&really_ran).contains("stands in for"), "{}", story.why(&really_ran));

    story.switch.kubelet().remove(&idle);
    story.loses(&idle.image_id);
    story.until("it took its place", |story| story.image(&story.kube(LOCAL)) == Some(really_ran.clone()));
    story.until("it has one name", |story| story.image(&story.local(LOCAL)).is_none());
}
