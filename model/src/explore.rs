//! The model for stateright, and what an exploration found.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use imgmgrd_planner::domain::{Base, Instance};
use imgmgrd_planner::fixtures::Switch;
use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::action::{Action, Doing};
use crate::actors;
use crate::agent::Answer;
use crate::bounds::{Left, Operation, offer};
use crate::conduct::{Conduct, Faithful};
use crate::driver::{Came, Fault, Turn};
use crate::properties::{judge_answers, judge_begun, judge_call};
use crate::property::{Broken, Promise};
use crate::quiet::{Outcomes, Stays};
use crate::scenario::{Reach, Scenario};
use crate::site::{Site, TICK};
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
            .filter_map(|promise| {
                let path = discoveries.get(promise.name())?.clone();
                Some((promise.name(), trace::of(path, &model.instances, |state| model.trouble(state))))
            })
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
        for (number, version) in self.scenario.promoted.iter().enumerate() {
            self.upgrade(&mut state, version, number == 0);
            self.settle(&mut state);
        }
        state.history.pulled.clear();
        if let Some(version) = self.scenario.running {
            self.upgrade(&mut state, version, self.scenario.promoted.is_empty());
        }
        state.left = self.scenario.bounds;
        state
    }

    fn play(&self, state: &mut State, action: Action) {
        *state = self.next_state(state, action).expect("it is possible");
    }

    /// Every instance is upgraded to a version.
    fn upgrade(&self, state: &mut State, version: &'static str, is_first: bool) {
        let bases: BTreeSet<&Base> = self.instances.iter().map(|(_, base)| base).collect();
        (0..bases.len()).for_each(|number| self.play(state, Action::Pull(offer(version), number)));
        for number in 0..self.instances.len() {
            if !is_first {
                self.play(state, Action::Leave(number));
                self.play(state, Action::Exit(number));
            }
            self.play(state, Action::Create(version, number));
            self.play(state, Action::Start(number));
            while state.lives[number].kube != Kube::Rest {
                self.play(state, Action::TakeOver(number));
            }
        }
    }

    /// What runs is promoted, and cleaned up after.
    fn settle(&self, state: &mut State) {
        for _ in 0..4 {
            self.play(state, Action::Agent(Doing::Reconcile));
            for _ in 0..2 {
                while let Some(base) = state.site.agent.steps.keys().next().cloned() {
                    self.play(state, Action::Agent(Doing::Step(base)));
                }
                self.play(state, Action::Wait);
            }
        }
        let stopped = state.site.switch.snapshot.containers.iter().filter(|(_, it)| !it.status.is_alive());
        for id in stopped.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.play(state, Action::RemoveContainer(id));
        }
        self.play(state, Action::Agent(Doing::Reconcile));
    }

    fn first(&self, number: usize) -> bool {
        !self.told[number].swap(true, Ordering::Relaxed)
    }

    fn keeps(&self, number: usize, state: &State) -> bool {
        let promise = Promise::ALL[number];
        // One walk tells of all promises; it is the last thing asked for, since it takes the longest.
        let is_kept = match &state.broken {
            Some(broken) => broken.promise != promise,
            None => self.trouble(state).is_none_or(|trouble| trouble.promise != promise),
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
    pub(crate) fn trouble(&self, state: &State) -> Option<Arc<Broken>> {
        let site = &state.site;
        let of = |stays: Stays| self.outcomes.of(site, &stays, self.conduct.as_ref(), &self.instances).trouble;
        let alone = of(Stays::default());
        let has_faults = site.agent.disk_is_full || site.agent.redis_refuses;
        let faulty = || if has_faults { of(Stays { hangs: None, faults: true }) } else { None };
        let hung = || {
            let bases: BTreeSet<&Base> = self.instances.iter().map(|(_, base)| base).collect();
            let under_way = site.agent.steps.keys().chain(site.agent.reads.keys()).filter(|_| bases.len() > 1);
            under_way.cloned().find_map(|base| of(Stays { hangs: Some(base), faults: false }))
        };
        alone.or_else(faulty).or_else(hung)
    }

    /// Something that the agent does.
    fn turn(&self, state: &mut State, what: impl FnOnce(&mut Turn<'_>)) {
        let came = self.came_of(state, what);
        self.judge(state, &came);
    }

    fn came_of(&self, state: &mut State, what: impl FnOnce(&mut Turn<'_>)) -> Came {
        let mut turn = state.site.turn(self.conduct.as_ref());
        what(&mut turn);
        let mut came = turn.came;
        if let Some((base, step)) = self.conduct.begins(&state.site.agent) {
            came.begun.push((base.clone(), step.clone()));
            state.site.agent.steps.insert(base, step);
        }
        came
    }

    /// What is to be said of it.
    fn judge(&self, state: &mut State, came: &Came) {
        state.history.goes_on(&state.site, &came.requested, &self.instances);
        let State { site, history, .. } = &*state;
        let begun = || {
            let mut begun = came.begun.iter();
            begun.find_map(|(base, step)| judge_begun(base, step, site, history, &self.instances).err())
        };
        let answered = || judge_answers(&came.answers, &site.switch, &self.instances).err();
        let broken = came.trouble().or_else(begun).or_else(answered);
        state.broken = state.broken.take().or(broken);
    }

    fn step(&self, state: &mut State, base: &Base, fault: Option<Fault>) {
        let Some(step) = state.site.agent.steps.get(base).cloned() else { return };
        let before: Switch = state.site.switch.clone();
        let came = self.came_of(state, |turn| turn.step(base, fault));
        if fault != Some(Fault::Failed) {
            let after = &state.site.switch;
            let judged = judge_call(base, &step, &before, after, &mut state.history, &self.instances);
            state.broken = judged.err();
        }
        self.judge(state, &came);
    }

    /// The agent dies: in the end that must make no difference. Where the world has moved on since what is under way was
    /// asked for, an agent that goes on may come to something else than one that starts again, dead or alive; so what
    /// counts there is what comes of starting again.
    fn crash(&self, state: &mut State, how: &Doing) -> bool {
        let mut alive = state.clone();
        if alive.site.agent.is_late {
            while let Some(base) = alive.site.agent.steps.keys().next().cloned() {
                let mut turn = alive.site.turn(self.conduct.as_ref());
                turn.step(&base, Some(Fault::Failed));
            }
        }
        let of = |site: &Site| self.outcomes.of(site, &Stays::default(), self.conduct.as_ref(), &self.instances);
        let before = of(&alive.site);
        match how {
            Doing::CrashWhileSaving => {
                let old = state.site.agent.disk.clone();
                self.turn(state, |turn| turn.reconcile());
                if !state.site.agent.disk.lose_marks(old) {
                    return false;
                }
            }
            Doing::Stop => self.turn(state, |turn| turn.stop()),
            _ => {}
        }
        state.left.crashes -= 1;
        state.site.crash(self.conduct.as_ref());
        let after = of(&state.site);
        if before.left != after.left && state.broken.is_none() {
            let what = "what is on the disk or in STATE_DB in the end is not what it would have been".to_owned();
            state.broken = Some(Broken { promise: Promise::Crash, what });
        }
        true
    }

    /// What the agent does, or what befalls it; none if that changes nothing.
    fn agent(&self, state: &mut State, doing: &Doing) -> bool {
        match doing {
            Doing::Reconcile => self.turn(state, |turn| turn.reconcile()),
            Doing::ReadEngine => {
                state.left.delays -= 1;
                state.site.read_engine();
            }
            Doing::ReadLate => {
                state.left.delays -= 1;
                state.site.agent.next_read = Answer::Late;
            }
            Doing::ReadFails => {
                state.left.faults -= 1;
                state.site.agent.next_read = Answer::Fails;
            }
            Doing::Read(base) => self.turn(state, |turn| turn.read(base)),
            Doing::Step(base) => self.step(state, base, None),
            Doing::StepFails(base) => {
                state.left.faults -= 1;
                self.step(state, base, Some(Fault::Failed));
            }
            Doing::StepUnanswered(base) => {
                state.left.faults -= 1;
                self.step(state, base, Some(Fault::Unanswered));
            }
            Doing::DiskFull(is_full) => {
                state.left.unsaved -= u8::from(*is_full);
                state.site.agent.disk_is_full = *is_full;
            }
            Doing::RedisRefuses(refuses) => {
                state.left.refusals -= u8::from(*refuses);
                state.site.agent.redis_refuses = *refuses;
            }
            Doing::Crash | Doing::CrashWhileSaving | Doing::Stop => return self.crash(state, doing),
        }
        true
    }

    /// What the agent may do, and what may befall it.
    fn doings(&self, state: &State, doings: &mut Vec<Doing>) {
        let (agent, left) = (&state.site.agent, &state.left);
        doings.push(Doing::Reconcile);
        let waits_for = |base: &&Base| self.conduct.waits_for(agent, base);
        for base in agent.steps.keys().filter(waits_for) {
            doings.push(Doing::Step(base.clone()));
            if left.faults > 0 {
                doings.extend([Doing::StepFails(base.clone()), Doing::StepUnanswered(base.clone())]);
            }
        }
        doings.extend(agent.reads.keys().filter(waits_for).cloned().map(Doing::Read));
        if agent.next_read == Answer::AtOnce {
            if left.delays > 0 {
                doings.push(Doing::ReadLate);
                if agent.lists.is_none() {
                    doings.push(Doing::ReadEngine);
                }
            }
            if left.faults > 0 {
                doings.push(Doing::ReadFails);
            }
        }
        if agent.disk_is_full || left.unsaved > 0 {
            doings.push(Doing::DiskFull(!agent.disk_is_full));
        }
        if agent.redis_refuses || left.refusals > 0 {
            doings.push(Doing::RedisRefuses(!agent.redis_refuses));
        }
        // Whoever asks for something that was not taken up yet is told if the agent dies.
        if left.crashes > 0 && agent.controller.has_taken_commands() {
            doings.extend([Doing::Crash, Doing::CrashWhileSaving, Doing::Stop]);
        }
    }
}

impl Model for Exploration {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        // An agent with a bug begins where one without would be.
        vec![Self::new(self.scenario.clone(), Box::new(Faithful)).start()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.broken.is_some() {
            return;
        }
        actors::possible(state, &self.scenario, &self.instances, actions);
        let mut doings = Vec::new();
        self.doings(state, &mut doings);
        actions.extend(doings.into_iter().map(Action::Agent));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match &action {
            Action::Agent(doing) => return self.agent(&mut next, doing).then_some(next),
            Action::Wait => {
                next.left.delays -= u8::from(!next.site.agent.is_idle());
                next.history.pass();
                if next.site.pass(TICK) {
                    self.turn(&mut next, |turn| turn.wake());
                }
            }
            Action::Operate(Operation::Command(command)) => {
                next.left.operations -= 1;
                let feature = self.instances[0].0.feature.clone();
                self.turn(&mut next, |turn| turn.command(command.clone(), feature));
            }
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
            |model, state| model.keeps(10, state),
            |model, state| model.keeps(11, state),
            |model, state| model.keeps(12, state),
            |model, state| model.keeps(13, state),
            |model, state| model.keeps(14, state),
            |model, state| model.keeps(15, state),
        ];
        let reaches: [fn(&Self, &State) -> bool; Reach::ALL.len()] = [
            |model, state| model.reaches(0, state),
            |model, state| model.reaches(1, state),
            |model, state| model.reaches(2, state),
            |model, state| model.reaches(3, state),
            |model, state| model.reaches(4, state),
            |model, state| model.reaches(5, state),
            |model, state| model.reaches(6, state),
        ];
        let promises = Promise::ALL.iter().zip(keeps).map(|(promise, holds)| Property::always(promise.name(), holds));
        let reaches = Reach::ALL.iter().zip(reaches).map(|(reach, holds)| Property::sometimes(reach.name(), holds));
        promises.chain(reaches).collect()
    }
}
