//! Killed at any instant and started again, the agent ends where it would have ended undisturbed.

pub(crate) mod upgrade;

use std::time::{Duration, Instant};

use imgmgrd_test_support::wait::try_wait_until;
use upgrade::Upgrade;

use crate::scene::SOON;

/// Kills the agent when it comes to `place` for the first time, the second, and so on, until it does not come there
/// that often; each time the next one finishes what is left. Returns how often it was killed.
fn killed_at(place: &str) -> usize {
    let upgrade = Upgrade::new();
    let undisturbed = upgrade.undisturbed();
    for times in 0.. {
        upgrade.set_up();
        let mut agent = upgrade.agent(&format!("{place}={times}*off->return(kill)"));
        try_wait_until(SOON, || !agent.is_running() || upgrade.outcome() == undisturbed).expect("an end");
        if agent.is_running() && agent.terminate().0.success() {
            return times;
        }
        let when = format!("killed at {place} after {times}");
        upgrade.assert_fallback_is_there(&when);
        for again in ["", ", and once more"] {
            let agent = upgrade.next_agent();
            upgrade.wait_for(&undisturbed, &agent, &format!("{when}{again}"));
            assert!(agent.terminate().0.success());
        }
    }
    unreachable!("it ends");
}

#[test]
fn killed_before_each_step() {
    assert_eq!(killed_at("before-step"), steps());
}

#[test]
fn killed_after_each_step() {
    assert_eq!(killed_at("after-step"), steps());
}

#[test]
fn killed_before_the_memory_is_saved() {
    // The intention, and the promotion that was found to be done.
    assert!(killed_at("before-save") >= 2);
}

#[test]
fn killed_after_the_memory_is_saved() {
    assert!(killed_at("after-save") >= 2);
}

#[test]
fn killed_before_it_publishes() {
    assert!(killed_at("before-publish") >= 2);
}

#[test]
fn killed_after_it_publishes() {
    assert!(killed_at("after-publish") >= 2);
}

/// How many steps there are, as the command says beforehand.
fn steps() -> usize {
    Upgrade::new().steps()
}

/// Lets each step go wrong once; the agent itself tries again.
fn goes_wrong_at(place: &str, how: &str) {
    let upgrade = Upgrade::new();
    let undisturbed = upgrade.undisturbed();
    for step in 0..upgrade.steps() {
        upgrade.set_up();
        let agent = upgrade.agent(&format!("{place}={step}*off->1*return({how})->off"));
        upgrade.wait_for(&undisturbed, &agent, &format!("{how} at {place} after {step}"));
        assert!(agent.terminate().0.success());
    }
}

#[test]
fn each_step_refused_once_is_tried_again() {
    goes_wrong_at("before-step", "fail");
}

#[test]
fn each_answer_lost_once_is_found_out() {
    goes_wrong_at("after-step", "lost");
}

#[test]
fn killed_at_random_instants() {
    const SEED: u64 = 20_201_231;
    let upgrade = Upgrade::new();
    let undisturbed = upgrade.undisturbed();
    let mut random = fastrand::Rng::with_seed(SEED);
    for round in 0..6 {
        upgrade.set_up();
        for kill in 0..5 {
            let agent = upgrade.agent("");
            // From before it has found Redis to after it has done everything.
            let instant = Instant::now() + Duration::from_micros(random.u64(0..60_000));
            while Instant::now() < instant {
                upgrade.assert_fallback_is_there("while it acts");
            }
            agent.kill9();
            upgrade.assert_fallback_is_there(&format!("seed {SEED}, round {round}, kill {kill}"));
        }
        let agent = upgrade.next_agent();
        upgrade.wait_for(&undisturbed, &agent, &format!("seed {SEED}, round {round}"));
    }
}
