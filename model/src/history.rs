//! What happened, as far as the promises depend on it, told by what became of the switch and not by what the
//! agent believes.

use std::collections::{BTreeMap, BTreeSet};

use imgmgrd_planner::domain::{Base, ContainerId, Feature, ImageId, Instance, Reference, StartedAt, Value};
use imgmgrd_planner::fixtures::Switch;
use imgmgrd_planner::{Command, ContainerStatus, NamedContainer, Owner, RemoteState, Snapshot};

use crate::bounds::Offer;
use crate::site::{OLD, Site, TICK};

/// What happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// The agent has made this image `latest`, and no decision has seen it yet: if somebody moves it before, nobody can know.
    pub tagged: BTreeMap<Base, ImageId>,
    /// What the agent has promoted, or an operator rolled back to.
    pub promoted: BTreeMap<Base, ImageId>,
    /// What was promoted before that.
    pub previous: BTreeMap<Base, ImageId>,
    /// The image that an operator rolled back from.
    pub rolled_back: BTreeMap<Base, BTreeSet<ImageId>>,
    /// What was promoted last is what an operator rolled back to.
    pub is_rollback: BTreeSet<Base>,
    /// Seconds since a decision found that an instance's takeover does not stand; none if that is longer ago than matters.
    pub doubted: BTreeMap<Instance, u64>,
    /// The takeovers that an operator has said to be good.
    pub approved: BTreeMap<Instance, (ContainerId, StartedAt)>,
    /// What the kubelet has pulled.
    pub pulled: BTreeSet<Offer>,
}

impl History {
    /// Half of `stable_time` passes.
    pub(crate) fn pass(&mut self) {
        self.doubted.values_mut().for_each(|seconds| *seconds += TICK);
        self.doubted.retain(|_, seconds| *seconds < OLD);
    }

    /// The switch was booted again.
    pub(crate) fn rebooted(&mut self) {
        self.doubted.clear();
        self.approved.clear();
    }

    /// The image that counts as promoted.
    #[must_use]
    pub fn promoted(&self, base: &Base) -> Option<ImageId> {
        self.tagged.get(base).or_else(|| self.promoted.get(base)).copied()
    }

    /// The agent has done something: what it knows by now. What somebody else has moved before it was seen is forgotten,
    /// unless it is yet to be seen.
    pub(crate) fn goes_on(&mut self, site: &Site, requested: &[(Command, Feature)], instances: &[(Instance, Base)]) {
        let controller = &site.agent.controller;
        if !controller.is_ready() {
            return;
        }
        let (seen, memory) = (controller.snapshot(), controller.memory());
        for (base, image) in std::mem::take(&mut self.tagged) {
            if named(seen, &base) == Some(image) {
                self.is_promoted(&base, image);
            } else if !site.agent.is_idle() {
                self.tagged.insert(base, image);
            }
        }
        let commands: Vec<_> = requested.iter().chain(site.agent.commands.values()).collect();
        let is_requested = |instance: &Instance| commands.contains(&&(Command::Promote, instance.feature.clone()));
        for (base, group) in &memory.groups {
            let claimed = group.intention.as_ref().or(group.promoted.as_ref());
            match claimed {
                // What somebody else has made `latest` before it was stable is promoted without a call.
                Some(claimed) if !claimed.is_rollback() && named(seen, base) == Some(claimed.image) => {
                    self.is_promoted(base, claimed.image);
                }
                Some(claimed) if !claimed.is_rollback() => {}
                Some(rollback) if !self.is_rollback.contains(base) || self.promoted(base) != Some(rollback.image) => {
                    self.rolled_back.insert(base.clone(), group.rolled_back.clone());
                    self.tagged.remove(base);
                    self.promoted.insert(base.clone(), rollback.image);
                    self.previous.remove(base);
                    self.is_rollback.insert(base.clone());
                }
                _ => {}
            }
            let mut members = instances.iter().filter(|(_, other)| other == base);
            if members.any(|(instance, _)| is_requested(instance)) {
                // What a person wants promoted is no longer held.
                self.rolled_back.entry(base.clone()).or_default().retain(|image| group.rolled_back.contains(image));
            }
        }
        for (instance, base) in instances {
            match stands(seen, &site.switch, instance) {
                None => {
                    self.doubted.insert(instance.clone(), 0);
                    // A call that is under way rests on it.
                    if !site.agent.steps.contains_key(base) {
                        self.approved.remove(instance);
                    }
                }
                Some(stands) => {
                    let key = (stands.container, stands.started_at);
                    if is_requested(instance) {
                        self.approved.insert(instance.clone(), key.clone());
                    }
                    self.approved.retain(|other, approved| other != instance || *approved == key);
                    if self.rolled_back.get(base).is_some_and(|held| !held.contains(&stands.image)) {
                        self.rolled_back.remove(base);
                    }
                }
            }
        }
    }

    fn is_promoted(&mut self, base: &Base, image: ImageId) {
        if let Some(old) = self.promoted.insert(base.clone(), image).filter(|old| *old != image) {
            self.previous.insert(base.clone(), old);
            self.is_rollback.remove(base);
        }
    }
}

/// A takeover that stands.
pub(crate) struct Stands {
    /// Its container.
    pub(crate) container: ContainerId,
    /// Since when that runs.
    pub(crate) started_at: StartedAt,
    /// Its image.
    pub(crate) image: ImageId,
}

/// The takeover of an instance, if one stands by what is seen: the rows say so, and the container runs.
pub(crate) fn stands(seen: &Snapshot, switch: &Switch, instance: &Instance) -> Option<Stands> {
    let row = seen.state.get(&switch.key(instance))?;
    let Value::Is(NamedContainer::Prefix(prefix)) = &row.container_id else { return None };
    let (id, container) = seen.containers.iter().find(|(id, _)| id.starts_with(prefix))?;
    let declared = seen.images.get(&container.image)?.declared_version();
    let details = container.details.as_ref().filter(|details| !details.unhealthy)?;
    let stands = row.current_owner.is(&Owner::Kube)
        && row.remote_state.is(&RemoteState::Running)
        && row.container_version.get() == declared
        && container.status == ContainerStatus::Running;
    stands.then(|| Stands { container: *id, started_at: details.started_at.clone(), image: container.image })
}

/// What `BASE:latest` names.
pub(crate) fn named(seen: &Snapshot, base: &Base) -> Option<ImageId> {
    let latest = Reference::latest(base)?;
    seen.images.iter().find(|(_, image)| image.references.contains(&latest)).map(|(id, _)| *id)
}
