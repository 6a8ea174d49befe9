//! The second opinion: the promises of the reference (section 4, 1 to 4) as code that judges every plan before it is
//! carried out.
//!
//! It shares nothing with the planner but the types. It plays the steps of a group one by one on a small model of the
//! engine, and judges what would be on the disk if the agent died right there. It knows no reasons and no ages: only
//! what must never happen.

mod engine;
mod violation;

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Base, ContainerId, ImageId, Instance, Namespace, Reference, StartedAt, Version};
use crate::plan::{Action, Plan, Step};
use crate::snapshot::Policy;
use crate::snapshot::{GroupMemory, Memory, Promotion};
use crate::snapshot::{RowKey, Snapshot};

pub use engine::Impossible;
use engine::{ByName, Engine};
pub use violation::{Broken, Violation};

/// Judges a plan. `memory` is the one that the decision returned with it. The groups that are not in the answer may be
/// carried out; one that is must not be, whole.
#[must_use]
pub fn check(snapshot: &Snapshot, memory: &Memory, policy: &Policy, plan: &Plan) -> BTreeMap<Base, Violation> {
    if plan.is_empty() {
        return BTreeMap::new();
    }
    let by_name = ByName::new(snapshot, plan);
    plan.groups
        .iter()
        .filter_map(|(base, actions)| {
            Judge::new(base, snapshot, &by_name, memory, policy, actions).judge().map(|found| (base.clone(), found))
        })
        .collect()
}

/// What is to be known of one group to judge its steps.
struct Judge<'a> {
    base: &'a Base,
    snapshot: &'a Snapshot,
    memory: &'a Memory,
    group: Option<&'a GroupMemory>,
    instances: BTreeSet<&'a Instance>,
    actions: &'a [Action],
    /// What forbids every change.
    forbidden: Option<&'static str>,
    /// What is on the disk before the first step.
    before: Engine,
    /// The images on it that any group has promoted, or is about to.
    promoted: Vec<&'a ImageId>,
    pins: BTreeSet<&'a Version>,
}

impl<'a> Judge<'a> {
    fn new(
        base: &'a Base,
        snapshot: &'a Snapshot,
        by_name: &ByName<'_>,
        memory: &'a Memory,
        policy: &'a Policy,
        actions: &'a [Action],
    ) -> Self {
        let group = memory.groups.get(base);
        let before = Engine::new(by_name, base, group);
        let promoted = memory.groups.values().filter_map(promotion).map(|promotion| &promotion.image);
        let instances: BTreeSet<_> =
            memory.instances.keys().filter(|instance| belongs(instance, base, snapshot, memory)).collect();
        let policies: Vec<_> = instances.iter().map(|instance| policy.of(&instance.feature)).collect();
        let forbidden = if snapshot.kubernetes.disabled {
            Some("Kubernetes is disabled")
        } else if !snapshot.config_initialized {
            Some("CONFIG_DB is being loaded")
        } else if policies.iter().any(|policy| !policy.enabled) {
            Some("policy state=disabled")
        } else if snapshot.unreadable.contains(&Namespace::Host) {
            Some("the host's database cannot be read")
        } else if instances.iter().any(|instance| !is_configured(instance, snapshot)) {
            Some("the CONFIG_DB row is absent")
        } else {
            None
        };
        Self {
            base,
            snapshot,
            memory,
            group,
            instances,
            actions,
            forbidden,
            promoted: promoted.filter(|image| before.has(image)).collect(),
            before,
            pins: policies.into_iter().flat_map(|policy| &policy.pin).collect(),
        }
    }

    /// The first step that would break a promise.
    fn judge(&self) -> Option<Violation> {
        let mut engine = self.before.clone();
        let steps = self.actions.iter().flat_map(|action| &action.steps);
        (1..).zip(steps).find_map(|(number, step)| {
            let broken = self.step(step, &mut engine).err()?;
            Some(Violation { broken, number, step: step.clone() })
        })
    }

    /// One step: may it be tried, what does it do, and may the world be left like that.
    fn step(&self, step: &Step, engine: &mut Engine) -> Result<(), Broken> {
        if let Some(reason) = self.forbidden {
            return Err(Broken::Forbidden(reason));
        }
        match step {
            Step::Tag { image, reference, proven_by, .. } => self.tag(image, reference, proven_by, engine)?,
            Step::RemoveContainer { container, .. } => self.remove_container(container, engine)?,
            Step::RemoveReference { reference, .. } => {
                self.is_readable()?;
                self.is_own(reference)?;
            }
            Step::RemoveImage { image } => {
                self.is_readable()?;
                self.is_remembered(image)?;
            }
            Step::RecordVersions { row, stable, .. } => self.record(row, stable)?,
        }
        engine.play(step).map_err(Broken::Unfitting)?;
        self.world(engine)
    }

    /// Of which instance nothing is known, of that it is not known what it needs.
    fn is_readable(&self) -> Result<(), Broken> {
        let unreadable = self.instances.iter().find(|instance| self.snapshot.unreadable.contains(&instance.namespace));
        unreadable.map_or(Ok(()), |instance| Err(Broken::Unreadable((*instance).clone())))
    }

    fn is_own(&self, reference: &Reference) -> Result<(), Broken> {
        let is_own = reference.repository.base() == self.base;
        if is_own { Ok(()) } else { Err(Broken::ReferenceForeign(reference.clone())) }
    }

    fn is_remembered(&self, image: &ImageId) -> Result<(), Broken> {
        let is_seen = |group: &GroupMemory| group.images.contains_key(image) || group.superseded.contains(image);
        if self.group.is_some_and(is_seen) { Ok(()) } else { Err(Broken::ImageForeign(*image)) }
    }

    /// A tag may be set for four reasons: `latest` is promoted or restored, the image that `latest` is about to leave gets
    /// a name, so does one that was promoted once and has none, or a registry's tag is given to the local image of the
    /// same version.
    fn tag(
        &self,
        image: &ImageId,
        reference: &Reference,
        proven_by: &BTreeMap<ContainerId, StartedAt>,
        engine: &Engine,
    ) -> Result<(), Broken> {
        self.is_own(reference)?;
        if self.snapshot.memory_unsaved && !reference.repository.is_local() {
            return Err(Broken::Unsaved);
        }
        let latest = engine.named(self.base, Version::LATEST);
        if reference.is_local_latest() {
            return if proven_by.is_empty() { self.restore(image, latest) } else { self.promote(image, proven_by) };
        }
        let Some(tag) = reference.tag() else { return Err(Broken::TagForeign(reference.clone())) };
        let is_right = if reference.repository.is_local() {
            let is_nameless = !engine.references(image).any(|other| other.tag().is_some());
            let versions = self.group.into_iter().flat_map(|group| promoted_as(group, image));
            let is_promoted = versions.chain(self.declared(image)).any(|version| version == tag)
                && self.group.is_some_and(|group| promoted_as(group, image).next().is_some());
            engine.get(reference).is_none()
                && ((latest == Some(image) && (is_promoted || self.declared(image) == Some(tag)))
                    || (is_nameless && is_promoted))
        } else {
            engine.named(self.base, tag.as_str()) == Some(image)
        };
        if is_right { Ok(()) } else { Err(Broken::TagForeign(reference.clone())) }
    }

    /// Each takeover of the group that stands in memory is on this image, the containers are theirs, run since they took
    /// over and are healthy, and nobody rolled back from the image.
    fn promote(&self, image: &ImageId, proven_by: &BTreeMap<ContainerId, StartedAt>) -> Result<(), Broken> {
        if self.snapshot.memory_unsaved {
            return Err(Broken::Unsaved);
        }
        self.is_readable()?;
        let is_requested = self
            .instances
            .iter()
            .any(|instance| self.snapshot.commands.get(&instance.feature) == Some(&crate::Command::Promote));
        if self.group.is_some_and(|group| group.rolled_back.contains(image)) && !is_requested {
            return Err(Broken::RolledBack(*image));
        }
        let takeovers: Vec<_> = self.takeovers().collect();
        let has_taken_over = |id: &ContainerId, started_at: &StartedAt| {
            takeovers.iter().any(|(_, takeover)| takeover.container == *id && takeover.started_at == *started_at)
        };
        let is_healthy = |id: &ContainerId, started_at: &StartedAt| {
            self.snapshot.containers.get(id).is_some_and(|container| {
                let details = container.details.as_ref();
                container.image == *image
                    && container.status == crate::ContainerStatus::Running
                    && details.is_some_and(|details| !details.unhealthy && details.started_at == *started_at)
            })
        };
        let is_proven = takeovers.iter().all(|(_, takeover)| takeover.image == *image)
            && proven_by.iter().all(|(id, started_at)| has_taken_over(id, started_at) && is_healthy(id, started_at))
            && self.group.and_then(|group| group.intention.as_ref()).is_some_and(|intention| intention.image == *image);
        if is_proven { Ok(()) } else { Err(Broken::LatestUnproven) }
    }

    /// Without a takeover `latest` may be tagged only where it is gone, as what was promoted, or where an operator rolls
    /// back: what `latest` leaves has to be held then, if it names anything.
    fn restore(&self, image: &ImageId, latest: Option<&ImageId>) -> Result<(), Broken> {
        let Some(group) = self.group else { return Err(Broken::LatestUnproven) };
        if group.rolled_back.contains(image) {
            return Err(Broken::RolledBack(*image));
        }
        let was_promoted = group.promoted.as_ref().is_some_and(|promoted| promoted.image == *image);
        let is_rollback = group.intention.as_ref().is_some_and(|it| it.is_rollback() && it.image == *image);
        if (latest.is_none() && (was_promoted || is_rollback)) || (is_rollback && !group.rolled_back.is_empty()) {
            Ok(())
        } else {
            Err(Broken::LatestUnproven)
        }
    }

    fn remove_container(&self, id: &ContainerId, engine: &Engine) -> Result<(), Broken> {
        let Some(container) = self.snapshot.containers.get(id) else {
            return Err(Broken::ContainerForeign(*id));
        };
        if container.status.is_alive() {
            return Err(Broken::ContainerAlive(*id));
        }
        let latest = engine.named(self.base, Version::LATEST);
        // As long as a rollback holds, the container of what it left must not be started again.
        let is_rollback =
            self.group.and_then(promotion).is_some_and(|it| it.is_rollback() && latest == Some(&it.image));
        let is_named = |instance: &Instance| instance.container_name() == *container.name;
        let is_readable = |instance: &Instance| !self.snapshot.unreadable.contains(&instance.namespace);
        let is_own = self.takeovers().any(|(instance, _)| is_named(instance))
            || (is_rollback && self.instances.iter().any(|instance| is_named(instance) && is_readable(instance)));
        if !is_own {
            return Err(Broken::ContainerForeign(*id));
        }
        if latest == Some(&container.image) {
            return Err(Broken::ContainerFresh(*id));
        }
        Ok(())
    }

    fn record(&self, row: &RowKey, stable: &Version) -> Result<(), Broken> {
        let is_own = self.instances.iter().any(|instance| rows_of(instance).contains(row));
        if !is_own || !self.snapshot.state.contains_key(row) {
            return Err(Broken::RowForeign(row.key.clone()));
        }
        let is_promoted = self.group.and_then(promotion).is_some_and(|promotion| promotion.version == *stable);
        if is_promoted { Ok(()) } else { Err(Broken::VersionUnproven(stable.clone())) }
    }

    /// May the world be left as it is now?
    fn world(&self, engine: &Engine) -> Result<(), Broken> {
        let had_latest = self.before.named(self.base, Version::LATEST).is_some();
        if had_latest && engine.named(self.base, Version::LATEST).is_none() {
            return Err(Broken::LatestGone);
        }
        if let Some((image, container)) = engine.missing_of_a_container(&self.before) {
            return Err(Broken::ImageInUse(*image, *container));
        }
        self.promoted(engine)?;
        self.fallback(engine)?;
        for pin in &self.pins {
            let has_tag = |engine: &Engine| engine.tagged(self.base, pin).next().is_some();
            let is_declared =
                |engine: &Engine| engine.images_of(self.base).any(|image| self.declares(image, pin)) || has_tag(engine);
            let is_lost = |is_there: &dyn Fn(&Engine) -> bool| is_there(&self.before) && !is_there(engine);
            if is_lost(&has_tag) || is_lost(&is_declared) {
                return Err(Broken::PinLost((*pin).clone()));
            }
        }
        Ok(())
    }

    /// The promoted image stays under its kube references, and any promoted image of any group stays.
    fn promoted(&self, engine: &Engine) -> Result<(), Broken> {
        if let Some(promotion) = self.group.and_then(promotion) {
            for reference in self.before.references(&promotion.image).filter(|reference| is_kube(reference, self.base))
            {
                if engine.get(reference) != Some(&promotion.image) {
                    return Err(Broken::PromotedLost(reference.to_string()));
                }
            }
        }
        match self.promoted.iter().find(|image| !engine.has(image)) {
            Some(image) => Err(Broken::PromotedLost(format!("its place on the disk ({image})"))),
            None => Ok(()),
        }
    }

    /// What STATE_DB will call the last version keeps a kube reference if it has one; where STATE_DB knows none that is
    /// on the disk, what memory says was promoted before does.
    fn fallback(&self, engine: &Engine) -> Result<(), Broken> {
        let promoted = self.group.and_then(promotion).map(|promotion| &promotion.version);
        let lasts: Vec<&Version> = self.last_versions().into_iter().filter(|last| Some(*last) != promoted).collect();
        let is_there = |engine: &Engine, version: &Version| {
            let mut kube = engine.iter().filter(|(reference, _)| is_kube(reference, self.base));
            kube.any(|(reference, image)| reference.tag() == Some(version) || self.declares(image, version))
        };
        let known: Vec<_> = lasts.into_iter().filter(|version| is_there(&self.before, version)).collect();
        if let Some(lost) = known.iter().find(|version| !is_there(engine, version)) {
            return Err(Broken::FallbackLost((*lost).clone()));
        }
        let has_kube = |engine: &Engine, image: &ImageId| engine.references(image).any(|r| is_kube(r, self.base));
        let previous = self.group.and_then(previous).filter(|_| known.is_empty());
        let is_lost = |image: &ImageId| {
            (has_kube(&self.before, image) && !has_kube(engine, image))
                || (self.before.has(image) && !engine.has(image))
        };
        match previous.filter(|(image, _)| is_lost(image)) {
            Some((_, lost)) => Err(Broken::FallbackLost(lost.clone())),
            None => Ok(()),
        }
    }

    /// What an image declares, or containers of it reported. One whose version's tag went to the local image is known by
    /// its id only.
    fn declares(&self, image: &ImageId, version: &Version) -> bool {
        let is_superseded = self.group.is_some_and(|group| group.superseded.contains(image));
        let reported = self.group.and_then(|group| group.reported.get(image));
        let is_reported = || reported.is_some_and(|versions| versions.contains(version));
        !is_superseded && (self.declared(image) == Some(version) || is_reported())
    }

    /// `container_last_version` of each row of the group, as it will be after the plan.
    fn last_versions(&self) -> BTreeSet<&'a Version> {
        let planned = |key: &RowKey| {
            self.actions.iter().flat_map(|action| &action.steps).find_map(|step| match step {
                Step::RecordVersions { row, last, .. } if row == key => last.as_ref(),
                _ => None,
            })
        };
        let rows = self.instances.iter().flat_map(|instance| rows_of(instance));
        rows.filter_map(|key| {
            planned(&key).or_else(|| self.snapshot.state.get(&key).and_then(|row| row.last_version.get()))
        })
        .collect()
    }

    fn takeovers(&self) -> impl Iterator<Item = (&'a Instance, &'a crate::Takeover)> {
        let takeover_status = self.instances.iter().filter_map(|instance| {
            let memory = self.memory.instances.get(*instance)?;
            Some((*instance, memory.takeover.as_ref()?)).filter(|_| memory.set_owner == Some(crate::Owner::Kube))
        });
        takeover_status.collect::<Vec<_>>().into_iter()
    }

    fn declared(&self, image: &ImageId) -> Option<&'a Version> {
        self.snapshot.images.get(image).and_then(|image| image.declared_version())
    }
}

/// A reference in one of the group's registries.
fn is_kube(reference: &Reference, base: &Base) -> bool {
    reference.repository.base() == base && !reference.repository.is_local()
}

/// What is, or is about to be, promoted.
fn promotion(group: &GroupMemory) -> Option<&Promotion> {
    group.intention.as_ref().or(group.promoted.as_ref())
}

/// What was promoted before that, and not rolled back from to it.
fn previous(group: &GroupMemory) -> Option<(&ImageId, &Version)> {
    let now = promotion(group);
    let is_another = |image: &ImageId| {
        now.is_none_or(|now| now.image != *image && now.rolled_back_from.iter().all(|left| left.image != *image))
    };
    let displaced = group.promoted.iter().map(|old| (&old.image, &old.version));
    let mut all = displaced.chain(group.previous.iter().map(|proven| (&proven.image, &proven.version)));
    all.find(|(image, _)| now.is_some() && is_another(image))
}

/// The versions under which an image was promoted, or is about to be.
fn promoted_as<'a>(group: &'a GroupMemory, image: &ImageId) -> impl Iterator<Item = &'a Version> {
    let promotions = group.intention.iter().chain(&group.promoted).map(|it| (it.image, &it.version));
    let all = promotions.chain(group.previous.iter().map(|proven| (proven.image, &proven.version)));
    all.filter(|(other, _)| other == image).map(|(_, version)| version).collect::<Vec<_>>().into_iter()
}

/// Whether CONFIG_DB has a row for the instance: its namespace's, or else the host's.
fn is_configured(instance: &Instance, snapshot: &Snapshot) -> bool {
    [instance.namespace, Namespace::Host]
        .into_iter()
        .any(|namespace| snapshot.configuration.contains_key(&RowKey { namespace, key: instance.feature.clone() }))
}

/// The rows that may be about an instance: its namespace's, and the host's with the ASIC's number.
fn rows_of(instance: &Instance) -> Vec<RowKey> {
    let own = RowKey { namespace: instance.namespace, key: instance.feature.clone() };
    let on_host = instance.container_name().parse().ok().map(|key| RowKey { namespace: Namespace::Host, key });
    [own].into_iter().chain(on_host).collect()
}

/// Whether the instance's image name is `base`: the file says so or, where it is silent, its takeover's image does.
fn belongs(instance: &Instance, base: &Base, snapshot: &Snapshot, memory: &Memory) -> bool {
    if let Some(named) = snapshot.image_names.get(&instance.feature) {
        return named == base;
    }
    let Some(takeover) = memory.instances.get(instance).and_then(|memory| memory.takeover.as_ref()) else {
        return false;
    };
    let image = snapshot.images.get(&takeover.image);
    image.is_some_and(|image| image.references_of(base).next().is_some())
        || memory.groups.get(base).is_some_and(|group| group.images.contains_key(&takeover.image))
}
