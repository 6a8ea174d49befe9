//! What becomes of a promoted version when others act.

use imgmgrd_test_support::image::Image;

use crate::story::{LOCAL, NEW, Story};

#[test]
fn a_latest_that_somebody_moves_is_reported_and_not_reverted() {
    let mut story = Story::telemetry();
    let container = story.promote(NEW);
    let other = story.engine().import_image("docker-sonic-telemetry:other", Some("20201231.99"), &[], "by an operator");
    story.engine().tag(&other, "docker-sonic-telemetry:latest");
    story.is("stable", "latest was moved to another image");
    story.let_it_pass();
    assert_eq!(story.latest(), other, "it is a fact");
    assert_eq!(story.history("latest moved").len(), 1);
    assert!(story.image(&container.image_id).is_some() && story.image(&other).is_some());

    story.engine().tag(&container.image_id, "docker-sonic-telemetry:latest");
    story.is("stable", "promoted");
    story.until("it says no more", |story| story.rows().reason() == "promoted");
}

#[test]
fn a_moved_latest_gives_way_to_the_next_promotion() {
    let mut story = Story::telemetry();
    let container = story.promote(NEW);
    let other =
        story.engine().import_image("docker-sonic-telemetry:latest", Some("20201231.99"), &[], "by an operator");
    story.is("stable", "latest was moved to another image");
    let next = story.upgrade(&container, "20201231.85");
    story.is_promoted("20201231.85");
    assert_eq!(story.latest(), next.image_id);
    story.loses(&other);
    assert!(story.image(&container.image_id).is_some(), "the last version stays");
}

#[test]
fn a_latest_that_is_gone_is_tagged_again() {
    let mut story = Story::telemetry();
    let container = story.promote(NEW);
    story.engine().untag("docker-sonic-telemetry:latest");
    story.until("latest is back", |story| story.latest() == container.image_id);
    story.until("history tells", |story| story.history("restored").len() == 1);
    assert_eq!(story.history("promoted").len(), 1);
}

#[test]
fn an_owner_set_back_to_local_keeps_everything() {
    let mut story = Story::telemetry();
    let first = story.promote(NEW);
    let second = story.upgrade(&first, "20201231.85");
    story.is_promoted("20201231.85");
    story.rows().set_owner("local");
    story.is("local", "set_owner is local");
    story.switch.kubelet().remove(&second);
    story.rows().goes_away();
    let late = story.engine().load(&Image::new(Some(LOCAL)), &["docker-sonic-telemetry:20201231.11"]);
    story.let_it_pass();
    assert_eq!(story.rows().stability(), "local");
    assert_eq!(story.latest(), second.image_id);
    assert_eq!(story.image(&story.kube(NEW)), Some(first.image_id));
    assert!(story.image(&late).is_some(), "nothing is cleaned up");
}
