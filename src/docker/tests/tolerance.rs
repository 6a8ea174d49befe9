//! What is broken in one container or image stops no other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::fake::{Fake, Reply, digits, inspected_container, inspected_image, listed_container, listed_image};
use super::fixture::{interest, until, until_snapshot};
use crate::docker::{EngineSnapshot, Interest, Reader, watch};
use crate::domain::{ContainerId, ImageId, Value as Read};
use crate::planner::{Container, ContainerStatus, ImageVersion};

const EVERYTHING: Interest = Interest {
    features: std::collections::BTreeSet::new(),
    containers: std::collections::BTreeSet::new(),
    bases: std::collections::BTreeSet::new(),
    images: std::collections::BTreeSet::new(),
    everything: true,
};

fn container(n: u32) -> ContainerId {
    digits(n).parse().unwrap()
}

fn image(n: u32) -> ImageId {
    format!("sha256:{}", digits(n)).parse().unwrap()
}

/// An engine that lists these, and lets container and image 1 be inspected.
fn fake(containers: Value, images: Value) -> Fake {
    Fake::new(move |asked| match asked.split('?').next()? {
        "/containers/json" => Some(Reply::Json(200, containers.clone())),
        "/images/json" => Some(Reply::Json(200, images.clone())),
        asked if asked == format!("/containers/{}/json", digits(1)) => {
            Some(Reply::Json(200, inspected_container(1, "snmp")))
        }
        asked if asked == format!("/images/sha256:{}/json", digits(1)) => {
            Some(Reply::Json(200, inspected_image(1, "20240510.1")))
        }
        _ => None,
    })
}

/// `json` with another field.
fn with(mut json: Value, field: &str, value: Value) -> Value {
    json[field] = value;
    json
}

/// Container and image 1 are read as if nothing were broken.
#[track_caller]
fn is_read(snapshot: &EngineSnapshot) {
    assert!(snapshot.containers[&container(1)].details.is_some(), "{snapshot:?}");
    assert_eq!(snapshot.images[&image(1)].version, ImageVersion::Read(Read::Is("20240510.1".parse().unwrap())));
}

fn is_unknown(container: &Container) -> bool {
    container.status == ContainerStatus::Unknown && container.details.is_none()
}

#[tokio::test]
async fn a_word_in_a_list_that_is_not_known_makes_its_container_unknown() {
    let broken = |field: &str, value: Value| with(listed_container(2, "bgp"), field, value);
    for (broken, is_known) in [
        (broken("State", json!("levitating")), false),
        (broken("State", json!("")), false),
        (broken("State", json!(null)), false),
        (broken("State", json!({ "of": "mind" })), false),
        (broken("Names", json!("k8s_bgp")), false),
        (broken("Labels", json!([])), false),
        (broken("Labels", json!({ "io.kubernetes.container.name": 7 })), false),
        // What is not used may be anything.
        (broken("Ports", json!([{ "PrivatePort": 1, "Type": "quic" }])), true),
        (broken("HostConfig", json!("x")), true),
    ] {
        let fake = fake(json!([broken, listed_container(1, "snmp")]), json!([listed_image(1, "docker-snmp:1")]));
        let snapshot = Reader::new(fake.engine.clone()).read(&interest(&["snmp"], &[])).await.unwrap();
        is_read(&snapshot);
        let other = &snapshot.containers[&container(2)];
        assert_eq!(is_unknown(other), !is_known, "{broken}");
        assert_eq!(other.image, image(2), "it uses its image all the same");
    }
}

#[tokio::test]
async fn the_exit_code_of_a_container_that_ended_before_anybody_listened() {
    for (word, exit_code) in [("exited", Some(137)), ("dead", Some(137)), ("created", None)] {
        let listed = with(listed_container(1, "snmp"), "State", json!(word));
        let ended = json!({ "Status": word, "ExitCode": 137, "StartedAt": "2026-11-21T21:59:00.5Z" });
        let inspected = with(inspected_container(1, "snmp"), "State", ended);
        let fake = Fake::new(move |asked| match asked.split('?').next()? {
            "/containers/json" => Some(Reply::Json(200, json!([listed]))),
            "/images/json" => Some(Reply::Json(200, json!([listed_image(1, "docker-snmp:1")]))),
            asked if asked.starts_with("/containers/") => Some(Reply::Json(200, inspected.clone())),
            _ => Some(Reply::Json(200, inspected_image(1, "20240510.1"))),
        });
        let snapshot = Reader::new(fake.engine.clone()).read(&interest(&["snmp"], &[])).await.unwrap();
        let seen = &snapshot.containers[&container(1)];
        assert_eq!((seen.status, seen.exit_code), (ContainerStatus::Stopped, exit_code), "{word}");
    }
}

#[tokio::test]
async fn entries_without_an_id_are_left_out_and_the_others_are_read() {
    for broken in [json!(7), json!(null), json!([]), json!({}), json!({ "Id": "short", "State": 1 })] {
        let containers = json!([broken, listed_container(1, "snmp")]);
        let fake = fake(containers, json!([broken, listed_image(1, "docker-snmp:1")]));
        let snapshot = Reader::new(fake.engine.clone()).read(&interest(&["snmp"], &[])).await.unwrap();
        is_read(&snapshot);
        assert_eq!((snapshot.containers.len(), snapshot.images.len()), (1, 1), "{broken}");
    }
}

#[tokio::test]
async fn names_of_an_image_that_are_not_understood_keep_it() {
    for broken in [json!("docker-bgp:1"), json!([7]), json!(["B/AD:x"])] {
        let images = json!([with(listed_image(2, ""), "RepoTags", broken), listed_image(1, "docker-snmp:1")]);
        let fake = fake(json!([listed_container(1, "snmp")]), images);
        let snapshot = Reader::new(fake.engine.clone()).read(&interest(&["snmp"], &[])).await.unwrap();
        is_read(&snapshot);
        assert_eq!(snapshot.images[&image(2)].unreadable_references, 1);
    }
}

#[tokio::test]
async fn an_inspection_that_fails_makes_unknown_what_it_is_about() {
    let state = |value: Value| with(inspected_container(2, "bgp"), "State", value);
    let started_at = "2026-11-21T21:59:00.5Z";
    for (status, inspected) in [
        (500, json!({ "message": "no" })),
        (200, json!([])),
        (200, json!({ "Id": digits(2) })),
        (200, state(json!({ "Status": "levitating", "StartedAt": started_at }))),
        (200, state(json!({ "Status": "running", "StartedAt": started_at, "Health": { "Status": "queasy" } }))),
        (200, state(json!({ "Status": "running", "StartedAt": started_at, "OOMKilled": "perhaps" }))),
    ] {
        let fake = Fake::new(move |asked| match asked.split('?').next()? {
            "/containers/json" => {
                Some(Reply::Json(200, json!([listed_container(1, "snmp"), listed_container(2, "bgp")])))
            }
            "/images/json" => Some(Reply::Json(200, json!([listed_image(1, "a:1"), listed_image(2, "b:2")]))),
            asked if asked.starts_with("/containers/") && asked.contains(&digits(1)) => {
                Some(Reply::Json(200, inspected_container(1, "snmp")))
            }
            asked if asked.contains(&digits(1)) => Some(Reply::Json(200, inspected_image(1, "20240510.1"))),
            asked if asked.contains(&digits(2)) => Some(Reply::Json(status, inspected.clone())),
            _ => None,
        });
        let snapshot = Reader::new(fake.engine.clone()).read(&EVERYTHING).await.unwrap();
        is_read(&snapshot);
        assert!(is_unknown(&snapshot.containers[&container(2)]), "{snapshot:?}");
        let is_read = status == 200 && snapshot.images[&image(2)].version == ImageVersion::Read(Read::Absent);
        assert!(is_read || snapshot.images[&image(2)].version == ImageVersion::NotRead);
    }
}

/// Containers 1 and 2, of which 2 does as `broken` says as long as that holds.
fn two(is_broken: &Arc<AtomicBool>, broken: fn() -> Reply) -> Fake {
    let is_broken = Arc::clone(is_broken);
    Fake::new(move |asked| match asked.split('?').next()? {
        "/containers/json" => Some(Reply::Json(200, json!([listed_container(1, "snmp"), listed_container(2, "bgp")]))),
        asked if asked == format!("/containers/{}/json", digits(1)) => {
            Some(Reply::Json(200, inspected_container(1, "snmp")))
        }
        asked if asked == format!("/containers/{}/json", digits(2)) => {
            let is_broken = is_broken.load(Ordering::Relaxed);
            Some(if is_broken { broken() } else { Reply::Json(200, inspected_container(2, "bgp")) })
        }
        _ => None,
    })
}

#[tokio::test]
async fn an_inspection_that_hangs_holds_up_nobody_else() {
    let is_broken = Arc::new(AtomicBool::new(true));
    let fake = two(&is_broken, || Reply::Hang);
    let (_interest, receiver) = watch::channel(Arc::new(EVERYTHING));
    let watcher = watch(Reader::new(fake.engine.clone()), receiver);
    let mut state = watcher.state();
    let begun = tokio::time::Instant::now();
    let snapshot = until_snapshot(&mut state, "the other is read", |snapshot| {
        snapshot.containers.get(&container(1)).is_some_and(|container| container.details.is_some())
    })
    .await;
    assert!(snapshot.containers[&container(2)].details.is_none());
    assert!(begun.elapsed().as_secs() < 5, "long before the deadline of the one that hangs");
    // Events of others are followed, and the one that hangs is not asked again each time.
    for round in 0..5 {
        let generation = state.borrow_and_update().generation;
        fake.event("container", "rename", &digits(1));
        state.wait_for(|state| state.generation != generation).await.unwrap();
        assert!(fake.times(&format!("/containers/{}", digits(1))) > round);
    }
    assert_eq!(fake.times(&format!("/containers/{}", digits(2))), 1);
}

#[tokio::test]
async fn the_first_snapshot_waits_for_what_matters_on_a_slow_switch() {
    let fake = Fake::new(|asked| match asked.split('?').next()? {
        "/containers/json" => Some(Reply::Json(200, json!([listed_container(1, "snmp")]))),
        "/images/json" => {
            let others = (2..200).map(|n| listed_image(n, &format!("docker-snmp:{n}")));
            Some(Reply::Json(200, others.chain([listed_image(1, "docker-snmp:1")]).collect()))
        }
        asked if asked.starts_with("/containers/") => {
            Some(Reply::Late(Duration::from_millis(60), inspected_container(1, "snmp")))
        }
        asked if asked.contains(&digits(1)) => {
            Some(Reply::Late(Duration::from_millis(60), inspected_image(1, "20240510.1")))
        }
        // Of the other images nothing is known for long.
        asked if asked.starts_with("/images/sha256:") => Some(Reply::Hang),
        _ => None,
    });
    let wanted = interest(&["snmp"], &["docker-snmp"]);
    let (_interest, receiver) = watch::channel(Arc::new(wanted.clone()));
    let watcher = watch(Reader::new(fake.engine.clone()), receiver);
    let first = until(&mut watcher.state(), "read", |state| state.snapshot.is_some()).await;
    assert_eq!(*first.interest, wanted);
    is_read(&first.snapshot.unwrap());
}

#[tokio::test]
async fn what_could_not_be_inspected_is_tried_again_when_something_happens_to_it() {
    let is_broken = Arc::new(AtomicBool::new(true));
    let fake = two(&is_broken, || Reply::Json(500, json!({ "message": "the shim is dead" })));
    let (_interest, receiver) = watch::channel(Arc::new(EVERYTHING));
    let watcher = watch(Reader::new(fake.engine.clone()), receiver);
    let mut state = watcher.state();
    let unknown = |snapshot: &EngineSnapshot| snapshot.containers.get(&container(2)).is_some_and(is_unknown);
    until_snapshot(&mut state, "unknown", unknown).await;
    is_broken.store(false, Ordering::Relaxed);
    fake.event("container", "health_status: healthy", &digits(2));
    until_snapshot(&mut state, "known", |snapshot| snapshot.containers[&container(2)].details.is_some()).await;
    // It was known, and is not any more: what was known does not count.
    is_broken.store(true, Ordering::Relaxed);
    fake.event("container", "health_status: unhealthy", &digits(2));
    until_snapshot(&mut state, "unknown again", unknown).await;
    // And after a pause by itself.
    is_broken.store(false, Ordering::Relaxed);
    until_snapshot(&mut state, "known again", |snapshot| snapshot.containers[&container(2)].details.is_some()).await;
}

#[tokio::test]
async fn an_event_that_is_not_understood_may_be_about_anything() {
    let fake = two(&Arc::default(), || Reply::Hang);
    let (_interest, receiver) = watch::channel(Arc::new(EVERYTHING));
    let watcher = watch(Reader::new(fake.engine.clone()), receiver);
    let mut state = watcher.state();
    until_snapshot(&mut state, "read", |snapshot| snapshot.containers.len() == 2).await;
    for nonsense in ["{}", r#"{"Type": "container", "Action": "start", "Actor": {"ID": "x"}}"#, "]", r#"{"Type": 7}"#] {
        let asked = |what: &str| fake.times(what);
        let before = (asked("/containers/json"), asked("/images/json"), asked(&format!("/containers/{}", digits(1))));
        let generation = state.borrow_and_update().generation;
        fake.say(nonsense.to_owned());
        state.wait_for(|state| state.generation != generation).await.unwrap();
        let after = (asked("/containers/json"), asked("/images/json"), asked(&format!("/containers/{}", digits(1))));
        assert!(after.0 > before.0 && after.1 > before.1 && after.2 > before.2, "{nonsense}: {before:?} {after:?}");
    }
}
