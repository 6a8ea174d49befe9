//! Redis answers, and refuses to write: what was to be published is published once it can be, without any event.

use imgmgrd_test_support::container::ContainerSpec;
use imgmgrd_test_support::rows::Namespace;

use crate::story::{LOCAL, NEW, Story};

/// A setting of Redis with which it refuses to write, the error that it answers then, and the value without it.
type Refusal = (&'static str, &'static str, &'static str);

/// Too few replicas have written it, too.
const NOREPLICAS: Refusal = ("min-replicas-to-write", "NOREPLICAS", "0");
/// There is no memory left.
const OOM: Refusal = ("maxmemory", "OOM", "0");

fn refuse((setting, ..): Refusal, story: &Story) {
    set(story, setting, "1");
}

fn accept((setting, _, value): Refusal, story: &Story) {
    set(story, setting, value);
}

fn set(story: &Story, setting: &str, value: &str) {
    let mut connection = story.switch.redis(Namespace::Host).connection(0);
    redis::cmd("CONFIG").arg("SET").arg(setting).arg(value).exec(&mut connection).expect("Redis takes it");
}

/// Waits until Redis has refused to write something.
fn is_refused((_, error, _): Refusal, story: &mut Story) {
    let stat = format!("errorstat_{error}:");
    story.until("a write is refused", |story| {
        let mut connection = story.switch.redis(Namespace::Host).connection(0);
        let stats: String = redis::cmd("INFO").arg("errorstats").query(&mut connection).expect("Redis answers");
        stats.contains(&stat)
    });
}

/// An image is removed while Redis refuses to write.
fn a_clean_up_is_told_of(refusal: Refusal) {
    let mut story = Story::telemetry();
    let old = story.pull("20201231.50", "");
    story.engine().create_container(&ContainerSpec::new("an-old-pod", &old));
    let local = story.latest();
    story.promote(NEW);
    story.loses(&local);
    story.until("that is told", |story| story.history("cleaned").iter().any(|row| row["version"] == LOCAL));
    let reclaimed = |story: &Story| story.rows().published("reclaimed").parse::<u64>().unwrap_or_default();
    story.until("two are left", |story| story.rows().published("images") == "2" && reclaimed(story) > 0);
    let before = reclaimed(&story);

    refuse(refusal, &story);
    story.engine().remove_container("an-old-pod");
    story.loses(&old);
    is_refused(refusal, &mut story);
    accept(refusal, &story);
    story.until("the row is there", |story| story.rows().published("images") == "1");
    story.until("what was freed is counted", |story| reclaimed(story) > before);
    let is_told = |story: &Story| story.history("cleaned").iter().any(|row| row["version"] == "20201231.50");
    story.until("the history tells", is_told);
}

#[test]
fn a_clean_up_while_replicas_are_missing() {
    a_clean_up_is_told_of(NOREPLICAS);
}

#[test]
fn a_clean_up_while_redis_has_no_memory_left() {
    a_clean_up_is_told_of(OOM);
}

#[test]
fn a_failure_is_told_of() {
    let mut story = Story::telemetry();
    story.policy("stable_time", "600");
    let container = story.deploy(NEW);
    story.becomes("observing");
    refuse(NOREPLICAS, &story);
    story.engine().kill_container(&container.id);
    is_refused(NOREPLICAS, &mut story);
    accept(NOREPLICAS, &story);
    story.is("failed", "the container exited");
    story.until("the history tells", |story| story.history("failed").len() == 1);
}
