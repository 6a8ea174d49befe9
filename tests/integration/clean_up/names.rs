//! Names of images: registries, tags of any case, and no name at all.

use imgmgrd_test_support::image::Image;

use crate::story::{LOCAL, NEW, Story};

#[test]
fn a_version_in_two_registries_goes_from_both() {
    let mut story = Story::telemetry();
    let old = story.pull("20201231.50", "");
    let elsewhere = "10.1.0.1:5000/sonic/docker-sonic-telemetry:20201231.50";
    story.engine().tag(&old, elsewhere);
    let another = story.engine().load(
        &Image::new(Some("20201231.51")),
        &["registry.example/docker-sonic-telemetry:20201231.51", "docker-sonic-telemetry:20201231.51"],
    );
    story.promote(NEW);
    story.loses(&old);
    story.loses(&another);
    assert_eq!(story.image(elsewhere), None);
}

#[test]
fn in_case_1_the_local_image_takes_its_place_in_each_registry_that_has_the_version() {
    let mut story = Story::telemetry();
    let local_image = story.latest();
    let first = story.pull(LOCAL, "by Kubernetes");
    let elsewhere = format!("10.1.0.1:5000/sonic/docker-sonic-telemetry:{LOCAL}");
    let second = story.engine().load(&Image::new(Some(LOCAL)).salt("of another registry"), &[&elsewhere]);
    story.promote(NEW);
    story.loses(&first);
    story.loses(&second);
    story.until("it has no local name", |story| story.image(&story.local(LOCAL)).is_none());
    assert_eq!(story.image(&story.kube(LOCAL)), Some(local_image.clone()));
    assert_eq!(story.image(&elsewhere), Some(local_image));
}

#[test]
fn upper_case_tags_are_tags() {
    let mut story = Story::telemetry();
    let old = story.pull("20240510.RC1", "");
    let container = story.promote("20240510.RC2");
    story.loses(&old);
    assert_eq!(story.latest(), container.image_id);
    let row = story.rows().feature_row().expect("the row");
    assert_eq!(row["container_stable_version"], "20240510.RC2");
}

#[test]
fn a_feature_whose_name_is_no_part_of_its_images_name() {
    let mut story = Story::of("bgp", "docker-fpm-frr");
    let local = story.latest();
    let old = story.pull("20201231.50", "");
    let container = story.promote(NEW);
    assert_eq!(story.latest(), container.image_id);
    story.loses(&local);
    story.loses(&old);
    assert!(story.engine().container("bgp").is_none());
}

#[test]
fn images_that_lost_their_names_are_known_by_their_ids() {
    let mut story = Story::telemetry();
    story.policy("cleanup", "disabled");
    let container = story.promote(NEW);
    // One is left with the digest that it was pulled by, one with nothing.
    let digest_only = story.pull("20201231.50", "");
    let nameless = story.engine().load(&Image::new(Some("20201231.51")), &[&story.kube("20201231.51")]);
    story.until("both are seen", |story| story.rows().published("images") == "4");
    story.engine().tag(&container.image_id, &story.kube("20201231.50"));
    story.engine().tag(&container.image_id, &story.kube("20201231.51"));
    assert_eq!(story.engine().references(&nameless).len(), 0);
    assert_eq!(story.engine().references(&digest_only).len(), 1);
    assert!(story.image(&nameless).is_some());

    // The next takeover makes them old.
    story.upgrade(&container, "20201231.85");
    story.policy("cleanup", "enabled");
    story.is_promoted("20201231.85");
    story.loses(&nameless);
    story.loses(&digest_only);
    assert!(story.image(&container.image_id).is_some(), "the last version stays");
}
