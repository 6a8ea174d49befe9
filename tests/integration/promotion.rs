//! Promotion, from a takeover to the local latest.

mod after;
mod container;
mod held;
mod interrupted;
mod once;

use imgmgrd_test_support::kubelet::Deployment;

use crate::story::{LOCAL, NEW, Story};

#[test]
fn a_stable_version_becomes_latest_and_the_stale_container_goes() {
    let mut story = Story::telemetry();
    let container = story.promote(NEW);
    assert_eq!(story.latest(), container.image_id);
    assert!(story.engine().container("telemetry").is_none(), "the stale container is gone");
    let row = story.rows().feature_row().expect("the row");
    assert_eq!((row["container_stable_version"].as_str(), row["container_last_version"].as_str()), (NEW, LOCAL));

    let published = story.rows().image_row().expect("the published row");
    for (field, value) in [
        ("image", "docker-sonic-telemetry"),
        ("stability", "stable"),
        ("reason", "promoted"),
        ("version", NEW),
        ("container_id", container.short_id()),
        ("image_id", &container.image_id),
        ("stable_version", NEW),
        // The last one is known as a local tag only, which is no fallback.
        ("last_version", ""),
        ("stable_after", ""),
    ] {
        assert_eq!(published[field], value, "{field}");
    }
    let time =
        |field: &str| chrono::NaiveDateTime::parse_from_str(&published[field], "%Y-%m-%d %H:%M:%S").expect(field);
    assert!(time("stable_since") > time("observing_since"));
    assert!(time("update_time") >= time("stable_since"));
    assert_eq!(published.len(), 14, "{published:?}");

    story.until("the clean-up is done", |story| story.rows().published("images") == "1");
    assert!(story.rows().published("reclaimed").parse::<u64>().expect("a number") > 0);
}

#[test]
fn a_promotion_is_told_in_history_and_log() {
    let mut story = Story::telemetry();
    let container = story.promote(NEW);
    story.until("history tells", |story| !story.history("cleaned").is_empty());
    let promoted = story.history("promoted");
    assert_eq!(promoted.len(), 1, "{promoted:?}");
    assert_eq!((promoted[0]["version"].as_str(), &promoted[0]["image_id"]), (NEW, &container.image_id));
    assert_eq!(promoted[0]["detail"], "docker-sonic-telemetry:latest is this image");
    assert_eq!(story.history("cleaned")[0]["version"], LOCAL);

    let log = story.agent.log();
    for told in [
        vec!["observing", "feature=telemetry", NEW],
        vec!["promoted", "feature=telemetry", NEW, &container.image_id],
        vec!["remove stopped container telemetry", NEW],
        vec!["remove docker-sonic-telemetry:20201231.11", LOCAL],
    ] {
        let lines = log.lines().filter(|line| told.iter().all(|word| line.contains(word)));
        assert_eq!(lines.count(), 1, "{told:?} in\n{log}");
    }
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
}

#[test]
fn a_new_container_id_while_remote_state_stays_running_is_assessed() {
    let mut story = Story::telemetry();
    let first = story.promote(NEW);
    story.switch.publish("docker-sonic-telemetry", "20201231.85", "");
    let second = story.switch.kubelet().deploy(&story.deployment("20201231.85"));
    story.rows().takeover(second.short_id(), "20201231.85");
    story.is_promoted("20201231.85");
    assert_eq!(story.latest(), second.image_id);
    assert_ne!(first.image_id, second.image_id);
    let row = story.rows().feature_row().expect("the row");
    assert_eq!(
        (row["container_stable_version"].as_str(), row["container_last_version"].as_str()),
        ("20201231.85", NEW)
    );
}

#[test]
fn an_image_without_a_tag_is_promoted_from_its_digest() {
    let mut story = Story::telemetry();
    story.switch.publish("docker-sonic-telemetry", NEW, "");
    let deployment = story.deployment(NEW).by_digest().created_from_digest();
    let container = story.switch.kubelet().deploy(&deployment);
    story.take_over(&container, NEW);
    story.is_promoted(NEW);
    assert_eq!(story.latest(), container.image_id);
    let references = story.engine().references(&container.image_id);
    let digests = references.iter().filter(|reference| reference.contains("@sha256:")).count();
    assert_eq!((references.len(), digests), (2, 1), "latest and the digest it came by: {references:?}");
}

#[test]
fn an_image_pulled_by_digest_is_promoted_from_a_container_made_from_its_id() {
    let mut story = Story::telemetry();
    story.switch.publish("docker-sonic-telemetry", NEW, "");
    let container = story.switch.kubelet().deploy(&story.deployment(NEW).by_digest());
    story.take_over(&container, NEW);
    story.is_promoted(NEW);
    assert_eq!(story.latest(), container.image_id);
}

#[test]
fn a_dry_run_changes_nothing_and_the_next_version_is_promoted() {
    let mut story = Story::telemetry();
    let local = story.latest();
    story.switch.publish("docker-sonic-telemetry", LOCAL, "by Kubernetes");
    let idle = story.switch.kubelet().deploy(&Deployment::new("telemetry", "docker-sonic-telemetry", LOCAL));
    story.rows().set_owner("kube");
    story.is("local", "is a dry run or reports itself as local");
    assert!(story.rows().reason().contains(idle.short_id()), "{}", story.rows().reason());
    let before = story.rows().feature_row();
    story.let_it_pass();
    assert_eq!(story.rows().feature_row(), before, "no write");
    assert_eq!(story.latest(), local);
    assert!(story.engine().is_running("telemetry"));

    let container = story.promote(NEW);
    assert_eq!(story.latest(), container.image_id);
    assert!(story.engine().is_running(&idle.name), "what Kubernetes runs is left alone");
}
