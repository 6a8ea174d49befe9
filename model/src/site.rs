//! What the agent has to do with: the switch, and the agent itself with its disk.

use std::time::Duration;

use imgmgrd_planner::fixtures::Switch;

use crate::agent::Agent;

/// Half of `stable_time`, by which time goes on.
pub const TICK: u64 = 300;

/// The age past which no rule distinguishes: `stable_time`.
pub const OLD: u64 = 600;

/// What the agent has to do with: the switch with its databases and its engine, and the agent with its disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Site {
    /// Rows, images, containers, policy.
    pub switch: Switch,
    /// What the agent is doing.
    pub agent: Agent,
}

impl Site {
    /// The clock.
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_secs(self.switch.clock)
    }

    /// Time passes, and whether the agent wanted to be woken meanwhile.
    pub(crate) fn pass(&mut self, seconds: u64) -> bool {
        let (time, now) = (Duration::from_secs(seconds), self.now());
        let oldest = now - Duration::from_secs(OLD);
        let agent = &mut self.agent;
        let is_due = agent.controller.next_wake().is_some_and(|at| at <= now + time);
        agent.controller.pass(time, oldest);
        agent.disk.stamps.values_mut().for_each(|stamp| *stamp -= time);
        agent.disk.stamps.retain(|_, stamp| *stamp > oldest);
        agent.lists.iter_mut().for_each(|lists| lists.began -= time);
        self.switch.started.values_mut().for_each(|stamp| *stamp -= seconds);
        self.settle_ages();
        is_due
    }

    /// Gives the same form to what no rule tells apart: ages past [`OLD`], and the times of what is gone or does not
    /// matter.
    pub(crate) fn settle_ages(&mut self) {
        let (now, long) = (self.now(), Duration::from_secs(TICK));
        let lists = self.agent.lists.as_mut().map(|lists| &mut lists.began);
        self.agent.controller.settle_times(lists, now, long);
        self.agent.is_late &= !self.agent.is_idle();
        self.agent.disk.stamps.values_mut().for_each(|stamp| *stamp = Duration::from_secs(stamp.as_secs()));
        let switch = &mut self.switch;
        let containers = &switch.snapshot.containers;
        switch.started.retain(|id, _| {
            containers.get(id).is_some_and(|container| container.details.is_some() && container.kubelet.is_some())
        });
        switch.started.values_mut().for_each(|stamp| *stamp = (*stamp).max(switch.clock - OLD));
    }
}
