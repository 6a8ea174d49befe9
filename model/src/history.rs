//! What really happened, as far as the promises depend on it, told by what became of the switch and not by what the
//! agent believes.

use std::collections::{BTreeMap, BTreeSet};

use imgmgrd_decision::decide::fixtures::Switch;
use imgmgrd_decision::decide::{ContainerStatus, NamedContainer, Observation, Order, Owner, RemoteState};
use imgmgrd_decision::domain::{Base, ContainerId, ImageId, Instance, Reference, StartedAt, Value};

use crate::agent::{Look, OLD, TICK};
use crate::scenario::Offer;

/// What really happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// The agent has made this image `latest`, and no look has seen it yet: if somebody moves it before, nobody can know.
    pub tagged: BTreeMap<Base, ImageId>,
    /// What the agent has promoted, or an operator rolled back to.
    pub promoted: BTreeMap<Base, ImageId>,
    /// What was promoted before that.
    pub previous: BTreeMap<Base, ImageId>,
    /// The image that an operator rolled back from.
    pub rolled_back: BTreeMap<Base, BTreeSet<ImageId>>,
    /// What was promoted last is what an operator rolled back to.
    pub is_rollback: BTreeSet<Base>,
    /// Seconds since a look found that an instance's takeover does not stand; none if that is longer ago than matters.
    pub doubted: BTreeMap<Instance, u64>,
    /// The takeovers that an operator has said to be good.
    pub approved: BTreeMap<Instance, (ContainerId, StartedAt)>,
    /// What the kubelet has pulled.
    pub pulled: BTreeSet<Offer>,
    /// The images that came after the takeover that stands.
    pub newcomers: BTreeSet<ImageId>,
}

impl History {
    /// A kube container of an instance was started, or its takeover written: what is on the disk came before it, unless
    /// another instance goes on running the same image.
    pub(crate) fn started(&mut self, instance: &Instance, instances: &[(Instance, Base)], switch: &Switch) {
        let image = |instance: &Instance| stands(&switch.observation, switch, instance).map(|stands| stands.image);
        let others = instances.iter().map(|(other, _)| other).filter(|other| *other != instance);
        if image(instance).is_none_or(|own| others.filter_map(image).all(|other| other != own)) {
            self.newcomers.clear();
        }
    }

    /// Half of `stable_time` passes.
    pub(crate) fn pass(&mut self) {
        self.doubted.values_mut().for_each(|seconds| *seconds += TICK);
        self.doubted.retain(|_, seconds| *seconds < OLD);
    }

    /// The switch was booted again.
    pub(crate) fn rebooted(&mut self) {
        self.doubted.clear();
        self.approved.clear();
        self.newcomers.clear();
    }

    /// The starts of containers that it knows.
    pub(crate) fn starts(&self) -> impl Iterator<Item = (ContainerId, StartedAt)> {
        self.approved.values().cloned()
    }

    /// The image that counts as promoted.
    #[must_use]
    pub fn promoted(&self, base: &Base) -> Option<ImageId> {
        self.tagged.get(base).or_else(|| self.promoted.get(base)).copied()
    }

    /// A look sees what the agent has made `latest`, be it that the agent dies while it saves what it has seen. What
    /// somebody else has moved before is forgotten, but not while the rest of that plan is carried out.
    pub(crate) fn seen(&mut self, seen: &Observation, is_acting: bool) {
        for (base, image) in std::mem::take(&mut self.tagged) {
            if named(seen, &base) == Some(image) {
                self.is_promoted(&base, image);
            } else if is_acting {
                self.tagged.insert(base, image);
            }
        }
    }

    /// The agent has looked.
    pub(crate) fn looked(
        &mut self,
        look: &Look,
        orders: &BTreeMap<imgmgrd_decision::domain::Feature, Order>,
        switch: &Switch,
        instances: &[(Instance, Base)],
        is_acting: bool,
    ) {
        let seen = &look.observation;
        self.seen(seen, is_acting);
        for (base, unit) in &look.decision.memory.units {
            // What somebody else has made `latest` before it was stable is promoted without a call.
            let claimed = unit.intention.as_ref().or(unit.promoted.as_ref()).filter(|it| !it.is_rollback());
            if let Some(claimed) = claimed.filter(|claimed| named(seen, base) == Some(claimed.image)) {
                self.is_promoted(base, claimed.image);
            }
            let is_ordered = |order: Order| {
                let mut members = instances.iter().filter(|(_, other)| other == base);
                members.any(|(instance, _)| orders.get(&instance.feature) == Some(&order))
            };
            if is_ordered(Order::Rollback { from: None }) {
                let target = unit.intention.as_ref().filter(|intention| intention.is_rollback());
                if let Some(target) = target {
                    self.rolled_back.insert(base.clone(), unit.rolled_back.clone());
                    self.promoted.insert(base.clone(), target.image);
                    self.previous.remove(base);
                    self.is_rollback.insert(base.clone());
                }
            }
            if is_ordered(Order::Promote) {
                self.rolled_back.remove(base);
            }
        }
        for (instance, base) in instances {
            match stands(seen, switch, instance) {
                None => {
                    self.doubted.insert(instance.clone(), 0);
                    self.approved.remove(instance);
                }
                Some(stands) => {
                    let key = (stands.container, stands.started_at);
                    if orders.get(&instance.feature) == Some(&Order::Promote) {
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
pub(crate) fn stands(seen: &Observation, switch: &Switch, instance: &Instance) -> Option<Stands> {
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
pub(crate) fn named(seen: &Observation, base: &Base) -> Option<ImageId> {
    let latest = Reference::latest(base)?;
    seen.images.iter().find(|(_, image)| image.references.contains(&latest)).map(|(id, _)| *id)
}
