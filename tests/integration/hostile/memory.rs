//! What the agent may cost, whatever there is in Redis and on the engine: less than what its unit allows it.

use imgmgrd_test_support::rows::{CONFIG_DB, Namespace, STATE_DB};

use crate::scene::binary;
use crate::story::{NEW, Story};

/// `MemoryMax` of the unit, in KiB.
const ALLOWED: u64 = 64 * 1024;

#[track_caller]
fn is_bounded(story: &Story, what: &str) {
    let peak = story.agent.peak_memory_kib();
    assert!(peak < ALLOWED, "{what} cost {peak} KiB");
}

#[test]
fn rows_of_any_size_and_number() {
    let mut story = Story::telemetry();
    let mut redis = story.switch.redis(Namespace::Host).connection(CONFIG_DB);
    let large = "x".repeat(64 << 20);
    // Two of a row's fields are read as a whole, the others only if somebody puts them there.
    for (database, key, field) in [
        (CONFIG_DB, "FEATURE|telemetry", "set_owner".to_owned()),
        (STATE_DB, "CONTAINER_IMAGE|telemetry", "reason".to_owned()),
        (CONFIG_DB, "KUBERNETES_MASTER|SERVER", large.clone()),
    ] {
        story.switch.rows().set(database, key, &[(&field, &large)]);
        story.until("it is said", |story| story.agent.log().contains("answers more than 2 MiB"));
        story.switch.rows().remove_fields(database, key, &[&field]);
        story.until("it is over", |story| {
            story.agent.log().trim_end().ends_with("/redis.sock") && story.agent.log().contains("Redis is back")
        });
    }
    is_bounded(&story, "values and names of 64 MiB");
    for (table, number) in [("FEATURE|f", 100_000), ("CONTAINER_IMAGE_FEATURE|f", 20_000), ("FEATURE|", 20_000)] {
        let mut pipeline = redis::pipe();
        for row in 0..number {
            pipeline.hset(format!("{table}{row}"), "set_owner", "kube").ignore();
        }
        pipeline.exec(&mut redis).expect("Redis takes it");
    }
    let mut command = redis::cmd("HSET");
    command.arg("LOGGER|imgmgrd");
    for field in 0..100_000 {
        command.arg(field).arg("x");
    }
    command.exec(&mut redis).expect("Redis takes it");
    is_bounded(&story, "140,000 rows, and one of 100,000 fields");
    redis::cmd("FLUSHDB").exec(&mut redis).expect("Redis takes it");
    story.switch.rows().policy(&[("stable_time", "1")]);
    story.switch.rows().config_feature("telemetry", "local", false, true);
    story.switch.rows().config_initialized(true);
    story.promote(NEW);
    is_bounded(&story, "all of it, and a promotion");
}

#[test]
fn commands_read_no_more_than_the_agent() {
    let story = Story::telemetry();
    story.switch.rows().set(CONFIG_DB, "FEATURE|telemetry", &[("set_owner", &"x".repeat(16 << 20))]);
    let output = story.switch.command(binary(), &["status"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("answers more than 2 MiB") && said.contains("--bigkeys"),
        "{said}"
    );
}
