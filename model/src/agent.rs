//! The agent: what `src/agent` does with the real decision, one call per transition.
//!
//! It looks: reads the engine and the rows, decides, has the second opinion judge the plan, saves the memory. Then it
//! carries the plan out by the agent's own [`Execution`], call after call, each checked right before it is made. It looks
//! in between too, which changes what it remembers but not the plan under way. When the plan is at its end, what failed
//! is remembered.

use std::collections::BTreeMap;
use std::sync::Arc;

use imgmgrd_decision::decide::fixtures::{Refusal, Switch};
use imgmgrd_decision::decide::promises::{Violation, check};
use imgmgrd_decision::decide::{
    Container, Decision, Image, Mark, Memory, NamedContainer, Observation, Plan, RowKey, Step, UnitMemory, decide,
};
use imgmgrd_decision::domain::{Base, ContainerId, ImageId, Value};
use imgmgrd_decision::execution::{Execution, Went};

use crate::state::Site;

/// Half of `stable_time`, by which time goes on.
pub const TICK: u64 = 300;

/// The age past which no rule distinguishes: `stable_time`.
pub const OLD: u64 = 600;

/// What the agent is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Agent {
    /// The plan that is being carried out, or is about to be.
    pub execution: Option<Execution>,
    /// Its first call is made: a further look does not replace it.
    pub has_begun: bool,
    /// The world has moved on since the plan was made.
    pub is_late: bool,
    /// The `container_id` of each row when the plan was made: what a write of versions expects.
    pub rows: BTreeMap<RowKey, Value<NamedContainer>>,
    /// The engine as it was read ahead of the rows.
    pub picture: Option<Picture>,
    /// What is on the disk, where the process remembers something else.
    pub on_disk: Option<(Memory, BTreeMap<Mark, u64>)>,
}

/// The engine as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Picture {
    images: Arc<BTreeMap<ImageId, Image>>,
    containers: Arc<BTreeMap<ContainerId, Container>>,
}

impl Picture {
    /// The containers in it.
    pub fn containers(&self) -> impl Iterator<Item = (&ContainerId, &Container)> {
        self.containers.iter()
    }
}

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not done.
    Failed,
    /// It is done, and its answer lost.
    Unanswered,
}

/// What a look came to.
pub struct Look {
    /// What was seen.
    pub observation: Observation,
    /// What was decided.
    pub decision: Decision,
    /// What the second opinion says against it.
    pub violations: BTreeMap<Base, Violation>,
}

/// How the agent behaves. The defaults are how it does; a seeded bug overrides one of them.
pub trait Conduct: Send + Sync {
    /// What it sees, given what it remembers.
    fn see(&self, _memory: &Memory, _observation: &mut Observation) {}

    /// What it makes of the plan that was decided and judged.
    fn arrange(&self, plan: Plan) -> Plan {
        plan
    }

    /// How it makes a call.
    fn carry_out(&self, switch: &mut Switch, step: &Step) -> Result<(), Refusal> {
        switch.step(step)
    }

    /// Whether a look while a plan is carried out changes what its writes of versions expect.
    fn expects_rows_as_last_read(&self) -> bool {
        false
    }

    /// Whether the memory is saved before the first step of a plan.
    fn saves_before_acting(&self) -> bool {
        true
    }
}

/// The agent as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faithful;

impl Conduct for Faithful {}

impl Site {
    /// Reads the engine, ahead of the rows.
    pub fn read_engine(&mut self) {
        let seen = self.switch.observe();
        self.agent.picture = Some(Picture { images: seen.images, containers: seen.containers });
    }

    /// Looks, decides, and saves what is to be remembered.
    pub fn look(&mut self, conduct: &dyn Conduct) -> Look {
        let look = self.decide(conduct);
        let plan = conduct.arrange(look.decision.plan.clone());
        if !conduct.saves_before_acting() && !plan.is_empty() && self.agent.on_disk.is_none() {
            self.agent.on_disk = Some((self.switch.memory.clone(), self.switch.marks.clone()));
        }
        self.switch.remember(&look.decision);
        self.settle_ages();
        // An order is in the memory now.
        self.switch.observation.orders.clear();
        self.agent.picture = None;
        if !self.agent.has_begun {
            self.agent.execution = (!plan.is_empty()).then(|| Execution::new(plan));
            self.agent.is_late = false;
        }
        if !self.agent.has_begun || conduct.expects_rows_as_last_read() {
            self.expect_rows();
        }
        look
    }

    /// Decides, as far as the process goes before anything is saved. A unit whose plan the second opinion is against
    /// is stopped.
    fn decide(&self, conduct: &dyn Conduct) -> Look {
        let mut observation = self.switch.observe();
        if let Some(picture) = &self.agent.picture {
            (observation.images, observation.containers) = (picture.images.clone(), picture.containers.clone());
        }
        conduct.see(&self.switch.memory, &mut observation);
        let mut decision = decide(&observation, &self.switch.memory, &self.switch.policy, &self.switch.now());
        let violations = check(&observation, &decision.memory, &self.switch.policy, &decision.plan);
        for base in violations.keys() {
            decision.plan.units.remove(base);
        }
        Look { observation, decision, violations }
    }

    /// What a write of versions is going to expect, while there is a plan.
    fn expect_rows(&mut self) {
        self.agent.rows.clear();
        if self.agent.execution.is_some() {
            let state = self.switch.observation.state.iter();
            self.agent.rows.extend(state.map(|(key, row)| (key.clone(), row.container_id.clone())));
        }
    }

    /// Makes the next call of the plan.
    pub fn step(&mut self, conduct: &dyn Conduct, fault: Option<Fault>) {
        let Some(step) = self.agent.execution.as_ref().and_then(|execution| execution.step().cloned()) else { return };
        let went = match fault {
            Some(Fault::Failed) => Went::Failed("it failed".to_owned()),
            Some(Fault::Unanswered) => {
                self.call(conduct, &step);
                Went::Failed("no answer".to_owned())
            }
            None => self.call(conduct, &step),
        };
        let Some(execution) = &mut self.agent.execution else { return };
        self.agent.has_begun = true;
        execution.note(went);
        if execution.step().is_none() {
            self.conclude();
        }
    }

    fn call(&mut self, conduct: &dyn Conduct, step: &Step) -> Went {
        if let Step::RecordVersions { row, .. } = step {
            let now = self.switch.observation.state.get(row).map(|row| &row.container_id);
            let expected = self.agent.rows.get(row).cloned().unwrap_or(Value::Absent);
            if now.is_some_and(|now| *now != expected) {
                return Went::Skipped("the row is about another container now".to_owned());
            }
        }
        match conduct.carry_out(&mut self.switch, step) {
            Ok(()) => Went::Done { reclaimed: 0 },
            Err(Refusal::InUse(_)) => Went::InUse,
            Err(Refusal::Changed) => Went::Skipped("it is not as it was".to_owned()),
        }
    }

    /// The plan is at its end.
    fn conclude(&mut self) {
        let Some(execution) = self.agent.execution.take() else { return };
        for base in &execution.units {
            if let Some(unit) = self.switch.memory.units.get_mut(base) {
                unit.error = execution.failed.get(base).map(|(purpose, why)| format!("could not {purpose}: {why}"));
            }
        }
        self.switch.observation.refused.extend(execution.refused);
        self.agent = Agent::default();
    }

    /// What is left of the plan is given up: as if each of its calls failed.
    pub fn give_up(&mut self) {
        self.agent.execution = None;
        (self.agent.has_begun, self.agent.is_late) = (false, false);
        self.agent.rows.clear();
    }

    /// The agent dies, and is started again.
    pub fn crash(&mut self) {
        if let Some((memory, marks)) = self.agent.on_disk.take() {
            (self.switch.memory, self.switch.marks) = (memory, marks);
        }
        self.agent = Agent::default();
        self.switch.observation.orders.clear();
        self.switch.restart_agent();
    }

    /// The agent looks, and dies after it has saved what fallback depends on and before it saved its marks. Whether
    /// that is another state than a death before the look.
    pub fn crash_while_saving(&mut self, conduct: &dyn Conduct) -> bool {
        let decided = self.decide(conduct).decision.memory;
        let mut memory = Memory { instances: self.switch.memory.instances.clone(), units: BTreeMap::new() };
        for (base, unit) in decided.units {
            let old = self.switch.memory.units.get(&base).cloned().unwrap_or_default();
            memory.units.insert(base, torn(unit, old));
        }
        let is_another = memory != self.switch.memory;
        self.switch.memory = memory;
        self.crash();
        is_another
    }

    /// Time passes. Ages past [`OLD`] are all the same.
    pub fn pass(&mut self, seconds: u64) {
        let stamps = self.switch.marks.values_mut();
        stamps.chain(self.switch.started.values_mut()).for_each(|stamp| *stamp -= seconds);
        self.settle_ages();
    }

    /// Gives the same form to what no rule tells apart: ages past [`OLD`], and the times of what is gone or does not
    /// matter.
    pub fn settle_ages(&mut self) {
        let switch = &mut self.switch;
        let oldest = switch.clock - OLD;
        // A mark without a time is old.
        switch.marks.retain(|_, stamp| *stamp > oldest);
        let containers = &switch.observation.containers;
        // The agent asks only for the age of kube containers that run.
        switch.started.retain(|id, _| {
            containers.get(id).is_some_and(|container| container.details.is_some() && container.kubelet.is_some())
        });
        for stamp in switch.started.values_mut() {
            *stamp = (*stamp).max(oldest);
        }
    }
}

/// A unit's memory as it is read after a crash between its two files: the newer half of one, the older of the other.
fn torn(newer: UnitMemory, older: UnitMemory) -> UnitMemory {
    // Named one by one: whoever adds a field looks up in which file it is.
    let UnitMemory { intention, approved, promoted, finished, previous, rolled_back, superseded, images: _, error: _ } =
        newer;
    let UnitMemory { images, error, .. } = older;
    UnitMemory { intention, approved, promoted, finished, previous, rolled_back, superseded, images, error }
}
