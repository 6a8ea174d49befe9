//! What a step does, and what it refuses to do.

use std::time::Duration;

use imgmgrd_test_support::{ContainerSpec, Image as TestImage, Registry, wait_until};

use super::fixture::{Rig, id, kube_spec, reference};
use crate::StepOutcome as Outcome;
use crate::docker::execute;
use crate::domain::{ContainerId, ImageId, StartedAt};
use crate::planner::Step;

fn tag(image: &ImageId, to: &str, from: Option<&ImageId>, proven_by: Option<&(ContainerId, StartedAt)>) -> Step {
    Step::Tag {
        image: *image,
        reference: reference(to),
        from: from.cloned(),
        proven_by: proven_by.cloned().into_iter().collect(),
    }
}

fn remove_reference(from: &str, image: &ImageId) -> Step {
    Step::RemoveReference { reference: reference(from), image: *image }
}

fn remove_container(container: &ContainerId, name: &str, image: &ImageId) -> Step {
    Step::RemoveContainer { container: *container, name: name.into(), image: *image }
}

impl Rig {
    async fn does(&self, step: &Step) -> Outcome {
        execute(&self.engine, step).await
    }
}

const DONE: Outcome = Outcome::DONE;
const MOVED: &str = "the reference names another image now";

/// Nothing was changed, for this reason.
fn changed(why: &str) -> Outcome {
    Outcome::Changed(why.to_owned())
}

#[tokio::test]
async fn a_tag_is_moved_from_where_it_is_known_to_be() {
    let rig = Rig::new();
    let (old, new) = (rig.image("docker-snmp:latest"), rig.image("r.example/docker-snmp:2"));
    let third = rig.image("docker-snmp:3");
    assert_eq!(rig.does(&tag(&new, "docker-snmp:latest", None, None)).await, changed(MOVED));
    assert_eq!(rig.does(&tag(&new, "docker-snmp:latest", Some(&third), None)).await, changed(MOVED));
    assert_eq!(rig.does(&tag(&new, "docker-snmp:latest", Some(&old), None)).await, DONE);
    assert_eq!(rig.does(&tag(&new, "docker-snmp:latest", Some(&old), None)).await, DONE);
    assert_eq!(rig.does(&tag(&old, "docker-snmp:1", Some(&new), None)).await, changed(MOVED));
    assert_eq!(rig.does(&tag(&old, "docker-snmp:1", None, None)).await, DONE);
    assert_eq!(rig.dockerd.images()["docker-snmp:latest"], new.to_string());
    assert_eq!(rig.dockerd.images()["docker-snmp:1"], old.to_string());
    let gone = id(&format!("sha256:{}", "0".repeat(64)));
    let outcome = rig.does(&tag(&gone, "docker-snmp:4", None, None)).await;
    assert_eq!(outcome, changed("the image is gone"));
}

#[tokio::test]
async fn a_promotion_needs_its_proof() {
    let rig = Rig::new();
    let (image, other) = (rig.image("r.example/docker-snmp:2"), rig.image("r.example/docker-snmp:3"));
    let container = rig.kube("snmp", &image);
    let proof = proof(&rig, &container);
    let unproven = changed("the container that proved the image does not run any more");
    let latest = "docker-snmp:latest";
    assert_eq!(rig.does(&tag(&other, latest, None, Some(&proof))).await, unproven);
    rig.dockerd.stop_container(&container.to_string());
    assert_eq!(rig.does(&tag(&image, latest, None, Some(&proof))).await, unproven);
    let looping = rig.run(&ContainerSpec::new("looping", &image.to_string()).script("exit 1").restart_always());
    // The engine's pauses double from 0.1 s; in between it does run for a moment.
    wait_until("a long pause between two starts", Duration::from_secs(20), || {
        rig.dockerd.container("looping").is_some_and(|container| {
            container["RestartCount"].as_u64() >= Some(5) && container["State"]["Status"] == "restarting"
        })
    });
    assert_eq!(rig.does(&tag(&image, latest, None, Some(&self::proof(&rig, &looping)))).await, unproven);
    // It runs again, and is not the one that has proven anything.
    rig.dockerd.start_container(&container.to_string());
    assert_eq!(rig.does(&tag(&image, latest, None, Some(&proof))).await, unproven);
    let proof = self::proof(&rig, &container);
    assert_eq!(rig.does(&tag(&image, latest, None, Some(&proof))).await, DONE);
    rig.dockerd.remove_container(&container.to_string());
    assert_eq!(rig.does(&tag(&image, latest, None, Some(&proof))).await, unproven);
}

/// The container and its start.
fn proof(rig: &Rig, container: &ContainerId) -> (ContainerId, StartedAt) {
    let found = rig.dockerd.container(&container.to_string()).expect("the container is there");
    (*container, found["State"]["StartedAt"].as_str().expect("it was started").parse().expect("a time"))
}

#[tokio::test]
async fn only_the_container_that_was_meant_is_removed() {
    let rig = Rig::new();
    let (image, other) = (rig.image("docker-snmp:1"), rig.image("docker-snmp:2"));
    let container = rig.stopped("snmp", "docker-snmp:1");
    let is_another = changed("the container is another one now");
    assert_eq!(rig.does(&remove_container(&container, "bgp", &image)).await, is_another);
    assert_eq!(rig.does(&remove_container(&container, "snmp", &other)).await, is_another);
    rig.dockerd.start_container("snmp");
    let alive = rig.does(&remove_container(&container, "snmp", &image)).await;
    assert_eq!(alive, changed("the container runs, or the engine is busy with it"));
    assert!(rig.dockerd.is_running("snmp"));
    rig.dockerd.stop_container("snmp");
    assert_eq!(rig.does(&remove_container(&container, "snmp", &image)).await, DONE);
    assert_eq!(rig.does(&remove_container(&container, "snmp", &image)).await, DONE);
}

#[tokio::test]
async fn references_go_one_by_one_and_the_image_with_the_last() {
    let rig = Rig::new();
    let (image, other) = (rig.image("docker-snmp:1"), rig.image("docker-snmp:2"));
    rig.dockerd.tag(&image.to_string(), "r.example:5000/docker-snmp:1");
    assert_eq!(rig.does(&remove_reference("docker-snmp:1", &other)).await, changed(MOVED));
    assert_eq!(rig.does(&remove_reference("docker-snmp:1", &image)).await, DONE);
    assert_eq!(rig.does(&remove_reference("docker-snmp:1", &image)).await, DONE);
    rig.stopped("snmp", &image.to_string());
    assert_eq!(rig.does(&remove_reference("r.example:5000/docker-snmp:1", &image)).await, Outcome::InUse);
    rig.dockerd.remove_container("snmp");
    let outcome = rig.does(&remove_reference("r.example:5000/docker-snmp:1", &image)).await;
    assert!(matches!(outcome, Outcome::Done { reclaimed } if reclaimed > 100_000), "{outcome:?}");
    assert_eq!(rig.dockerd.image(&image.to_string()), None);
    assert!(rig.dockerd.image(&other.to_string()).is_some());
}

#[tokio::test]
async fn digest_references_and_images_without_a_name() {
    let rig = Rig::new();
    let registry = Registry::start(&rig.folder.folder("r"));
    let digest = registry.publish("docker-snmp", "1", &TestImage::new(Some("1")));
    let by_digest = format!("{}@{digest}", registry.repository("docker-snmp"));
    let image = id(&rig.dockerd.pull(&by_digest));
    let remove_image = Step::RemoveImage { image };
    assert_eq!(rig.does(&remove_image).await, changed("the image has a name now"));
    assert!(
        matches!(rig.does(&remove_reference(&by_digest, &image)).await, Outcome::Done { reclaimed } if reclaimed > 0)
    );
    assert_eq!(rig.does(&remove_image).await, DONE);

    let (nameless, other) = (rig.image("docker-snmp:1"), rig.image("docker-snmp:2"));
    rig.dockerd.tag(&other.to_string(), "docker-snmp:1");
    rig.stopped("snmp", &nameless.to_string());
    let remove_image = Step::RemoveImage { image: nameless };
    assert_eq!(rig.does(&remove_image).await, Outcome::InUse);
    rig.dockerd.remove_container("snmp");
    assert!(matches!(rig.does(&remove_image).await, Outcome::Done { reclaimed } if reclaimed > 0));
}

#[tokio::test]
async fn what_runs_is_never_removed() {
    let rig = Rig::new();
    let image = rig.image("docker-snmp:1");
    rig.run(&kube_spec("snmp", &image));
    assert_eq!(rig.does(&remove_reference("docker-snmp:1", &image)).await, Outcome::InUse);
}

#[tokio::test]
async fn redis_steps_are_refused() {
    let engine = crate::docker::Engine::new("unix:///nowhere".parse().unwrap());
    let step = Step::RecordVersions {
        row: crate::planner::RowKey { namespace: crate::domain::Namespace::Host, key: "snmp".parse().unwrap() },
        container_id: crate::domain::Value::Absent,
        stable: "1".parse().unwrap(),
        last: None,
    };
    assert!(
        matches!(execute(&engine, &step).await, Outcome::Failed(why) if why.ends_with("is no step of the engine's"))
    );
}
