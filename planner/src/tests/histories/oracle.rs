//! The promises of section 4, judged by what happened to the switch and not by what the agent believes.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Base, ContainerId, ImageId, Instance, Reference, StartedAt, Value};
use crate::fixtures::*;
use crate::*;

/// What happened so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Oracle {
    /// Tagged `latest`, which no decision has seen yet: if somebody moves it before, nobody can know.
    tagged: BTreeMap<Base, ImageId>,
    promoted: BTreeMap<Base, ImageId>,
    previous: BTreeMap<Base, ImageId>,
    rolled_back: BTreeMap<Base, BTreeSet<ImageId>>,
    /// The last decision at which an instance's takeover did not stand.
    not_standing: BTreeMap<Instance, u64>,
    /// The world moved on since the decision, so that its steps may be based on what is not so any more.
    pub(super) is_late: bool,
}

impl Oracle {
    /// What is not remembered cannot be promised.
    pub(super) fn memory_lost(&mut self) {
        *self = Self::default();
    }

    pub(super) fn rebooted(&mut self) {
        self.not_standing.clear();
    }

    pub(super) fn rolled_back(&mut self, base: &Base, from: BTreeSet<ImageId>, to: ImageId) {
        self.rolled_back.insert(base.clone(), from);
        self.promoted.insert(base.clone(), to);
        self.previous.remove(base);
    }

    /// An agent that starts remembers of what does not stand only that it failed.
    pub(super) fn restarted(&mut self, memory: &Memory) {
        let has_failed = |instance: &Instance| memory.instances.get(instance).is_some_and(|m| m.failed.is_some());
        self.not_standing.retain(|instance, _| has_failed(instance));
    }

    /// The agent has decided, and remembers this.
    pub(super) fn decided(&mut self, switch: &Switch, instances: &[(Instance, Base)], memory: &Memory) {
        for (base, image) in std::mem::take(&mut self.tagged) {
            if switch.named(&format!("{base}:latest")).as_ref() == Some(&image) {
                self.is_promoted(&base, image);
            }
        }
        // What somebody else made `latest` before it had proven stable is promoted without a tag.
        for (base, group) in &memory.groups {
            let promotion = group.intention.as_ref().or(group.promoted.as_ref()).filter(|it| !it.is_rollback());
            if let Some(image) = promotion.map(|promotion| promotion.image) {
                if switch.named(&format!("{base}:latest")) == Some(image) {
                    self.is_promoted(base, image);
                }
            }
        }
        for (instance, base) in instances {
            match takeover_status(switch, instance) {
                None => {
                    self.not_standing.insert(instance.clone(), switch.clock);
                }
                Some(image) if self.rolled_back.get(base).is_some_and(|held| !held.contains(&image)) => {
                    self.rolled_back.remove(base);
                }
                Some(_) => {}
            }
        }
    }

    fn is_promoted(&mut self, base: &Base, image: ImageId) {
        if let Some(old) = self.promoted.insert(base.clone(), image).filter(|old| *old != image) {
            self.previous.insert(base.clone(), old);
        }
    }

    /// A step was tried.
    pub(super) fn judge(
        &mut self,
        base: &Base,
        step: &Step,
        before: &Switch,
        after: &Switch,
        instances: &[(Instance, Base)],
    ) {
        let latest = format!("{base}:latest");
        if before.named(&latest).is_some() {
            assert!(after.named(&latest).is_some(), "promise 1: latest vanished by {step}");
        }
        let (was, is) = (&before.snapshot, &after.snapshot);
        for container in is.containers.values().filter(|container| was.images.contains_key(&container.image)) {
            assert!(is.images.contains_key(&container.image), "promise 2: {} lost its image", container.name);
        }
        for (id, container) in was.containers.iter().filter(|(_, container)| container.status.is_alive()) {
            assert_eq!(is.containers.get(id), Some(container), "promise 2: {step}");
        }
        let others = |switch: &Switch| -> BTreeSet<(Reference, ImageId)> {
            let images = switch.snapshot.images.iter();
            let all = images.flat_map(|(id, image)| image.references.iter().map(move |r| (r.clone(), *id)));
            all.filter(|(reference, _)| reference.repository.base() != base).collect()
        };
        assert_eq!(others(before), others(after), "promise 3: {step}");
        assert!(is.state.keys().all(|key| was.state.contains_key(key)), "promise 6: {step}");

        if let Step::Tag { image, reference, proven_by, .. } = step {
            if !proven_by.is_empty() && reference.is_local_latest() && after.named(&latest).as_ref() == Some(image) {
                self.promoted(base, image, proven_by, before, instances);
            }
        }
        let promoted = self.tagged.get(base).or_else(|| self.promoted.get(base));
        if let Some(promoted) = promoted.filter(|image| was.images.contains_key(*image)) {
            assert!(is.images.contains_key(promoted), "promise 4: the promoted image is gone by {step}");
        }
        self.fallback(base, step, before, after, instances);
    }

    /// A failed version is never promoted: its container has run long enough, and stood at every decision meanwhile.
    fn promoted(
        &mut self,
        base: &Base,
        image: &ImageId,
        proven_by: &BTreeMap<ContainerId, StartedAt>,
        switch: &Switch,
        instances: &[(Instance, Base)],
    ) {
        self.tagged.insert(base.clone(), *image);
        if self.is_late {
            return;
        }
        let stable_time = u64::from(switch.policy.global.stable_time.seconds());
        let snapshot = switch.observe();
        for (container, started_at) in proven_by {
            let details = snapshot.containers[container].details.as_ref().unwrap();
            assert_eq!(details.started_at, *started_at, "it was started again");
            assert!(switch.clock - switch.started[container] >= stable_time, "promoted too early");
        }
        let held = self.rolled_back.get(base);
        assert!(held.is_none_or(|held| !held.contains(image)), "an operator rolled back from it");
        let mut proven = 0;
        for (instance, _) in instances.iter().filter(|(_, other)| other == base) {
            if takeover_status(switch, instance).as_ref() == Some(image) {
                proven += 1;
                let since = self.not_standing.get(instance).copied().unwrap_or(0);
                assert!(switch.clock >= since + stable_time, "{instance} did not stand {} s ago", switch.clock - since);
            }
        }
        assert!(proven > 0, "no takeover of this image stands");
    }

    /// The version promoted before stays, unless STATE_DB names another fallback that is on the disk.
    fn fallback(&self, base: &Base, step: &Step, before: &Switch, after: &Switch, instances: &[(Instance, Base)]) {
        let promoted = self.tagged.get(base).or_else(|| self.promoted.get(base));
        let displaced = self.tagged.get(base).and_then(|_| self.promoted.get(base));
        let previous = displaced.or_else(|| self.previous.get(base));
        let Some(previous) = previous.filter(|image| promoted != Some(image)) else { return };
        let is_kube = |switch: &Switch, image: &ImageId| {
            let image = switch.snapshot.images.get(image);
            image.is_some_and(|image| image.references_of(base).any(|reference| !reference.repository.is_local()))
        };
        let versions = |switch: &Switch| -> BTreeSet<_> {
            let rows = instances.iter().filter(|(_, other)| other == base).map(|(instance, _)| switch.row(instance));
            rows.flat_map(|row| [row.last_version.get().cloned(), row.stable_version.get().cloned()])
                .flatten()
                .collect()
        };
        let named = versions(after);
        let is_another = after.snapshot.images.iter().any(|(id, image)| {
            let tags = image.references_of(base).filter_map(Reference::tag);
            let is_named = tags.chain(image.declared_version()).any(|version| named.contains(version));
            promoted != Some(id) && id != previous && is_kube(after, id) && is_named
        });
        if is_kube(before, previous) && !is_another {
            assert!(is_kube(after, previous), "promise 4: the last version is gone by {step}");
        }
    }
}

/// The image of an instance's takeover, if one stands.
fn takeover_status(switch: &Switch, instance: &Instance) -> Option<ImageId> {
    let row = switch.row(instance);
    let Value::Is(NamedContainer::Prefix(prefix)) = &row.container_id else { return None };
    let (_, container) = switch.snapshot.containers.iter().find(|(id, _)| id.starts_with(prefix))?;
    let declared = switch.snapshot.images.get(&container.image)?.declared_version();
    let stands = row.current_owner.is(&Owner::Kube)
        && row.remote_state.is(&RemoteState::Running)
        && row.container_version.get() == declared
        && container.status == ContainerStatus::Running
        && container.details.as_ref().is_some_and(|details| !details.unhealthy);
    stands.then_some(container.image)
}
