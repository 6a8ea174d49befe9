//! Ids that are used again when nobody knows them any more, so that there are finitely many states.

use std::collections::BTreeSet;

use imgmgrd_decision::decide::fixtures::container_id;
use imgmgrd_decision::decide::{Memory, NamedContainer, Step};
use imgmgrd_decision::domain::{ContainerId, StartedAt, Value};

use crate::state::State;

/// Containers that somebody knows, and the starts of each.
struct Known {
    containers: BTreeSet<ContainerId>,
    starts: BTreeSet<(ContainerId, StartedAt)>,
}

impl State {
    /// The id for a new container of that name: the first that neither the engine, the rows nor the agent know.
    #[must_use]
    pub(crate) fn new_container(&self, name: &str) -> (ContainerId, u32) {
        let known = self.known();
        let rows = || self.site.switch.observation.state.values();
        let is_in_a_row = |id: &ContainerId| {
            rows().any(|row| matches!(&row.container_id, Value::Is(NamedContainer::Prefix(p)) if id.starts_with(p)))
        };
        let numbered = |number: u32| (container_id(&format!("container {name} {number}")), number);
        let mut free = (1..).map(numbered).filter(|(id, _)| !known.containers.contains(id) && !is_in_a_row(id));
        free.next().expect("there are more numbers than containers")
    }

    /// The time of a container's next start: the first that nobody knows of it.
    #[must_use]
    pub(crate) fn new_start(&self, container: ContainerId) -> StartedAt {
        let known = self.known();
        let numbered = |number: u32| format!("2026-11-21T00:00:{number:02}Z").parse().expect("a time");
        let mut free = (1..).map(numbered).filter(|at| !known.starts.contains(&(container, StartedAt::clone(at))));
        free.next().expect("there are more numbers than starts")
    }

    fn known(&self) -> Known {
        let mut known = Known { containers: BTreeSet::new(), starts: BTreeSet::new() };
        for (id, container) in self.site.switch.observation.containers.iter() {
            known.containers.insert(*id);
            known.starts.extend(container.details.as_ref().map(|details| (*id, details.started_at.clone())));
        }
        known.remembered(&self.site.switch.memory);
        if let Some((memory, _)) = &self.site.agent.on_disk {
            known.remembered(memory);
        }
        for step in self.site.agent.execution.iter().flat_map(|execution| execution.steps()) {
            match step {
                Step::Tag { proven_by, .. } => known.starts.extend(proven_by.clone()),
                Step::RemoveContainer { container, .. } => {
                    known.containers.insert(*container);
                }
                Step::RecordVersions { .. } | Step::RemoveReference { .. } | Step::RemoveImage { .. } => {}
            }
        }
        let picture = self.site.agent.picture.iter().flat_map(|picture| picture.containers());
        for (id, container) in picture {
            known.containers.insert(*id);
            known.starts.extend(container.details.as_ref().map(|details| (*id, details.started_at.clone())));
        }
        known.starts.extend(self.history.starts());
        let started: Vec<_> = known.starts.iter().map(|(id, _)| *id).collect();
        known.containers.extend(started);
        known
    }
}

impl Known {
    fn remembered(&mut self, memory: &Memory) {
        for instance in memory.instances.values() {
            self.starts.extend(instance.takeover.iter().map(|takeover| takeover.key()));
        }
        for unit in memory.units.values() {
            self.starts.extend(unit.approved.values().cloned());
            let promotions = unit.intention.iter().chain(&unit.promoted);
            self.starts.extend(promotions.flat_map(|promotion| promotion.takeovers.values().cloned()));
        }
    }
}
