//! What happened, in `CONTAINER_IMAGE_HISTORY`: its numbers, and what repeats.

use imgmgrd_test_support::kubelet::KubeContainer;

use crate::scene::binary;
use crate::story::{NEW, NEWER, Story};

#[test]
fn numbers_go_on_when_the_file_is_lost_and_the_rows_are_not() {
    let mut story = Story::telemetry();
    let container = story.promote(NEW);
    story.until("the clean-up is told", |story| !story.history("cleaned").is_empty());
    story.switch.kubelet().remove(&container);
    story.becomes("waiting");
    let before = story.rows().history();
    let (last, _) = before.last().expect("something has happened");
    let lost = std::mem::replace(&mut story.agent, story.switch.agent_with(binary(), &["--version"], &[]));
    assert!(lost.terminate().0.success());
    std::fs::remove_file(story.switch.file("state/history.json")).expect("it is there");

    story.agent = story.switch.agent(binary());
    story.policy("stable_time", "600");
    let failing = story.deploy(NEWER);
    story.becomes("observing");
    story.engine().kill_container(&failing.id);
    story.becomes("failed");
    story.until("it is told under a number of its own", |story| {
        story.rows().history().iter().any(|(number, row)| number > last && row["event"] == "failed")
    });
    let after = story.rows().history();
    assert!(before.iter().all(|entry| after.contains(entry)), "nothing is lost: {before:#?}\n{after:#?}");
}

/// Lets a container that waits for it exit with code 42.
fn exits(story: &Story, container: &KubeContainer) {
    assert_eq!(story.engine().exec(&container.id, &["/bin/busybox", "touch", "/exit"]), 0);
}

#[test]
fn a_failure_that_repeats_is_one_entry_with_a_count() {
    let mut story = Story::telemetry();
    story.policy("stable_time", "600");
    let container = story.deploy_with(NEW, |spec| {
        spec.script("while [ ! -e /exit ]; do /bin/busybox sleep 0.05; done; /bin/busybox rm /exit; exit 42")
    });
    let (mut first_time, mut number) = (String::new(), 0);
    for count in ["1", "2", "3"] {
        story.becomes("observing");
        exits(&story, &container);
        story.until("the failure is told once, and counted", |story| {
            let failures = story.history("failed");
            matches!(&failures[..], [one] if count == "1" || one.get("count").is_some_and(|told| told == count))
        });
        let newest = story.rows().history().pop().expect("it is told");
        assert!(newest.0 > number && newest.1["event"] == "failed", "under a new number: {newest:?}");
        if count == "1" {
            first_time = newest.1["time"].clone();
        }
        number = newest.0;
        story.engine().start_container(&container.id);
    }
    let failures = story.history("failed");
    let [failure] = &failures[..] else { panic!("{failures:?}") };
    assert_eq!((&failure["count"], &failure["first_time"]), (&"3".to_owned(), &first_time));
    assert!(failure.values().any(|value| value == "42" || value.contains("code 42")), "its exit code: {failure:?}");
    assert!(failure.values().any(|value| value.contains(container.short_id())), "its container: {failure:?}");
}
