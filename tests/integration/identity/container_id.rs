//! Which container the rows mean.

use imgmgrd_test_support::kubelet::{Deployment, KubeContainer};

use crate::story::{NEW, NEWER, Story};

/// A container of the new version and a way to name it in the row: the takeover is not complete for this reason, and
/// nothing is promoted.
#[track_caller]
fn waits(name: impl FnOnce(&Story, &KubeContainer) -> String, why: &str) -> (Story, KubeContainer) {
    let mut story = Story::telemetry();
    let local = story.latest();
    story.switch.publish("docker-sonic-telemetry", NEW, "");
    let container = story.switch.kubelet().deploy(&Deployment::new("telemetry", "docker-sonic-telemetry", NEW));
    let id = name(&story, &container);
    story.rows().set_owner("kube");
    story.engine().stop_container("telemetry");
    story.rows().kube_takes_over(&id, NEW);
    story.is("waiting", why);
    story.let_it_pass();
    story.is("waiting", why);
    story.nothing_was_promoted(&local);
    assert!(story.engine().container("telemetry").is_some());
    (story, container)
}

#[test]
fn a_short_id_names_none() {
    let (mut story, container) = waits(|_, container| container.id[..8].to_owned(), "has fewer than 12 digits");
    story.rows().set(&[("container_id", container.short_id())]);
    story.is_promoted(NEW);
}

#[test]
fn the_id_of_another_features_container_counts_for_nothing() {
    let snmp = |story: &Story| {
        story.switch.publish("docker-snmp", NEW, "snmp");
        story.switch.kubelet().deploy(&Deployment::new("snmp", "docker-snmp", NEW))
    };
    let why = "runs an image that is not in a docker-sonic-telemetry repository";
    let (story, _) = waits(|story, _| snmp(story).short_id().to_owned(), why);
    assert_eq!(story.image("docker-snmp:latest"), None);
}

#[test]
fn the_id_of_a_pods_sandbox_is_not_meant() {
    let sandbox = |story: &Story, container: &KubeContainer| {
        let name = container.sandbox.as_deref().expect("a sandbox");
        story.engine().container(name).expect("it runs")["Id"].as_str().expect("an id")[..12].to_owned()
    };
    waits(sandbox, "is a pod's sandbox");
}

#[test]
fn an_id_that_no_container_has() {
    waits(|_, _| "0123456789ab".to_owned(), "container 0123456789ab does not exist");
}

#[test]
fn without_an_id_several_labelled_containers_are_too_many() {
    let another = |story: &Story| story.switch.kubelet().deploy(&story.deployment(NEW));
    let mut other = None;
    let (mut story, container) = waits(
        |story, _| {
            other = Some(another(story));
            String::new()
        },
        "several with the kubelet's labels and this version run",
    );
    story.switch.kubelet().remove(&other.expect("another"));
    story.is_promoted(NEW);
    assert_eq!(story.rows().published("container_id"), container.short_id());
}

#[test]
fn without_an_id_the_one_labelled_container_is_meant() {
    for id in ["", "kubepods.slice"] {
        let mut story = Story::telemetry();
        story.switch.publish("docker-sonic-telemetry", NEW, "");
        let container = story.switch.kubelet().deploy(&Deployment::new("telemetry", "docker-sonic-telemetry", NEW));
        story.rows().set_owner("kube");
        story.engine().stop_container("telemetry");
        story.rows().kube_takes_over(id, NEW);
        story.is_promoted(NEW);
        assert_eq!(story.rows().published("container_id"), container.short_id());
        assert_eq!(story.latest(), container.image_id);
        assert_eq!(story.rows().feature_row().expect("the row")["container_stable_version"], NEW);
    }
}

#[test]
fn a_version_that_differs_from_the_images_is_a_change_under_way() {
    let mut story = Story::telemetry();
    let local = story.latest();
    story.switch.publish("docker-sonic-telemetry", NEW, "");
    let container = story.switch.kubelet().deploy(&story.deployment(NEW));
    story.take_over(&container, NEWER);
    story.is(
        "waiting",
        "container_version is 20201231.85, the container's version is 20201231.84: a change is under way",
    );
    story.let_it_pass();
    story.nothing_was_promoted(&local);
    story.rows().set(&[("container_version", NEW)]);
    story.is_promoted(NEW);
}
