//! The model for stateright, and what an exploration found.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use imgmgrd_decision::decide::Step;
use imgmgrd_decision::decide::fixtures::Switch;
use imgmgrd_decision::domain::{Base, Instance};
use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::action::Action;
use crate::actors;
use crate::agent::{Conduct, Fault};
use crate::promises::{Broken, Promise, judge_call, judge_look};
use crate::quiet::Outcomes;
use crate::scenario::{Left, Reach, Scenario, offer};
use crate::state::{Kube, State};
use crate::trace;

/// A scenario with an agent, to be explored.
pub struct Exploration {
    pub(crate) scenario: Scenario,
    pub(crate) instances: Vec<(Instance, Base)>,
    pub(crate) conduct: Box<dyn Conduct>,
    pub(crate) outcomes: Outcomes,
    /// What is told already: stateright keeps the last state that it finds, people want the first.
    told: Vec<AtomicBool>,
}

/// What an exploration found.
#[derive(Clone, Debug)]
pub struct Findings {
    /// The scenario's name.
    pub scenario: &'static str,
    /// The transitions.
    pub transitions: usize,
    /// The different states.
    pub states: usize,
    /// The length of the longest shortest way to a state.
    pub depth: usize,
    /// The states that were walked through in a quiet world.
    pub quiet: usize,
    /// How long it took.
    pub time: Duration,
    /// What was broken, with a way to it in words.
    pub counterexamples: Vec<(&'static str, String)>,
    /// What was to be reached and was not.
    pub unreached: Vec<&'static str>,
}

impl Exploration {
    /// The scenario, with an agent that behaves so.
    #[must_use]
    pub fn new(scenario: Scenario, conduct: Box<dyn Conduct>) -> Self {
        let instances = scenario.instances();
        let told = (0..Promise::ALL.len() + Reach::ALL.len()).map(|_| AtomicBool::new(false)).collect();
        Self { scenario, instances, conduct, outcomes: Outcomes::default(), told }
    }

    /// Explores everything within the scenario's bounds, breadth first, on so many threads; with one thread, a
    /// counterexample is the shortest there is. Ends at the first.
    #[must_use]
    pub fn run(self, threads: usize) -> Findings {
        let begun = Instant::now();
        let scenario = self.scenario.name;
        let wanted = self.scenario.reaches.clone();
        let checker = self.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        let model = checker.model();
        let discoveries = checker.discoveries();
        let counterexamples = Promise::ALL
            .iter()
            .filter_map(|promise| Some((promise.name(), trace::of(model, discoveries.get(promise.name())?.clone()))))
            .collect();
        let unreached = wanted.iter().map(|reach| reach.name()).filter(|name| !discoveries.contains_key(name));
        Findings {
            scenario,
            transitions: checker.state_count(),
            states: checker.unique_state_count(),
            depth: checker.max_depth(),
            quiet: model.outcomes.len(),
            time: begun.elapsed(),
            counterexamples,
            unreached: unreached.collect(),
        }
    }

    /// Where it begins.
    fn start(&self) -> State {
        let mut state = self.scenario.start();
        state.left = Left { pulls: u8::MAX, upgrades: u8::MAX, mishaps: u8::MAX, ..Left::default() };
        for version in &self.scenario.promoted {
            self.promote(&mut state, version);
        }
        state.history.pulled.clear();
        state.left = self.scenario.bounds;
        state
    }

    /// Every instance is upgraded to a version, which is promoted and cleaned up after.
    fn promote(&self, state: &mut State, version: &'static str) {
        let mut play = |action: Action| {
            *state = self.next_state(state, action).expect("it is possible");
            (state.site.agent.execution.is_some(), state.lives.iter().all(|life| life.kube == Kube::Rest))
        };
        play(Action::Pull(offer(version), 0));
        let before: Vec<_> = self.scenario.promoted.iter().take_while(|other| **other != version).collect();
        for number in 0..self.instances.len() {
            if !before.is_empty() {
                play(Action::Leave(number));
                play(Action::Exit(number));
            }
            play(Action::Create(version, number));
            play(Action::Start(number));
            while !play(Action::TakeOver(number)).1 {}
        }
        // It begins, goes on, is stable, and is seen to be promoted.
        for _ in 0..4 {
            let (mut is_acting, _) = play(Action::Look);
            while is_acting {
                (is_acting, _) = play(Action::Step);
            }
            play(Action::Wait);
        }
        let stopped = state.site.switch.observation.containers.iter().filter(|(_, it)| !it.status.is_alive());
        for id in stopped.map(|(id, _)| *id).collect::<Vec<_>>() {
            *state = self.next_state(state, Action::RemoveContainer(id)).expect("it is possible");
        }
    }

    fn first(&self, number: usize) -> bool {
        !self.told[number].swap(true, Ordering::Relaxed)
    }

    fn keeps(&self, number: usize, state: &State) -> bool {
        let promise = Promise::ALL[number];
        let is_kept = match &state.broken {
            Some(broken) => broken.promise != promise,
            None => promise != Promise::Rest || self.trouble(state).is_none(),
        };
        is_kept || !self.first(number)
    }

    fn reaches(&self, number: usize, state: &State) -> bool {
        let reach = Reach::ALL[number];
        !self.told[Promise::ALL.len() + number].load(Ordering::Relaxed)
            && reach.holds(state, &self.instances)
            && self.first(Promise::ALL.len() + number)
    }

    /// What is wrong with what comes of a state.
    pub(crate) fn trouble(&self, state: &State) -> Option<std::sync::Arc<str>> {
        self.outcomes.of(&state.site, self.conduct.as_ref(), &self.instances).trouble
    }

    fn look(&self, state: &mut State) {
        let orders = state.site.switch.observation.orders.clone();
        let before = state.site.clone();
        let look = state.site.look(self.conduct.as_ref());
        let is_acting = before.agent.has_begun;
        state.history.looked(&look, &orders, &before.switch, &self.instances, is_acting);
        state.broken = judge_look(&look, &before.switch, &state.history, &self.instances).err();
    }

    fn step(&self, state: &mut State, fault: Option<Fault>) {
        let Some((base, step)) = next_call(state) else { return };
        let before: Switch = state.site.switch.clone();
        state.site.step(self.conduct.as_ref(), fault);
        if fault == Some(Fault::Failed) {
            return;
        }
        let after = &state.site.switch;
        state.broken = judge_call(&base, &step, &before, after, &mut state.history, &self.instances).err();
    }

    /// The agent dies: in the end that must make no difference. Where the world has moved on since the plan was made, an
    /// agent that goes on with it may come to something else than one that looks again, dead or alive; so what counts
    /// there is what comes of looking again.
    fn crash(&self, state: &mut State, is_saving: bool) -> bool {
        let mut alive = state.site.clone();
        if alive.agent.is_late {
            alive.give_up();
        }
        let before = self.outcomes.of(&alive, self.conduct.as_ref(), &self.instances);
        if !is_saving {
            state.site.crash();
        } else if state.site.crash_while_saving(self.conduct.as_ref()) {
            state.history.seen(&state.site.switch.observation, false);
        } else {
            return false;
        }
        state.left.crashes -= 1;
        let after = self.outcomes.of(&state.site, self.conduct.as_ref(), &self.instances);
        if before.left != after.left {
            let what = "what is on the disk or in STATE_DB in the end is not what it would have been".to_owned();
            state.broken = Some(Broken { promise: Promise::Crash, what });
        }
        true
    }
}

/// The call that comes next, and whose unit it is about.
pub(crate) fn next_call(state: &State) -> Option<(Base, Step)> {
    let execution = state.site.agent.execution.as_ref()?;
    Some((execution.unit()?.clone(), execution.step()?.clone()))
}

impl Model for Exploration {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.broken.is_some() {
            return;
        }
        actors::possible(state, &self.scenario, &self.instances, actions);
        let agent = &state.site.agent;
        actions.push(Action::Look);
        if agent.execution.is_some() {
            actions.push(Action::Step);
            if state.left.faults > 0 {
                actions.extend([Action::StepFails, Action::StepUnanswered]);
            }
        } else if state.left.delays > 0 && agent.picture.is_none() {
            actions.push(Action::ReadEngine);
        }
        // An order lasts until it is decided on; whoever gives it is told if the agent dies.
        if state.left.crashes > 0 && state.site.switch.observation.orders.is_empty() {
            actions.extend([Action::Crash, Action::CrashWhileSaving]);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match &action {
            Action::Look => self.look(&mut next),
            Action::Step => self.step(&mut next, None),
            Action::StepFails => {
                next.left.faults -= 1;
                self.step(&mut next, Some(Fault::Failed));
            }
            Action::StepUnanswered => {
                next.left.faults -= 1;
                self.step(&mut next, Some(Fault::Unanswered));
            }
            Action::ReadEngine => {
                next.left.delays -= 1;
                next.site.read_engine();
            }
            Action::Crash if !self.crash(&mut next, false) => return None,
            Action::CrashWhileSaving if !self.crash(&mut next, true) => return None,
            Action::Crash | Action::CrashWhileSaving => {}
            other => actors::happen(&mut next, other, &self.instances),
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let keeps: [fn(&Self, &State) -> bool; Promise::ALL.len()] = [
            |model, state| model.keeps(0, state),
            |model, state| model.keeps(1, state),
            |model, state| model.keeps(2, state),
            |model, state| model.keeps(3, state),
            |model, state| model.keeps(4, state),
            |model, state| model.keeps(5, state),
            |model, state| model.keeps(6, state),
            |model, state| model.keeps(7, state),
            |model, state| model.keeps(8, state),
            |model, state| model.keeps(9, state),
        ];
        let reaches: [fn(&Self, &State) -> bool; Reach::ALL.len()] = [
            |model, state| model.reaches(0, state),
            |model, state| model.reaches(1, state),
            |model, state| model.reaches(2, state),
            |model, state| model.reaches(3, state),
            |model, state| model.reaches(4, state),
            |model, state| model.reaches(5, state),
        ];
        let promises = Promise::ALL.iter().zip(keeps).map(|(promise, holds)| Property::always(promise.name(), holds));
        let reaches = Reach::ALL.iter().zip(reaches).map(|(reach, holds)| Property::sometimes(reach.name(), holds));
        promises.chain(reaches).collect()
    }
}
