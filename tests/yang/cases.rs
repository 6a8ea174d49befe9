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

/// Values of a field of which the same is said.
type Alike = (Expected, &'static [&'static str]);

/// Values of fields. Each is tried in a feature's row, and where GLOBAL has the field, there too.
const VALUES: [(&str, &[Alike]); 4] = [
    (
        "state",
        &[
            (GOOD, &["enabled", "disabled", "Enabled", "DISABLED", "eNaBlEd", ""]),
            (
                NOT_MODE,
                &[
                    "on",
                    "true",
                    "0",
                    " ",
                    " enabled",
                    "enabled ",
                    "enabled\n",
                    "enableddisabled",
                    "enable",
                    "di\u{17f}abled",
                    "always_enabled",
                ],
            ),
        ],
    ),
    (
        "stable_time",
        &[
            (GOOD, &["0", "600", "9999", "10000", "79999", "85999", "86399", "86400", "007", "00000000000000086400"]),
            (NOT_DAY, &["86401", "86500", "90000", "100000", "4294967295"]),
            (bad("out of type uint32", "it must be 0..86400"), &["4294967296", "-1"]),
            (NO_DAY, &["99999999999999999999", "1.5", "1e3", "0x10", "10s", "ten", " ", "_1", "1__0"]),
            (yang_refuses("stable_time: no integer", EMPTY), &[""]),
            (yang_takes("it must be 0..86400"), &["+600", "-0", " 600", "600\n", "6_00"]),
        ],
    ),
    (
        "keep_versions",
        &[
            (GOOD, &["2", "9", "10", "02", "0000000010"]),
            (NOT_COUNT, &["0", "1", "11", "20", "100"]),
            (bad("out of type uint8", "it must be 2..10"), &["258", "-2"]),
            (NO_COUNT, &["two", "2.0"]),
            (yang_refuses("keep_versions: no integer", EMPTY), &[""]),
            (yang_takes("it must be 2..10"), &["+2", "2 ", "1_0"]),
        ],
    ),
    (
        "pin",
        &[
            (GOOD, &["20201231.84", "20240510.RC1", "Latest", "LATEST", "latest.1", "_", "1", "A-b_c.d", ""]),
            (LATEST, &["latest"]),
            (
                NOT_VERSION,
                &[
                    "a b",
                    ".1",
                    "-1",
                    "1\n",
                    " 1",
                    "1:2",
                    "a/b",
                    "a@b",
                    "1+2",
                    "1,2",
                    "\u{fc}",
                    "\u{661}",
                    "$(reboot)",
                    "sha256:0123",
                ],
            ),
        ],
    ),
];

/// Every fragment.
pub(crate) fn all() -> Vec<Case> {
    let mut cases: Vec<Case> = rows();
    for (field, values) in VALUES {
        // `cleanup` is what `state` is.
        let fields: &[&str] = if field == "state" { &["state", "cleanup"] } else { &[field] };
        for field in fields.iter().copied() {
            for (expected, values) in values {
                for value in *values {
                    cases.push(Case { fragment: of_feature(field, value), expected: *expected });
                    if field != "pin" {
                        let fragment = json!({"CONTAINER_IMAGE": {"GLOBAL": {field: value}}});
                        cases.push(Case { fragment, expected: *expected });
                    }
                }
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
