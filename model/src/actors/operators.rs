//! Operators: orders, the owner, the policy, and the docker command.

use imgmgrd_planner::Owner;
use imgmgrd_planner::domain::{Base, Instance, Reference};
use imgmgrd_planner::fixtures::{reference, version};

use super::kubelet::tag;
use crate::action::Action;
use crate::bounds::Operation;
use crate::scenario::Scenario;
use crate::state::State;

pub(super) fn possible(state: &State, scenario: &Scenario, actions: &mut Vec<Action>) {
    if state.left.operations == 0 {
        return;
    }
    let instances = scenario.instances();
    let Some((instance, base)) = instances.first() else { return };
    let switch = &state.site.switch;
    let is_loaded = switch.snapshot.config_initialized;
    let kube = |version: &str| switch.naming(&tag(base, version));
    let policy = &switch.policy.global;
    let is_another = |operation: &&Operation| match operation {
        Operation::Command(_) => state.site.agent.commands.is_empty(),
        Operation::SetOwner(owner) => {
            let rows = switch.snapshot.configuration.iter();
            let mut own = rows.filter(|(key, _)| key.key == instance.feature);
            is_loaded && own.any(|(_, row)| !row.set_owner.is(owner))
        }
        Operation::Enable(enabled) => is_loaded && policy.enabled != *enabled,
        Operation::CleanUp(cleanup) => is_loaded && policy.cleanup != *cleanup,
        Operation::Pin(text) => is_loaded && !policy.pin.contains(&version(text)),
        Operation::KeepVersions(keep) => is_loaded && policy.keep_versions != *keep,
        Operation::TagLatest(version) => kube(version).is_some_and(|image| latest(state, base) != Some(image)),
        Operation::TagLocally(version) => {
            kube(version).is_some_and(|image| switch.naming(&reference(&format!("{base}:{version}"))) != Some(image))
        }
        Operation::UntagLatest => {
            latest(state, base).is_some_and(|image| switch.snapshot.images[&image].references.len() > 1)
        }
        Operation::Disable(disabled) => is_loaded && switch.snapshot.kubernetes.disabled != *disabled,
        Operation::Connect(connected) => switch.snapshot.kubernetes.connected != Some(*connected),
    };
    actions.extend(scenario.operations.iter().filter(is_another).cloned().map(Action::Operate));
}

pub(super) fn happen(state: &mut State, operation: Operation, instances: &[(Instance, Base)]) {
    state.left.operations -= 1;
    let Some((instance, base)) = instances.first() else { return };
    let switch = &mut state.site.switch;
    match operation {
        // The agent is asked.
        Operation::Command(_) => {}
        Operation::SetOwner(owner) => set_owner(state, instance, owner),
        Operation::Enable(enabled) => switch.policy(|policy| policy.enabled = enabled),
        Operation::CleanUp(cleanup) => switch.policy(|policy| policy.cleanup = cleanup),
        Operation::Pin(text) => switch.policy(|policy| policy.pin = [version(text)].into()),
        Operation::KeepVersions(keep) => switch.policy(|policy| policy.keep_versions = keep),
        Operation::TagLatest(version) => {
            let image = switch.naming(&tag(base, version)).expect("it is on the disk");
            switch.tag(&Reference::latest(base).expect("a tag"), &image);
        }
        Operation::TagLocally(version) => {
            let image = switch.naming(&tag(base, version)).expect("it is on the disk");
            switch.tag(&reference(&format!("{base}:{version}")), &image);
        }
        Operation::UntagLatest => switch.untag(&Reference::latest(base).expect("a tag")),
        Operation::Disable(disabled) => switch.snapshot.kubernetes.disabled = disabled,
        Operation::Connect(connected) => switch.snapshot.kubernetes.connected = Some(connected),
    }
}

fn set_owner(state: &mut State, instance: &Instance, owner: Owner) {
    state.site.switch.set_owner(instance.feature.as_str(), owner);
}

fn latest(state: &State, base: &Base) -> Option<imgmgrd_planner::domain::ImageId> {
    Reference::latest(base).and_then(|latest| state.site.switch.naming(&latest))
}
