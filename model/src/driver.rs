//! A thin driver: what happens is told to the controller, and its effects become calls on the simulated switch.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use imgmgrd_planner::controller::{CommandAnswer, Effect, EngineSnapshot, Event, ReadRequest, Reading, Rows};
use imgmgrd_planner::domain::{Base, Feature, Instance};
use imgmgrd_planner::fixtures::{Refusal, Switch};
use imgmgrd_planner::{Command, Step, StepOutcome};

use crate::agent::{Agent, Answer, Disk};
use crate::conduct::Conduct;
use crate::site::Site;

/// More effects than this without anything happening are a loop.
const BUSY: usize = 200;

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not done.
    Failed,
    /// It is done, and its answer lost.
    Unanswered,
}

/// A stretch of what the agent does, while the world stands still.
pub struct Turn<'a> {
    site: &'a mut Site,
    conduct: &'a dyn Conduct,
    now: Duration,
    /// What has happened and the controller was not told yet, and the rows that were read with it.
    events: VecDeque<(Option<Rows>, Event)>,
    /// The groups that were read again and have not begun an action since.
    fresh: BTreeSet<Base>,
    /// The group whose step has ended: its action may go on.
    goes_on: Option<Base>,
    effects: usize,
    /// What came of it.
    pub came: Came,
}

/// What came of a turn.
#[derive(Debug, Default)]
pub struct Came {
    /// The actions that were begun, by their first steps.
    pub begun: Vec<(Base, Step)>,
    /// An action that was begun though its group was not read again.
    pub unread: Option<(Base, Step)>,
    /// What operators asked for.
    pub requested: Vec<(Command, Feature)>,
    /// What commands were answered.
    pub answers: Vec<(Instance, CommandAnswer)>,
    /// The plans that the check of the promises refused.
    pub refused: Vec<(Base, String)>,
    /// Something was asked for again and again.
    pub is_busy: bool,
}

impl Site {
    /// Begins a turn.
    pub fn turn<'a>(&'a mut self, conduct: &'a dyn Conduct) -> Turn<'a> {
        let now = self.now();
        let (events, fresh) = (VecDeque::new(), BTreeSet::new());
        Turn { site: self, conduct, now, events, fresh, goes_on: None, effects: 0, came: Came::default() }
    }

    /// Reads the engine, ahead of the rows.
    pub fn read_engine(&mut self) {
        self.agent.lists = Some(lists(&self.switch, self.now() + INSTANT));
        self.settle_ages();
    }

    /// The agent dies, and is started again; whether Redis and the disk work has nothing to do with it.
    pub fn crash(&mut self, conduct: &dyn Conduct) {
        let agent = &mut self.agent;

        if !conduct.remembers() {
            agent.disk = Disk::default();
        }
        let new = Agent::new(std::mem::take(&mut agent.disk), std::mem::take(&mut agent.published));
        let faults = (agent.disk_is_full, agent.redis_refuses);
        *agent = new;
        (agent.disk_is_full, agent.redis_refuses) = faults;
        self.settle_ages();
    }
}

/// An instant later.
const INSTANT: Duration = Duration::from_nanos(1);

fn lists(switch: &Switch, began: Duration) -> EngineSnapshot {
    let seen = &switch.snapshot;
    EngineSnapshot { images: seen.images.clone(), containers: seen.containers.clone(), began }
}

impl Turn<'_> {
    /// Whether lists that were read some time ago are yet to come, and whether others have done something since.
    #[must_use]
    pub fn is_ahead(&self) -> (bool, bool) {
        (self.site.agent.lists.is_some(), self.site.agent.is_late)
    }

    /// The rows and the engine's lists come: the lists are new ones, unless some were read ahead.
    pub fn reconcile(&mut self) {
        let rows = Rows { snapshot: self.site.switch.observe(), policy: self.site.switch.policy.clone() };
        self.tell(Event::Rows(Box::new(rows)));
        self.take_lists();
    }

    /// The engine's lists come.
    pub fn take_lists(&mut self) {
        let read_ahead = self.site.agent.lists.take();
        if read_ahead.is_none() {
            self.site.agent.wants_lists = false;
        }
        self.now += INSTANT;
        let snapshot = read_ahead.unwrap_or_else(|| lists(&self.site.switch, self.now));
        let snapshot = EngineSnapshot { began: self.conduct.began(snapshot.began, self.now), ..snapshot };
        self.tell(Event::Engine(snapshot));
    }

    /// A call that is under way ends.
    pub fn step(&mut self, base: &Base, fault: Option<Fault>) {
        let Some(step) = self.site.agent.steps.remove(base) else { return };
        let outcome = match fault {
            Some(Fault::Failed) => StepOutcome::Failed("it failed".to_owned()),
            Some(Fault::Unanswered) => {
                self.call(&step);
                StepOutcome::Failed("no answer".to_owned())
            }
            None => self.call(&step),
        };
        self.goes_on = Some(base.clone());
        self.tell(Event::Stepped { base: base.clone(), outcome });
    }

    fn call(&mut self, step: &Step) -> StepOutcome {
        match self.conduct.carry_out(&mut self.site.switch, step) {
            Ok(()) => StepOutcome::DONE,
            Err(Refusal::InUse(_)) => StepOutcome::InUse,
            Err(Refusal::Changed) => StepOutcome::Changed("it is not as it was".to_owned()),
        }
    }

    /// A reading of a group that is under way ends.
    pub fn read(&mut self, base: &Base) {
        let Some(request) = self.site.agent.reads.remove(base) else { return };
        self.answer(base.clone(), &request);
        self.go_on();
    }

    /// A group is read again.
    fn answer(&mut self, base: Base, request: &ReadRequest) {
        let (rows, reading) = self.reading(request);
        self.fresh.insert(base.clone());
        self.events.push_back((rows, Event::Read { base, reading: Ok(Box::new(reading)) }));
    }

    /// What is there now; of other groups, what is known.
    fn reading(&self, request: &ReadRequest) -> (Option<Rows>, Reading) {
        let Site { switch, agent } = &*self.site;
        let mut rows = Rows { snapshot: switch.observe(), policy: switch.policy.clone() };
        let known = agent.controller.snapshot();
        let own: BTreeSet<_> = request.instances.iter().map(|instance| switch.key(instance)).collect();
        rows.snapshot.state.retain(|key, _| own.contains(key));
        rows.snapshot.state.extend(known.state.clone().into_iter().filter(|(key, _)| !own.contains(key)));
        let is_own = |feature: &Feature| request.instances.iter().any(|instance| instance.feature == *feature);
        let known_rows = known.configuration.clone().into_iter().filter(|(key, _)| !is_own(&key.key));
        rows.snapshot.configuration.retain(|key, _| is_own(&key.key));
        rows.snapshot.configuration.extend(known_rows);
        let containers = switch.snapshot.containers.iter().filter(|(id, container)| {
            request.every_container || request.containers.contains(id) || request.names.contains(&container.name)
        });
        let containers = containers.map(|(id, container)| (*id, container.clone())).collect();
        let reading = Reading { containers, latest: switch.naming(&request.latest) };
        (Some(rows).filter(|_| self.conduct.reads_rows_again()), self.conduct.reading(&agent.controller, reading))
    }

    /// An operator asks for something.
    pub fn command(&mut self, command: Command, feature: Feature) {
        let id = (0..).find(|id| !self.site.agent.commands.contains_key(id)).unwrap_or_default();
        self.came.requested.push((command.clone(), feature.clone()));
        self.site.agent.commands.insert(id, (command.clone(), feature.clone()));
        self.tell(Event::Command { id, command, features: [feature].into() });
    }

    /// Time has passed, and the controller wanted to be told.
    pub fn wake(&mut self) {
        self.tell(Event::Wake);
    }

    /// Nothing more is to be begun.
    pub fn stop(&mut self) {
        self.tell(Event::Stop);
    }

    /// Tells the controller, and does what it asks for until it asks for nothing more.
    fn tell(&mut self, event: Event) {
        self.events.push_back((None, event));
        self.go_on();
    }

    fn go_on(&mut self) {
        while let Some((rows, event)) = self.events.pop_front() {
            if let Some(rows) = rows {
                self.handle(Event::Rows(Box::new(rows)));
            }
            self.handle(event);
            loop {
                let effects = self.site.agent.controller.effects(self.now);
                self.effects += effects.len();
                self.came.is_busy = self.effects > BUSY;
                if effects.is_empty() || self.came.is_busy {
                    break;
                }
                effects.into_iter().for_each(|effect| self.carry_out(effect));
            }
            if self.came.is_busy {
                break;
            }
        }
        self.site.settle_ages();
    }

    fn handle(&mut self, mut event: Event) {
        self.now += INSTANT;
        self.conduct.see(&self.site.agent.controller, &mut event);
        self.site.agent.controller.handle(event, self.now);
    }

    fn carry_out(&mut self, effect: Effect) {
        let agent = &mut self.site.agent;
        let next_read = self.conduct.answers(agent).unwrap_or(agent.next_read);
        if matches!(effect, Effect::ReadEngine | Effect::ReadGroup { .. }) {
            agent.next_read = Answer::AtOnce;
        }
        match effect {
            Effect::ReadEngine => match next_read {
                Answer::AtOnce => {
                    let lists = lists(&self.site.switch, self.now + INSTANT);
                    self.events.push_back((None, Event::Engine(lists)));
                }
                Answer::Late => agent.wants_lists = true,
                Answer::Fails => {
                    agent.wants_lists = true;
                    self.events.push_back((None, Event::EngineUnreachable));
                }
            },
            Effect::ReadGroup { base, request } => match next_read {
                Answer::AtOnce => {
                    self.answer(base, &request);
                }
                Answer::Late => drop(agent.reads.insert(base, request)),
                Answer::Fails => {
                    let reading = Err("it cannot be read".to_owned());
                    self.events.push_back((None, Event::Read { base, reading }));
                }
            },
            Effect::Save => {
                let is_saved = !agent.disk_is_full;
                if is_saved && self.conduct.saves_before_acting() {
                    agent.save(false);
                }
                self.handle(Event::Saved(if is_saved { Ok(()) } else { Err("no space left".to_owned()) }));
            }
            Effect::SaveMarks => {
                if !agent.disk_is_full {
                    agent.save(true);
                }
            }
            Effect::Step { base, step } => {
                if self.fresh.remove(&base) {
                    self.came.begun.push((base.clone(), step.clone()));
                } else if self.goes_on.as_ref() != Some(&base) {
                    self.came.unread = Some((base.clone(), step.clone()));
                }
                agent.steps.insert(base, step);
            }
            Effect::Publish => {
                if !agent.redis_refuses && self.conduct.publishes(agent) {
                    agent.published = agent.report();
                }
                let is_complete = !agent.redis_refuses || self.conduct.takes_refused_for_done();
                self.events.push_back((None, Event::Published { is_complete }));
            }
            Effect::Refused { base, violation } => self.came.refused.push((base, violation)),
            Effect::Answer { id, answers } => {
                agent.commands.remove(&id);
                self.came.answers.extend(answers);
            }
            Effect::Found(_) | Effect::Acted(_) => {}
        }
    }
}
