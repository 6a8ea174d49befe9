//! The agent and SONiC's Python daemon, its timers not parked, act on the same takeover. Whoever is first, and whatever
//! one does between two calls of the other: what a reboot starts is the same as if the agent had been alone, and so is
//! the version to roll back to, unless both are in the middle of case 1.

mod python;

use imgmgrd_test_support::Signal;
use imgmgrd_test_support::agent::Agent;
use imgmgrd_test_support::kubelet::KubeContainer;
use imgmgrd_test_support::wait::try_wait_until;
use python::{Ctrmgrd, Due};

use crate::killed::upgrade::{BASE, FEATURE, NEW, Outcome, RAN, Upgrade};
use crate::scene::{SOON, binary};

/// The calls before which the daemon has seen the two images of case 1, and goes by what it saw: it takes the registry's
/// tag away, and gives it to the local image by another command. If the agent dealt with the two before the first, it is
/// the local image that loses its last name; and between them it finds a local version that no registry has, which is no
/// fallback.
const IN_CASE_1: [&str; 2] = ["docker rmi KUBE:VERSION", "docker tag LOCAL KUBE:VERSION"];

/// A switch on which both act, and what the agent makes of it alone.
struct Both {
    upgrade: Upgrade,
    alone: Outcome,
}

impl Both {
    fn new() -> Self {
        let upgrade = Upgrade::new();
        set_up(&upgrade);
        let agent = upgrade.next_agent();
        settles(&upgrade, &agent, "alone");
        assert!(agent.terminate().0.success());
        let alone = upgrade.outcome();
        Self { upgrade, alone }
    }

    /// Everything anew; the daemon, whose wait for this takeover is over.
    fn set_up(&self) -> Ctrmgrd<'_> {
        let container = set_up(&self.upgrade);
        Ctrmgrd::new(&self.upgrade.switch, FEATURE, &container, NEW)
    }

    /// The daemon's timers come again until it has nothing to try again, each after the agent has done what it can.
    #[track_caller]
    fn tries_again(&self, ctrmgrd: &Ctrmgrd<'_>, mut due: Option<Due>, agent: Option<&Agent>, when: &str) {
        for _ in 0..4 {
            let Some(now) = due else { return };
            if let Some(agent) = agent {
                settles(&self.upgrade, agent, when);
            }
            due = ctrmgrd.timer(&now, &mut |_| {});
        }
        assert_eq!(due, None, "{when}: the daemon tries for ever\n{:#?}", self.upgrade.outcome());
    }

    /// It ends as it does with the agent alone, and nothing is left to do.
    #[track_caller]
    fn ends(&self, agent: Agent, when: &str) {
        self.upgrade.wait_for(&self.alone, &agent, when);
        settles(&self.upgrade, &agent, when);
        assert!(agent.terminate().0.success(), "{when}");
        assert_eq!(self.upgrade.outcome(), self.alone, "{when}");
    }

    /// It ends so, but for the version to roll back to.
    #[track_caller]
    fn ends_but_for_the_last(&self, agent: Agent, when: &str) {
        settles(&self.upgrade, &agent, when);
        assert!(agent.terminate().0.success(), "{when}");
        let (outcome, alone) = (self.upgrade.outcome(), self.alone.clone());
        assert_eq!(outcome.without_the_last(), alone.without_the_last(), "{when}");
    }
}

fn set_up(upgrade: &Upgrade) -> KubeContainer {
    let container = upgrade.set_up();
    // As images are installed: under their version, too.
    upgrade.switch.engine().tag(&format!("{BASE}:latest"), &format!("{BASE}:{RAN}"));
    container
}

/// Waits until the agent has promoted, and has nothing to do.
#[track_caller]
fn settles(upgrade: &Upgrade, agent: &Agent, when: &str) {
    agent.wait_until(&format!("{when}: the agent has done everything"), SOON, || {
        upgrade.switch.feature(FEATURE).stability() == "stable"
            && has_nothing_to_do(upgrade)
            && upgrade.images_are_told()
    });
}

fn has_nothing_to_do(upgrade: &Upgrade) -> bool {
    let output = upgrade.switch.command(binary(), &["plan", FEATURE, "--json"]);
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    plan[0]["actions"].as_array().is_none_or(Vec::is_empty)
}

#[test]
fn the_daemon_first() {
    let both = Both::new();
    let ctrmgrd = both.set_up();
    let due = ctrmgrd.timer(&Due::Tag, &mut |_| {});
    both.tries_again(&ctrmgrd, due, None, "the daemon first");
    both.ends(both.upgrade.next_agent(), "the daemon first");
}

#[test]
fn the_agent_first() {
    let both = Both::new();
    let ctrmgrd = both.set_up();
    let agent = both.upgrade.next_agent();
    settles(&both.upgrade, &agent, "the agent first");
    let due = ctrmgrd.timer(&Due::Tag, &mut |_| {});
    both.tries_again(&ctrmgrd, due, Some(&agent), "the agent first");
    both.ends(agent, "the agent first");
}

#[test]
fn the_agent_does_everything_between_two_calls_of_the_daemon() {
    let both = Both::new();
    for call in 0.. {
        let ctrmgrd = both.set_up();
        let (mut calls, mut agent, mut before) = (0, None, String::new());
        let due = ctrmgrd.timer(&Due::Tag, &mut |what| {
            if calls == call {
                before = what.to_owned();
                let started = both.upgrade.next_agent();
                settles(&both.upgrade, &started, what);
                agent = Some(started);
            }
            calls += 1;
        });
        let Some(agent) = agent else {
            assert_eq!(call, 11, "the calls of a takeover with case 1");
            return;
        };
        let when = format!("before call {call}, {before}");
        both.tries_again(&ctrmgrd, due, Some(&agent), &when);
        if IN_CASE_1.contains(&before.as_str()) {
            both.ends_but_for_the_last(agent, &when);
        } else {
            both.ends(agent, &when);
        }
    }
}

#[test]
fn the_daemon_does_everything_between_two_steps_of_the_agent() {
    let both = Both::new();
    for step in 0.. {
        let ctrmgrd = both.set_up();
        let when = format!("before step {step}");
        let mut agent = both.upgrade.agent(&format!("before-step={step}*off->1*return(stop)->off"));
        try_wait_until(SOON, || agent.is_stopped() || both.upgrade.outcome() == both.alone).expect("a stop or an end");
        if !agent.is_stopped() {
            assert!(step >= 6, "the agent takes more steps than {step}");
            return;
        }
        let due = ctrmgrd.timer(&Due::Tag, &mut |_| {});
        agent.signal(Signal::CONT);
        both.tries_again(&ctrmgrd, due, Some(&agent), &when);
        both.ends(agent, &when);
    }
}

#[test]
fn a_step_and_a_call_in_turn() {
    let both = Both::new();
    for ahead in 0..6 {
        let ctrmgrd = both.set_up();
        let when = format!("in turn, the daemon {ahead} calls ahead");
        let mut agent = both.upgrade.agent("before-step=return(stop)");
        let mut calls = 0;
        let due = ctrmgrd.timer(&Due::Tag, &mut |_| {
            if calls >= ahead {
                agent.signal(Signal::CONT);
                try_wait_until(SOON, || agent.is_stopped() || has_nothing_to_do(&both.upgrade)).expect("a step");
            }
            calls += 1;
        });
        agent.kill9();
        let agent = both.upgrade.next_agent();
        both.tries_again(&ctrmgrd, due, Some(&agent), &when);
        both.ends_but_for_the_last(agent, &when);
    }
}
