//! Rollback: an operator makes the last version the local `latest` again.

use std::collections::BTreeMap;

use super::gates::GroupPolicy;
use super::planned_references::PlannedReferences;
use super::promotion;
use crate::domain::{Base, ImageId, Version};
use crate::plan::{Action, Purpose, Step};
use crate::report::{Obeyed, Reason};
use crate::snapshot::index::Index;
use crate::snapshot::{GroupMemory, Promotion, Proven};
use crate::takeover::InstanceStatus;

/// What an operator's rollback comes to.
pub(crate) enum Wanted {
    /// `latest` is to be this.
    Begin(Promotion),
    /// It was begun before, and is done or goes on.
    Begun(Promotion),
}

/// What is to be `latest` again, or why that cannot be. One rollback is followed by a further one only where the operator
/// says from which version.
pub(crate) fn wanted(
    from: Option<&Version>,
    begun: Option<&Promotion>,
    members: &[&InstanceStatus<'_>],
    memory: &GroupMemory,
    names: &PlannedReferences<'_>,
    index: &Index<'_>,
    policy: &GroupPolicy,
) -> Result<Wanted, Reason> {
    if let Some(reason) = policy.command() {
        return Err(reason);
    }
    if members.iter().any(|member| index.snapshot.packages.contains_key(&member.rows.instance.feature)) {
        return Err(Reason::PackageReference);
    }
    let before = begun.or(memory.promoted.as_ref()).filter(|promotion| !promotion.rolled_back_from.is_empty());
    if let Some(before) = before.filter(|before| from.is_none_or(|from| before.left() == Some(from))) {
        return if names.image(&before.image).is_none() {
            Err(Reason::NoLastVersion(Some(before.version.clone())))
        } else if begun.is_some() || names.latest() == Some(before.image) {
            Ok(Wanted::Begun(before.clone()))
        } else {
            // Somebody has moved `latest` since.
            Ok(Wanted::Begin(Promotion { takeovers: BTreeMap::new(), ..before.clone() }))
        };
    }
    if let Some(from) = from {
        let is_it = |latest: &ImageId| memory.promoted_as(latest) == Some(from) || names.is_named(from, latest, memory);
        if !names.latest().as_ref().is_some_and(is_it) {
            let latest = names.latest().and_then(|latest| names.version(&latest));
            return Err(Reason::LatestIsNot { from: from.clone(), latest });
        }
    }
    let target = target(members, memory, names)?;
    match promotion::unread_latest(&target.image, memory, names) {
        Some(reason) => Err(reason),
        None => Ok(Wanted::Begin(target)),
    }
}

/// What memory knows to have been promoted last, by its image, else the kube image that STATE_DB calls the last version.
/// What was rolled back from before is none.
fn target(
    members: &[&InstanceStatus<'_>],
    memory: &GroupMemory,
    names: &PlannedReferences<'_>,
) -> Result<Promotion, Reason> {
    let left = left(members, memory, names);
    let is_another = |image: &ImageId| {
        let is_promoted = memory.promoted.as_ref().is_some_and(|promoted| promoted.image == *image);
        !is_promoted && left.iter().all(|left| left.image != *image)
    };
    let remembered = memory.previous.iter().map(|proven| (proven.image, &proven.version));
    let lasts: Vec<&Version> =
        members.iter().flat_map(|member| &member.rows.rows).filter_map(|(_, row)| row.last_version.get()).collect();
    let named = lasts.iter().flat_map(|version| kube_images(version, memory, names).map(|image| (image, *version)));
    let found: Vec<(ImageId, &Version)> =
        remembered.chain(named).filter(|(image, _)| is_another(image) && names.image(image).is_some()).collect();
    if let Some((image, version)) = found.iter().find(|(image, _)| !memory.rolled_back.contains(image)) {
        let (image, version) = (*image, (*version).clone());
        let rolled_back_from = left.into_iter().filter(|left| left.image != image).collect();
        return Ok(Promotion { image, version, takeovers: BTreeMap::new(), rolled_back_from });
    }
    if let Some((_, version)) = found.first() {
        return Err(Reason::RolledBack((*version).clone()));
    }
    let gone = memory.previous.iter().filter(|proven| names.image(&proven.image).is_none()).map(|it| &it.version);
    let unknown = lasts.iter().copied().filter(|version| kube_images(version, memory, names).next().is_none());
    Err(Reason::NoLastVersion(gone.chain(unknown).next().cloned()))
}

/// The kube images that a version names.
fn kube_images(
    version: &Version,
    memory: &GroupMemory,
    names: &PlannedReferences<'_>,
) -> impl Iterator<Item = ImageId> {
    let fits = |image: &&ImageId| names.is_kube(image) && names.is_named(version, image, memory);
    names.images().filter(fits).copied().collect::<Vec<_>>().into_iter()
}

/// What the rollback leaves, and what those before it left: what was promoted, else what STATE_DB calls stable, else what
/// `latest` names or what runs.
fn left(members: &[&InstanceStatus<'_>], memory: &GroupMemory, names: &PlannedReferences<'_>) -> Vec<Proven> {
    let proven = |image: ImageId, version: &Version| Proven { version: version.clone(), image };
    let promoted = memory.promoted.as_ref().map(|promoted| proven(promoted.image, &promoted.version));
    let stable = || {
        let versions = members.iter().filter_map(|member| member.rows.state.stable_version.get());
        versions.flat_map(|version| kube_images(version, memory, names).map(|it| proven(it, version))).next()
    };
    let latest = || {
        let latest = names.latest()?;
        let version = names.version(&latest).or_else(|| latest.short().parse().ok())?;
        Some(proven(latest, &version))
    };
    let running = || {
        let mut takeovers = members.iter().filter_map(|member| member.takeover());
        takeovers.next().map(|(takeover, ..)| proven(takeover.image, &takeover.version))
    };
    let now = promoted.or_else(stable).or_else(latest).or_else(running);
    now.into_iter().chain(memory.promoted.iter().flat_map(|promoted| promoted.rolled_back_from.clone())).collect()
}

/// Remembers what is about to be, and that what runs, was promoted, or is `latest` is held from now on.
pub(crate) fn begin(
    rollback: Promotion,
    members: &[&InstanceStatus<'_>],
    memory: &mut GroupMemory,
    names: &PlannedReferences<'_>,
) {
    let running = members.iter().filter_map(|member| member.takeover().map(|(takeover, ..)| takeover.image));
    let promoted = memory.promoted.as_ref().map(|promoted| promoted.image);
    let held = running.chain(promoted).chain(names.latest()).filter(|image| *image != rollback.image);
    let held: Vec<ImageId> = held.collect();
    memory.rolled_back.extend(held);
    memory.approved.clear();
    memory.intention = Some(rollback);
}

/// What is left to be done of it.
pub(crate) fn action(
    rollback: &Promotion,
    base: &Base,
    members: &[&InstanceStatus<'_>],
    memory: &GroupMemory,
    names: &mut PlannedReferences<'_>,
    index: &Index<'_>,
) -> Option<Action> {
    let mut steps = promotion::tag_latest(rollback, base, memory, names);
    steps.iter().for_each(|step| names.apply(step));
    steps.extend(promotion::remove_stale_containers(members, names, index, true));
    rest(&rollback.version, steps)
}

/// The action of these steps, if there are any.
pub(crate) fn rest(version: &Version, steps: Vec<Step>) -> Option<Action> {
    (!steps.is_empty()).then(|| Action { purpose: Purpose::RollBack(version.clone()), steps })
}

/// What a rollback comes to, for people.
pub(crate) fn obeyed(rollback: &Promotion, members: &[&InstanceStatus<'_>], index: &Index<'_>) -> Obeyed {
    let still_running = members
        .iter()
        .filter_map(|member| index.container_named(&member.rows.instance.container_name()))
        .filter(|(_, container)| container.status.is_alive() && container.image != rollback.image)
        .map(|(_, container)| container.name.to_string())
        .collect();
    Obeyed { version: rollback.version.clone(), rolled_back_from: rollback.left().cloned(), still_running }
}
