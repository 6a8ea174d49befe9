//! Rolling back, and promoting, whatever is up or down and whoever has moved `latest`: what is answered is so.

use imgmgrd_test_support::container::ContainerSpec;
use imgmgrd_test_support::kubelet::KubeContainer;

use crate::scene::command;
use crate::story::{NEW, NEWER, NEWEST, Story};

const FEATURE: &str = "telemetry";
/// One more version after [`NEWEST`].
const LAST: &str = "20201231.87";

/// These versions were promoted, one after the other, and all of them are kept.
fn promoted(versions: &[&str]) -> (Story, Vec<KubeContainer>) {
    let mut story = Story::telemetry();
    story.policy("stable_time", "0");
    story.policy("keep_versions", &versions.len().to_string());
    let mut containers: Vec<KubeContainer> = Vec::new();
    for version in versions {
        let container = match containers.last() {
            None => story.deploy(version),
            Some(before) => story.upgrade(before, version),
        };
        story.is_promoted(version);
        containers.push(container);
    }
    (story, containers)
}

/// The kube container is gone, as it is when one has reason to roll back.
fn kube_is_down(story: &mut Story, container: &KubeContainer) {
    story.switch.kubelet().remove(container);
    story.rows().goes_away();
    story.becomes("waiting");
}

/// A command that is carried out; what it says.
#[track_caller]
fn done(story: &Story, words: &[&str]) -> String {
    let (code, said) = command(&story.switch, words);
    assert_eq!(code, Some(0), "{words:?}: {said}");
    said
}

#[track_caller]
fn rolls_back(story: &Story, words: &[&str], version: &str) {
    let said = done(story, words);
    assert!(said.contains(&format!("latest is {version}")), "{said}");
}

#[test]
fn the_stopped_container_of_the_bad_version_goes_while_kube_is_down() {
    let (mut story, containers) = promoted(&[NEW, NEWER]);
    story.engine().create_container(&ContainerSpec::new(FEATURE, &story.local("latest")));
    kube_is_down(&mut story, &containers[1]);
    rolls_back(&story, &["rollback", FEATURE], NEW);
    assert_eq!(story.latest(), containers[0].image_id);
    assert!(story.engine().container(FEATURE).is_none(), "systemd would start it");
}

#[test]
fn a_running_container_of_the_bad_version_is_named_and_goes_when_it_stops() {
    let (mut story, containers) = promoted(&[NEW, NEWER]);
    kube_is_down(&mut story, &containers[1]);
    story.engine().run_container(&ContainerSpec::new(FEATURE, &story.local("latest")));
    story.rows().local_start(NEWER);
    story.becomes("local");
    let said = done(&story, &["rollback", FEATURE]);
    assert!(said.contains(&format!("latest is {NEW}")), "{said}");
    assert!(said.contains("container") && said.contains(NEWER), "what still runs is named: {said}");
    assert_eq!(story.latest(), containers[0].image_id);
    assert!(story.engine().is_running(FEATURE), "it is not touched");
    story.engine().stop_container(FEATURE);
    story.until("it goes once it stops", |story| story.engine().container(FEATURE).is_none());
}

#[test]
fn a_second_one_changes_nothing_and_says_so() {
    let (mut story, containers) = promoted(&[NEW, NEWER, NEWEST]);
    rolls_back(&story, &["rollback", FEATURE], NEWER);
    story.becomes("held");
    story.until("it is told", |story| story.history("rolled back").len() == 1);
    let everything = |story: &Story| (story.engine().images(), story.rows().feature_row(), story.rows().history());
    let before = everything(&story);
    let said = done(&story, &["rollback", FEATURE]);
    assert!(said.contains(&format!("already rolled back from {NEWEST} to {NEWER}")), "{said}");
    assert_eq!(story.latest(), containers[1].image_id);
    assert_eq!(everything(&story), before);
}

#[test]
fn it_goes_further_when_it_is_told_from_where() {
    let (story, containers) = promoted(&[NEW, NEWER, NEWEST]);
    rolls_back(&story, &["rollback", FEATURE], NEWER);
    rolls_back(&story, &["rollback", FEATURE, "--from", NEWER], NEW);
    assert_eq!(story.latest(), containers[0].image_id);
    let said = done(&story, &["rollback", FEATURE]);
    assert!(said.contains("already rolled back"), "{said}");
    assert_eq!(story.latest(), containers[0].image_id);
}

#[test]
fn versions_that_were_rolled_back_from_count_as_kept() {
    let (mut story, containers) = promoted(&[NEW, NEWER, NEWEST, LAST]);
    done(&story, &["rollback", FEATURE]);
    done(&story, &["rollback", FEATURE]);
    done(&story, &["promote", FEATURE]);
    assert_eq!(story.latest(), containers[3].image_id);
    story.is_promoted(LAST);
    story.policy("stable_time", "1");
    story.let_it_pass();
    for (container, version) in containers.iter().zip([NEW, NEWER, NEWEST, LAST]) {
        assert!(story.image(&container.image_id).is_some(), "keep_versions=4 keeps {version}");
    }
}

#[test]
fn one_to_what_latest_names_already_is_done() {
    let (mut story, containers) = promoted(&[NEW, NEWER]);
    story.engine().tag(&containers[0].image_id, &story.local("latest"));
    story.until("it is seen", |story| {
        story.rows().published("latest") == NEW || story.rows().reason().contains("moved")
    });
    rolls_back(&story, &["rollback", FEATURE], NEW);
    assert_eq!(story.latest(), containers[0].image_id);
    story.is("held", NEWER);
}

#[test]
fn a_promotion_after_somebody_moved_latest_makes_it_right() {
    let (mut story, containers) = promoted(&[NEW, NEWER]);
    story.engine().tag(&containers[0].image_id, &story.local("latest"));
    story.until("it is seen", |story| {
        story.rows().published("latest") == NEW || story.rows().reason().contains("moved")
    });
    let said = done(&story, &["promote", FEATURE]);
    assert!(said.contains(&format!("latest is {NEWER}")), "{said}");
    assert_eq!(story.latest(), containers[1].image_id, "what is answered is so");
}
