//! What belongs to others is not touched.

use imgmgrd_test_support::image::Image;

use crate::story::{NEW, Story};

#[test]
fn an_alias_in_another_features_repository() {
    let mut story = Story::telemetry();
    let old = story.pull("20201231.50", "");
    let gone = story.pull("20201231.51", "");
    for alias in ["docker-snmp:20201231.50", "registry.example/docker-snmp:1", "docker-snmp:latest"] {
        story.engine().tag(&old, alias);
    }
    story.promote(NEW);
    story.loses(&gone);
    story.until("its own name is gone", |story| story.image(&story.kube("20201231.50")).is_none());
    story.let_it_pass();
    for alias in ["docker-snmp:20201231.50", "registry.example/docker-snmp:1", "docker-snmp:latest"] {
        assert_eq!(story.image(alias).as_ref(), Some(&old), "{alias}");
    }
}

#[test]
fn an_alias_of_the_promoted_image() {
    let mut story = Story::telemetry();
    let container = story.deploy(NEW);
    let alias = "registry.example/docker-snmp:20201231.84";
    story.engine().tag(&container.image_id, alias);
    story.is_promoted(NEW);
    assert_eq!(story.latest(), container.image_id);
    assert_eq!(story.image("docker-snmp:latest"), None, "the alias is nobody's latest");
    assert_eq!(story.image(alias), Some(container.image_id));
}

#[test]
fn near_names() {
    let mut story = Story::of("gnmi", "docker-sonic-gnmi");
    let near = ["docker-sonic-gnmi-watchdog", "docker-sonic-gnmi2", "my-docker-sonic-gnmi", "docker-sonic"];
    let images: Vec<(Image, Vec<String>)> = near
        .iter()
        .flat_map(|name| {
            let names =
                [format!("{name}:latest"), format!("{name}:20201231.11"), format!("registry.example:443/{name}:1")];
            names.into_iter().map(|name| (Image::new(Some("20201231.11")).salt(&name), vec![name]))
        })
        .collect();
    story.engine().load_all(&images);
    let local = story.latest();
    let gone = story.pull("20201231.50", "");
    let before: Vec<_> = images.iter().map(|(_, names)| story.image(&names[0])).collect();

    let container = story.promote(NEW);
    assert_eq!(story.latest(), container.image_id);
    story.loses(&gone);
    story.loses(&local);
    story.let_it_pass();
    let after: Vec<_> = images.iter().map(|(_, names)| story.image(&names[0])).collect();
    assert_eq!(after, before);
}

#[test]
fn a_container_of_another_feature_and_its_image() {
    let mut story = Story::telemetry();
    story.switch.rows().config_feature("snmp", "local", false, true);
    let image = story.engine().import_image("docker-snmp:latest", Some("20201231.11"), &[], "snmp");
    story.switch.start_locally(&imgmgrd_test_support::rows::Instance::host("snmp"), "docker-snmp", "20201231.11");
    story.engine().stop_container("snmp");
    story.promote(NEW);
    story.let_it_pass();
    assert!(story.engine().container("snmp").is_some());
    assert_eq!(story.image("docker-snmp:latest"), Some(image));
    assert_eq!(story.switch.feature("snmp").stability(), "local");
}
