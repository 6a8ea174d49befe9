//! The other actors. Each file holds when an action of theirs is possible, and what it does.

mod kubelet;
mod operators;
mod scripts;
mod switch;

use imgmgrd_planner::domain::{Base, ContainerId, Instance};
use imgmgrd_planner::{Container, ContainerStatus, FeatureState};

use crate::action::Action;
use crate::scenario::Scenario;
use crate::site::Site;
use crate::state::State;

/// Everything that may happen now, besides what the agent does.
pub(crate) fn possible(state: &State, scenario: &Scenario, instances: &[(Instance, Base)], actions: &mut Vec<Action>) {
    kubelet::possible(state, scenario, instances, actions);
    scripts::possible(state, instances, actions);
    operators::possible(state, scenario, actions);
    switch::possible(state, actions);
}

/// It happens.
pub(crate) fn happen(state: &mut State, action: &Action, instances: &[(Instance, Base)]) {
    match action {
        Action::Pull(..)
        | Action::Create(..)
        | Action::Start(_)
        | Action::Leave(_)
        | Action::Exit(_)
        | Action::Health(..)
        | Action::OutOfMemory(_)
        | Action::RemoveContainer(_)
        | Action::Collect(_)
        | Action::Replace(..) => kubelet::happen(state, action, instances),
        Action::TakeOver(_)
        | Action::WriteGone(_)
        | Action::Revert(_)
        | Action::LocalCreate(_)
        | Action::LocalStart(_)
        | Action::LocalWrite(_) => scripts::happen(state, action, instances),
        Action::Operate(operation) => operators::happen(state, operation.clone(), instances),
        Action::Reload | Action::DeleteRow(_) | Action::Reboot { .. } => switch::happen(state, action, instances),
        Action::Agent(_) | Action::Wait => return,
    }
    state.site.agent.is_late = !state.site.agent.is_idle();
    state.site.settle_ages();
}

impl Site {
    /// A container.
    #[must_use]
    pub fn container(&self, id: &ContainerId) -> Option<&Container> {
        self.switch.snapshot.containers.get(id)
    }

    /// Whether a container runs.
    #[must_use]
    pub fn runs(&self, id: &ContainerId) -> bool {
        self.container(id).is_some_and(|container| container.status == ContainerStatus::Running)
    }

    /// An instance's row, if it is there.
    #[must_use]
    pub fn row(&self, instance: &Instance) -> Option<&FeatureState> {
        self.switch.snapshot.state.get(&self.switch.key(instance))
    }

    /// The local container of an instance.
    #[must_use]
    pub fn local(&self, instance: &Instance) -> Option<ContainerId> {
        self.switch.container_named(&instance.container_name())
    }
}
