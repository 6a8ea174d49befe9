//! Promotion: make the image of a stable takeover the one that systemd would start.

use std::collections::BTreeMap;

use super::group::GroupPlanner;
use crate::domain::{ImageId, Instance, Reference, Repository, Version};
use crate::plan::{Purpose, Step};
use crate::report::{Cause, CommandRefusal, CommandResult, Gate, Obeyed, Reason, Settled};
use crate::snapshot::{Command, FeatureState};
use crate::snapshot::{GroupMemory, Promotion, Proven, Takeover};
use crate::takeover::{InstanceStatus, TakeoverStatus};

/// As many stable versions as `keep_versions` may ever ask for.
const MOST_PREVIOUS: usize = 10;

/// What the stable takeovers call for.
enum Due {
    /// Nothing is stable that is not promoted.
    Nothing,
    /// This promotion is due: nothing holds it back.
    Promotion(Promotion),
    /// Something forbids it.
    Held(Gate),
}

impl GroupPlanner<'_> {
    /// An intention whose image `latest` names by now has become the promotion; the crash, if there was one, was after
    /// step 1. Whether it has.
    pub(super) fn settle(&mut self) -> bool {
        let (names, memory) = (&self.names, &mut self.memory);
        let Some(done) = memory.intention.take_if(|intention| names.latest() == Some(intention.image)) else {
            return false;
        };
        let cause = if done.is_rollback() {
            Cause::RolledBack
        } else if memory.approved == done.takeovers {
            Cause::Approved
        } else {
            Cause::ProvenStable
        };
        remember_as_previous(memory, &done.image);
        memory.approved.clear();
        let instances = done.takeovers.keys().cloned().collect();
        let settled = Settled { version: done.version.clone(), image: done.image, cause, instances };
        memory.promoted = Some(done);
        memory.finished = false;
        memory.rolled_back.remove(&settled.image);
        self.settled.get_or_insert(settled);
        true
    }

    /// What the stable takeovers call for: a promotion, or the rest of one. The version that is next, if the rest of a
    /// rollback comes before it.
    pub(super) fn promote_stable(&mut self) -> Option<Version> {
        match self.due() {
            Due::Promotion(due) => return self.promote(due),
            Due::Held(gate) => {
                self.held = Some(gate);
                // What is held is another image than an operator has rolled back to.
                if self.has_rolled_back() {
                    self.finish();
                }
            }
            Due::Nothing => {
                self.finish();
            }
        }
        None
    }

    /// Where an operator has said that a version is good, `latest` is to be it even if it was promoted before and somebody
    /// has moved `latest` since.
    fn due(&self) -> Due {
        let standing = self.members.iter().filter_map(|member| Some((&member.rows.instance, member.standing()?)));
        let stable: Vec<(&Instance, &Takeover)> =
            standing.filter(|(_, it)| it.is_stable).map(|(instance, it)| (instance, &it.takeover)).collect();
        let is_done = |instance: &Instance, takeover: &Takeover| {
            let mut of_instance = self.members.iter().filter(|member| member.rows.instance == *instance);
            let is_promoted = of_instance.all(|member| member.is_covered_by(self.memory.promoted.as_ref()));
            let is_wanted =
                self.command == Some(&Command::Promote) || self.memory.approved.get(instance) == Some(&takeover.key());
            is_promoted && (!is_wanted || self.names.latest() == Some(takeover.image))
        };
        let mut left = stable.iter().filter(|(instance, takeover)| !is_done(instance, takeover));
        let Some((_, first)) = left.next() else { return Due::Nothing };
        if let Some(gate) = self.promotion_gate(&first.image, &first.version) {
            return Due::Held(gate);
        }
        let again = self.memory.promoted.iter().filter(|promoted| promoted.image == first.image);
        Due::Promotion(Promotion {
            image: first.image,
            version: first.version.clone(),
            takeovers: stable.iter().map(|(instance, takeover)| ((*instance).clone(), takeover.key())).collect(),
            rolled_back_from: again.flat_map(|promoted| promoted.rolled_back_from.clone()).collect(),
        })
    }

    /// Steps 0 to 2. The version, if the rest of a rollback comes before it.
    fn promote(&mut self, due: Promotion) -> Option<Version> {
        if self.command == Some(&Command::Promote) {
            // It goes on to be carried out when the command is answered.
            self.memory.approved.clone_from(&due.takeovers);
            self.memory.rolled_back.remove(&due.image);
        }
        if self.has_rolled_back() && (self.finish() || self.is_rollback_unrecorded()) {
            return Some(due.version);
        }
        self.intend(due.clone());
        let mut steps = self.tag_latest(&due);
        self.apply(&steps);
        steps.extend(self.remove_stale_containers(false));
        if steps.is_empty() {
            // Everything is so already: it only has to be remembered as promoted.
            self.settle();
            self.memory.finished = true;
        }
        self.act(Purpose::Promote(due.version), steps);
        None
    }

    fn has_rolled_back(&self) -> bool {
        self.memory.promoted.as_ref().is_some_and(Promotion::is_rollback)
    }

    /// Steps that a crash or a failure left of a promotion or rollback whose tag is done. Whether there are any.
    pub(super) fn finish(&mut self) -> bool {
        let Some(promoted) = self.memory.promoted.clone() else { return false };
        // As long as a rollback holds, a container of what it left must not be started again, whenever it stops.
        let is_due = match promoted.is_rollback() {
            true => self.names.latest() == Some(promoted.image),
            false => !self.memory.finished && self.members.iter().any(|member| member.is_covered_by(Some(&promoted))),
        };
        if !is_due || self.policy.forbidden.is_some() {
            return false;
        }
        let steps = self.remove_stale_containers(promoted.is_rollback());
        if promoted.is_rollback() {
            // It is finished when it is recorded, too.
            return self.act(Purpose::RollBack(promoted.version), steps);
        }
        self.memory.finished = steps.is_empty() && self.local_container().is_none();
        self.act(Purpose::Promote(promoted.version), steps)
    }

    /// Step 0: remember what was stable and what is about to be.
    fn intend(&mut self, promotion: Promotion) {
        for version in self.members.iter().filter_map(|member| member.rows.state.stable_version.get()) {
            // STATE_DB may know a stable version that this agent did not promote: its memory was lost, or ctrmgrd acted.
            if *version == promotion.version || self.ran_locally(version, &promotion) {
                continue;
            }
            let fits = |image: &&ImageId| **image != promotion.image && self.is_kube_image_of(version, image);
            let image = self.names.images().find(fits).copied();
            let promoted = self.memory.promoted.as_ref().map(|promoted| promoted.image);
            if let Some(image) = image.filter(|image| promoted != Some(*image)) {
                push_previous(&mut self.memory, Proven { version: version.clone(), image });
            }
        }
        self.memory.intention = Some(promotion);
    }

    /// Where the image that `latest` leaves was never a kube image and has that version, it ran locally: no kube image of
    /// the version has proven anything. Where somebody else has moved `latest` already (ctrmgrd, which writes the row
    /// later), the image that it left is known by its version alone.
    fn ran_locally(&self, version: &Version, promotion: &Promotion) -> bool {
        let fits = |image: &ImageId| !self.names.is_kube(image) && self.names.is_named(version, image, &self.memory);
        match self.names.latest() {
            Some(latest) if latest == promotion.image => self.names.images().any(fits),
            latest => latest.is_some_and(|latest| fits(&latest)),
        }
    }

    /// Whether it is a kube image that the version names.
    pub(super) fn is_kube_image_of(&self, version: &Version, image: &ImageId) -> bool {
        self.names.is_kube(image) && self.names.is_named(version, image, &self.memory)
    }

    /// Step 1: tag the image as `BASE:latest`. An image that `latest` leaves without another tag first gets one of its own.
    pub(super) fn tag_latest(&self, promotion: &Promotion) -> Vec<Step> {
        let Some(latest) = Reference::latest(self.base) else { return Vec::new() };
        let from = self.names.get(&latest);
        if from.as_ref() == Some(&promotion.image) {
            return Vec::new();
        }
        let alias = from.and_then(|left| {
            let mut others = self.names.of(&left).filter(|reference| !reference.is_local_latest());
            if others.any(|reference| reference.tag().is_some()) { None } else { self.own_tag(&left) }
        });
        let proven_by = promotion.takeovers.values().cloned().collect();
        let tag = Step::Tag { image: promotion.image, reference: latest, from, proven_by };
        alias.into_iter().chain([tag]).collect()
    }

    /// Gives an image the tag `BASE:<IMAGE_VERSION>`, or else the version under which it was promoted, unless such a tag
    /// names another image: taking it away would only move the problem.
    pub(super) fn own_tag(&self, image: &ImageId) -> Option<Step> {
        let declared = self.names.image(image).and_then(|image| image.declared_version());
        let versions = declared.into_iter().chain(self.memory.promoted_as(image));
        let mut tags = versions
            .filter(|version| !version.is_latest())
            .map(|version| Repository::local(self.base.clone()).tagged(version.clone()));
        let reference = tags.find(|reference| self.names.get(reference).is_none())?;
        Some(Step::Tag { image: *image, reference, from: None, proven_by: BTreeMap::new() })
    }

    /// Step 2: remove the not running container named like an instance under takeover, or like any of the group's after a
    /// rollback, unless it was created from the image that `BASE:latest` will be: systemd would start that very container
    /// again instead of a new one.
    pub(super) fn remove_stale_containers(&self, is_rollback: bool) -> Vec<Step> {
        let is_concerned = |member: &&&InstanceStatus<'_>| match is_rollback {
            true => member.unreadable.is_none(),
            false => member.is_kube() && member.takeover().is_some(),
        };
        self.members
            .iter()
            .filter(is_concerned)
            .filter_map(|member| self.index.container_named(&member.rows.instance.container_name()))
            .filter(|(_, container)| !container.status.is_alive() && Some(container.image) != self.names.latest())
            .map(|(id, container)| Step::RemoveContainer {
                container: *id,
                name: container.name.clone(),
                image: container.image,
            })
            .collect()
    }

    /// A `latest` that is gone while the promoted image is on the disk is tagged again.
    pub(super) fn restore_latest(&mut self) {
        let Some(promoted) = self.memory.promoted.as_ref() else { return };
        let is_due = self.names.latest().is_none()
            && self.policy.forbidden.is_none()
            && self.members.iter().any(|member| member.is_kube())
            && self.names.image(&promoted.image).is_some()
            && !self.memory.rolled_back.contains(&promoted.image);
        if let Some(reference) = Reference::latest(self.base).filter(|_| is_due) {
            let step = Step::Tag { image: promoted.image, reference, from: None, proven_by: BTreeMap::new() };
            self.act(Purpose::RestoreLatest(promoted.version.clone()), vec![step]);
        }
    }

    /// Step 3 for a promotion whose takeover stands, and for a rollback in any case.
    pub(super) fn record_versions(&mut self) {
        let memory = &self.memory;
        let is_unrecorded =
            |promotion: &&Promotion| promotion.is_rollback() && (memory.intention.is_some() || !memory.finished);
        let due = self.standing_promotion().or_else(|| self.current().filter(is_unrecorded));
        let Some(promotion) = due.filter(|_| self.policy.forbidden.is_none()).cloned() else { return };
        let is_first = self.actions.is_empty();
        let is_recorded = !self.act(Purpose::RecordVersions(promotion.version.clone()), self.versions(&promotion));
        let is_done = promotion.is_rollback() && self.memory.intention.is_none() && is_first && is_recorded;
        self.memory.finished |= is_done;
    }

    /// A rollback that a crash cut short after its tag is written to the rows first: what is promoted next takes from them
    /// which version was stable before it, and that is not the one that was rolled back from.
    fn is_rollback_unrecorded(&self) -> bool {
        let rollback = self.memory.promoted.as_ref().filter(|it| it.is_rollback() && !self.memory.finished);
        self.policy.forbidden.is_none() && rollback.is_some_and(|rollback| !self.versions(rollback).is_empty())
    }

    /// `container_stable_version` is this version, `container_last_version` the previous stable one if it differs. After a
    /// rollback that is the one promoted before, which what was rolled back from is not.
    fn versions(&self, promotion: &Promotion) -> Vec<Step> {
        let is_concerned = |member: &&&InstanceStatus<'_>| {
            member.is_covered_by(Some(promotion)) || (promotion.is_rollback() && member.is_kube())
        };
        self.members
            .iter()
            .filter(is_concerned)
            .flat_map(|member| &member.rows.rows)
            .filter(|(_, row)| !row.stable_version.is(&promotion.version))
            .map(|(key, row)| {
                let last = match promotion.is_rollback() {
                    true => self.remembered_last(promotion),
                    false => self.last_version(row, promotion),
                };
                let last = last.filter(|last| !row.last_version.is(last));
                let (container_id, stable) = (row.container_id.clone(), promotion.version.clone());
                Step::RecordVersions { row: key.clone(), container_id, stable, last }
            })
            .collect()
    }

    /// The `container_last_version` that goes with a promotion: the previous stable version, which is the row's or, after
    /// STATE_DB was emptied, the memory's; else, and where that is another name of the same image, what the row has.
    pub(super) fn last_version(&self, row: &FeatureState, promotion: &Promotion) -> Option<Version> {
        let is_same = |version: &Version| {
            *version == promotion.version || self.names.is_named(version, &promotion.image, &self.memory)
        };
        match row.stable_version.get() {
            Some(stable) if !is_same(stable) => Some(stable.clone()),
            Some(_) => row.last_version.get().cloned(),
            None => self.remembered_last(promotion).or_else(|| row.last_version.get().cloned()),
        }
    }

    /// What memory calls the version before a promotion.
    fn remembered_last(&self, promotion: &Promotion) -> Option<Version> {
        let mut versions = self.memory.proven_before(promotion).map(|(_, version)| version);
        versions.find(|version| **version != promotion.version).cloned()
    }

    /// What an operator is told who said that the version is good. `next`: it comes after the rest of a rollback.
    pub(super) fn answer_to_promote(&self, next: Option<&Version>) -> CommandResult {
        let promoted = |version: &Version| Obeyed::promoted(version.clone());
        if let Some(gate) = &self.held {
            return CommandResult::Refused(gate.clone().into());
        }
        if let Some(version) = self.memory.intention.as_ref().map(|intention| &intention.version).or(next) {
            return CommandResult::Accepted(promoted(version));
        }
        let done = self.memory.promoted.as_ref();
        let left = self.members.iter().find(|member| !member.is_covered_by(done));
        match (left.map(|member| &member.takeover_status), done) {
            (Some(status), _) => CommandResult::Refused(CommandRefusal::NoTakeover(match status {
                TakeoverStatus::Local(reason) => Reason::Local(reason.clone()),
                TakeoverStatus::No(reason) => Reason::Incomplete(reason.clone()),
                TakeoverStatus::Unknown(reason) => Reason::Unknown(reason.clone()),
                TakeoverStatus::Stands(_) => Reason::PromotionDue,
            })),
            (None, Some(done)) => CommandResult::AlreadySo(promoted(&done.version)),
            (None, None) => CommandResult::Refused(Gate::NothingPromoted.into()),
        }
    }
}

/// Puts what is promoted in front of what was promoted before, unless it is `new`.
fn remember_as_previous(memory: &mut GroupMemory, new: &ImageId) {
    if let Some(old) = memory.promoted.take().filter(|old| old.image != *new) {
        push_previous(memory, Proven { version: old.version, image: old.image });
    }
    memory.previous.retain(|proven| proven.image != *new);
}

/// Puts one stable version in front.
fn push_previous(memory: &mut GroupMemory, proven: Proven) {
    memory.previous.retain(|other| other.image != proven.image);
    memory.previous.insert(0, proven);
    memory.previous.truncate(MOST_PREVIOUS);
}
