//! Fragments of config_db.json, good and bad, and what is said of them.

use serde_json::{Value, json};

/// What YANG, the agent and the schema say: a part of their complaint, or none where they take it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) yang: Option<&'static str>,
    pub(crate) agent: Option<&'static str>,
    /// Whether the schema complains.
    pub(crate) schema: bool,
    /// Where they differ: words of the model's own description that say why.
    pub(crate) why: Option<&'static str>,
}

/// All take it.
const GOOD: Expected = Expected { yang: None, agent: None, schema: false, why: None };

/// All refuse it.
const fn bad(yang: &'static str, agent: &'static str) -> Expected {
    Expected { yang: Some(yang), agent: Some(agent), schema: true, why: None }
}

/// Only YANG refuses it.
const fn yang_refuses(yang: &'static str, why: &'static str) -> Expected {
    Expected { yang: Some(yang), why: Some(why), ..GOOD }
}

/// Only YANG takes it: it sees a number where there was a string.
const fn yang_takes(agent: &'static str) -> Expected {
    Expected { agent: Some(agent), schema: true, why: Some("A number with a sign, blanks or underscores"), ..GOOD }
}

/// A fragment of config_db.json.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) fragment: Value,
    pub(crate) expected: Expected,
}

const NOT_MODE: Expected = bad("must be enabled or disabled", "it must be enabled or disabled");
const NOT_DAY: Expected = bad("must be 0..86400", "it must be 0..86400");
const NO_DAY: Expected = bad("stable_time: no integer", "it must be 0..86400");
const NOT_COUNT: Expected = bad("must be 2..10", "it must be 2..10");
const NO_COUNT: Expected = bad("keep_versions: no integer", "it must be 2..10");
const NOT_VERSION: Expected =
    bad("starting with a letter, digit or '_', at most 128", "starting with a letter, digit or '_', at most 128");
const LATEST: Expected =
    bad("must be a version other than latest, which always stays", "it must be a version other than latest");
const EMPTY: &str = "A number that is the empty string";

/// Values of fields. Each is tried in a feature's row, and where GLOBAL has the field, there too.
const VALUES: [(&str, &[(&str, Expected)]); 4] = [
    (
        "state",
        &[
            ("enabled", GOOD),
            ("disabled", GOOD),
            ("Enabled", GOOD),
            ("DISABLED", GOOD),
            ("eNaBlEd", GOOD),
            ("", GOOD),
            ("on", NOT_MODE),
            ("true", NOT_MODE),
            ("0", NOT_MODE),
            (" ", NOT_MODE),
            (" enabled", NOT_MODE),
            ("enabled ", NOT_MODE),
            ("enabled\n", NOT_MODE),
            ("enableddisabled", NOT_MODE),
            ("enable", NOT_MODE),
            ("di\u{17f}abled", NOT_MODE),
            ("always_enabled", NOT_MODE),
        ],
    ),
    (
        "stable_time",
        &[
            ("0", GOOD),
            ("600", GOOD),
            ("9999", GOOD),
            ("10000", GOOD),
            ("79999", GOOD),
            ("85999", GOOD),
            ("86399", GOOD),
            ("86400", GOOD),
            ("007", GOOD),
            ("00000000000000086400", GOOD),
            ("86401", NOT_DAY),
            ("86500", NOT_DAY),
            ("90000", NOT_DAY),
            ("100000", NOT_DAY),
            ("4294967295", NOT_DAY),
            ("4294967296", bad("out of type uint32", "it must be 0..86400")),
            ("-1", bad("out of type uint32", "it must be 0..86400")),
            ("99999999999999999999", NO_DAY),
            ("1.5", NO_DAY),
            ("1e3", NO_DAY),
            ("0x10", NO_DAY),
            ("10s", NO_DAY),
            ("ten", NO_DAY),
            (" ", NO_DAY),
            ("_1", NO_DAY),
            ("1__0", NO_DAY),
            ("", yang_refuses("stable_time: no integer", EMPTY)),
            ("+600", yang_takes("it must be 0..86400")),
            ("-0", yang_takes("it must be 0..86400")),
            (" 600", yang_takes("it must be 0..86400")),
            ("600\n", yang_takes("it must be 0..86400")),
            ("6_00", yang_takes("it must be 0..86400")),
        ],
    ),
    (
        "keep_versions",
        &[
            ("2", GOOD),
            ("9", GOOD),
            ("10", GOOD),
            ("02", GOOD),
            ("0000000010", GOOD),
            ("0", NOT_COUNT),
            ("1", NOT_COUNT),
            ("11", NOT_COUNT),
            ("20", NOT_COUNT),
            ("100", NOT_COUNT),
            ("258", bad("out of type uint8", "it must be 2..10")),
            ("-2", bad("out of type uint8", "it must be 2..10")),
            ("two", NO_COUNT),
            ("2.0", NO_COUNT),
            ("", yang_refuses("keep_versions: no integer", EMPTY)),
            ("+2", yang_takes("it must be 2..10")),
            ("2 ", yang_takes("it must be 2..10")),
            ("1_0", yang_takes("it must be 2..10")),
        ],
    ),
    (
        "pin",
        &[
            ("20201231.84", GOOD),
            ("20240510.RC1", GOOD),
            ("latest", LATEST),
            ("Latest", GOOD),
            ("LATEST", GOOD),
            ("latest.1", GOOD),
            ("_", GOOD),
            ("1", GOOD),
            ("A-b_c.d", GOOD),
            ("", GOOD),
            ("a b", NOT_VERSION),
            (".1", NOT_VERSION),
            ("-1", NOT_VERSION),
            ("1\n", NOT_VERSION),
            (" 1", NOT_VERSION),
            ("1:2", NOT_VERSION),
            ("a/b", NOT_VERSION),
            ("a@b", NOT_VERSION),
            ("1+2", NOT_VERSION),
            ("1,2", NOT_VERSION),
            ("\u{fc}", NOT_VERSION),
            ("\u{661}", NOT_VERSION),
            ("$(reboot)", NOT_VERSION),
            ("sha256:0123", NOT_VERSION),
        ],
    ),
];

/// Every fragment.
pub(crate) fn all() -> Vec<Case> {
    let mut cases: Vec<Case> = rows();
    for (field, values) in VALUES {
        // `cleanup` is what `state` is.
        let fields: &[&str] = if field == "state" { &["state", "cleanup"] } else { &[field] };
        for ((value, expected), field) in
            values.iter().flat_map(|value| fields.iter().map(move |field| (value, *field)))
        {
            cases.push(Case { fragment: of_feature(field, value), expected: *expected });
            if field != "pin" {
                let fragment = json!({"CONTAINER_IMAGE": {"GLOBAL": {field: value}}});
                cases.push(Case { fragment, expected: *expected });
            }
        }
    }
    cases.push(Case { fragment: of_feature("pin", &"x".repeat(128)), expected: GOOD });
    cases.push(Case { fragment: of_feature("pin", &"x".repeat(129)), expected: NOT_VERSION });
    cases
}

fn of_feature(field: &str, value: &str) -> Value {
    json!({"FEATURE": {"snmp": {}}, "CONTAINER_IMAGE_FEATURE": {"snmp": {field: value}}})
}

/// What is not about values.
fn rows() -> Vec<Case> {
    let unknown_feature = yang_refuses("no target instance", "A feature that FEATURE does not name");
    let null = Expected { why: None, ..GOOD };
    let no_field = |name| bad(name, "no such field; the fields are state, stable_time, keep_versions, cleanup");
    let key = "starting with a letter or digit, at most 64 characters";
    let other_row = Expected {
        yang: Some("Node \"OTHER\" not found as a child of \"CONTAINER_IMAGE\""),
        schema: true,
        why: Some("A row of CONTAINER_IMAGE that is not GLOBAL"),
        ..GOOD
    };
    let long = "x".repeat(64);
    let too_long = "x".repeat(65);
    [
        (json!({}), GOOD),
        (json!({"FEATURE": {"snmp": {"state": "enabled", "set_owner": "kube"}}}), GOOD),
        (json!({"CONTAINER_IMAGE": {}, "CONTAINER_IMAGE_FEATURE": {}}), GOOD),
        (json!({"CONTAINER_IMAGE": {"GLOBAL": {}}}), GOOD),
        (json!({"CONTAINER_IMAGE": {"GLOBAL": {"NULL": "NULL"}}}), null),
        (json!({"FEATURE": {"snmp": {}}, "CONTAINER_IMAGE_FEATURE": {"snmp": {}}}), GOOD),
        (json!({"FEATURE": {"snmp": {}}, "CONTAINER_IMAGE_FEATURE": {"snmp": {"NULL": "NULL"}}}), null),
        (
            json!({
                "FEATURE": {"snmp": {}, "bgp": {}, "dhcp_relay": {}},
                "CONTAINER_IMAGE": {
                    "GLOBAL": {"state": "enabled", "stable_time": "600", "keep_versions": "3", "cleanup": "disabled"}
                },
                "CONTAINER_IMAGE_FEATURE": {
                    "bgp": {"state": "disabled"},
                    "snmp": {"state": "enabled", "stable_time": "0", "keep_versions": "2", "cleanup": "enabled", "pin": "1"},
                }
            }),
            GOOD,
        ),
        (
            json!({"FEATURE": {"snmp": {}}, "CONTAINER_IMAGE_FEATURE": {"snmp": {"state": "enabled", "pin": "a b"}}}),
            NOT_VERSION,
        ),
        (json!({"FEATURE": {&long: {}}, "CONTAINER_IMAGE_FEATURE": {&long: {}}}), GOOD),
        (json!({"FEATURE": {&too_long: {}}, "CONTAINER_IMAGE_FEATURE": {&too_long: {}}}), bad(key, key)),
        (json!({"FEATURE": {"a b": {}}, "CONTAINER_IMAGE_FEATURE": {"a b": {}}}), bad(key, key)),
        (json!({"FEATURE": {"_a": {}}, "CONTAINER_IMAGE_FEATURE": {"_a": {}}}), bad(key, key)),
        (json!({"FEATURE": {"snmp": {}}, "CONTAINER_IMAGE_FEATURE": {"telemetry": {}}}), unknown_feature),
        (json!({"CONTAINER_IMAGE_FEATURE": {"snmp": {"pin": "1"}}}), unknown_feature),
        (json!({"FEATURE": {"snmp": {}}, "CONTAINER_IMAGE_FEATURE": {"SNMP": {}}}), unknown_feature),
        (json!({"CONTAINER_IMAGE": {"OTHER": {"state": "enabled"}}}), other_row),
        (
            json!({"CONTAINER_IMAGE": {"GLOBAL": {"pin": "1"}}}),
            bad("Node \"pin\" not found as a child of \"GLOBAL\"", "a version is pinned in CONTAINER_IMAGE_FEATURE"),
        ),
        (json!({"CONTAINER_IMAGE": {"GLOBAL": {"STATE": "enabled"}}}), no_field("Node \"STATE\" not found")),
        (json!({"CONTAINER_IMAGE": {"GLOBAL": {"stable-time": "5"}}}), no_field("Node \"stable-time\" not found")),
        (
            json!({"FEATURE": {"snmp": {}}, "CONTAINER_IMAGE_FEATURE": {"snmp": {"colour": "red"}}}),
            no_field("Node \"colour\" not found as a child of \"CONTAINER_IMAGE_FEATURE_LIST\""),
        ),
    ]
    .into_iter()
    .map(|(fragment, expected)| Case { fragment, expected })
    .collect()
}
