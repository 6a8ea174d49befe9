//! A promotion happens once, and then there is silence.

use imgmgrd_test_support::rows::Namespace;
use imgmgrd_test_support::wait::{try_wait_until, wait_until};

use crate::scene::SOON;
use crate::story::{NEW, QUIET, Story, ask_engine};

#[test]
fn nothing_follows_a_promotion() {
    let mut story = Story::telemetry();
    story.promote(NEW);
    story.until("the clean-up is done", |story| !story.history("cleaned").is_empty());
    let redis = story.switch.redis(Namespace::Host);
    // What is under way comes to its end: two questions in a row count the same number of commands.
    let question = {
        let mut last = redis.commands_processed();
        let mut cost = 0;
        let settled = || {
            let now = redis.commands_processed();
            let same = now - last == cost;
            (cost, last) = (now - last, now);
            same
        };
        wait_until("redis is left alone", SOON, settled);
        cost
    };
    let (row, log) = (story.rows().image_row(), story.agent.log());
    let (mut asked, mut other) = (redis.commands_processed(), 0);
    let disturbed = try_wait_until(QUIET, || {
        let now = redis.commands_processed();
        other += now - asked - question;
        asked = now;
        other > 0
    });
    assert!(disturbed.is_err(), "{other} commands\n{}", story.agent.log());
    assert_eq!((story.rows().image_row(), story.agent.log()), (row, log));
    assert_eq!(story.history("promoted").len(), 1);

    let events = ask_engine(&story.switch, "GET", &format!("/events?since=0&until={}", engine_time(&story)));
    let count = |what: &str| events.lines().filter(|line| line.contains(what)).count();
    assert_eq!(count(r#""Action":"destroy""#), 1, "the stale container\n{events}");
    assert_eq!(count(r#""Action":"tag""#), 2, "latest, and a name for the image that it left\n{events}");
}

/// Seconds since 1970 by the engine's clock.
fn engine_time(story: &Story) -> i64 {
    let answer = ask_engine(&story.switch, "GET", "/info");
    let time = answer.split_once("\"SystemTime\":\"").and_then(|(_, rest)| rest.split('"').next()).expect("a time");
    chrono::DateTime::parse_from_rfc3339(time).expect("a time").timestamp() + 1
}
