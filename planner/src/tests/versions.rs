//! The versions of pods that override the `IMAGE_VERSION` of their image, as manifests in use do (`<version>.kube`).

use crate::domain::Value;
use crate::fixtures::*;
use crate::*;

const BASE: &str = "docker-sonic-telemetry";

/// Upgraded to `image` by a pod that says that it is `version`, stable and promoted.
fn promoted_as(switch: &mut Switch, image: &Described, version: &str) {
    let image = switch.image(image);
    switch.upgrade_as(&on_host("telemetry"), &image, version);
    let _ = switch.reconcile();
    switch.wait(600);
    switch.act();
}

fn row(switch: &Switch) -> (String, String) {
    let row = switch.row(&on_host("telemetry"));
    let text = |value: &Value<_>| value.get().map_or_else(String::new, ToString::to_string);
    (text(&row.stable_version), text(&row.last_version))
}

#[test]
fn the_containers_own_version_counts() {
    let mut switch = Switch::telemetry();
    promoted_as(&mut switch, &kube(BASE, "84"), "84.kube");
    assert_eq!(switch.stability(&on_host("telemetry")).0, Stability::Stable);
    assert_eq!(row(&switch), ("84.kube".to_owned(), "20201231.11".to_owned()));
    // The row names another: a change is under way, be it to the image's own version.
    switch.write(&on_host("telemetry"), |row| row.container_version = Value::Is(version("84")));
    let reason = "container_version is 84, the container's version is 84.kube: a change is under way";
    assert_eq!(switch.stability(&on_host("telemetry")), (Stability::Waiting, reason.to_owned()));
}

#[test]
fn an_empty_version_is_none() {
    let mut switch = Switch::telemetry();
    let image = switch.image(&kube(BASE, "84"));
    let container = switch.upgrade(&on_host("telemetry"), &image);
    switch.override_version(&container, "");
    assert_eq!(switch.stability(&on_host("telemetry")).0, Stability::Observing, "its image's");
}

#[test]
fn the_labelled_container_is_told_by_its_own_version() {
    let mut switch = Switch::telemetry();
    let image = switch.image(&kube(BASE, "84"));
    switch.upgrade_as(&on_host("telemetry"), &image, "84.kube");
    switch.write(&on_host("telemetry"), |row| row.container_id = Value::Absent);
    assert_eq!(switch.stability(&on_host("telemetry")).0, Stability::Observing);
    // One that is not inspected may be any version.
    let other = switch.run_kube("telemetry", &image);
    switch.snapshot.containers_mut().get_mut(&other).unwrap().details = None;
    assert!(switch.stability(&on_host("telemetry")).1.ends_with("has not been inspected yet"));
}

#[test]
fn a_reported_version_names_its_image_when_it_is_the_last() {
    let mut switch = Switch::telemetry();
    promoted_as(&mut switch, &kube(BASE, "60"), "60.kube");
    promoted_as(&mut switch, &kube(BASE, "84"), "84.kube");
    assert_eq!(row(&switch), ("84.kube".to_owned(), "60.kube".to_owned()));
    assert_eq!(switch.reconcile().report.instances[&on_host("telemetry")].last_version, Some(version("60.kube")));
    let names = |switch: &Switch| (switch.named(&format!("{REGISTRY}/{BASE}:60")), switch.images_of(BASE));
    let before = names(&switch);
    // By what was reported alone, too: memory of what was promoted before is lost.
    switch.memory.groups.get_mut(&base(BASE)).unwrap().previous.clear();
    switch.wait(10_000);
    switch.act();
    assert_eq!(names(&switch), before);
    // So does a pin.
    switch.write(&on_host("telemetry"), |row| row.last_version = Value::Absent);
    switch.policy(|policy| policy.pin = [version("60.kube")].into());
    switch.act();
    assert_eq!(names(&switch), before);
}

#[test]
fn the_last_version_stays_where_two_versions_are_one_image() {
    for (first, second) in [("84", "84.kube"), ("84.kube", "84")] {
        let mut switch = Switch::telemetry();
        promoted_as(&mut switch, &kube(BASE, "60"), "60");
        promoted_as(&mut switch, &kube(BASE, "84"), first);
        promoted_as(&mut switch, &kube(BASE, "84"), second);
        assert_eq!(row(&switch), (second.to_owned(), "60".to_owned()), "{first}, then {second}");
        assert!(switch.named(&format!("{REGISTRY}/{BASE}:60")).is_some());
        // After a reboot, too.
        switch.write(&on_host("telemetry"), |row| {
            (row.stable_version, row.last_version) = (Value::Absent, Value::Absent);
        });
        switch.act();
        assert_eq!(row(&switch), (second.to_owned(), "60".to_owned()), "{first}, then {second}");
    }
}
