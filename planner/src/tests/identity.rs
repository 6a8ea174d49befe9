//! Identity: whose a repository is, and which container a row means.

use crate::domain::{ContainerId, Value};
use crate::fixtures::*;
use crate::*;

const BASE: &str = "docker-sonic-telemetry";

/// A takeover of telemetry on which something is changed before the first decision.
fn after(change: impl FnOnce(&mut Switch, &ContainerId)) -> (Stability, String, Switch) {
    let mut switch = Switch::telemetry();
    let v84 = switch.image(&kube(BASE, "20201231.84"));
    let container = switch.upgrade(&on_host("telemetry"), &v84);
    change(&mut switch, &container);
    let (stability, reason) = switch.stability(&on_host("telemetry"));
    (stability, reason, switch)
}

fn container_id_is(switch: &mut Switch, text: &str) {
    switch.write(&on_host("telemetry"), |row| row.container_id = Value::read(Some(text)));
}

#[test]
fn the_container_that_the_row_means() {
    type Change = fn(&mut Switch, &ContainerId);
    let cases: &[(&str, Change, Stability, &str)] = &[
        ("12 digits", |_, _| (), Stability::Observing, "stable in"),
        ("64 digits", |s, c| container_id_is(s, &c.to_string()), Stability::Observing, "stable in"),
        ("11 digits", |s, c| container_id_is(s, &format!("{c:.11}")), Stability::Waiting, "fewer than 12 digits"),
        ("65 digits", |s, c| container_id_is(s, &format!("{c}0")), Stability::Waiting, "more than 64 digits"),
        ("nobody's id", |s, _| container_id_is(s, "0123456789ab"), Stability::Waiting, "does not exist"),
        (
            "several begin so",
            |s, c| {
                let twin = s.snapshot.containers[c].clone();
                let id = format!("{c:.12}{}", "0".repeat(52)).parse().unwrap();
                s.snapshot.containers_mut().insert(id, twin);
            },
            Stability::Waiting,
            "fits several containers",
        ),
        (
            "a pod's sandbox",
            |s, c| {
                let container = s.snapshot.containers_mut().get_mut(c).unwrap();
                container.kubelet.as_mut().unwrap().is_container = false;
            },
            Stability::Waiting,
            "is a pod's sandbox",
        ),
        (
            "another's container",
            |s, _| {
                let image = s.image(&kube("docker-sonic-telemetry-sidecar", "20201231.84"));
                let container = s.run("other", &image, None);
                container_id_is(s, &container.short());
            },
            Stability::Waiting,
            "runs an image that is not in a docker-sonic-telemetry repository",
        ),
        ("no id, one labelled", |s, _| container_id_is(s, ""), Stability::Observing, "stable in"),
        ("no hex, one labelled", |s, _| container_id_is(s, "cri-containerd-xy"), Stability::Observing, "stable in"),
        (
            "no id, one labelled of another version",
            |s, _| {
                container_id_is(s, "");
                s.write(&on_host("telemetry"), |row| row.container_version = Value::Is(version("20201231.83")));
            },
            Stability::Waiting,
            "none with the kubelet's labels and this version runs",
        ),
        (
            "no id, several labelled",
            |s, c| {
                container_id_is(s, "");
                let image = s.snapshot.containers[c].image;
                s.run_kube("telemetry", &image);
            },
            Stability::Waiting,
            "several with the kubelet's labels",
        ),
        (
            "no id, one labelled and its sandbox",
            |s, c| {
                container_id_is(s, "");
                let image = s.snapshot.containers[c].image;
                let labels = KubeletLabels { container_name: "telemetry".into(), is_container: false };
                s.run("sandbox", &image, Some(labels));
            },
            Stability::Observing,
            "stable in",
        ),
        (
            "no id, one labelled runs, another is dead",
            |s, c| {
                container_id_is(s, "");
                let image = s.snapshot.containers[c].image;
                let dead = s.run_kube("telemetry", &image);
                s.stop(&dead);
            },
            Stability::Observing,
            "stable in",
        ),
    ];
    for (what, change, stability, reason) in cases {
        let (found, why, _) = after(change);
        assert_eq!(found, *stability, "{what}: {why}");
        assert!(why.contains(reason), "{what}: {why}");
    }
}

#[test]
fn the_base_of_a_feature_that_the_file_does_not_name() {
    type Change = fn(&mut Switch, &ContainerId);
    let cases: &[(&str, Change, Stability, &str)] = &[
        ("one base", |_, _| (), Stability::Observing, "stable in"),
        (
            "from digests only",
            |s, c| {
                let image = s.snapshot.containers[c].image;
                s.snapshot.images_mut().get_mut(&image).unwrap().references.retain(|r| r.tag().is_none());
            },
            Stability::Observing,
            "stable in",
        ),
        (
            "two bases",
            |s, c| {
                let image = s.snapshot.containers[c].image;
                s.tag(&reference("r.example/docker-other:1"), &image);
            },
            Stability::Waiting,
            "its image may be any of docker-other, docker-sonic-telemetry",
        ),
        (
            "created from another base than its tags say",
            |s, c| {
                let created = reference("r.example/docker-other:1");
                s.snapshot.containers_mut().get_mut(c).unwrap().created_from = Some(created);
            },
            Stability::Waiting,
            "its image may be any of docker-other, docker-sonic-telemetry",
        ),
        (
            "another feature's base",
            |s, _| {
                s.snapshot.image_names.insert(feature("gnmi"), base(BASE));
            },
            Stability::Waiting,
            "which is another feature's image",
        ),
        (
            "another feature's container",
            |s, c| {
                let container = s.snapshot.containers_mut().get_mut(c).unwrap();
                container.kubelet.as_mut().unwrap().container_name = "snmp".into();
            },
            Stability::Waiting,
            "is labelled as \"snmp\"",
        ),
        (
            "a container that is not the kubelet's",
            |s, c| s.snapshot.containers_mut().get_mut(c).unwrap().kubelet = None,
            Stability::Waiting,
            "does not carry the kubelet's labels",
        ),
        (
            "no container",
            |s, c| {
                s.snapshot.containers_mut().remove(c);
            },
            Stability::Waiting,
            "does not exist",
        ),
    ];
    for (what, change, stability, reason) in cases {
        let (found, why, _) = after(|switch, container| {
            switch.snapshot.image_names.clear();
            change(switch, container);
        });
        assert_eq!(found, *stability, "{what}: {why}");
        assert!(why.contains(reason), "{what}: {why}");
    }
}

/// `IMAGE_VERSION`, else the tag, else the row's.
#[test]
fn the_version_of_a_container() {
    let cases = [
        (kube(BASE, "1"), Some("1"), "1"),
        (kube(BASE, "1").declares("2"), Some("2"), "2"),
        (kube(BASE, "1").declares("2"), None, "2"),
        (kube(BASE, "1").undeclared(), Some("1"), "1"),
        (kube(BASE, "1").undeclared(), Some("7"), "1"),
        (kube(BASE, "1").named("r.example/docker-sonic-telemetry:7").undeclared(), Some("7"), "7"),
        (kube(BASE, "1").undeclared().only_digest(), Some("7"), "7"),
        (kube(BASE, "20240510.RC1"), Some("20240510.RC1"), "20240510.RC1"),
    ];
    for (image, row, expected) in cases {
        let mut switch = Switch::telemetry();
        let id = switch.image(&image);
        switch.upgrade(&on_host("telemetry"), &id);
        switch.write(&on_host("telemetry"), |state| state.container_version = Value::read(row));
        let decision = switch.reconcile();
        let report = &decision.report.instances[&on_host("telemetry")];
        assert_eq!(report.stability, Stability::Observing, "{image:?}: {}", report.reason);
        assert_eq!(report.version, Some(version(expected)), "{image:?}");
    }
}

#[test]
fn versions_are_compared_with_their_case() {
    let (stability, reason, _) = after(|switch, _| {
        let image = switch.image(&kube(BASE, "20240510.RC1"));
        let container = switch.run_kube("telemetry", &image);
        switch.take_over(&on_host("telemetry"), &container);
        switch.write(&on_host("telemetry"), |row| row.container_version = Value::Is(version("20240510.rc1")));
    });
    assert_eq!(stability, Stability::Waiting, "{reason}");
}

#[test]
fn hostile_values_are_refused_with_a_reason() {
    let (stability, reason, _) = after(|switch, _| {
        switch.write(&on_host("telemetry"), |row| row.container_version = Value::read(Some("1; reboot")));
    });
    assert_eq!(stability, Stability::Waiting);
    assert_eq!(reason, "container_version holds \"1; reboot\", which is not valid");
    let (stability, reason, _) = after(|switch, _| {
        for row in switch.snapshot.configuration.values_mut() {
            row.set_owner = Value::read(Some("kube$(id)"));
        }
    });
    assert_eq!(stability, Stability::Waiting);
    assert_eq!(reason, "set_owner holds \"kube$(id)\", which is not valid");
}
