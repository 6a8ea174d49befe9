//! Who may write to Redis, or bring an image, claims what is not so.

use imgmgrd_test_support::container::ContainerSpec;
use imgmgrd_test_support::kubelet::Deployment;
use imgmgrd_test_support::rows::{CONFIG_DB, STATE_DB};

use crate::story::{LOCAL, NEW, NEWER, Story};

const BASE: &str = "docker-sonic-telemetry";

/// Rows of `feature` that say that this container has taken it over.
fn claim(story: &Story, feature: &str, container: &str, version: &str) {
    story.switch.rows().config_feature(feature, "kube", false, true);
    let fields = [
        ("current_owner", "kube"),
        ("remote_state", "running"),
        ("system_state", "up"),
        ("container_id", container),
        ("container_version", version),
    ];
    story.switch.rows().set(STATE_DB, &format!("FEATURE|{feature}"), &fields);
}

#[test]
fn a_row_makes_no_feature_of_a_container_that_is_not_the_kubelets() {
    let mut story = Story::telemetry();
    for version in ["1", "2"] {
        story.engine().import_image(&format!("registry.example/cache:{version}"), Some(version), &[], version);
    }
    let foreign = story.engine().run_container(&ContainerSpec::new("mirror", "registry.example/cache:2"));
    let before = story.engine().images();
    claim(&story, "cache", &foreign[..12], "2");
    story.until("it is refused", |story| {
        story.switch.feature("cache").reason().contains("does not carry the kubelet's labels")
    });
    story.let_it_pass();
    assert_eq!(story.switch.feature("cache").stability(), "waiting");
    let after = story.engine().images();
    let of_cache = |reference: &&String| reference.contains("cache");
    assert_eq!(after.keys().filter(of_cache).collect::<Vec<_>>(), before.keys().filter(of_cache).collect::<Vec<_>>());
}

#[test]
fn a_label_makes_no_container_another_features() {
    let mut story = Story::telemetry();
    let local = story.latest();
    story.switch.publish("docker-snmp", NEW, "snmp");
    let liar = story.switch.kubelet().deploy(&Deployment::new("telemetry", "docker-snmp", NEW));
    for id in ["", liar.short_id()] {
        claim(&story, "telemetry", id, NEW);
        story.is("waiting", "runs an image that is not in a docker-sonic-telemetry repository");
    }
    story.engine().stop_container("telemetry");
    story.let_it_pass();
    story.nothing_was_promoted(&local);
    assert_eq!(story.image("docker-snmp:latest"), None);
}

#[test]
fn an_image_whose_version_is_latest_or_no_version() {
    let mut story = Story::telemetry();
    let local = story.latest();
    let repository = story.switch.registry().repository(BASE);
    for (tag, version) in [("bad", "$(reboot)\n\u{1b}[2J"), ("large", &*"1".repeat(20_000)), ("latest", "latest")] {
        let image = story.engine().import_image(&format!("{repository}:{tag}"), Some(version), &[], tag);
        let container = story.switch.kubelet().run(&story.deployment(tag), &image);
        if story.engine().is_running("telemetry") {
            story.engine().stop_container("telemetry");
        }
        claim(&story, "telemetry", container.short_id(), tag);
        story.is_promoted(tag);
        assert_eq!(story.latest(), image, "an image is known by its id, whatever it is called");
        assert!(story.image(&story.kube(tag)).is_some(), "and keeps the name that Kubernetes knows it by");
        story.switch.kubelet().remove(&container);
        story.rows().goes_away();
    }
    assert_ne!(story.latest(), local);
    story.promote(NEW);
    assert!(story.engine().is_running(&story.engine().container_names().into_iter().next().expect("one")));
    assert_eq!(story.image(&story.local("latest")), story.image(&story.kube(NEW)));
}

#[test]
fn whatever_the_rows_claim_what_runs_and_what_would_start_stays() {
    let mut story = Story::telemetry();
    story.policy("stable_time", "0");
    let container = story.promote(NEW);
    story.switch.publish("docker-snmp", NEW, "snmp");
    let snmp = story.switch.kubelet().deploy(&Deployment::new("snmp", "docker-snmp", NEW));
    story.engine().import_image("docker-database:latest", Some(LOCAL), &[], "database");
    let database = story.engine().run_container(&ContainerSpec::new("database", "docker-database:latest"));
    let old = story.pull(NEWER, "newer");

    let stands = |story: &Story| {
        let latest = story.image(&story.local("latest"));
        assert!(latest.is_some_and(|image| story.engine().image_ids().contains(&image)), "latest names an image");
        assert!(story.engine().image_ids().contains(&container.image_id), "what runs is on the disk");
        for (id, name) in [(&container.id, "telemetry"), (&snmp.id, "snmp"), (&database, "database")] {
            assert!(story.engine().is_running(id), "{name} runs");
        }
        assert_eq!(story.image("docker-snmp:latest"), None, "nothing has proven it");
        assert!(story.image("docker-database:latest").is_some(), "it is no feature's");
    };
    let ids = [container.short_id(), snmp.short_id(), &database[..12], "0123456789ab", "telemetry", ""];
    let mut writes = 0;
    for set_owner in ["kube", "local"] {
        for current_owner in ["kube", "none", "local"] {
            for remote_state in ["running", "stopped", "none"] {
                for id in ids {
                    for version in [NEW, NEWER, LOCAL, "latest", ""] {
                        let fields = [
                            ("current_owner", current_owner),
                            ("remote_state", remote_state),
                            ("container_id", id),
                            ("container_version", version),
                            ("container_stable_version", version),
                            ("container_last_version", NEWER),
                        ];
                        story.switch.rows().set(CONFIG_DB, "FEATURE|telemetry", &[("set_owner", set_owner)]);
                        story.switch.rows().set(STATE_DB, "FEATURE|telemetry", &fields);
                        writes += 1;
                    }
                }
                stands(&story);
            }
        }
    }
    assert_eq!(writes, 540);
    story.switch.rows().remove(CONFIG_DB, "FEATURE|telemetry");
    story.switch.rows().remove(STATE_DB, "FEATURE|telemetry");
    story.has_reconciled("lldp");
    stands(&story);
    assert!(story.engine().image_ids().contains(&old), "a row that is gone is no reason to remove anything");
}
