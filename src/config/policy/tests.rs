use super::*;
use crate::domain::Age;

fn row(fields: &[(&str, &str)]) -> Row {
    fields.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect()
}

fn rows(global: &[(&str, &str)], features: &[(&str, &[(&str, &str)])]) -> PolicyRows {
    let features = features.iter().map(|(key, fields)| ((*key).to_owned(), row(fields))).collect();
    PolicyRows { global: row(global), features }
}

/// A policy as a line.
fn show(policy: &FeaturePolicy) -> String {
    let FeaturePolicy { enabled, stable_time, keep_versions, cleanup, pin } = policy;
    let pin = pin.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    format!("{enabled} {} {keep_versions} {cleanup} [{pin}]", stable_time.seconds())
}

fn of(policy: &Policy, feature: &str) -> String {
    show(policy.of(&feature.parse().unwrap()))
}

#[test]
fn each_field_and_what_it_may_hold() {
    for (field, value, expected) in [
        ("state", "enabled", Some("true 600 2 true []")),
        ("state", "Disabled", Some("false 600 2 true []")),
        ("state", "true", None),
        ("state", " enabled", None),
        ("cleanup", "DISABLED", Some("true 600 2 false []")),
        ("cleanup", "off", None),
        ("stable_time", "0", Some("true 0 2 true []")),
        ("stable_time", "86400", Some("true 86400 2 true []")),
        ("stable_time", "007", Some("true 7 2 true []")),
        ("stable_time", "86401", None),
        ("stable_time", "-1", None),
        ("stable_time", "+1", None),
        ("stable_time", "1.5", None),
        ("stable_time", "10s", None),
        ("stable_time", "99999999999999999999", None),
        ("stable_time", "１", None),
        ("keep_versions", "2", Some("true 600 2 true []")),
        ("keep_versions", "10", Some("true 600 10 true []")),
        ("keep_versions", "1", None),
        ("keep_versions", "11", None),
        ("keep_versions", "258", None),
        ("pin", "20240510.RC1", Some("true 600 2 true [20240510.RC1]")),
        ("pin", "Latest", Some("true 600 2 true [Latest]")),
        ("pin", "latest", None),
        ("pin", "a b", None),
        ("pin", "$(reboot)", None),
        ("STATE", "disabled", None),
        ("stable-time", "5", None),
        ("NULL", "NULL", Some("true 600 2 true []")),
        ("NULL", "x", Some("true 600 2 true []")),
        ("state", "", Some("true 600 2 true []")),
        ("pin", "", Some("true 600 2 true []")),
    ] {
        let mut reader = PolicyReader::default();
        let policy = reader.read(&rows(&[], &[("snmp", &[(field, value)])]));
        assert_eq!(of(&policy, "snmp"), expected.unwrap_or("true 600 2 true []"), "{field}={value}");
        assert_eq!(reader.refusals().len(), usize::from(expected.is_none()), "{field}={value}");
        assert_eq!(of(&policy, "bgp"), "true 600 2 true []");
    }
}

#[test]
fn the_nearer_row_wins_then_global_then_the_file_then_the_built_in() {
    let file = RemoteCtrConfig { stable_time: Age::from_seconds(300), ..RemoteCtrConfig::default() };
    for (global, feature, expected) in [
        (&[][..], &[][..], "true 300 2 true []"),
        (&[("stable_time", "60")], &[], "true 60 2 true []"),
        (&[("stable_time", "60")], &[("stable_time", "5")], "true 5 2 true []"),
        (&[("state", "disabled"), ("keep_versions", "4")], &[("state", "enabled")], "true 300 4 true []"),
        (&[("cleanup", "disabled")], &[("pin", "1"), ("NULL", "NULL")], "true 300 2 false [1]"),
        (&[("stable_time", "60")], &[("stable_time", "bad")], "true 60 2 true []"),
        (&[("stable_time", "bad")], &[], "true 300 2 true []"),
    ] {
        let mut reader = PolicyReader::new(&file);
        let policy = reader.read(&rows(global, &[("snmp", feature)]));
        assert_eq!(of(&policy, "snmp"), expected, "{global:?} {feature:?}");
    }
}

#[test]
fn a_bad_value_leaves_the_last_good_one_of_its_own_field() {
    let mut reader = PolicyReader::default();
    let mut read = |global: &[(&str, &str)], feature: &[(&str, &str)]| {
        let policy = reader.read(&rows(global, &[("snmp", feature)]));
        (of(&policy, "snmp"), reader.refusals().iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(read(&[], &[("stable_time", "60")]).0, "true 60 2 true []");
    // Bad: the last good one stays, however often it is read and whatever else changes.
    for other in ["3", "4", "4"] {
        let (policy, refusals) = read(&[("stable_time", "9")], &[("stable_time", "x\ny"), ("keep_versions", other)]);
        assert_eq!(policy, format!("true 60 {other} true []"));
        assert_eq!(
            refusals,
            ["CONFIG_DB CONTAINER_IMAGE_FEATURE|snmp stable_time=\"x\\ny\" is refused: it must be 0..86400; the last \
              good one, 60, stays"]
        );
    }
    // Another bad value: still that one.
    assert_eq!(read(&[], &[("stable_time", "z")]).0, "true 60 2 true []");
    // Gone, and then bad again: nothing is kept.
    assert_eq!(read(&[("stable_time", "9")], &[]), ("true 9 2 true []".to_owned(), vec![]));
    let (policy, refusals) = read(&[("stable_time", "9")], &[("stable_time", "z")]);
    assert_eq!(policy, "true 9 2 true []");
    assert!(refusals[0].ends_with("no good one was seen before, the default holds"), "{refusals:?}");
}

#[test]
fn good_values_are_remembered_as_rows() {
    let mut reader = PolicyReader::default();
    let good = [("state", "disabled"), ("stable_time", "60"), ("keep_versions", "3"), ("cleanup", "disabled")];
    let own = [("pin", "20240510.RC1")];
    let expected = reader.read(&rows(&good, &[("snmp", &own), ("bgp", &[])]));
    assert_eq!(reader.good(), rows(&good, &[("snmp", &own)]));
    let bad = rows(
        &[("stable_time", "x"), ("state", "x"), ("keep_versions", "x"), ("cleanup", "x")],
        &[("snmp", &[("pin", "a b")])],
    );
    let policy = PolicyReader::default().remembering(&reader.good()).read(&bad);
    assert_eq!((of(&policy, "snmp"), of(&policy, "bgp")), (of(&expected, "snmp"), of(&expected, "bgp")));
    // What was tampered with is no good value.
    let policy = PolicyReader::default().remembering(&bad).read(&bad);
    assert_eq!(of(&policy, "snmp"), "true 600 2 true []");
}

#[test]
fn what_is_refused_names_row_field_value_and_range() {
    let mut reader = PolicyReader::default();
    let policy = reader.read(&rows(
        &[("pin", "1"), ("colour", "red")],
        &[
            ("a b", &[("state", "disabled")]),
            ("bgp", &[("pin", "latest")]),
            ("snmp", &[("pin", "a b"), ("keep_versions", "99")]),
        ],
    ));
    assert_eq!(show(&policy.global), "true 600 2 true []");
    assert_eq!(policy.features.len(), 2);
    let lines: Vec<_> = reader.refusals().iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "CONFIG_DB CONTAINER_IMAGE_FEATURE|a b is refused: \"a b\" is not a valid feature name: letters, digits, '_', '.' \
             and '-', starting with a letter or digit, at most 64 characters; the row is ignored",
            "CONFIG_DB CONTAINER_IMAGE_FEATURE|bgp pin=\"latest\" is refused: it must be a version other than latest, which \
             always stays; no good one was seen before, the default holds",
            "CONFIG_DB CONTAINER_IMAGE_FEATURE|snmp keep_versions=\"99\" is refused: it must be 2..10; no good one was \
             seen before, the default holds",
            "CONFIG_DB CONTAINER_IMAGE_FEATURE|snmp pin=\"a b\" is refused: it must be letters, digits, '_', '.' and '-', \
             starting with a letter, digit or '_', at most 128 characters; no good one was seen before, the default holds",
            "CONFIG_DB CONTAINER_IMAGE|GLOBAL colour=\"red\" is refused: no such field; the fields are state, \
             stable_time, keep_versions, cleanup and, of a feature, pin; it is ignored",
            "CONFIG_DB CONTAINER_IMAGE|GLOBAL pin=\"1\" is refused: a version is pinned in \
             CONTAINER_IMAGE_FEATURE|<feature>; it is ignored",
        ]
    );
}

#[test]
fn a_flood_of_fields_is_summed_up() {
    let mut reader = PolicyReader::default();
    let global = (0..10_000).map(|n| (format!("f{n}"), "x".repeat(1000))).collect();
    let _ = reader.read(&PolicyRows { global, features: BTreeMap::new() });
    assert_eq!(reader.refusals().len(), 17);
    assert!(reader.refusals().iter().all(|refusal| refusal.to_string().len() < 400));
}

#[test]
fn a_refusal_is_logged_once_while_it_stays() {
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt;

    struct Count(Arc<Mutex<usize>>);
    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Count {
        fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            *self.0.lock().unwrap() += 1;
        }
    }
    let count = Arc::new(Mutex::new(0));
    let subscriber = tracing_subscriber::registry().with(Count(count.clone()));
    tracing::subscriber::with_default(subscriber, || {
        let mut reader = PolicyReader::default();
        for (value, lines) in [("1", 1), ("1", 1), ("0", 2), ("3", 2), ("0", 3)] {
            let _ = reader.read(&rows(&[("keep_versions", value)], &[]));
            assert_eq!(*count.lock().unwrap(), lines, "{value}");
        }
    });
}
