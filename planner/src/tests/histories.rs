//! Random histories of kubelet, systemd, operators, crashes and faults, driven through the decision and a simulated
//! switch. The promises are judged after every single step that the agent makes, whatever it planned.

mod events;
mod operators;
mod oracle;
mod world;

use proptest::prelude::*;

use crate::fixtures::Switch;
use events::{Event, events};
use world::{Kind, World};

/// As many decisions as a quiet switch may need.
const A_FEW: usize = 40;

fn config() -> ProptestConfig {
    // PROPTEST_CASES raises it.
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300);
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 20_000, ..ProptestConfig::default() }
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::OneFeature),
        Just(Kind::NearNames),
        Just(Kind::TwoAsics(crate::fixtures::Shape::Namespace)),
        Just(Kind::TwoAsics(crate::fixtures::Shape::Host)),
    ]
}

proptest! {
    #![proptest_config(config())]

    /// Promises 1 to 6 at every step, and 7 at the end: in a quiet world the agent comes to rest.
    #[test]
    fn the_promises_hold_whatever_happens(kind in kinds(), history in events()) {
        comes_to_rest(&mut after(kind, &history));
    }

    /// Promise 5: killing the agent before or after any step and starting it again ends in the same state.
    #[test]
    fn a_kill_at_any_step_changes_nothing(kind in kinds(), history in events()) {
        survives_kills(&after(kind, &history));
    }
}

/// Histories that once ended badly, as proptest shrank them.
#[test]
fn what_once_went_wrong() {
    use Event::{Alias, Health, Killed, Reconcile, RestartAgent, Wait};
    let upgrade = |instance, version| Event::Upgrade { instance, version, leaves_old: false };
    let pull = |version, second, rebuilt| Event::Pull { version, second, rebuilt };
    let histories = [
        // Case 1 was not finished after a crash between two registries.
        (Kind::OneFeature, vec![pull(0, false, false), upgrade(0, 1), pull(0, true, true), Reconcile, Wait(600)]),
        // A promotion that was cut short and never recorded was no fallback for the next one.
        (Kind::OneFeature, vec![upgrade(0, 1), Reconcile, Wait(600), Killed(1), upgrade(0, 2), Reconcile, Reconcile]),
        // The same, with a local image of its version: case 1 took the tag from what had been promoted.
        (
            Kind::NearNames,
            vec![upgrade(0, 0), Wait(600), RestartAgent, Killed(1), upgrade(0, 1), Wait(600), RestartAgent],
        ),
        // Nobody woke the agent when a new image ceased to stand in the way of case 1.
        (Kind::OneFeature, vec![Alias(0), Reconcile, upgrade(0, 1), RestartAgent, pull(0, false, true), Wait(600)]),
        // An agent that started just after a container became healthy again counted from the container's start.
        (
            Kind::OneFeature,
            vec![
                upgrade(0, 1),
                Reconcile,
                Wait(599),
                Health(0, true),
                Reconcile,
                Health(0, false),
                Wait(1),
                RestartAgent,
            ],
        ),
        // A container that was unhealthy when it was first seen counted as healthy ever since.
        (
            Kind::OneFeature,
            vec![
                upgrade(0, 0),
                Wait(600),
                Health(0, true),
                Event::LateLook(Box::new(Health(0, false))),
                RestartAgent,
                Reconcile,
            ],
        ),
        // What had been promoted without a step was taken for what never was.
        (
            Kind::OneFeature,
            vec![
                upgrade(0, 2),
                Reconcile,
                Wait(600),
                Reconcile,
                pull(0, false, false),
                pull(2, false, true),
                Event::Replace { instance: 0, version: 0 },
                pull(0, false, false),
                upgrade(0, 2),
                Event::Latest(2),
            ],
        ),
        (
            Kind::OneFeature,
            vec![
                upgrade(0, 1),
                Reconcile,
                Wait(600),
                Reconcile,
                upgrade(0, 2),
                Reconcile,
                Wait(600),
                Reconcile,
                Event::RollBack(0),
                upgrade(0, 0),
                Reconcile,
                Wait(600),
                Event::LateLook(Box::new(Event::DeleteRow(0))),
            ],
        ),
        (
            Kind::OneFeature,
            vec![
                upgrade(0, 0),
                Event::RemoveContainer(0),
                Event::Replace { instance: 0, version: 1 },
                Reconcile,
                Wait(600),
                Killed(2),
                Event::RollBack(0),
                Event::Latest(1),
                upgrade(0, 0),
            ],
        ),
        (
            Kind::OneFeature,
            vec![
                Killed(0),
                upgrade(0, 1),
                Wait(600),
                Reconcile,
                Event::DryRun { instance: 0, version: 0 },
                Event::RollBack(0),
                Event::Latest(1),
                upgrade(0, 0),
                Event::Restart(0),
            ],
        ),
        (
            Kind::OneFeature,
            vec![
                pull(1, false, true),
                Event::Latest(4),
                Alias(0),
                upgrade(0, 1),
                pull(1, true, false),
                Reconcile,
                Event::Collect(7),
                Wait(600),
                Event::LateLook(Box::new(upgrade(0, 0))),
                Event::DryRun { instance: 0, version: 0 },
                Event::RollBack(0),
            ],
        ),
        (
            Kind::OneFeature,
            vec![
                upgrade(0, 1),
                Wait(600),
                Event::MemoryLost,
                Reconcile,
                upgrade(0, 0),
                Event::Owner(0, false),
                Event::MemoryLost,
                Event::RollBack(0),
            ],
        ),
    ];
    for (kind, history) in histories {
        comes_to_rest(&mut after(kind, &history));
        survives_kills(&after(kind, &history));
    }
}

fn after(kind: Kind, history: &[Event]) -> World {
    let mut world = World::new(kind);
    history.iter().for_each(|event| world.play(event));
    world
}

fn survives_kills(world: &World) {
    let mut undisturbed = world.clone();
    undisturbed.reconcile();
    undisturbed.settle(A_FEW);
    let steps = steps_of(&mut world.clone());
    for killed_after in 0..=steps {
        let mut killed = world.clone();
        killed.play(&Event::Killed(killed_after));
        killed.settle(A_FEW);
        assert_same(&undisturbed.switch, &killed.switch, &format!("killed after {killed_after} of {steps} steps"));
    }
    let mut killed = world.clone();
    for _ in 0..steps {
        killed.play(&Event::Killed(1));
    }
    killed.settle(A_FEW);
    assert_same(&undisturbed.switch, &killed.switch, "killed after each step");
}

fn steps_of(world: &mut World) -> usize {
    let decision = world.decide();
    decision.plan.groups.values().flatten().map(|action| action.steps.len()).sum()
}

/// What is left on the disk and in STATE_DB is the same.
fn assert_same(left: &Switch, right: &Switch, when: &str) {
    assert_eq!(left.references(), right.references(), "{when}");
    let (left, right) = (&left.snapshot, &right.snapshot);
    assert_eq!(left.images, right.images, "{when}");
    assert_eq!(left.containers, right.containers, "{when}");
    assert_eq!(left.state, right.state, "{when}");
}

/// Nothing happens any more but the wakes that the agent asks for: after a few of them it rests, and stays at rest.
fn comes_to_rest(world: &mut World) {
    for _ in 0..A_FEW {
        world.settle(A_FEW);
        match world.next_wake() {
            Some(seconds) => world.switch.wait(seconds),
            None => break,
        }
    }
    assert_eq!(world.next_wake(), None, "it asks to be woken again and again");
    let memory = world.switch.memory.clone();
    world.switch.wait(200_000);
    let decision = world.decide();
    assert!(decision.plan.is_empty(), "nobody woke it for this:\n{}", world.switch.text(&decision));
    assert_eq!(decision.memory, memory, "nothing happened");
}
