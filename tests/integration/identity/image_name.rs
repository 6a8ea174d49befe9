//! Which images are a feature's, with and without `ctr_image_names.json`.

use imgmgrd_test_support::kubelet::Deployment;
use imgmgrd_test_support::rows::Instance;
use imgmgrd_test_support::switch::Switch;

use crate::story::{LOCAL, NEW, Story};

/// A switch on which these features run locally from one image.
fn switch_with(switch: Switch, features: &[&str], base: &str) -> Switch {
    switch.rows().policy(&[("stable_time", "1")]);
    switch.engine().import_image(&format!("{base}:latest"), Some(LOCAL), &[], "local");
    for feature in features {
        switch.rows().config_feature(feature, "local", false, true);
        switch.start_locally(&Instance::host(feature), base, LOCAL);
    }
    switch
}

#[test]
fn a_feature_without_an_entry_has_the_image_of_its_container() {
    let base = "docker-sonic-telemetry";
    let switch = switch_with(Switch::builder().without_image_name("telemetry").start(), &["telemetry"], base);
    let mut story = Story::on(switch, "telemetry", base);
    story.becomes("local");
    assert_eq!(story.rows().published("image"), "");
    let local = story.latest();
    let container = story.promote(NEW);
    assert_eq!(story.rows().published("image"), base);
    assert_eq!(story.latest(), container.image_id);
    assert!(story.engine().container("telemetry").is_none());
    story.loses(&local);
}

#[test]
fn a_feature_without_an_entry_whose_image_has_two_names_is_left_alone() {
    let base = "docker-sonic-telemetry";
    let switch = switch_with(Switch::builder().without_image_name("telemetry").start(), &["telemetry"], base);
    let mut story = Story::on(switch, "telemetry", base);
    let local = story.latest();
    story.switch.publish(base, NEW, "");
    let container = story.switch.kubelet().deploy(&story.deployment(NEW));
    story.engine().tag(&container.image_id, "registry.example/docker-another:1");
    // Else the rows may be read before the engine has told of the tag.
    story.let_it_pass();
    story.take_over(&container, NEW);
    story.is("waiting", "its image may be any of docker-another, docker-sonic-telemetry");
    story.let_it_pass();
    story.nothing_was_promoted(&local);
    story.engine().untag("registry.example/docker-another:1");
    story.is_promoted(NEW);
}

#[test]
fn a_feature_without_an_entry_does_not_get_another_features_image() {
    let base = "docker-sonic-telemetry";
    let switch = switch_with(Switch::builder().without_image_name("telemetry").start(), &["telemetry"], base);
    let mut story = Story::on(switch, "telemetry", base);
    let local = story.latest();
    story.switch.publish("docker-snmp", NEW, "snmp");
    let container = story.switch.kubelet().deploy(&Deployment::new("telemetry", "docker-snmp", NEW));
    story.take_over(&container, NEW);
    story.is("waiting", "runs docker-snmp, which is another feature's image");
    story.let_it_pass();
    story.nothing_was_promoted(&local);
    assert_eq!(story.image("docker-snmp:latest"), None);
}

#[test]
fn two_features_that_share_an_image_are_decided_together() {
    let base = "docker-sonic-gnmi";
    let switch = Switch::builder().image_name("gnmi-extra", base).start();
    let switch = switch_with(switch, &["gnmi", "gnmi-extra"], base);
    let mut story = Story::on(switch, "gnmi", base);
    story.becomes("local");
    let local = story.latest();
    let extra = story.switch.feature("gnmi-extra");
    extra.set_owner("kube");

    let first = story.deploy(NEW);
    story.is("held", "not yet stable on the same image: gnmi-extra");
    story.let_it_pass();
    assert_eq!(story.latest(), local);

    let extra = story.switch.feature("gnmi-extra");
    let second = story.switch.kubelet().deploy(&Deployment::new("gnmi-extra", base, NEW).without_sandbox());
    story.engine().stop_container("gnmi-extra");
    extra.kube_takes_over(second.short_id(), NEW);
    story.is_promoted(NEW);
    assert_eq!(story.latest(), first.image_id);
    story.until("the other one is promoted, too", |story| story.switch.feature("gnmi-extra").stability() == "stable");
    for name in ["gnmi", "gnmi-extra"] {
        assert!(story.engine().container(name).is_none(), "{name}");
        let row = story.switch.feature(name).feature_row().expect("the row");
        assert_eq!(row["container_stable_version"], NEW, "{name}");
    }
}
