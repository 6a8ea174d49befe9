//! Lists that are long, or cannot be made for a moment, and what is remembered of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::sync::watch;
use tokio::time::timeout;

use super::fake::{Fake, Reply, digits, inspected_image, listed_container, listed_image};
use super::fixture::{SOON, interest, until_snapshot};
use crate::docker::{EngineError, Reader, watch};
use crate::domain::ImageId;

/// How many images a long list has, and how much in labels each of them.
const IMAGES: u32 = 5000;
const LABELS: usize = 20 << 10;

/// The most memory that reading a long list may take, in KiB.
const MOST_GROWTH: u64 = 10 * 1024;

/// A list of images with labels, made as it is sent.
fn long_list() -> Reply {
    let labels = format!(r#""Labels": {{"maintainer": "{}"}}}}"#, "x".repeat(LABELS));
    let image = move |n: u32| {
        let image = listed_image(n, &format!("r.example/docker-snmp:{n}")).to_string();
        format!("{}{}, {labels}", if n == 0 { "[" } else { ", " }, image.trim_end_matches('}'))
    };
    Reply::Pieces(Box::new((0..IMAGES).map(image).chain(["]".to_owned()])))
}

/// In a process of its own: other tests use memory, too.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test that starts itself anew; the agent spawns no process")]
fn a_long_list_costs_little_memory() {
    let name = concat!(module_path!(), "::so_long_a_list");
    let name = name.split_once("::").map_or(name, |(_, name)| name);
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let output = command.args(["--ignored", "--exact", name, "--nocapture"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && told.contains("1 passed"), "{told}\n{failed}");
    print!("{told}");
}

#[tokio::test]
#[ignore = "the test above runs it"]
async fn so_long_a_list() {
    let fake = Fake::new(|asked| asked.starts_with("/images/json").then(long_list));
    // What is not in the list is read, too, so that the measure is of the list alone.
    drop(fake.engine.list_containers().await.unwrap());
    let before = peak();
    let images = fake.engine.list_images().await.unwrap();
    assert_eq!(images.len(), IMAGES as usize);
    assert!(images.values().all(|image| image.references.len() == 1 && image.unreadable_references == 0));
    let growth = peak() - before;
    println!("{IMAGES} images with {LABELS} bytes of labels each: {growth} KiB");
    assert!(growth < MOST_GROWTH, "{growth} KiB");
}

/// The most resident memory so far, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().split(' ').next()?.parse().ok()).unwrap()
}

#[tokio::test]
async fn a_list_without_end_is_not_read_to_its_end() {
    let tags: Vec<String> = (0..500).map(|n| format!("r.example/docker-snmp:{n}")).collect();
    let fake = Fake::new(move |asked| {
        let tags = json!(tags).to_string();
        let image = move |n| format!(r#"{{"Id": "sha256:{}", "RepoTags": {tags}}}, "#, digits(n));
        let pieces = std::iter::once("[".to_owned()).chain((0..).map(image));
        asked.starts_with("/images/json").then(|| Reply::Pieces(Box::new(pieces)))
    });
    let error = fake.engine.list_images().await.unwrap_err();
    assert!(matches!(error, EngineError::Unexpected { .. }), "{error:?}");
    assert!(error.to_string().ends_with("it is longer than any switch's"), "{error}");
}

#[tokio::test]
async fn a_field_that_is_too_long_leaves_its_entry_unknown() {
    let mut long = listed_container(2, "bgp");
    long["Labels"]["x"] = json!("x".repeat(2 << 20));
    let list = json!([long, listed_container(1, "snmp")]).to_string();
    let fake = Fake::new(move |asked| {
        asked.starts_with("/containers/json").then(|| Reply::Pieces(Box::new(std::iter::once(list.clone()))))
    });
    let containers = fake.engine.list_containers().await.unwrap();
    let status = |n: u32| containers[&digits(n).parse().unwrap()].status;
    assert_eq!(status(1), crate::planner::ContainerStatus::Running);
    assert_eq!(status(2), crate::planner::ContainerStatus::Unknown);
}

#[tokio::test]
async fn a_list_that_cannot_be_made_while_an_image_is_removed_is_asked_for_again() {
    let times = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&times);
    let fake = Fake::new(move |asked| {
        // As engine 26.1 with the containerd store: in each list, an image has just gone.
        let is_first = asked.starts_with("/images/json") && counted.fetch_add(1, Ordering::Relaxed) % 3 < 2;
        let status = if counted.load(Ordering::Relaxed) % 3 == 1 { 404 } else { 500 };
        is_first.then(|| Reply::Json(status, json!({ "message": "content digest sha256:...: not found" })))
    });
    let (_interest, receiver) = watch::channel(Arc::new(interest(&[], &[])));
    let watcher = watch(Reader::new(fake.engine.clone()), receiver);
    let mut state = watcher.state();
    until_snapshot(&mut state, "read", |_| true).await;
    for _ in 0..3 {
        let began = state.borrow_and_update().began;
        watcher.look_again();
        let state = state.wait_for(|state| state.began > began).await.unwrap();
        assert!(state.unreachable.is_none() && state.snapshot.is_some(), "{state:?}");
    }
    assert_eq!(times.load(Ordering::Relaxed), 12);
}

#[tokio::test]
async fn versions_are_read_once_and_can_be_remembered() {
    let fake = || {
        Fake::new(|asked| match asked.split('?').next()? {
            "/images/json" => {
                let images = (0..300).map(|n| listed_image(n, &format!("docker-snmp:{n}")));
                Some(Reply::Json(200, images.collect()))
            }
            asked if asked.starts_with("/images/sha256:") => {
                let n = u32::from_str_radix(asked.get(15..79)?, 16).ok()?;
                Some(Reply::Json(200, inspected_image(n, &n.to_string())))
            }
            _ => None,
        })
    };
    let is_read = |snapshot: &crate::docker::EngineSnapshot| {
        snapshot.images.len() == 300 && snapshot.images.values().all(|image| image.declared_version().is_some())
    };
    let cold = fake();
    let (_interest, receiver) = watch::channel(Arc::new(interest(&[], &["docker-snmp"])));
    let watcher = watch(Reader::new(cold.engine.clone()), receiver);
    let mut state = watcher.state();
    until_snapshot(&mut state, "cold", is_read).await;
    let began = state.borrow_and_update().began;
    // Whichever of the two is heard first, the other is not forgotten.
    watcher.resync();
    watcher.look_again();
    timeout(SOON, state.wait_for(|state| state.began > began)).await.expect("it comes").unwrap();
    assert_eq!(cold.times("/images/sha256:"), 300);

    let versions = watcher.reader().versions();
    assert_eq!(versions.len(), 300);
    let warm = fake();
    let reader = Reader::with_versions(warm.engine.clone(), versions.clone());
    let snapshot = reader.read(&interest(&[], &["docker-snmp"])).await.unwrap();
    assert!(is_read(&snapshot) && warm.times("/images/sha256:") == 0);
    // What is gone is forgotten.
    let gone: ImageId = format!("sha256:{}", digits(1000)).parse().unwrap();
    let with_gone = versions.clone().into_iter().chain([(gone, crate::domain::Value::Absent)]).collect();
    let reader = Reader::with_versions(warm.engine.clone(), with_gone);
    reader.read(&interest(&[], &[])).await.unwrap();
    assert_eq!(reader.versions(), versions);
}
