//! What holds a promotion back, and that it goes on when it may.

use imgmgrd_test_support::rows::Instance;
use imgmgrd_test_support::switch::Switch;
use serde_json::json;

use crate::story::{LOCAL, NEW, STABLE_TIME, Story};

#[test]
fn nothing_is_done_while_kubernetes_is_disabled() {
    let mut story = Story::telemetry();
    let local = story.latest();
    story.switch.rows().kubernetes_master(true);
    let container = story.deploy(NEW);
    story.is("held", "Kubernetes is disabled");
    story.let_it_pass();
    story.nothing_was_promoted(&local);
    assert!(story.engine().container("telemetry").is_some());

    story.switch.rows().kubernetes_master(false);
    story.is_promoted(NEW);
    assert_eq!(story.latest(), container.image_id);
    story.loses(&local);
}

#[test]
fn nothing_is_cleaned_up_while_kubernetes_is_disabled() {
    let mut story = Story::telemetry();
    let old = story.pull("20201231.50", "");
    story.policy("cleanup", "disabled");
    story.promote(NEW);
    story.switch.rows().kubernetes_master(true);
    story.policy("cleanup", "enabled");
    story.let_it_pass();
    assert!(story.image(&old).is_some());
    story.switch.rows().kubernetes_master(false);
    story.loses(&old);
}

#[test]
fn a_disconnected_switch_promotes_and_cleans_up_when_it_is_connected_again() {
    let mut story = Story::telemetry();
    let local = story.latest();
    let old = story.pull("20201231.50", "");
    story.switch.rows().kubernetes_connected(false);
    let container = story.promote(NEW);
    assert_eq!(story.latest(), container.image_id);
    assert!(story.engine().container("telemetry").is_none(), "the stale container goes");
    story.let_it_pass();
    assert!(story.image(&old).is_some() && story.image(&local).is_some(), "nothing could be pulled again");
    assert!(story.why(&old).contains("not connected"), "{}", story.why(&old));

    story.switch.rows().kubernetes_connected(true);
    story.loses(&old);
    story.loses(&local);
}

#[test]
fn nothing_is_cleaned_up_while_the_row_in_config_db_is_absent() {
    let mut story = Story::telemetry();
    let old = story.pull("20201231.50", "");
    story.policy("cleanup", "disabled");
    let container = story.promote(NEW);
    story.rows().remove_config();
    story.policy("cleanup", "enabled");
    story.let_it_pass();
    assert!(story.image(&old).is_some(), "a row that is absent is no reason to delete anything");
    assert_eq!(story.latest(), container.image_id);
    story.switch.rows().config_feature("telemetry", "kube", false, true);
    story.loses(&old);
}

#[test]
fn a_disabled_policy_decides_and_publishes_and_changes_nothing() {
    let mut story = Story::telemetry();
    let local = story.latest();
    story.switch.rows().feature_policy("telemetry", &[("state", "disabled")]);
    let container = story.deploy(NEW);
    story.is("held", "policy state=disabled");
    story.let_it_pass();
    story.nothing_was_promoted(&local);
    assert!(story.engine().container("telemetry").is_some());

    story.switch.rows().feature_policy("telemetry", &[("state", "enabled")]);
    story.is_promoted(NEW);
    assert_eq!(story.latest(), container.image_id);
}

#[test]
fn a_disabled_clean_up_leaves_every_image() {
    let mut story = Story::telemetry();
    let local = story.latest();
    let old = story.pull("20201231.50", "");
    story.policy("cleanup", "disabled");
    story.promote(NEW);
    story.let_it_pass();
    assert!(story.image(&old).is_some());
    assert_eq!(story.image(&story.local(LOCAL)), Some(local.clone()), "what latest left got a name");
    assert!(story.why(&old).contains("cleanup=disabled"), "{}", story.why(&old));

    story.policy("cleanup", "enabled");
    story.loses(&old);
    story.loses(&local);
}

#[test]
fn stable_time_is_changed_while_a_takeover_is_observed() {
    let mut story = Story::telemetry();
    let local = story.latest();
    story.switch.rows().feature_policy("telemetry", &[("stable_time", "86400")]);
    let container = story.deploy(NEW);
    story.becomes("observing");
    let left = story.rows().published("stable_after");
    assert!(left == "86400" || left == "86399", "{left}");
    story.let_it_pass();
    story.nothing_was_promoted(&local);
    story.switch.rows().feature_policy("telemetry", &[("stable_time", &STABLE_TIME.to_string())]);
    story.is_promoted(NEW);
    assert_eq!(story.latest(), container.image_id);
}

#[test]
fn a_bad_stable_time_is_refused_and_the_last_good_one_stays_also_over_a_restart() {
    let refusal = "it must be 0..86400; the last good one, 1, stays";
    let mut story = Story::telemetry();
    story.policy("stable_time", "soon");
    story.until("it is refused", |story| story.agent.log().contains(refusal));
    story.agent.kill9();
    story.agent = story.switch.agent(crate::scene::binary());
    story.until("it is refused again", |story| story.agent.log().contains(refusal));
    let container = story.promote(NEW);
    assert_eq!(story.latest(), container.image_id);
}

#[test]
fn a_feature_of_the_package_manager_is_held_and_its_reference_kept() {
    let base = "docker-sonic-telemetry";
    let image = imgmgrd_test_support::image::Image::new(Some("20201231.50")).salt("package");
    let packages = json!({ "telemetry": { "installed": true, "built-in": false, "image-id": image.id() } });
    let switch = Switch::builder().packages(packages).start();
    switch.rows().policy(&[("stable_time", "1")]);
    switch.rows().config_feature("telemetry", "local", false, true);
    let package = switch.engine().load(&image, &[&format!("registry.example/{base}:20201231.50")]);
    let local = switch.engine().import_image(&format!("{base}:latest"), Some(LOCAL), &[], "local");
    switch.start_locally(&Instance::host("telemetry"), base, LOCAL);

    let mut story = Story::on(switch, "telemetry", base);
    story.becomes("local");
    story.deploy(NEW);
    story.is("held", "sonic-package-manager starts it");
    story.let_it_pass();
    story.nothing_was_promoted(&local);
    assert!(story.image(&package).is_some());
    assert!(story.engine().container("telemetry").is_some());
}
