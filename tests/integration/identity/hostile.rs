//! Values that are no valid names, versions, words or rows: refused, said so, and nothing else is disturbed.

use imgmgrd_test_support::rows::{CONFIG_DB, Namespace, STATE_DB};
use imgmgrd_test_support::switch::Switch;
use imgmgrd_test_support::wait::wait_until;

use crate::scene::SOON;
use crate::story::{NEW, Story};

/// What a shell, or a careless program, would do.
const HOSTILE: [&str; 6] = ["$(touch hit)", "`touch hit`", "; touch hit;", "../../hit", "a b\nc", "-rf"];

/// One command to Redis with bytes that are no text.
fn raw(switch: &Switch, database: i64, words: &[&[u8]]) {
    let mut command = redis::Cmd::new();
    words.iter().for_each(|word| {
        command.arg(*word);
    });
    command.exec(&mut switch.redis(Namespace::Host).connection(database)).expect("Redis takes it");
}

/// The agent goes on to do its work.
#[track_caller]
fn goes_on(story: &mut Story) {
    let container = story.promote(NEW);
    assert_eq!(story.latest(), container.image_id);
    nothing_was_executed(story);
}

/// Nothing was carried out by a shell.
fn nothing_was_executed(story: &Story) {
    assert!(!story.switch.file("hit").exists() && !std::path::Path::new("hit").exists());
}

#[test]
fn feature_names() {
    let mut story = Story::telemetry();
    let long = "x".repeat(100_000);
    for name in HOSTILE.into_iter().chain([long.as_str(), "", "é"]) {
        story.switch.rows().set(CONFIG_DB, &format!("FEATURE|{name}"), &[("set_owner", "kube")]);
        let fields = [("current_owner", "kube"), ("remote_state", "running"), ("container_id", "0123456789ab")];
        story.switch.rows().set(STATE_DB, &format!("FEATURE|{name}"), &fields);
    }
    raw(&story.switch, CONFIG_DB, &[b"HSET", b"FEATURE|\xff\xfe", b"set_owner", b"kube"]);
    story.has_reconciled("snmp");
    story.until("each is refused by name", |story| story.agent.log().contains("row ignored"));
    goes_on(&mut story);
    let published = story.switch.rows().keys(STATE_DB, "CONTAINER_IMAGE|*");
    assert_eq!(published, ["CONTAINER_IMAGE|snmp", "CONTAINER_IMAGE|telemetry"]);
    assert!(story.agent.log().lines().all(|line| line.len() < 1000), "nobody fills the log");
}

#[test]
fn versions() {
    let mut story = Story::telemetry();
    let local = story.latest();
    story.switch.publish("docker-sonic-telemetry", NEW, "");
    let container = story.switch.kubelet().deploy(&story.deployment(NEW));
    let long = "1".repeat(100_000);
    story.rows().set_owner("kube");
    story.engine().stop_container("telemetry");
    // Hostile from the first write on: a takeover that was right for a moment would have begun, and would fail.
    story.rows().kube_takes_over(container.short_id(), HOSTILE[0]);
    for version in HOSTILE.into_iter().chain([long.as_str()]) {
        story.rows().set(&[("container_version", version)]);
        story.is("waiting", "container_version holds \"");
        assert!(story.rows().reason().len() < 250, "{}", story.rows().reason());
    }
    raw(&story.switch, STATE_DB, &[b"HSET", b"FEATURE|telemetry", b"container_version", b"\xff20201231.84"]);
    story.let_it_pass();
    story.is("waiting", "container_version holds \"\u{fffd}20201231.84\", which is not valid");
    story.rows().set(&[("container_version", HOSTILE[0])]);
    story.nothing_was_promoted(&local);

    story.rows().set(&[("container_version", NEW), ("container_stable_version", HOSTILE[0])]);
    story.rows().set(&[("container_last_version", HOSTILE[1])]);
    story.is_promoted(NEW);
    let row = story.rows().feature_row().expect("the row");
    assert_eq!(row["container_stable_version"], NEW, "what was no version is replaced");
    nothing_was_executed(&story);
}

#[test]
fn words_and_ids() {
    let mut story = Story::telemetry();
    let local = story.latest();
    story.policy("stable_time", "600");
    let container = story.deploy(NEW);
    story.becomes("observing");
    for (field, good) in [("current_owner", "kube"), ("remote_state", "running")] {
        story.rows().set(&[(field, HOSTILE[0])]);
        story.becomes("failed");
        story.rows().set(&[(field, good)]);
        story.becomes("observing");
    }
    story.rows().set(&[("container_id", HOSTILE[2]), ("update_time", HOSTILE[3]), ("system_state", HOSTILE[4])]);
    story.policy("stable_time", "1");
    // No hex digits: the one labelled container is meant, which is the same one.
    story.is_promoted(NEW);
    assert_eq!(story.latest(), container.image_id);
    assert_ne!(story.latest(), local);
    story.switch.rows().set(CONFIG_DB, "FEATURE|telemetry", &[("set_owner", HOSTILE[0])]);
    story.is("waiting", "set_owner holds \"$(touch hit)\", which is not valid");
    nothing_was_executed(&story);
}

#[test]
fn keys_of_another_type() {
    let mut story = Story::telemetry();
    raw(&story.switch, CONFIG_DB, &[b"SET", b"FEATURE|snmp", b"no hash"]);
    raw(&story.switch, STATE_DB, &[b"RPUSH", b"FEATURE|snmp", b"no hash"]);
    raw(&story.switch, STATE_DB, &[b"SET", b"KUBERNETES_MASTER|SERVER", b"no hash"]);
    raw(&story.switch, CONFIG_DB, &[b"SET", b"CONTAINER_IMAGE|GLOBAL2", b"no hash"]);
    raw(&story.switch, CONFIG_DB, &[b"SET", b"CONTAINER_IMAGE_FEATURE|snmp", b"no hash"]);
    raw(&story.switch, CONFIG_DB, &[b"SET", b"LOGGER|imgmgrd", b"no hash"]);
    raw(&story.switch, STATE_DB, &[b"SET", b"CONTAINER_IMAGE|bgp", b"no hash"]);
    raw(&story.switch, STATE_DB, &[b"SET", b"CONTAINER_IMAGE_HISTORY|telemetry|1000", b"no hash"]);
    story.until("it is said", |story| story.agent.log().contains("row=FEATURE|snmp"));
    story.switch.rows().config_feature("bgp", "local", false, true);
    let is_hash = |key: &[u8]| {
        let mut connection = story.switch.redis(Namespace::Host).connection(STATE_DB);
        redis::cmd("TYPE").arg(key).query::<String>(&mut connection).expect("Redis answers") == "hash"
    };
    wait_until("its own rows are made hashes", SOON, || is_hash(b"CONTAINER_IMAGE|bgp"));
    raw(&story.switch, STATE_DB, &[b"DEL", b"CONTAINER_IMAGE_HISTORY|telemetry|1000"]);
    goes_on(&mut story);
    let told = story
        .agent
        .log()
        .lines()
        .filter(|line| line.contains("FEATURE|snmp") && line.contains("it is no hash"))
        .count();
    assert!(told >= 1, "{}", story.agent.log());
    assert_eq!(story.switch.feature("bgp").stability(), "local");
}
