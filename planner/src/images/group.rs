//! The group of decision: all instances that share an image name are decided together.

use std::collections::{BTreeMap, BTreeSet};

use super::clean_up::{CleanUp, Keep, remember_images};
use super::command::{nothing_to_promote, promoted};
use super::gates::{self, GroupPolicy};
use super::planned_references::PlannedReferences;
use super::promotion::{self, Due};
use super::rollback::{self, Wanted};
use crate::domain::{Base, ImageId, Version};
use crate::plan::Action;
use crate::report::{CommandResult, GroupReport, Reason, Retention, RetentionReason, Settled, Wake};
use crate::snapshot::Policy;
use crate::snapshot::index::Index;
use crate::snapshot::{Command, Owner};
use crate::snapshot::{GroupMemory, Memory, Now, Promotion};
use crate::takeover::{InstanceStatus, TakeoverStatus};

/// What was decided for a group.
pub(crate) struct GroupDecision {
    /// What to do.
    pub(crate) actions: Vec<Action>,
    /// Why each image stays or goes, and what holds the group back.
    pub(crate) report: GroupReport,
    /// What to remember; none for a group that Kubernetes has never had to do with.
    pub(crate) memory: Option<GroupMemory>,
    /// Why stable takeovers are not promoted.
    pub(crate) held: Option<Reason>,
    /// Why the group is stopped.
    pub(crate) stopped: Option<Reason>,
    /// Which version is to be kept as a fallback.
    pub(crate) last_version: Option<Version>,
    /// When to look again for the sake of the images.
    pub(crate) wakes: BTreeSet<Wake>,
}

/// Decides one group.
pub(crate) fn decide(
    base: &Base,
    members: &[&InstanceStatus<'_>],
    index: &Index<'_>,
    memory: &Memory,
    policy: &Policy,
    now: &Now,
) -> GroupDecision {
    let remembered = memory.groups.get(base);
    let is_kube = members.iter().any(|member| member.set_owner == Some(Owner::Kube));
    let mut group = remembered.cloned().unwrap_or_default();
    let group_policy = GroupPolicy::new(base, members, index, policy);
    // Of a group that Kubernetes has never had to do with, nothing is remembered.
    let is_known = is_kube || remembered.is_some();
    let begins = remembered.is_none() || has_begun(members);
    let first_seen = is_known.then(|| remember_images(base, &mut group, index, is_continued(members), begins));
    // A rollback that is under way is finished first: what it leaves stays held until yet another image takes over.
    let is_rolling_back = group.intention.as_ref().is_some_and(Promotion::is_rollback);
    if !is_rolling_back && is_taken_over_by_another(members, &group.rolled_back) {
        group.rolled_back.clear();
    }
    group.approved.retain(|instance, key| {
        let mut of_instance = members.iter().filter(|member| member.rows.instance == *instance);
        of_instance.any(|member| member.remembered().is_some_and(|takeover| takeover.key() == *key))
    });

    if is_known {
        remember_reported(members, &mut group, index);
    }

    let before = PlannedReferences::new(base, index);
    let mut names = before.clone();
    let settled = promotion::settle(&mut group, &names);
    let Promoting { mut actions, held, command, settled: at_once, .. } =
        promote(base, members, index, &group_policy, &mut group, &mut names);
    let settled = settled.or(at_once);
    let promoted = group.intention.clone().or_else(|| group.promoted.clone());
    let stands = promoted.as_ref().filter(|promotion| members.iter().any(|m| promotion::covers(Some(promotion), m)));
    let is_unrecorded =
        |rollback: &&Promotion| rollback.is_rollback() && (group.intention.is_some() || !group.finished);
    let recorded = stands.or_else(|| promoted.as_ref().filter(is_unrecorded));
    if let Some(promotion) = recorded.filter(|_| group_policy.forbidden.is_none()) {
        let action = promotion::record_versions(promotion, members, &group, &names);
        let is_done = actions.is_empty() && action.is_none();
        group.finished |= promotion.is_rollback() && group.intention.is_none() && is_done;
        actions.extend(action);
    }

    let on_disk = index.images_of_group(base, &group);
    let clean_up = CleanUp {
        base,
        policy: &group_policy,
        index,
        now,
        promoted: promoted.as_ref().map(|promotion| (&promotion.image, &promotion.version)),
        last_versions: last_versions(members, stands, &group, &names),
        packages: members
            .iter()
            .filter_map(|member| index.snapshot.packages.get(&member.rows.instance.feature)?.as_ref())
            .collect(),
        images: &on_disk,
        first_seen: first_seen.unwrap_or_default(),
    };
    let waits = group_policy.clean_up(index.snapshot).or_else(|| stands.is_none().then_some(Reason::NothingPromoted));
    let mut keep = clean_up.keep(&names, &group);
    let last_version = fallback_version(&clean_up, &names, &group);
    if group_policy.forbidden.is_none() {
        let kept =
            keep.iter().filter(|(_, because)| because.iter().any(RetentionReason::is_for_fallback)).map(|(id, _)| id);
        actions.extend(promotion::name_promoted(kept, base, &group, &mut names));
    }
    let mut wakes = BTreeSet::new();
    if waits.is_none() {
        actions.extend(clean_up.keep_local_images(&mut names, &mut keep, &mut group));
        actions.extend(clean_up.drop_local_tags(&mut names, &keep));
        wakes = clean_up.wakes(&keep);
    }
    if waits.is_none() {
        actions.extend(clean_up.remove_images(&mut names, &keep, &group));
    }
    let images = retentions(&clean_up, keep, &group, &before, waits.as_ref());
    if actions.is_empty() {
        group.error = None;
    }

    let latest = before.latest();
    let report = GroupReport {
        latest_moved: latest.is_some() && group.promoted.as_ref().is_some_and(|p| latest.as_ref() != Some(&p.image)),
        latest,
        promoted: group.promoted.as_ref().map(|promotion| promotion.version.clone()),
        settled,
        command,
        clean_up_waits: waits,
        images,
    };
    // An operator may roll back what Kubernetes is no longer to own.
    let memory = (is_known || group.intention.is_some()).then_some(group);
    let stopped = group_policy.forbidden.filter(|reason| matches!(reason, Reason::Violation(_)));
    GroupDecision { actions, report, memory, held, stopped, last_version, wakes }
}

/// What is to become of `latest`.
struct Promoting {
    actions: Vec<Action>,
    /// What forbids promoting.
    held: Option<Reason>,
    /// What comes of an operator's order.
    command: Option<CommandResult>,
    /// A promotion for which nothing had to be done.
    settled: Option<Settled>,
    /// What the next look promotes.
    next: Option<Version>,
}

/// What the stable takeovers or an operator call for: a promotion or rollback, the rest of one, or a `latest` that is
/// gone. Changes `names` as the steps will.
fn promote(
    base: &Base,
    members: &[&InstanceStatus<'_>],
    index: &Index<'_>,
    policy: &GroupPolicy,
    group: &mut GroupMemory,
    names: &mut PlannedReferences<'_>,
) -> Promoting {
    let mut promoting = Promoting { actions: Vec::new(), held: None, command: None, settled: None, next: None };
    let begun =
        group.intention.take().filter(|intention| intention.is_rollback() && names.image(&intention.image).is_some());
    let command = gates::command(members, index);
    let mut rollback = begun.clone();
    let mut accepted = None;
    if let Some(Command::Rollback { from }) = command {
        match rollback::wanted(from.as_ref(), begun.as_ref(), members, group, names, index, policy) {
            Ok(Wanted::Begin(target)) => {
                rollback::begin(target.clone(), members, group, names);
                accepted = Some((target.clone(), true));
                rollback = Some(target);
            }
            Ok(Wanted::Begun(target)) => accepted = Some((target, false)),
            Err(reason) => promoting.command = Some(CommandResult::Refused(reason)),
        }
    }
    if let Some(rollback) = rollback {
        group.intention = Some(rollback.clone());
        // Somebody may have moved `latest` there already.
        promoting.settled = promotion::settle(group, names);
        if promoting.settled.is_some() {
            promoting.actions.extend(finish(members, group, names, index, policy));
        } else if policy.forbidden.is_none() {
            // One that a crash or a failure interrupted goes on.
            let action = rollback::action(&rollback, base, members, group, &mut names.clone(), index);
            promoting.actions.extend(action);
        }
    } else {
        promote_stable(base, members, index, policy, group, names, &mut promoting);
    }
    if let Some((rollback, has_begun)) = accepted {
        let obeyed = rollback::obeyed(&rollback, members, index);
        let is_under_way = has_begun || !promoting.actions.is_empty();
        promoting.command =
            Some(if is_under_way { CommandResult::Accepted(obeyed) } else { CommandResult::AlreadySo(obeyed) });
    }
    if command == Some(&Command::Promote) {
        promoting.command = Some(match (&promoting.held, &group.intention) {
            (Some(reason), _) => CommandResult::Refused(reason.clone()),
            (None, Some(intention)) => CommandResult::Accepted(promoted(&intention.version)),
            (None, None) => match &promoting.next {
                Some(next) => CommandResult::Accepted(promoted(next)),
                None => nothing_to_promote(members, group),
            },
        });
    }
    promoting.actions.iter().flat_map(|action: &Action| &action.steps).for_each(|step| names.apply(step));
    if members.iter().any(|member| promotion::is_kube(member)) && policy.forbidden.is_none() {
        if let Some(restoring) = promotion::restore_latest(base, group, names) {
            restoring.steps.iter().for_each(|step| names.apply(step));
            promoting.actions.push(restoring);
        }
    }
    promoting
}

/// A rollback that a crash cut short after its tag is written to the rows first: what is promoted next takes from them
/// which version was stable before it, and that is not the one that was rolled back from.
fn is_rollback_unrecorded(
    members: &[&InstanceStatus<'_>],
    group: &GroupMemory,
    names: &PlannedReferences<'_>,
    policy: &GroupPolicy,
) -> bool {
    let rollback = group.promoted.as_ref().filter(|promoted| promoted.is_rollback() && !group.finished);
    policy.forbidden.is_none()
        && rollback.is_some_and(|rollback| promotion::record_versions(rollback, members, group, names).is_some())
}

/// What the stable takeovers call for.
fn promote_stable(
    base: &Base,
    members: &[&InstanceStatus<'_>],
    index: &Index<'_>,
    policy: &GroupPolicy,
    group: &mut GroupMemory,
    names: &PlannedReferences<'_>,
    promoting: &mut Promoting,
) {
    match promotion::due(members, group, names, index, policy) {
        Due::Nothing => promoting.actions.extend(finish(members, group, names, index, policy)),
        Due::Held(reason) => {
            promoting.held = Some(reason);
            // What is held is another image than an operator has rolled back to.
            if group.promoted.as_ref().is_some_and(Promotion::is_rollback) {
                promoting.actions.extend(finish(members, group, names, index, policy));
            }
        }
        Due::Promotion(due) => {
            if gates::command(members, index) == Some(&Command::Promote) {
                // It goes on to be carried out when the order is gone.
                group.approved.clone_from(&due.takeovers);
                group.rolled_back.remove(&due.image);
            }
            let is_rollback = group.promoted.as_ref().is_some_and(Promotion::is_rollback);
            let rest = if is_rollback { finish(members, group, names, index, policy) } else { None };
            if rest.is_some() || is_rollback_unrecorded(members, group, names, policy) {
                // One after the other.
                promoting.actions.extend(rest);
                promoting.next = Some(due.version);
                return;
            }
            promotion::intend(due.clone(), members, group, names);
            let mut then = names.clone();
            let mut steps = promotion::tag_latest(&due, base, group, names);
            steps.iter().for_each(|step| then.apply(step));
            steps.extend(promotion::remove_stale_containers(members, &then, index, false));
            if steps.is_empty() {
                // Everything is so already: it only has to be remembered as promoted.
                promoting.settled = promotion::settle(group, names);
                group.finished = true;
            }
            promoting.actions.extend(promotion::action(&due.version, steps));
        }
    }
}

/// Steps that a crash or a failure left of a promotion or rollback whose tag is done.
fn finish(
    members: &[&InstanceStatus<'_>],
    group: &mut GroupMemory,
    names: &PlannedReferences<'_>,
    index: &Index<'_>,
    policy: &GroupPolicy,
) -> Option<Action> {
    let promoted = group.promoted.clone()?;
    let is_rollback = promoted.is_rollback();
    // As long as a rollback holds, a container of what it left must not be started again, whenever it stops.
    let is_due = match is_rollback {
        true => names.latest() == Some(promoted.image),
        false => !group.finished && members.iter().any(|member| promotion::covers(Some(&promoted), member)),
    };
    if !is_due || policy.forbidden.is_some() {
        return None;
    }
    let steps = promotion::remove_stale_containers(members, names, index, is_rollback);
    if is_rollback {
        // It is finished when it is recorded, too.
        return rollback::rest(&promoted.version, steps);
    }
    group.finished = steps.is_empty() && gates::local_container(members, index).is_none();
    promotion::action(&promoted.version, steps)
}

/// A takeover begins whose image is none of those that are held.
fn is_taken_over_by_another(members: &[&InstanceStatus<'_>], held: &BTreeSet<ImageId>) -> bool {
    members.iter().any(|member| match &member.takeover_status {
        TakeoverStatus::Stands { takeover, has_begun, .. } => *has_begun && !held.contains(&takeover.image),
        _ => false,
    })
}

/// Remembers the versions that containers report of images that declare another, or none.
fn remember_reported(members: &[&InstanceStatus<'_>], memory: &mut GroupMemory, index: &Index<'_>) {
    for (takeover, ..) in members.iter().filter_map(|member| member.takeover()) {
        let image = index.snapshot.images.get(&takeover.image);
        if image.and_then(|image| image.declared_version()) != Some(&takeover.version) {
            memory.reported.entry(takeover.image).or_default().insert(takeover.version.clone());
        }
    }
}

/// A takeover that stood at the last look goes on.
fn is_continued(members: &[&InstanceStatus<'_>]) -> bool {
    members.iter().any(|member| match member.takeover_status {
        TakeoverStatus::Stands { has_begun, .. } => !has_begun,
        TakeoverStatus::Unknown(_) => member.remembered().is_some(),
        TakeoverStatus::Local(_) | TakeoverStatus::No(_) => false,
    })
}

/// A takeover begins on an image that no other instance goes on running: what is on the disk came before it.
fn has_begun(members: &[&InstanceStatus<'_>]) -> bool {
    let image_of = |begun: bool| {
        members.iter().filter_map(move |member| match &member.takeover_status {
            TakeoverStatus::Stands { takeover, has_begun, .. } if *has_begun == begun => Some(&takeover.image),
            _ => None,
        })
    };
    let continued: BTreeSet<_> = image_of(false).collect();
    image_of(true).any(|image| !continued.contains(image))
}

/// `container_last_version` of each row, as it will be when the versions are recorded.
fn last_versions(
    members: &[&InstanceStatus<'_>],
    promoted: Option<&Promotion>,
    memory: &GroupMemory,
    names: &PlannedReferences<'_>,
) -> BTreeSet<Version> {
    members
        .iter()
        .flat_map(|member| member.rows.rows.iter().map(move |(_, row)| (member, row)))
        .filter_map(|(member, row)| match promoted.filter(|promotion| promotion::covers(Some(promotion), member)) {
            Some(promotion) => promotion::last_version(row, promotion, memory, names),
            None => row.last_version.get().cloned(),
        })
        .filter(|version| promoted.is_none_or(|promotion| promotion.version != *version))
        .collect()
}

/// The fallback that comes first: what STATE_DB calls the last version, else what memory does.
fn fallback_version(clean_up: &CleanUp<'_>, names: &PlannedReferences<'_>, memory: &GroupMemory) -> Option<Version> {
    let fallbacks: BTreeSet<Version> = clean_up.fallbacks(names, memory).into_values().collect();
    let named = clean_up.last_versions.iter();
    // What an operator rolled back from is none, though it stays on the disk.
    let proven = memory.proven().filter(|(image, _)| !memory.rolled_back.contains(*image)).map(|(_, version)| version);
    named.chain(proven).find(|version| fallbacks.contains(*version)).cloned()
}

/// What becomes of each image, for people.
fn retentions(
    clean_up: &CleanUp<'_>,
    keep: Keep,
    memory: &GroupMemory,
    now: &PlannedReferences<'_>,
    waits: Option<&Reason>,
) -> BTreeMap<ImageId, Retention> {
    keep.into_iter()
        .map(|(id, because)| {
            let retention = match (because.is_empty(), waits) {
                (false, _) => Retention::Kept(because.into()),
                (true, Some(reason)) => Retention::Kept([RetentionReason::NoCleanUp(reason.clone())].into()),
                (true, None) => Retention::Removed(clean_up.removal_reason(&id, now, memory)),
            };
            (id, retention)
        })
        // In order already, and many.
        .collect()
}
