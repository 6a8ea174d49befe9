//! The agent: the real controller, and a thin driver that turns its effects into calls on the simulated switch.
//!
//! Steps are calls that are under way until the model says how they end: one that never ends hangs. What was saved and
//! published, and reads unless they are to be late, is answered at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use imgmgrd_decision::StepOutcome;
use imgmgrd_decision::controller::{
    CommandAnswer, Controller, Effect, Event, Pauses, ReadRequest, Reading, Rows, Snapshot,
};
use imgmgrd_decision::decide::fixtures::{Refusal, Switch};
use imgmgrd_decision::decide::{Mark, Memory, Order, Stability, Step};
use imgmgrd_decision::domain::{Base, Feature, Instance, Version};

use crate::conduct::Conduct;
use crate::state::Site;

/// Half of `stable_time`, by which time goes on.
pub const TICK: u64 = 300;

/// The age past which no rule distinguishes: `stable_time`.
pub const OLD: u64 = 600;

/// More effects than this without anything happening are a loop.
const BUSY: usize = 200;

const PAUSES: Pauses = Pauses { promotion: Duration::from_secs(60), clean_up: Duration::from_secs(60) };

/// The process, what is on its way to it and from it, and what it has left on the disk and in STATE_DB.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Agent {
    /// The loop.
    pub controller: Controller,
    /// The calls that are under way.
    pub steps: BTreeMap<Base, Step>,
    /// The units that are being read again.
    pub reads: BTreeMap<Base, ReadRequest>,
    /// The engine's lists as they were read some time ago.
    pub lists: Option<Snapshot>,
    /// The engine's lists are asked for.
    pub wants_lists: bool,
    /// What happens to the next reading.
    pub next_read: Answer,
    /// The commands that are not answered.
    pub commands: BTreeMap<u64, (Order, Feature)>,
    /// What would be there after a power cut.
    pub disk: Disk,
    /// Nothing can be saved.
    pub disk_is_full: bool,
    /// What the agent has published.
    pub published: BTreeMap<Instance, Published>,
    /// Redis refuses every write.
    pub redis_refuses: bool,
    /// The world has moved on since what is under way was asked for.
    pub is_late: bool,
}

/// What is saved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Disk {
    /// The memory.
    pub memory: Memory,
    /// When its marks were made.
    pub stamps: BTreeMap<Mark, Duration>,
}

impl Disk {
    /// The marks are as they were before; whether that makes a difference.
    pub fn lose_marks(&mut self, old: Self) -> bool {
        let new = self.clone();
        let mut units = old.memory.units;
        for (base, unit) in &mut self.memory.units {
            let old = units.remove(base).unwrap_or_default();
            (unit.images, unit.error) = (old.images, old.error);
        }
        (self.memory.instances, self.stamps) = (old.memory.instances, old.stamps);
        *self != new
    }
}

/// What a row says: the stability, the version, the stable version and the last one.
pub type Published = (Stability, Option<Version>, Option<Version>, Option<Version>);

/// What happens to a reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It is answered at once.
    #[default]
    AtOnce,
    /// It is under way for a while, or for ever.
    Late,
    /// It fails.
    Fails,
}

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not done.
    Failed,
    /// It is done, and its answer lost.
    Unanswered,
}

impl Agent {
    /// A process that has just started.
    #[must_use]
    pub fn new(disk: Disk, published: BTreeMap<Instance, Published>) -> Self {
        Self {
            controller: Controller::new(disk.memory.clone(), disk.stamps.clone(), PAUSES),
            steps: BTreeMap::new(),
            reads: BTreeMap::new(),
            lists: None,
            wants_lists: false,
            next_read: Answer::AtOnce,
            commands: BTreeMap::new(),
            disk,
            disk_is_full: false,
            published,
            redis_refuses: false,
            is_late: false,
        }
    }

    /// What its report says of each instance.
    #[must_use]
    pub fn report(&self) -> BTreeMap<Instance, Published> {
        let rows = self.controller.report().instances.iter();
        let told = rows.map(|(instance, told)| {
            let versions = (told.version.clone(), told.stable_version.clone(), told.last_version.clone());
            (instance.clone(), (told.stability, versions.0, versions.1, versions.2))
        });
        told.collect()
    }

    /// Whether nothing is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.steps.is_empty() && self.reads.is_empty() && !self.wants_lists && self.lists.is_none()
    }

    /// What fallback depends on is saved, and the marks if `marks` says so.
    fn save(&mut self, marks: bool) {
        let memory = self.controller.memory();
        if marks {
            self.disk.stamps.clone_from(self.controller.stamps());
            self.disk.memory.instances.clone_from(&memory.instances);
        }
        let mut old = std::mem::take(&mut self.disk.memory.units);
        for (base, unit) in &memory.units {
            let old = old.remove(base).unwrap_or_default();
            let mut saved = if marks { old.durable() } else { unit.durable() };
            (saved.images, saved.error) =
                if marks { (unit.images.clone(), unit.error.clone()) } else { (old.images, old.error) };
            self.disk.memory.units.insert(base.clone(), saved);
        }
    }
}

/// A stretch of what the agent does, while the world stands still.
pub struct Turn<'a> {
    site: &'a mut Site,
    conduct: &'a dyn Conduct,
    now: Duration,
    /// What has happened and the controller was not told yet.
    events: VecDeque<Event>,
    /// The units that were read again and have not begun an action since.
    fresh: BTreeSet<Base>,
    /// The unit whose step has ended: its action may go on.
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
    /// An action that was begun though its unit was not read again.
    pub unread: Option<(Base, Step)>,
    /// What operators asked for.
    pub ordered: Vec<(Order, Feature)>,
    /// What commands were answered.
    pub answers: Vec<(Instance, CommandAnswer)>,
    /// The plans that the check of the promises refused.
    pub refused: Vec<(Base, String)>,
    /// Something was asked for again and again.
    pub is_busy: bool,
}

impl Site {
    /// The clock.
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_secs(self.switch.clock)
    }

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

fn lists(switch: &Switch, began: Duration) -> Snapshot {
    let seen = &switch.observation;
    Snapshot { images: seen.images.clone(), containers: seen.containers.clone(), began }
}

impl Turn<'_> {
    /// Whether lists that were read some time ago are yet to come, and whether others have done something since.
    #[must_use]
    pub fn is_ahead(&self) -> (bool, bool) {
        (self.site.agent.lists.is_some(), self.site.agent.is_late)
    }

    /// The rows and the engine's lists come: the lists are new ones, unless some were read ahead.
    pub fn look(&mut self) {
        let rows = Rows { observation: self.site.switch.observe(), policy: self.site.switch.policy.clone() };
        self.tell(Event::Rows(Box::new(rows)));
        self.look_at_engine();
    }

    /// The engine's lists come.
    pub fn look_at_engine(&mut self) {
        let read_ahead = self.site.agent.lists.take();
        if read_ahead.is_none() {
            self.site.agent.wants_lists = false;
        }
        self.now += INSTANT;
        let snapshot = read_ahead.unwrap_or_else(|| lists(&self.site.switch, self.now));
        let snapshot = Snapshot { began: self.conduct.began(snapshot.began, self.now), ..snapshot };
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

    /// A reading of a unit that is under way ends.
    pub fn read(&mut self, base: &Base) {
        let Some(request) = self.site.agent.reads.remove(base) else { return };
        let reading = self.reading(&request);
        self.fresh.insert(base.clone());
        self.tell(Event::Read { base: base.clone(), reading: Ok(Box::new(reading)) });
    }

    /// What is there now; of other units, what is known.
    fn reading(&self, request: &ReadRequest) -> Reading {
        let Site { switch, agent } = &*self.site;
        let mut rows = Rows { observation: switch.observe(), policy: switch.policy.clone() };
        let known = agent.controller.observation();
        let own: BTreeSet<_> = request.instances.iter().map(|instance| switch.key(instance)).collect();
        rows.observation.state.retain(|key, _| own.contains(key));
        rows.observation.state.extend(known.state.clone().into_iter().filter(|(key, _)| !own.contains(key)));
        let is_own = |feature: &Feature| request.instances.iter().any(|instance| instance.feature == *feature);
        let known_rows = known.configuration.clone().into_iter().filter(|(key, _)| !is_own(&key.key));
        rows.observation.configuration.retain(|key, _| is_own(&key.key));
        rows.observation.configuration.extend(known_rows);
        let containers = switch.observation.containers.iter().filter(|(id, container)| {
            request.every_container || request.containers.contains(id) || request.names.contains(&container.name)
        });
        let containers = containers.map(|(id, container)| (*id, container.clone())).collect();
        let reading = Reading { rows: Some(rows), containers, latest: switch.naming(&request.latest) };
        self.conduct.reading(&agent.controller, reading)
    }

    /// An operator asks for something.
    pub fn command(&mut self, order: Order, feature: Feature) {
        let id = (0..).find(|id| !self.site.agent.commands.contains_key(id)).unwrap_or_default();
        self.came.ordered.push((order.clone(), feature.clone()));
        self.site.agent.commands.insert(id, (order.clone(), feature.clone()));
        self.tell(Event::Command { id, order, features: [feature].into() });
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
        self.events.push_back(event);
        while let Some(event) = self.events.pop_front() {
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
        if matches!(effect, Effect::ReadEngine | Effect::ReadUnit { .. }) {
            agent.next_read = Answer::AtOnce;
        }
        match effect {
            Effect::ReadEngine => match next_read {
                Answer::AtOnce => self.events.push_back(Event::Engine(lists(&self.site.switch, self.now + INSTANT))),
                Answer::Late => agent.wants_lists = true,
                Answer::Fails => {
                    agent.wants_lists = true;
                    self.events.push_back(Event::EngineUnreachable);
                }
            },
            Effect::ReadUnit { base, request } => match next_read {
                Answer::AtOnce => {
                    let reading = self.reading(&request);
                    self.fresh.insert(base.clone());
                    self.events.push_back(Event::Read { base, reading: Ok(Box::new(reading)) });
                }
                Answer::Late => drop(agent.reads.insert(base, request)),
                Answer::Fails => {
                    let reading = Err("it cannot be read".to_owned());
                    self.events.push_back(Event::Read { base, reading });
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
                self.events.push_back(Event::Published { is_complete });
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
