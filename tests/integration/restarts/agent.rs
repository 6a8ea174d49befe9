//! The agent itself is restarted.

use std::time::{Duration, Instant};

use imgmgrd_test_support::rows::update_time;

use super::{FEATURE, observing, promoted, until};
use crate::evidence::{everything, state_files, writes};
use crate::scene::{SOON, binary, wait_for_stability};

#[test]
fn a_restart_inside_the_window_does_not_start_the_wait_over() {
    let (switch, agent, began) = observing(3);
    let since = switch.feature(FEATURE).published("observing_since");
    until(began, 2000);
    assert!(agent.terminate().0.success());
    // What only an agent without memory would count from.
    switch.feature(FEATURE).set(&[("update_time", &update_time())]);
    let mut agent = switch.agent(binary());
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
    assert!((2900..4400).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    assert_eq!(switch.feature(FEATURE).published("observing_since"), since);
}

#[test]
fn a_wait_that_ends_while_the_agent_is_unreachable_is_not_waited_again() {
    let (switch, agent, began) = observing(2);
    agent.kill9();
    until(began, 2100);
    let restarted = Instant::now();
    let mut agent = switch.agent(binary());
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
    assert!(restarted.elapsed() < Duration::from_millis(1500), "{:?}", restarted.elapsed());
}

#[test]
fn a_restart_after_the_promotion_does_nothing_more() {
    let (switch, mut agent, _) = observing(1);
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
    agent.wait_until("the clean-up", SOON, || switch.feature(FEATURE).published("images") == "1");
    // What it knows of images is of the engine's lists, which are read when the engine is calm.
    let known = || state_files(&switch).get("versions.json").map(|content| content.matches("sha256:").count());
    agent.wait_until("its last lists", SOON, || known() == Some(1));
    assert!(agent.terminate().0.success());
    let (before, written) = (everything(&switch), writes(&switch));
    for _ in 0..2 {
        let agent = switch.agent(binary());
        agent.wait_until("its start", SOON, || agent.log().contains("started"));
        until(Instant::now(), 1500);
        let log = agent.log();
        assert!(agent.terminate().0.success());
        assert_eq!(log.lines().count(), 1, "{log}");
    }
    assert_eq!((everything(&switch), writes(&switch)), (before, written));
    assert_eq!(promoted(&switch), 1);
}
