//! The agent cannot save its memory: what has to be remembered waits and says so, everything else goes on.

use imgmgrd_test_support::switch::Switch;
use imgmgrd_test_support::{FullDisk, ReadOnlyFolder, Signal};

use crate::scene::{comes_to_rest, command, deploy, install_locally};
use crate::story::{LOCAL, NEW, NEWER, STABLE_TIME, Story};

const FEATURE: &str = "telemetry";
const BASE: &str = "docker-sonic-telemetry";

/// Telemetry runs locally, and the state directory is a disk of its own.
fn on_a_small_disk() -> Story {
    let switch = Switch::builder().state_disk(1 << 20).start();
    install_locally(&switch, FEATURE, BASE, LOCAL, STABLE_TIME);
    let mut story = Story::on(switch, FEATURE, BASE);
    story.becomes("local");
    story
}

/// No room is left on that disk until what is returned is dropped.
fn fill(story: &Story) -> FullDisk {
    FullDisk::fill(&story.switch.file("state"))
}

/// Takes the state directory away: at once, as the agent may be writing there.
fn take_away(story: &Story) {
    std::fs::rename(story.switch.file("state"), story.switch.file("taken")).expect("it can be renamed");
}

/// Whether these words say that the memory cannot be saved.
fn names_the_memory(said: &str) -> bool {
    ["memory cannot be saved", "state directory"].iter().any(|words| said.contains(words))
}

/// Another feature is to be promoted, which would have to be remembered first.
fn another_one_is_due(story: &Story) {
    story.policy("stable_time", "0");
    deploy(&story.switch, "snmp", "docker-snmp", "20201231.99");
}

/// Rows are followed, a promotion is held with the reason, and done once the memory can be saved.
fn held_until_it_can_be_saved<T>(mut story: Story, prevent: impl FnOnce(&Story) -> T) {
    let local = story.latest();
    let unsaved = prevent(&story);
    let container = story.deploy(NEW);
    story.until("it is held for that reason", |story| {
        story.rows().stability() == "held" && names_the_memory(&story.rows().reason())
    });
    story.has_reconciled("snmp");
    story.rows().set(&[("container_version", NEWER)]);
    story.becomes("waiting");
    story.rows().set(&[("container_version", NEW)]);
    story.nothing_was_promoted(&local);
    assert!(story.engine().container(FEATURE).is_some(), "the local container stays");
    story.until("it is held again", |story| story.rows().stability() == "held");

    // From now on nothing happens that it could hear of.
    drop(unsaved);
    story.is_promoted(NEW);
    assert_eq!(story.latest(), container.image_id);
}

#[test]
fn a_full_disk_holds_promotions_and_nothing_else() {
    held_until_it_can_be_saved(on_a_small_disk(), fill);
}

#[test]
fn a_read_only_disk_holds_promotions_and_nothing_else() {
    held_until_it_can_be_saved(on_a_small_disk(), |story| ReadOnlyFolder::make(&story.switch.file("state")));
}

#[test]
fn while_the_state_directory_is_gone_rows_are_followed() {
    let mut story = Story::telemetry();
    take_away(&story);
    story.deploy(NEW);
    // Who may make it again does, and promotes.
    story.until("the row is followed to the end", |story| {
        ["held", "stable"].contains(&story.rows().stability().as_str())
    });
    story.has_reconciled("snmp");
}

#[test]
fn commands_reach_the_agent_in_a_state_directory_that_was_made_again() {
    let mut story = Story::telemetry();
    story.promote(NEW);
    // Nothing but the reload leads to a save.
    comes_to_rest(&story.agent);
    let memory = |story: &Story| std::fs::read_to_string(story.switch.file("state/memory.json")).ok();
    let before = memory(&story);
    assert!(before.is_some(), "the promotion is remembered");
    take_away(&story);
    story.agent.signal(Signal::HUP);
    story.until("it is made again", |story| memory(story) == before);
    let (code, said) = command(&story.switch, &["promote", FEATURE]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn images_that_no_rule_keeps_are_removed_to_make_room() {
    let mut story = on_a_small_disk();
    story.policy("cleanup", "disabled");
    let old = story.pull("20201231.50", "");
    let container = story.promote(NEW);
    let _full = fill(&story);
    another_one_is_due(&story);
    story.policy("cleanup", "enabled");
    story.loses(&old);
    story.until("what is on the disk is told", |story| story.rows().published("images") == "1");
    assert_eq!(story.latest(), container.image_id);
    assert_eq!(story.rows().stability(), "stable");
}

#[test]
fn a_rollback_is_refused_with_this_reason() {
    let mut story = on_a_small_disk();
    let first = story.promote(NEW);
    let second = story.upgrade(&first, NEWER);
    story.is_promoted(NEWER);
    let full = fill(&story);
    let (code, said) = command(&story.switch, &["rollback", FEATURE]);
    assert!(code == Some(1) && names_the_memory(&said), "{code:?} {said}");
    story.has_reconciled("snmp");
    assert_eq!(story.latest(), second.image_id);

    drop(full);
    story.until("there is room", |story| command(&story.switch, &["rollback", FEATURE]).0 == Some(0));
    assert_eq!(story.latest(), first.image_id);
}

#[test]
fn a_missing_latest_is_restored() {
    let mut story = on_a_small_disk();
    let container = story.promote(NEW);
    let _full = fill(&story);
    another_one_is_due(&story);
    story.engine().untag(&story.local("latest"));
    story.until("latest is there again", |story| story.latest() == container.image_id);
}
