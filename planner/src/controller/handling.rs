//! Events in, effects out.

use std::time::Duration;

use super::event::{Effect, Event};
use super::group::GroupState;
use super::state::{Controller, Engine};

impl Controller {
    /// Takes note of what has happened. What is to be done about it, [`effects`](Self::effects) tells: once, when nothing
    /// else has happened in the meantime.
    pub fn handle(&mut self, event: Event, now: Duration) {
        match event {
            Event::Rows(rows) => self.see_rows(*rows, now),
            Event::Engine(lists) => self.see_engine(lists, now),
            Event::EngineUnreachable => {
                if self.engine == Engine::Reachable {
                    self.engine = Engine::Unreachable;
                }
            }
            Event::Read { base, reading } => self.read(&base, reading.map(|reading| *reading), now),
            Event::Saved(result) => self.saved(result, now),
            Event::Stepped { base, outcome } => self.stepped(&base, outcome, now),
            Event::Published { is_complete } => {
                self.publishing.is_under_way = false;
                if is_complete {
                    self.publishing.retry.worked();
                } else {
                    self.publishing.retry.failed("publish", Duration::MAX, now);
                }
            }
            Event::Command { id, command, features } => self.command(id, command, features, now),
            Event::Wake => self.is_stale = true,
            Event::Stop => {
                self.is_stopping = true;
                let decided =
                    self.groups.values_mut().filter(|group| matches!(group.state, GroupState::Decided { .. }));
                decided.for_each(|group| group.state = GroupState::Idle);
                self.refuse_all("the agent is stopping");
            }
        }
    }

    /// What is to be done now, in this order.
    pub fn effects(&mut self, now: Duration) -> Vec<Effect> {
        self.retry(now);
        if self.is_stale && self.is_ready() {
            self.decide(now);
        }
        self.schedule(now);
        self.begin_saving(now);
        // What could not be written does not keep what is new from being written.
        if self.publishing.retry.has_failed() && !self.publishing.retry.waits(now) {
            self.publishing.retry.over();
            self.publishing.is_due = true;
        }
        if self.publishing.is_due && !self.publishing.is_under_way {
            self.publishing.is_due = false;
            self.publishing.is_under_way = true;
            self.effects.push(Effect::Publish);
        }
        if !std::mem::replace(&mut self.are_marks_saved, true) {
            self.effects.push(Effect::SaveMarks);
        }
        self.groups.retain(|_, group| !group.is_at_rest());
        std::mem::take(&mut self.effects)
    }
}
