//! Rollback: an operator makes the last version the local `latest` again.

use std::collections::BTreeMap;

use super::group::GroupPlanner;
use crate::domain::{ImageId, Version};
use crate::plan::Purpose;
use crate::report::{CommandRefusal, CommandResult, Gate, Obeyed};
use crate::snapshot::{Command, Promotion, Proven};

/// What an operator's rollback comes to.
enum Wanted {
    /// `latest` is to be this.
    Begin(Promotion),
    /// It was begun before, and is done or goes on.
    Begun(Promotion),
}

impl GroupPlanner<'_> {
    /// What the stable takeovers or an operator call for: a promotion or rollback, or the rest of one.
    pub(super) fn make_latest(&mut self) {
        let intention = self.memory.intention.take();
        let begun = intention.filter(|it| it.is_rollback() && self.names.image(&it.image).is_some());
        match self.command {
            Some(Command::Rollback { from }) => self.obey_rollback(from.as_ref(), begun),
            Some(Command::Promote) => {
                let next = self.go_on(begun);
                self.answer = Some(self.answer_to_promote(next.as_ref()));
            }
            None => {
                self.go_on(begun);
            }
        }
    }

    /// A rollback that is under way, else what the stable takeovers call for. The version that is next, if there is one.
    fn go_on(&mut self, rollback: Option<Promotion>) -> Option<Version> {
        match rollback {
            Some(rollback) => {
                self.roll_back(rollback);
                None
            }
            None => self.promote_stable(),
        }
    }

    fn obey_rollback(&mut self, from: Option<&Version>, begun: Option<Promotion>) {
        match self.wanted(from, begun.as_ref()) {
            Ok(Wanted::Begin(target)) => {
                self.begin(&target);
                self.roll_back(target.clone());
                self.answer = Some(CommandResult::Accepted(self.obeyed(&target)));
            }
            Ok(Wanted::Begun(target)) => {
                self.go_on(begun);
                let obeyed = self.obeyed(&target);
                let is_done = self.actions.is_empty();
                self.answer =
                    Some(if is_done { CommandResult::AlreadySo(obeyed) } else { CommandResult::Accepted(obeyed) });
            }
            Err(refusal) => {
                self.go_on(begun);
                self.answer = Some(CommandResult::Refused(refusal));
            }
        }
    }

    /// What is to be `latest` again, or why that cannot be. One rollback is followed by a further one only where the
    /// operator says from which version.
    fn wanted(&self, from: Option<&Version>, begun: Option<&Promotion>) -> Result<Wanted, CommandRefusal> {
        if let Some(gate) = self.policy.command() {
            return Err(gate.into());
        }
        if self.members.iter().any(|member| self.is_package(member)) {
            return Err(Gate::PackageReference.into());
        }
        let (names, memory) = (&self.names, &self.memory);
        let before = begun.or(memory.promoted.as_ref()).filter(|promotion| !promotion.rolled_back_from.is_empty());
        if let Some(before) = before.filter(|before| from.is_none_or(|from| before.left() == Some(from))) {
            return if names.image(&before.image).is_none() {
                Err(CommandRefusal::NoLastVersion(Some(before.version.clone())))
            } else if begun.is_some() || names.latest() == Some(before.image) {
                Ok(Wanted::Begun(before.clone()))
            } else {
                // Somebody has moved `latest` since.
                Ok(Wanted::Begin(Promotion { takeovers: BTreeMap::new(), ..before.clone() }))
            };
        }
        if let Some(from) = from {
            let latest = names.latest();
            let is_it =
                |latest: &ImageId| memory.promoted_as(latest) == Some(from) || names.is_named(from, latest, memory);
            if !latest.as_ref().is_some_and(is_it) {
                let latest = latest.and_then(|latest| names.version(&latest));
                return Err(CommandRefusal::LatestIsNot { from: from.clone(), latest });
            }
        }
        let target = self.target()?;
        match self.latest_gate(&target.image) {
            Some(gate) => Err(gate.into()),
            None => Ok(Wanted::Begin(target)),
        }
    }

    /// What memory knows to have been promoted last, by its image, else the kube image that STATE_DB calls the last version.
    /// What was rolled back from before is none.
    fn target(&self) -> Result<Promotion, CommandRefusal> {
        let memory = &self.memory;
        let left = self.left();
        let is_another = |image: &ImageId| {
            let is_promoted = memory.promoted.as_ref().is_some_and(|promoted| promoted.image == *image);
            !is_promoted && left.iter().all(|left| left.image != *image)
        };
        let is_there = |image: &ImageId| self.names.image(image).is_some();
        let remembered = memory.previous.iter().map(|proven| (proven.image, &proven.version));
        let rows = self.members.iter().flat_map(|member| &member.rows.rows);
        let lasts: Vec<&Version> = rows.filter_map(|(_, row)| row.last_version.get()).collect();
        let named = lasts.iter().flat_map(|version| self.kube_images(version).map(|image| (image, *version)));
        let found: Vec<(ImageId, &Version)> =
            remembered.chain(named).filter(|(image, _)| is_another(image) && is_there(image)).collect();
        if let Some((image, version)) = found.iter().find(|(image, _)| !memory.rolled_back.contains(image)) {
            let (image, version) = (*image, (*version).clone());
            let rolled_back_from = left.into_iter().filter(|left| left.image != image).collect();
            return Ok(Promotion { image, version, takeovers: BTreeMap::new(), rolled_back_from });
        }
        if let Some((_, version)) = found.first() {
            return Err(Gate::RolledBack((*version).clone()).into());
        }
        let gone = memory.previous.iter().filter(|proven| !is_there(&proven.image)).map(|proven| &proven.version);
        let unknown = lasts.iter().copied().filter(|version| self.kube_images(version).next().is_none());
        Err(CommandRefusal::NoLastVersion(gone.chain(unknown).next().cloned()))
    }

    /// The kube images that a version names.
    fn kube_images(&self, version: &Version) -> impl Iterator<Item = ImageId> {
        let images = self.names.images().filter(|image| self.is_kube_image_of(version, image));
        images.copied().collect::<Vec<_>>().into_iter()
    }

    /// What the rollback leaves, and what those before it left: what was promoted, else what STATE_DB calls stable, else
    /// what `latest` names or what runs.
    fn left(&self) -> Vec<Proven> {
        let proven = |image: ImageId, version: &Version| Proven { version: version.clone(), image };
        let promoted = self.memory.promoted.as_ref();
        let stable = || {
            let mut versions = self.members.iter().filter_map(|member| member.rows.state.stable_version.get());
            versions.find_map(|version| self.kube_images(version).next().map(|image| proven(image, version)))
        };
        let latest = || {
            let latest = self.names.latest()?;
            let version = self.names.version(&latest).or_else(|| latest.short().parse().ok())?;
            Some(proven(latest, &version))
        };
        let running = || {
            let mut takeovers = self.members.iter().filter_map(|member| member.takeover());
            takeovers.next().map(|takeover| proven(takeover.image, &takeover.version))
        };
        let now = promoted.map(|promoted| proven(promoted.image, &promoted.version));
        let now = now.or_else(stable).or_else(latest).or_else(running);
        now.into_iter().chain(promoted.iter().flat_map(|promoted| promoted.rolled_back_from.clone())).collect()
    }

    /// Remembers that what runs, was promoted, or is `latest` is held from now on.
    fn begin(&mut self, rollback: &Promotion) {
        let running = self.members.iter().filter_map(|member| member.takeover()).map(|takeover| takeover.image);
        let promoted = self.memory.promoted.as_ref().map(|promoted| promoted.image);
        let held = running.chain(promoted).chain(self.names.latest()).filter(|image| *image != rollback.image);
        self.memory.rolled_back.extend(held);
        self.memory.approved.clear();
    }

    /// What is left to be done of it, also where a crash or a failure interrupted it.
    fn roll_back(&mut self, rollback: Promotion) {
        self.memory.intention = Some(rollback.clone());
        if self.settle() {
            // Somebody may have moved `latest` there already.
            self.finish();
        } else if self.policy.forbidden.is_none() {
            let mut steps = self.tag_latest(&rollback);
            self.apply(&steps);
            steps.extend(self.remove_stale_containers(true));
            self.act(Purpose::RollBack(rollback.version), steps);
        }
    }

    /// What a rollback comes to, for people.
    fn obeyed(&self, rollback: &Promotion) -> Obeyed {
        let still_running = self
            .members
            .iter()
            .filter_map(|member| self.index.container_named(&member.rows.instance.container_name()))
            .filter(|(_, container)| container.status.is_alive() && container.image != rollback.image)
            .map(|(_, container)| container.name.to_string())
            .collect();
        Obeyed { version: rollback.version.clone(), rolled_back_from: rollback.left().cloned(), still_running }
    }
}
