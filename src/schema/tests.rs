//! The schemas take what the agent's own readers take.

use imgmgrd_test_support::schema::complaints;
use serde_json::json;

use super::pattern::STABILITIES;
use super::*;
use crate::domain::{Base, ImageId, Version};
use crate::logging::LogLevel;
use crate::planner::{Owner, RemoteState, Stability, SystemState};

/// Whether one of the agent's own readers takes a text.
type Reader = fn(&str) -> bool;

fn is_read_as<T: std::str::FromStr>(text: &str) -> bool {
    text.parse::<T>().is_ok()
}

#[test]
fn a_schema_takes_what_the_reader_takes() {
    let image_id = format!("sha256:{}", "0af9".repeat(16));
    let upper = image_id.to_uppercase();
    let long = "x".repeat(128);
    let too_long = "x".repeat(129);
    let words = "local Kube NONE pending READY running stopped up Down emerg ALERT crit ERROR warn Notice INFO debug WARNING \
                 kubelet 1 _ -1 .a a.b a..b a__b a___b a--b a- docker-snmp Docker-snmp a/b a:b \u{e9} sha256:0123 \
                 20240510.RC1 latest $(reboot)";
    let others = ["", "none ", " none", "none\n", &image_id, &upper, &long, &too_long];
    let (lower, capital) = (words.to_lowercase(), words.to_uppercase());
    let words = [words, &lower, &capital].into_iter().flat_map(str::split_whitespace);
    let samples: Vec<&str> = words.chain(others).collect();
    let fields: [(&str, &str, Reader); 8] = [
        ("state_db/FEATURE.json", "current_owner", is_read_as::<Owner>),
        ("state_db/FEATURE.json", "remote_state", is_read_as::<RemoteState>),
        ("state_db/FEATURE.json", "system_state", is_read_as::<SystemState>),
        ("state_db/FEATURE.json", "container_version", is_read_as::<Version>),
        ("state_db/FEATURE.json", "container_stable_version", is_read_as::<Version>),
        ("config_db/LOGGER.json", "LOGLEVEL", is_read_as::<LogLevel>),
        ("state_db/CONTAINER_IMAGE.json", "image", is_read_as::<Base>),
        ("state_db/CONTAINER_IMAGE.json", "image_id", is_read_as::<ImageId>),
    ];
    for (path, field, reads) in fields {
        let mut taken = 0;
        for text in samples.iter().copied() {
            // Other fields may be missing: only what is said of this one counts.
            let said = complaints(path, &json!({field: text}));
            let takes = !said.iter().any(|complaint| complaint.starts_with(&format!("/{field}:")));
            let is_absent = text.is_empty() && field != "LOGLEVEL";
            // The longest image name is no matter of the grammar, nor of the schema.
            if !(field == "image" && text == too_long) {
                assert_eq!(takes, is_absent || reads(text), "{path} {field}={text:?}");
            }
            taken += usize::from(takes);
        }
        assert!((1..samples.len()).contains(&taken), "{field} takes some, not all");
    }
}

#[test]
fn the_stabilities_are_those_of_the_report() {
    let all = [
        Stability::Local,
        Stability::Waiting,
        Stability::Observing,
        Stability::Stable,
        Stability::Failed,
        Stability::Held,
        Stability::Error,
    ];
    for stability in all {
        // Whoever adds one is sent here by the compiler.
        match stability {
            Stability::Local | Stability::Waiting | Stability::Observing | Stability::Stable => {}
            Stability::Failed | Stability::Held | Stability::Error => {}
        }
    }
    assert_eq!(all.map(|stability| stability.to_string()), STABILITIES);
}

#[test]
fn each_schema_stands_by_itself() {
    for (path, schema) in documents() {
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{path}");
        assert!(schema["title"].is_string(), "{path}");
        assert!(!schema.to_string().contains("$ref"), "{path} stands by itself");
        assert!(!path.contains("_db/") || !schema.to_string().contains("null\""), "{path}: Redis has no null");
    }
}
