//! The three cases, each alone and all at once.

use imgmgrd_test_support::image::Image;

use super::left;
use crate::story::{LOCAL, NEW, NEWER, NEWEST, Story};

#[test]
fn case_1_the_local_image_of_the_last_version_takes_the_kube_images_place() {
    let mut story = Story::telemetry();
    let local_image = story.latest();
    let pulled = story.pull(LOCAL, "by Kubernetes");
    story.promote(NEW);
    story.loses(&pulled);
    let kube = story.kube(LOCAL);
    story.until("it has one name", |story| story.image(&story.local(LOCAL)).is_none());
    assert_eq!(story.engine().references(&local_image).into_iter().collect::<Vec<_>>(), [kube]);
    story.until("it is told as the last version", |story| story.rows().published("last_version") == LOCAL);
    story.until("both images are told", |story| story.rows().published("images") == "2");
}

#[test]
fn case_2_a_local_version_without_a_kube_image_goes() {
    let mut story = Story::telemetry();
    let local = story.latest();
    story.promote(NEW);
    story.loses(&local);
    assert_eq!(story.image(&story.local(LOCAL)), None);
    story.until("it is told", |story| story.rows().published("images") == "1");
}

#[test]
fn case_3_a_version_before_the_last_one_goes() {
    let mut story = Story::telemetry();
    let first = story.promote(NEW);
    let second = story.upgrade(&first, NEWER);
    story.is_promoted(NEWER);
    assert_eq!(story.image(&story.kube(NEW)), Some(first.image_id.clone()), "the last version stays");
    story.until("it is told", |story| story.rows().published("last_version") == NEW);
    let third = story.upgrade(&second, NEWEST);
    story.is_promoted(NEWEST);
    story.loses(&first.image_id);
    assert_eq!(story.image(&story.kube(NEWER)), Some(second.image_id));
    assert_eq!(story.image(&story.kube(NEWEST)), Some(third.image_id));
}

#[test]
fn a_local_name_of_the_promoted_image_is_dropped() {
    let mut story = Story::telemetry();
    let container = story.deploy(NEW);
    story.engine().tag(&container.image_id, &story.local(NEW));
    story.is_promoted(NEW);
    story.until("the name is dropped", |story| story.image(&story.local(NEW)).is_none());
    assert_eq!(story.latest(), container.image_id);
    assert_eq!(story.image(&story.kube(NEW)), Some(container.image_id));
}

#[test]
fn all_at_once_are_done_in_one_pass() {
    let mut story = Story::telemetry();
    let local_image = story.latest();
    let case_1 = story.pull(LOCAL, "by Kubernetes");
    let case_2 = story.engine().load(&Image::new(Some("20201231.10")), &[&story.local("20201231.10")]);
    let case_3: Vec<String> = ["20201231.1", "20201231.2"].iter().map(|version| story.pull(version, "")).collect();
    let container = story.promote(NEW);
    let gone = [vec![case_1, case_2], case_3].concat();
    story.until("all are gone", |story| left(story, &gone).is_empty());
    assert_eq!(story.latest(), container.image_id);
    assert_eq!(story.image(&story.kube(LOCAL)), Some(local_image));
    story.until("history tells", |story| story.history("cleaned").len() == 4);
    let times: std::collections::BTreeSet<_> =
        story.history("cleaned").into_iter().map(|row| row["time"].clone()).collect();
    // One pass, which may cross the turn of a second.
    assert!(times.len() <= 2, "{times:?}");
}

#[test]
fn a_hundred_old_versions_go_at_once() {
    let mut story = Story::telemetry();
    let versions: Vec<String> = (0..100).map(|number| format!("20191231.{number}")).collect();
    let name = |version: &String| story.kube(version);
    let images: Vec<_> = versions.iter().map(|version| (Image::new(Some(version)), vec![name(version)])).collect();
    let ids = story.engine().load_all(&images);
    let container = story.promote(NEW);
    story.until("all are gone", |story| {
        let there = story.engine().image_ids();
        !ids.iter().any(|id| there.contains(id))
    });
    assert_eq!(story.image(&story.kube(NEW)), Some(container.image_id));
    story.until("it is told", |story| story.rows().published("images") == "1");
    assert_eq!(story.history("cleaned").len() + story.history("promoted").len(), 20, "the newest 20 stay");
}
