//! Rollback: an operator makes the last version the local `latest` again.

use super::holding::UnitPolicy;
use super::index::Index;
use super::memory::{Promotion, UnitMemory};
use super::names_on_disk::NamesOnDisk;
use super::plan::{Action, Purpose, Step};
use super::promotion;
use super::report::Reason;
use super::takeover::Assessment;
use crate::domain::{Base, ImageId, Version};

/// What is to be `latest` again, or why that cannot be: what memory knows to have been promoted last, by its image, else
/// the kube image that STATE_DB calls the last version.
pub(super) fn target(
    members: &[&Assessment<'_>],
    memory: &UnitMemory,
    names: &NamesOnDisk<'_>,
    policy: &UnitPolicy,
) -> Result<Promotion, Reason> {
    if let Some(reason) = policy.order() {
        return Err(reason);
    }
    let is_another = |image: &ImageId| {
        names.latest() != Some(*image) && memory.promoted.as_ref().is_none_or(|promoted| promoted.image != *image)
    };
    let remembered = memory.previous.iter().map(|proven| (proven.image, &proven.version));
    let lasts: Vec<&Version> =
        members.iter().flat_map(|member| &member.rows.rows).filter_map(|(_, row)| row.last_version.get()).collect();
    let named = lasts.iter().flat_map(|version| {
        let fits = |image: &&ImageId| names.is_kube(image) && names.is_named(version, image, memory);
        names.images().filter(fits).map(|image| (*image, *version))
    });
    let found = remembered.chain(named).find(|(image, _)| is_another(image) && names.image(image).is_some());
    let (image, version) = found.ok_or_else(|| {
        let missing = memory.previous.iter().map(|proven| &proven.version).chain(lasts.iter().copied()).next();
        Reason::NoLastVersion(missing.cloned())
    })?;
    Ok(Promotion { image, version: version.clone(), takeovers: std::collections::BTreeMap::new() })
}

/// Remembers what is about to be, and that the image that runs, or else was promoted, is held from now on.
pub(super) fn begin(
    rollback: Promotion,
    members: &[&Assessment<'_>],
    memory: &mut UnitMemory,
    names: &NamesOnDisk<'_>,
) {
    let running = members.iter().filter_map(|member| member.takeover().map(|(takeover, ..)| takeover.image));
    let promoted = memory.promoted.as_ref().map(|promoted| promoted.image);
    let from = running.chain(promoted).chain(names.latest()).find(|image| *image != rollback.image);
    memory.rolled_back = from.or(memory.rolled_back);
    memory.approved.clear();
    memory.intention = Some(rollback);
}

/// What is left to be done of it.
pub(super) fn action(
    rollback: &Promotion,
    base: &Base,
    members: &[&Assessment<'_>],
    names: &mut NamesOnDisk<'_>,
    index: &Index<'_>,
) -> Option<Action> {
    let mut steps = promotion::tag_latest(rollback, base, names);
    steps.iter().for_each(|step| names.apply(step));
    steps.extend(promotion::remove_stale_containers(members, names, index));
    rest(&rollback.version, steps)
}

/// The action of these steps, if there are any.
pub(super) fn rest(version: &Version, steps: Vec<Step>) -> Option<Action> {
    (!steps.is_empty()).then(|| Action { purpose: Purpose::RollBack(version.clone()), steps })
}
