//! How the agent behaves. The defaults are how it does; a bug that is put in on purpose overrides one of them.

use std::time::Duration;

use imgmgrd_planner::Step;
use imgmgrd_planner::controller::{Controller, Event, Reading};
use imgmgrd_planner::domain::Base;
use imgmgrd_planner::fixtures::{Refusal, Switch};

use crate::agent::{Agent, Answer};

/// Where an agent may go wrong.
pub trait Conduct: Send + Sync {
    /// What its controller is told.
    fn see(&self, _controller: &Controller, _event: &mut Event) {}

    /// Whether it reads rows again right before an action.
    fn reads_rows_again(&self) -> bool {
        true
    }

    /// What it takes for read again of the engine.
    fn reading(&self, _controller: &Controller, reading: Reading) -> Reading {
        reading
    }

    /// How it makes a call.
    fn carry_out(&self, switch: &mut Switch, step: &Step) -> Result<(), Refusal> {
        switch.step(step)
    }

    /// A call that it makes though its controller has not asked for it.
    fn begins(&self, _agent: &Agent) -> Option<(Base, Step)> {
        None
    }

    /// Whether it waits for what is under way of this group; else not before something else has ended.
    fn waits_for(&self, _agent: &Agent, _base: &Base) -> bool {
        true
    }

    /// When it goes on with the answer to a reading; none leaves that to the world.
    fn answers(&self, _agent: &Agent) -> Option<Answer> {
        None
    }

    /// When it takes the lists to be asked for that were asked for at `began` and come now.
    fn began(&self, began: Duration, _now: Duration) -> Duration {
        began
    }

    /// Whether the memory is saved before the first step of an action.
    fn saves_before_acting(&self) -> bool {
        true
    }

    /// Whether it reads at its start what it has saved.
    fn remembers(&self) -> bool {
        true
    }

    /// Whether it publishes when it is asked to; else it says so without doing it.
    fn publishes(&self, _agent: &Agent) -> bool {
        true
    }

    /// Whether it does not see that Redis has refused a write.
    fn takes_refused_for_done(&self) -> bool {
        false
    }
}

/// The agent as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faithful;

impl Conduct for Faithful {}
