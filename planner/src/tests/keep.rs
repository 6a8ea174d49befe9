//! The keep rules, one by one: what stays though it is old.

use super::clean_up::after_promotions;
use super::promoted;
use crate::domain::Value;
use crate::fixtures::*;
use crate::*;

const BASE: &str = "docker-sonic-telemetry";

/// The retention on an image.
fn because(switch: &mut Switch, image: &Described) -> Result<Vec<String>, String> {
    let decision = switch.reconcile();
    match &decision.report.groups[&base(BASE)].images[&image.id()] {
        Retention::Kept(because) => Ok(because.iter().map(ToString::to_string).collect()),
        Retention::Removed(because) => Err(because.to_string()),
    }
}

#[test]
fn why_an_image_stays_or_goes() {
    type Change = fn(&mut Switch);
    let old = || kube(BASE, "40");
    let cases: &[(&str, Described, Change, Result<&str, &str>)] = &[
        ("old", old(), |_| (), Err("neither promoted nor needed for fallback")),
        ("promoted", kube(BASE, "84"), |_| (), Ok("promoted version")),
        ("the last version", kube(BASE, "60"), |_| (), Ok("fallback version 60")),
        ("the one before", kube(BASE, "50"), |_| (), Err("neither promoted")),
        ("three are kept", kube(BASE, "50"), |s| s.policy(|p| p.keep_versions = 3), Ok("fallback version 50")),
        ("pinned", old(), |s| s.policy(|p| p.pin = [version("40")].into()), Ok("version 40 is pinned")),
        (
            "pinned by IMAGE_VERSION",
            old().declares("39"),
            |s| s.policy(|p| p.pin = [version("39")].into()),
            Ok("version 39 is pinned"),
        ),
        ("another case", old().declares("40RC"), |s| s.policy(|p| p.pin = [version("40rc")].into()), Err("neither")),
        (
            "used by a stopped container",
            old(),
            |s| {
                let id = s.run("somebody", &kube(BASE, "40").id(), None);
                s.stop(&id);
            },
            Ok("used by container somebody"),
        ),
        ("the engine refused", old(), |s| s.refuse(&kube(BASE, "40")), Ok("the engine says that it is in use")),
        ("an unreadable reference", old().unreadable(), |_| (), Ok("it has a reference that is not understood")),
        ("in a registry and locally", old().named("docker-sonic-telemetry:40"), |_| (), Err("neither promoted")),
        ("only local", local(BASE, "40"), |_| (), Err("a local version is no fallback")),
        (
            "only local, though STATE_DB calls it the last version",
            local(BASE, "40"),
            |s| s.write(&on_host("telemetry"), |row| row.last_version = Value::Is(version("40"))),
            Err("a local version is no fallback"),
        ),
        (
            "what STATE_DB calls the last version",
            old(),
            |s| s.write(&on_host("telemetry"), |row| row.last_version = Value::Is(version("40"))),
            Ok("fallback version 40"),
        ),
        (
            "what sonic-package-manager starts",
            old(),
            |s| {
                s.snapshot.packages.insert(feature("telemetry"), Some(kube(BASE, "40").id()));
            },
            Ok("sonic-package-manager starts the feature from it"),
        ),
        (
            "needed by another feature",
            old(),
            |s| {
                let proven = Proven { version: version("40"), image: kube(BASE, "40").id() };
                s.memory.groups.entry(base("docker-other")).or_default().previous.push(proven);
            },
            Ok("needed for docker-other"),
        ),
        ("clean-up disabled", old(), |s| s.policy(|p| p.cleanup = false), Ok("no clean-up: policy cleanup=disabled")),
        (
            "disconnected",
            old(),
            |s| s.snapshot.kubernetes.connected = Some(false),
            Ok("no clean-up: the switch is not connected"),
        ),
        ("kube disabled", old(), |s| s.snapshot.kubernetes.disabled = true, Ok("no clean-up: Kubernetes is disabled")),
        ("not inspected", old().unread(), |_| (), Ok("it has not been inspected")),
    ];
    for (what, image, change, expected) in cases {
        let mut switch = after_promotions(std::slice::from_ref(image));
        change(&mut switch);
        match (because(&mut switch, image), expected) {
            (Ok(found), Ok(why)) => assert!(found.iter().any(|found| found.contains(why)), "{what}: {found:?}"),
            (Err(found), Err(why)) => assert!(found.contains(why), "{what}: {found}"),
            (found, _) => panic!("{what}: {found:?}"),
        }
        switch.act();
        assert_eq!(switch.snapshot.images.contains_key(&image.id()), expected.is_ok(), "{what}");
    }
}

#[test]
fn keep_versions_from_2_to_10() {
    for keep in 2..=10_u8 {
        let mut switch = Switch::telemetry();
        switch.policy(|policy| policy.keep_versions = keep);
        for version in 1..=12 {
            promoted(&mut switch, &kube(BASE, &format!("v{version}")));
        }
        switch.remove_stopped();
        switch.act();
        let mut expected: Vec<_> =
            (13 - u32::from(keep)..=12).map(|version| format!("{REGISTRY}/{BASE}:v{version}")).collect();
        expected.sort();
        let left: Vec<_> = switch.references().into_iter().filter(|name| name.contains(":v")).collect();
        assert_eq!(left, expected, "{keep}");
    }
}

/// What is promoted again counts as newest, and takes up no second place.
#[test]
fn the_newest_promotion_comes_first() {
    let mut switch = Switch::telemetry();
    switch.policy(|policy| policy.keep_versions = 3);
    for version in ["1", "2", "3", "1"] {
        promoted(&mut switch, &kube(BASE, version));
    }
    let previous: Vec<_> = switch.memory.groups[&base(BASE)].previous.iter().map(|p| p.version.to_string()).collect();
    assert_eq!(previous, ["3", "2"]);
    switch.remove_stopped();
    switch.act();
    promoted(&mut switch, &kube(BASE, "4"));
    switch.remove_stopped();
    switch.act();
    let left: Vec<_> =
        switch.references().into_iter().filter(|name| name.contains("io/") && !name.contains('@')).collect();
    assert_eq!(left, ["1", "3", "4"].map(|version| format!("{REGISTRY}/{BASE}:{version}")));
}

#[test]
fn the_last_version_is_known_by_image_id_when_its_tag_is_rebuilt() {
    let mut switch = Switch::telemetry();
    let ran = kube(BASE, "60").undeclared();
    promoted(&mut switch, &ran);
    promoted(&mut switch, &kube(BASE, "84"));
    switch.remove_stopped();
    let rebuilt = kube(BASE, "60").nameless().called("rebuilt 60").named(&format!("{REGISTRY}/{BASE}:60"));
    switch.image(&rebuilt.digest(REGISTRY));
    switch.age_all_images();
    switch.act();
    assert!(switch.snapshot.images.contains_key(&ran.id()), "it has only its digest, but it is what ran");
}

#[test]
fn an_image_on_its_way_in_stays() {
    let mut switch = Switch::telemetry();
    promoted(&mut switch, &kube(BASE, "84"));
    let new = kube(BASE, "85");
    switch.image(&new);
    switch.act();
    switch.wait(80_000);
    switch.restart_agent();
    switch.act();
    assert_eq!(because(&mut switch, &new), Ok(vec!["new: arrived after the running version took over".to_owned()]));
    // After a reboot it is old.
    switch.memory = switch.memory.clone().after_reboot();
    switch.marks.clear();
    let container = switch.kube_container("telemetry");
    switch.start(&container);
    switch.take_over(&on_host("telemetry"), &container);
    let _ = switch.reconcile();
    switch.wait(600);
    switch.act();
    assert!(!switch.snapshot.images.contains_key(&new.id()));
}

#[test]
fn an_image_that_came_before_the_takeover_is_new_for_as_long_as_stable_time() {
    let mut switch = Switch::telemetry();
    let other = kube(BASE, "40");
    switch.image(&other);
    switch.policy(|policy| policy.stable_time = crate::domain::Age::from_seconds(100));
    let image = switch.image(&kube(BASE, "84"));
    switch.upgrade(&on_host("telemetry"), &image);
    let _ = switch.reconcile();
    switch.wait(100);
    switch.act();
    assert!(!switch.snapshot.images.contains_key(&other.id()), "seen 100 s ago");

    switch.image(&other);
    let mut later = switch.clone();
    later.memory = Memory::default();
    later.marks.clear();
    later.restart_agent();
    later.act();
    assert!(later.snapshot.images.contains_key(&other.id()), "not known when it came");
    later.wait(100);
    later.act();
    assert!(!later.snapshot.images.contains_key(&other.id()));
}

#[test]
fn the_agents_own_tags_make_nothing_new() {
    let mut switch = after_promotions(&[kube(BASE, "40")]);
    switch.tag(&reference(&format!("{BASE}:latest")), &kube(BASE, "40").id());
    let _ = switch.reconcile();
    switch.tag(&reference(&format!("{BASE}:latest")), &kube(BASE, "84").id());
    switch.act();
    assert!(!switch.snapshot.images.contains_key(&kube(BASE, "40").id()));
}

#[test]
fn near_names_are_not_the_same() {
    let mut switch = Switch::new().feature("gnmi", "docker-sonic-gnmi");
    switch = switch.feature("gnmi-watchdog", "docker-sonic-gnmi-watchdog");
    switch.set_owner("gnmi", Owner::Kube);
    switch.image(&local("docker-sonic-gnmi", "1").latest());
    for image in [
        local("docker-sonic-gnmi-watchdog", "1").latest(),
        kube("docker-sonic-gnmi-watchdog", "2"),
        kube("my-docker-sonic-gnmi", "2"),
        kube("docker-sonic-gnmi", "2").nameless().called("path").named("r.example/docker-sonic-gnmi/x:2"),
    ] {
        switch.image(&image);
    }
    let untouched: Vec<_> =
        switch.references().into_iter().filter(|name| !name.starts_with("docker-sonic-gnmi:")).collect();
    let image = switch.image(&kube("docker-sonic-gnmi", "3"));
    switch.upgrade(&on_host("gnmi"), &image);
    let _ = switch.reconcile();
    switch.wait(600);
    switch.act();
    let left = switch.references();
    assert!(untouched.iter().all(|name| left.contains(name)), "{left:#?}");
    assert_eq!(switch.named("docker-sonic-gnmi:1"), None);
}
