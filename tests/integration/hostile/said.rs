//! What hostile values look like where people read them: on the terminal, in the log, in published rows.

use imgmgrd_test_support::Signal;
use imgmgrd_test_support::rows::{CONFIG_DB, STATE_DB};
use serde_json::Value;

use crate::scene::binary;
use crate::story::{NEW, Story};

/// Ends a line, clears the terminal, writes its title, turns the direction of writing, quotes, and runs a program.
const HOSTILE: &str =
    "x\n2026-11-21 21:32:29Z ERROR forged\r\x1b[2J\x1b]0;t\x07\u{202e}\u{85}\"';`reboot`$(reboot)%n<b>\\";

/// Every field of every row that the agent reads.
const FIELDS: [(i64, &str, &[&str]); 6] = [
    (CONFIG_DB, "FEATURE|", &["set_owner", "has_per_asic_scope", "has_global_scope", "state"]),
    (
        STATE_DB,
        "FEATURE|",
        &[
            "current_owner",
            "remote_state",
            "container_id",
            "container_version",
            "container_stable_version",
            "container_last_version",
            "system_state",
            "update_time",
        ],
    ),
    (CONFIG_DB, "CONTAINER_IMAGE_FEATURE|", &["state", "stable_time", "keep_versions", "cleanup", "pin"]),
    (STATE_DB, "CONTAINER_IMAGE|", &["image", "stability", "reason", "version", "container_id", "observing_since"]),
    (CONFIG_DB, "CONTAINER_IMAGE|", &["state", "stable_time", "keep_versions", "cleanup", "pin"]),
    (STATE_DB, "CONTAINER_IMAGE_HISTORY|", &["event", "version", "detail"]),
];

/// Nothing in it does more than be shown.
#[track_caller]
fn is_plain(text: &str, from: &str) {
    let is_harmful = |c: &char| (c.is_control() && *c != '\n') || matches!(c, '\u{202e}' | '\u{85}');
    assert!(!text.chars().any(|c| is_harmful(&c)), "{from}: {text:?}");
    assert!(!text.lines().any(|line| line.starts_with("2026-11-21 21:32:29Z ERROR forged")), "{from}: {text}");
}

#[test]
fn no_value_of_a_row_does_more_than_be_shown() {
    let mut story = Story::telemetry();
    let container = story.promote(NEW);
    let set = |story: &Story, database, key: &str, field: &str, value: &str| {
        story.switch.rows().set(database, key, &[(field, value)]);
    };
    for feature in ["telemetry", "snmp", HOSTILE] {
        for (database, table, fields) in FIELDS {
            let key = match (table, database) {
                ("CONTAINER_IMAGE|", CONFIG_DB) => "CONTAINER_IMAGE|GLOBAL".to_owned(),
                ("CONTAINER_IMAGE_HISTORY|", _) => format!("{table}{feature}|7"),
                _ => format!("{table}{feature}"),
            };
            for field in fields {
                set(&story, database, &key, field, HOSTILE);
            }
            set(&story, database, &key, HOSTILE, HOSTILE);
        }
    }
    for (database, key) in [(CONFIG_DB, "KUBERNETES_MASTER|SERVER"), (STATE_DB, "KUBERNETES_MASTER|SERVER")] {
        for field in ["disable", "connected", "ip", "port"] {
            set(&story, database, key, field, HOSTILE);
        }
    }
    set(&story, CONFIG_DB, "LOGGER|imgmgrd", "LOGLEVEL", HOSTILE);
    story.until("all of it was read", |story| {
        let log = story.agent.log();
        ["row ignored", "GLOBAL stable_time", "telemetry pin"].iter().all(|said| log.contains(said))
    });

    for command in ["status", "images", "plan", "history", "doctor"] {
        for arguments in [&[command][..], &[command, "--json"]] {
            let output = story.switch.command(binary(), arguments);
            let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            is_plain(&out, command);
            is_plain(&err, command);
            assert!(!err.contains("panicked"), "{err}");
            if arguments.len() == 2 {
                serde_json::from_str::<Value>(&out).unwrap_or_else(|error| panic!("{command}: {error}: {out}"));
            }
        }
    }
    for name in [HOSTILE, "../../etc/passwd", "telemetry?force=1"] {
        for command in ["status", "images", "plan", "history", "promote", "rollback"] {
            let output = story.switch.command(binary(), &[command, "--", name]);
            assert!(!output.status.success(), "{command} {name}");
            is_plain(&String::from_utf8_lossy(&output.stderr), command);
        }
    }
    is_plain(&story.agent.log(), "the log");
    // What the agent publishes it reads again with everything else, and then writes over what is not its own.
    story.agent.signal(Signal::HUP);
    let own_row = |story: &Story, feature| story.switch.feature(feature).image_row().unwrap_or_default();
    for feature in ["telemetry", "snmp"] {
        story.until("it is written anew", |story| {
            let row = own_row(story, feature);
            !row.contains_key(HOSTILE) && row.get("stability").is_some_and(|stability| stability != HOSTILE)
        });
        own_row(&story, feature).values().for_each(|value| is_plain(value, feature));
    }
    assert_eq!(story.latest(), container.image_id);
    assert!(story.engine().is_running(&container.id));
}

#[test]
fn no_word_of_the_state_directory_or_of_the_agent_does_more_than_be_shown() {
    let mut story = Story::telemetry();
    story.promote(NEW);
    // It would write over what is not its own.
    assert!(story.agent.terminate().0.success());
    let told = format!("\u{1b}[2J{}", "x");
    let event =
        serde_json::json!({ "n": 1, "time": told, "event": told, "version": told, "image_id": told, "detail": told });
    let history = serde_json::json!({ "format": 1, "instances": { "telemetry": { "last": 1, "entries": [event] } } });
    std::fs::write(story.switch.file("state/history.json"), history.to_string()).expect("a file can be written");
    let output = story.switch.command(binary(), &["history"]);
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.contains("\\u{1b}[2Jx"), "{out}");
    is_plain(&out, "history");
}
