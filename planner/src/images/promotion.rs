//! Promotion: make the image of a stable takeover the one that systemd would start.

use std::collections::BTreeMap;

use super::gates::{self, GroupPolicy};
use super::planned_references::PlannedReferences;
use crate::domain::{Base, ImageId, Instance, Reference, Repository, Version};
use crate::plan::{Action, Purpose, Step};
use crate::report::{Cause, Reason, Settled};
use crate::snapshot::index::Index;
use crate::snapshot::{Command, FeatureState, ImageVersion, Owner};
use crate::snapshot::{GroupMemory, Promotion, Proven, Takeover};
use crate::takeover::InstanceStatus;

/// As many stable versions as `keep_versions` may ever ask for.
const MOST_PREVIOUS: usize = 10;

/// Why the stable takeovers are not promoted, or the promotion that they call for.
pub(crate) enum Due {
    /// Nothing is stable that is not promoted.
    Nothing,
    /// This promotion is due: nothing holds it back.
    Promotion(Promotion),
    /// Something forbids it.
    Held(Reason),
}

/// Whether the instance is to be owned by kube.
pub(crate) fn is_kube(member: &InstanceStatus<'_>) -> bool {
    member.set_owner == Some(Owner::Kube)
}

/// Whether `promotion` was for the takeover that stands at `member`.
pub(crate) fn covers(promotion: Option<&Promotion>, member: &InstanceStatus<'_>) -> bool {
    let key = promotion.and_then(|promotion| promotion.takeovers.get(&member.rows.instance));
    member.takeover().is_some_and(|(takeover, ..)| key == Some(&takeover.key()))
}

/// An intention whose image `latest` names by now has become the promotion; the crash, if there was one, was after
/// step 1.
pub(crate) fn settle(memory: &mut GroupMemory, names: &PlannedReferences<'_>) -> Option<Settled> {
    let done = memory.intention.take_if(|intention| names.latest() == Some(intention.image))?;
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
    Some(settled)
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

/// What the stable takeovers call for. Where an operator has said that a version is good, `latest` is to be it even if it
/// was promoted before and somebody has moved `latest` since.
pub(crate) fn due(
    members: &[&InstanceStatus<'_>],
    memory: &GroupMemory,
    names: &PlannedReferences<'_>,
    index: &Index<'_>,
    policy: &GroupPolicy,
) -> Due {
    let stable: Vec<(&Instance, _)> = members
        .iter()
        .filter_map(|member| member.takeover().map(|takeover| (&member.rows.instance, takeover)))
        .filter(|(_, (.., is_stable))| *is_stable)
        .map(|(instance, (takeover, ..))| (instance, takeover))
        .collect();
    let is_requested = gates::command(members, index) == Some(&Command::Promote);
    let is_done = |instance: &Instance, takeover: &Takeover| {
        let is_promoted = members
            .iter()
            .filter(|member| member.rows.instance == *instance)
            .all(|member| covers(memory.promoted.as_ref(), member));
        let is_wanted = is_requested || memory.approved.get(instance) == Some(&takeover.key());
        is_promoted && (!is_wanted || names.latest() == Some(takeover.image))
    };
    let mut left = stable.iter().filter(|(instance, takeover)| !is_done(instance, takeover));
    let Some((_, first)) = left.next() else { return Due::Nothing };
    let held = gates::promotion(members, &first.image, &first.version, index, policy, memory);
    match held.or_else(|| unread_latest(&first.image, memory, names)) {
        Some(reason) => Due::Held(reason),
        None => Due::Promotion(Promotion {
            image: first.image,
            version: first.version.clone(),
            takeovers: stable.iter().map(|(instance, takeover)| ((*instance).clone(), takeover.key())).collect(),
            rolled_back_from: memory
                .promoted
                .iter()
                .filter(|promoted| promoted.image == first.image)
                .flat_map(|promoted| promoted.rolled_back_from.clone())
                .collect(),
        }),
    }
}

/// Why `image` cannot be made `latest` yet: what `latest` names now would be left without a tag, and under which version to
/// keep it is not known before it has been inspected.
pub(crate) fn unread_latest(image: &ImageId, memory: &GroupMemory, names: &PlannedReferences<'_>) -> Option<Reason> {
    let left = names.latest().filter(|latest| latest != image)?;
    let is_unread = names.image(&left).is_some_and(|left| left.version == ImageVersion::NotRead);
    let has_another_tag = || names.of(&left).any(|name| name.tag().is_some() && !name.is_local_latest());
    let is_nameless = is_unread && memory.promoted_as(&left).is_none() && !has_another_tag();
    is_nameless.then_some(Reason::LatestNotInspected(left))
}

/// Step 0: remember what was stable and what is about to be.
pub(crate) fn intend(
    promotion: Promotion,
    members: &[&InstanceStatus<'_>],
    memory: &mut GroupMemory,
    names: &PlannedReferences<'_>,
) {
    // STATE_DB may know a stable version that this agent did not promote (its memory was lost, or ctrmgrd acted). Where
    // the image that `latest` leaves was never a kube image and has that version, it ran locally: no kube image of the
    // version has proven anything. Where somebody else has moved `latest` already (ctrmgrd, which writes the row later),
    // the image that it left is known by its version alone.
    let ran_locally = |version: &Version, memory: &GroupMemory| {
        let fits = |image: &ImageId| !names.is_kube(image) && names.is_named(version, image, memory);
        match names.latest() {
            Some(latest) if latest == promotion.image => names.images().any(fits),
            latest => latest.is_some_and(|latest| fits(&latest)),
        }
    };
    for member in members {
        let stable = member.rows.state.stable_version.get();
        let stable = stable.filter(|stable| **stable != promotion.version && !ran_locally(stable, memory));
        let image = stable.and_then(|stable| {
            let fits = |image: &&ImageId| names.is_kube(image) && names.is_named(stable, image, memory);
            names.images().filter(|image| **image != promotion.image).find(fits).cloned()
        });
        let promoted = memory.promoted.as_ref().map(|promoted| &promoted.image);
        if let (Some(version), Some(image)) = (stable, image) {
            if promoted != Some(&image) {
                push_previous(memory, Proven { version: version.clone(), image });
            }
        }
    }
    memory.intention = Some(promotion);
}

/// Step 1: tag the image as `BASE:latest`. An image that `latest` leaves without another tag first gets one of its own.
pub(crate) fn tag_latest(
    promotion: &Promotion,
    base: &Base,
    memory: &GroupMemory,
    names: &PlannedReferences<'_>,
) -> Vec<Step> {
    let Some(latest) = Reference::latest(base) else { return Vec::new() };
    let from = names.get(&latest);
    if from.as_ref() == Some(&promotion.image) {
        return Vec::new();
    }
    let alias = from.and_then(|left| {
        let has_another_tag =
            names.of(&left).any(|reference| reference.tag().is_some() && !reference.is_local_latest());
        (!has_another_tag).then(|| own_tag(&left, base, memory, names)).flatten()
    });
    let proven_by = promotion.takeovers.values().cloned().collect();
    let tag = Step::Tag { image: promotion.image, reference: latest, from, proven_by };
    alias.into_iter().chain([tag]).collect()
}

/// Gives an image the tag `BASE:<IMAGE_VERSION>`, or else the version under which it was promoted, unless such a tag names
/// another image: taking it away would only move the problem.
fn own_tag(image: &ImageId, base: &Base, memory: &GroupMemory, names: &PlannedReferences<'_>) -> Option<Step> {
    let declared = names.image(image).and_then(|image| image.declared_version());
    let mut tags = declared
        .into_iter()
        .chain(memory.promoted_as(image))
        .filter(|version| !version.is_latest())
        .map(|version| Repository::local(base.clone()).tagged(version.clone()));
    let reference = tags.find(|reference| names.get(reference).is_none())?;
    Some(Step::Tag { image: *image, reference, from: None, proven_by: BTreeMap::new() })
}

/// What was promoted from kube and is to be kept, but has lost its tags to other images, gets one of its own: else another
/// collector takes it. Changes `names` as the steps will.
pub(crate) fn name_promoted<'a>(
    kept: impl Iterator<Item = &'a ImageId>,
    base: &Base,
    memory: &GroupMemory,
    names: &mut PlannedReferences<'_>,
) -> Vec<Action> {
    let mut actions = Vec::new();
    for image in kept {
        let is_tagged = names.of(image).any(|reference| reference.tag().is_some());
        let Some(version) = memory.promoted_as(image).filter(|_| !is_tagged && names.image(image).is_some()) else {
            continue;
        };
        if let Some(step) = own_tag(image, base, memory, names) {
            names.apply(&step);
            actions.push(Action { purpose: Purpose::NamePromoted(version.clone()), steps: vec![step] });
        }
    }
    actions
}

/// Step 2: remove the not running container named like an instance under takeover, or like any of the group's after a
/// rollback, unless it was created from the image that `BASE:latest` will be: systemd would start that very container
/// again instead of a new one.
pub(crate) fn remove_stale_containers(
    members: &[&InstanceStatus<'_>],
    names: &PlannedReferences<'_>,
    index: &Index<'_>,
    is_rollback: bool,
) -> Vec<Step> {
    let is_concerned = |member: &&&InstanceStatus<'_>| match is_rollback {
        true => member.unreadable.is_none(),
        false => is_kube(member) && member.takeover().is_some(),
    };
    members
        .iter()
        .filter(is_concerned)
        .filter_map(|member| index.container_named(&member.rows.instance.container_name()))
        .filter(|(_, container)| !container.status.is_alive() && Some(container.image) != names.latest())
        .map(|(id, container)| Step::RemoveContainer {
            container: *id,
            name: container.name.clone(),
            image: container.image,
        })
        .collect()
}

/// The action of steps 1 and 2, if anything is left of them.
pub(crate) fn action(version: &Version, steps: Vec<Step>) -> Option<Action> {
    (!steps.is_empty()).then(|| Action { purpose: Purpose::Promote(version.clone()), steps })
}

/// Step 3: `container_stable_version` is this version, `container_last_version` the previous stable one if it differs.
/// After a rollback that is the one promoted before, which what was rolled back from is not.
pub(crate) fn record_versions(
    promotion: &Promotion,
    members: &[&InstanceStatus<'_>],
    memory: &GroupMemory,
    names: &PlannedReferences<'_>,
) -> Option<Action> {
    let steps: Vec<Step> = members
        .iter()
        .filter(|member| covers(Some(promotion), member) || (promotion.is_rollback() && is_kube(member)))
        .flat_map(|member| &member.rows.rows)
        .filter(|(_, row)| !row.stable_version.is(&promotion.version))
        .map(|(key, row)| {
            let last = if promotion.is_rollback() {
                remembered_last(promotion, memory)
            } else {
                last_version(row, promotion, memory, names)
            };
            let last = last.filter(|last| !row.last_version.is(last));
            Step::RecordVersions {
                row: key.clone(),
                container_id: row.container_id.clone(),
                stable: promotion.version.clone(),
                last,
            }
        })
        .collect();
    (!steps.is_empty()).then(|| Action { purpose: Purpose::RecordVersions(promotion.version.clone()), steps })
}

/// The `container_last_version` that goes with a promotion: the previous stable version, which is the row's or, after
/// STATE_DB was emptied, the memory's; else, and where that is another name of the same image, what the row has.
pub(crate) fn last_version(
    row: &FeatureState,
    promotion: &Promotion,
    memory: &GroupMemory,
    names: &PlannedReferences<'_>,
) -> Option<Version> {
    let is_same =
        |version: &Version| *version == promotion.version || names.is_named(version, &promotion.image, memory);
    match row.stable_version.get() {
        Some(stable) if !is_same(stable) => Some(stable.clone()),
        Some(_) => row.last_version.get().cloned(),
        None => remembered_last(promotion, memory).or_else(|| row.last_version.get().cloned()),
    }
}

/// What memory calls the version before a promotion.
fn remembered_last(promotion: &Promotion, memory: &GroupMemory) -> Option<Version> {
    let proven = memory.proven_before(promotion);
    proven.map(|(_, version)| version).find(|version| **version != promotion.version).cloned()
}

/// A `latest` that is gone while the promoted image is on the disk is tagged again.
pub(crate) fn restore_latest(base: &Base, memory: &GroupMemory, names: &PlannedReferences<'_>) -> Option<Action> {
    let promoted = memory.promoted.as_ref()?;
    let is_due = names.latest().is_none()
        && names.image(&promoted.image).is_some()
        && !memory.rolled_back.contains(&promoted.image);
    is_due.then(|| {
        let steps = Reference::latest(base)
            .map(|reference| Step::Tag { image: promoted.image, reference, from: None, proven_by: BTreeMap::new() })
            .into_iter()
            .collect();
        Action { purpose: Purpose::RestoreLatest(promoted.version.clone()), steps }
    })
}
