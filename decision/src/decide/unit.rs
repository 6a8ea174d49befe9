//! The unit of decision: all instances that share an image name are decided together.

use std::collections::{BTreeMap, BTreeSet};

use super::clean_up::{CleanUp, Keep, remember_images};
use super::holding::{self, UnitPolicy};
use super::index::Index;
use super::memory::{Memory, Now, Promotion, UnitMemory};
use super::names_on_disk::NamesOnDisk;
use super::observation::{Order, Owner};
use super::order::{OrderOutcome, nothing_to_promote, promoted};
use super::plan::Action;
use super::policy::Policy;
use super::promotion::{self, Due, Settled};
use super::report::{Because, Reason, UnitReport, Verdict, Wake};
use super::roll_back::{self, Wanted};
use super::takeover::{Assessment, Standing};
use crate::domain::{Base, ImageId, Version};

/// What was decided for a unit.
pub(super) struct UnitDecision {
    /// What to do.
    pub(super) actions: Vec<Action>,
    /// Why.
    pub(super) report: UnitReport,
    /// What to remember; none for a unit that Kubernetes has never had to do with.
    pub(super) memory: Option<UnitMemory>,
    /// Why stable takeovers are not promoted.
    pub(super) held: Option<Reason>,
    /// Why the unit is stopped.
    pub(super) stopped: Option<Reason>,
    /// Which version is to be kept as a fallback.
    pub(super) last_version: Option<Version>,
    /// When to look again for the sake of the images.
    pub(super) wakes: BTreeSet<Wake>,
}

/// Decides one unit.
pub(super) fn decide(
    base: &Base,
    members: &[&Assessment<'_>],
    index: &Index<'_>,
    memory: &Memory,
    policy: &Policy,
    now: &Now,
) -> UnitDecision {
    let remembered = memory.units.get(base);
    let is_kube = members.iter().any(|member| member.set_owner == Some(Owner::Kube));
    let mut unit = remembered.cloned().unwrap_or_default();
    let unit_policy = UnitPolicy::new(base, members, index, policy);
    // Of a unit that Kubernetes has never had to do with, nothing is remembered.
    let is_known = is_kube || remembered.is_some();
    let begins = remembered.is_none() || has_begun(members);
    let first_seen = is_known.then(|| remember_images(base, &mut unit, index, is_continued(members), begins));
    // A rollback that is under way is finished first: what it leaves stays held until yet another image takes over.
    let is_rolling_back = unit.intention.as_ref().is_some_and(Promotion::is_rollback);
    if !is_rolling_back && is_taken_over_by_another(members, &unit.rolled_back) {
        unit.rolled_back.clear();
    }
    unit.approved.retain(|instance, key| {
        let mut of_instance = members.iter().filter(|member| member.rows.instance == *instance);
        of_instance.any(|member| member.remembered().is_some_and(|takeover| takeover.key() == *key))
    });

    if is_known {
        remember_reported(members, &mut unit, index);
    }

    let before = NamesOnDisk::new(base, index);
    let mut names = before.clone();
    let settled = promotion::settle(&mut unit, &names);
    let Promoting { mut actions, held, order, settled: at_once, .. } =
        promote(base, members, index, &unit_policy, &mut unit, &mut names);
    let settled = settled.or(at_once);
    let promoted = unit.intention.clone().or_else(|| unit.promoted.clone());
    let stands = promoted.as_ref().filter(|promotion| members.iter().any(|m| promotion::covers(Some(promotion), m)));
    let is_unrecorded = |rollback: &&Promotion| rollback.is_rollback() && (unit.intention.is_some() || !unit.finished);
    let recorded = stands.or_else(|| promoted.as_ref().filter(is_unrecorded));
    if let Some(promotion) = recorded.filter(|_| unit_policy.forbidden.is_none()) {
        let action = promotion::record_versions(promotion, members, &unit, &names);
        let is_done = actions.is_empty() && action.is_none();
        unit.finished |= promotion.is_rollback() && unit.intention.is_none() && is_done;
        actions.extend(action);
    }

    let on_disk = index.images_of_unit(base, &unit);
    let clean_up = CleanUp {
        base,
        policy: &unit_policy,
        index,
        now,
        promoted: promoted.as_ref().map(|promotion| (&promotion.image, &promotion.version)),
        last_versions: last_versions(members, stands, &unit, &names),
        packages: members
            .iter()
            .filter_map(|member| index.observation.packages.get(&member.rows.instance.feature)?.as_ref())
            .collect(),
        images: &on_disk,
        first_seen: first_seen.unwrap_or_default(),
    };
    let waits = unit_policy.clean_up(index.observation).or_else(|| stands.is_none().then_some(Reason::NothingPromoted));
    let mut keep = clean_up.keep(&names, &unit);
    let last_version = fallback_version(&clean_up, &names, &unit);
    if unit_policy.forbidden.is_none() {
        let kept = keep.iter().filter(|(_, because)| because.iter().any(Because::is_for_fallback)).map(|(id, _)| id);
        actions.extend(promotion::name_promoted(kept, base, &unit, &mut names));
    }
    let mut wakes = BTreeSet::new();
    if waits.is_none() {
        actions.extend(clean_up.keep_local_images(&mut names, &mut keep, &mut unit));
        actions.extend(clean_up.drop_local_tags(&mut names, &keep));
        wakes = clean_up.wakes(&keep);
    }
    if waits.is_none() {
        actions.extend(clean_up.remove_images(&mut names, &keep, &unit));
    }
    let images = verdicts(&clean_up, keep, &unit, &before, waits.as_ref());
    if actions.is_empty() {
        unit.error = None;
    }

    let latest = before.latest();
    let report = UnitReport {
        latest_moved: latest.is_some() && unit.promoted.as_ref().is_some_and(|p| latest.as_ref() != Some(&p.image)),
        latest,
        promoted: unit.promoted.as_ref().map(|promotion| promotion.version.clone()),
        settled,
        order,
        clean_up_waits: waits,
        images,
    };
    // An operator may roll back what Kubernetes is no longer to own.
    let memory = (is_known || unit.intention.is_some()).then_some(unit);
    let stopped = unit_policy.forbidden.filter(|reason| matches!(reason, Reason::Violation(_)));
    UnitDecision { actions, report, memory, held, stopped, last_version, wakes }
}

/// What is to become of `latest`.
struct Promoting {
    actions: Vec<Action>,
    /// What forbids promoting.
    held: Option<Reason>,
    /// What comes of an operator's order.
    order: Option<OrderOutcome>,
    /// A promotion for which nothing had to be done.
    settled: Option<Settled>,
    /// What the next look promotes.
    next: Option<Version>,
}

/// What the stable takeovers or an operator call for: a promotion or rollback, the rest of one, or a `latest` that is
/// gone. Changes `names` as the steps will.
fn promote(
    base: &Base,
    members: &[&Assessment<'_>],
    index: &Index<'_>,
    policy: &UnitPolicy,
    unit: &mut UnitMemory,
    names: &mut NamesOnDisk<'_>,
) -> Promoting {
    let mut promoting = Promoting { actions: Vec::new(), held: None, order: None, settled: None, next: None };
    let begun =
        unit.intention.take().filter(|intention| intention.is_rollback() && names.image(&intention.image).is_some());
    let order = holding::order(members, index);
    let mut rollback = begun.clone();
    let mut accepted = None;
    if let Some(Order::Rollback { from }) = order {
        match roll_back::wanted(from.as_ref(), begun.as_ref(), members, unit, names, index, policy) {
            Ok(Wanted::Begin(target)) => {
                roll_back::begin(target.clone(), members, unit, names);
                accepted = Some((target.clone(), true));
                rollback = Some(target);
            }
            Ok(Wanted::Begun(target)) => accepted = Some((target, false)),
            Err(reason) => promoting.order = Some(OrderOutcome::Refused(reason)),
        }
    }
    if let Some(rollback) = rollback {
        unit.intention = Some(rollback.clone());
        // Somebody may have moved `latest` there already.
        promoting.settled = promotion::settle(unit, names);
        if promoting.settled.is_some() {
            promoting.actions.extend(finish(members, unit, names, index, policy));
        } else if policy.forbidden.is_none() {
            // One that a crash or a failure interrupted goes on.
            let action = roll_back::action(&rollback, base, members, unit, &mut names.clone(), index);
            promoting.actions.extend(action);
        }
    } else {
        promote_stable(base, members, index, policy, unit, names, &mut promoting);
    }
    if let Some((rollback, has_begun)) = accepted {
        let obeyed = roll_back::obeyed(&rollback, members, index);
        let is_under_way = has_begun || !promoting.actions.is_empty();
        promoting.order =
            Some(if is_under_way { OrderOutcome::Accepted(obeyed) } else { OrderOutcome::AlreadySo(obeyed) });
    }
    if order == Some(&Order::Promote) {
        promoting.order = Some(match (&promoting.held, &unit.intention) {
            (Some(reason), _) => OrderOutcome::Refused(reason.clone()),
            (None, Some(intention)) => OrderOutcome::Accepted(promoted(&intention.version)),
            (None, None) => match &promoting.next {
                Some(next) => OrderOutcome::Accepted(promoted(next)),
                None => nothing_to_promote(members, unit),
            },
        });
    }
    promoting.actions.iter().flat_map(|action: &Action| &action.steps).for_each(|step| names.apply(step));
    if members.iter().any(|member| promotion::is_kube(member)) && policy.forbidden.is_none() {
        if let Some(restoring) = promotion::restore_latest(base, unit, names) {
            restoring.steps.iter().for_each(|step| names.apply(step));
            promoting.actions.push(restoring);
        }
    }
    promoting
}

/// A rollback that a crash cut short after its tag is written to the rows first: what is promoted next takes from them
/// which version was stable before it, and that is not the one that was rolled back from.
fn is_rollback_unrecorded(
    members: &[&Assessment<'_>],
    unit: &UnitMemory,
    names: &NamesOnDisk<'_>,
    policy: &UnitPolicy,
) -> bool {
    let rollback = unit.promoted.as_ref().filter(|promoted| promoted.is_rollback() && !unit.finished);
    policy.forbidden.is_none()
        && rollback.is_some_and(|rollback| promotion::record_versions(rollback, members, unit, names).is_some())
}

/// What the stable takeovers call for.
fn promote_stable(
    base: &Base,
    members: &[&Assessment<'_>],
    index: &Index<'_>,
    policy: &UnitPolicy,
    unit: &mut UnitMemory,
    names: &NamesOnDisk<'_>,
    promoting: &mut Promoting,
) {
    match promotion::due(members, unit, names, index, policy) {
        Due::Nothing => promoting.actions.extend(finish(members, unit, names, index, policy)),
        Due::Held(reason) => {
            promoting.held = Some(reason);
            // What is held is another image than an operator has rolled back to.
            if unit.promoted.as_ref().is_some_and(Promotion::is_rollback) {
                promoting.actions.extend(finish(members, unit, names, index, policy));
            }
        }
        Due::Promotion(due) => {
            if holding::order(members, index) == Some(&Order::Promote) {
                // It goes on to be carried out when the order is gone.
                unit.approved.clone_from(&due.takeovers);
                unit.rolled_back.remove(&due.image);
            }
            let is_rollback = unit.promoted.as_ref().is_some_and(Promotion::is_rollback);
            let rest = if is_rollback { finish(members, unit, names, index, policy) } else { None };
            if rest.is_some() || is_rollback_unrecorded(members, unit, names, policy) {
                // One after the other.
                promoting.actions.extend(rest);
                promoting.next = Some(due.version);
                return;
            }
            promotion::intend(due.clone(), members, unit, names);
            let mut then = names.clone();
            let mut steps = promotion::tag_latest(&due, base, unit, names);
            steps.iter().for_each(|step| then.apply(step));
            steps.extend(promotion::remove_stale_containers(members, &then, index, false));
            if steps.is_empty() {
                // Everything is so already: it only has to be remembered as promoted.
                promoting.settled = promotion::settle(unit, names);
                unit.finished = true;
            }
            promoting.actions.extend(promotion::action(&due.version, steps));
        }
    }
}

/// Steps that a crash or a failure left of a promotion or rollback whose tag is done.
fn finish(
    members: &[&Assessment<'_>],
    unit: &mut UnitMemory,
    names: &NamesOnDisk<'_>,
    index: &Index<'_>,
    policy: &UnitPolicy,
) -> Option<Action> {
    let promoted = unit.promoted.clone()?;
    let is_rollback = promoted.is_rollback();
    // As long as a rollback holds, a container of what it left must not be started again, whenever it stops.
    let is_due = match is_rollback {
        true => names.latest() == Some(promoted.image),
        false => !unit.finished && members.iter().any(|member| promotion::covers(Some(&promoted), member)),
    };
    if !is_due || policy.forbidden.is_some() {
        return None;
    }
    let steps = promotion::remove_stale_containers(members, names, index, is_rollback);
    if is_rollback {
        // It is finished when it is recorded, too.
        return roll_back::rest(&promoted.version, steps);
    }
    unit.finished = steps.is_empty() && holding::local_container(members, index).is_none();
    promotion::action(&promoted.version, steps)
}

/// A takeover begins whose image is none of those that are held.
fn is_taken_over_by_another(members: &[&Assessment<'_>], held: &BTreeSet<ImageId>) -> bool {
    members.iter().any(|member| match &member.standing {
        Standing::Stands { takeover, has_begun, .. } => *has_begun && !held.contains(&takeover.image),
        _ => false,
    })
}

/// Remembers the versions that containers report of images that declare another, or none.
fn remember_reported(members: &[&Assessment<'_>], memory: &mut UnitMemory, index: &Index<'_>) {
    for (takeover, ..) in members.iter().filter_map(|member| member.takeover()) {
        let image = index.observation.images.get(&takeover.image);
        if image.and_then(|image| image.declared_version()) != Some(&takeover.version) {
            memory.reported.entry(takeover.image).or_default().insert(takeover.version.clone());
        }
    }
}

/// A takeover that stood at the last look goes on.
fn is_continued(members: &[&Assessment<'_>]) -> bool {
    members.iter().any(|member| match member.standing {
        Standing::Stands { has_begun, .. } => !has_begun,
        Standing::Unknown(_) => member.remembered().is_some(),
        Standing::Local(_) | Standing::No(_) => false,
    })
}

/// A takeover begins on an image that no other instance goes on running: what is on the disk came before it.
fn has_begun(members: &[&Assessment<'_>]) -> bool {
    let image_of = |begun: bool| {
        members.iter().filter_map(move |member| match &member.standing {
            Standing::Stands { takeover, has_begun, .. } if *has_begun == begun => Some(&takeover.image),
            _ => None,
        })
    };
    let continued: BTreeSet<_> = image_of(false).collect();
    image_of(true).any(|image| !continued.contains(image))
}

/// `container_last_version` of each row, as it will be when the versions are recorded.
fn last_versions(
    members: &[&Assessment<'_>],
    promoted: Option<&Promotion>,
    memory: &UnitMemory,
    names: &NamesOnDisk<'_>,
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
fn fallback_version(clean_up: &CleanUp<'_>, names: &NamesOnDisk<'_>, memory: &UnitMemory) -> Option<Version> {
    let fallbacks: BTreeSet<Version> = clean_up.fallbacks(names, memory).into_values().collect();
    let named = clean_up.last_versions.iter();
    // What an operator rolled back from is none, though it stays on the disk.
    let proven = memory.proven().filter(|(image, _)| !memory.rolled_back.contains(*image)).map(|(_, version)| version);
    named.chain(proven).find(|version| fallbacks.contains(*version)).cloned()
}

/// What becomes of each image, for people.
fn verdicts(
    clean_up: &CleanUp<'_>,
    keep: Keep,
    memory: &UnitMemory,
    now: &NamesOnDisk<'_>,
    waits: Option<&Reason>,
) -> BTreeMap<ImageId, Verdict> {
    keep.into_iter()
        .map(|(id, because)| {
            let verdict = match (because.is_empty(), waits) {
                (false, _) => Verdict::Kept(because.into()),
                (true, Some(reason)) => Verdict::Kept([Because::NoCleanUp(reason.clone())].into()),
                (true, None) => Verdict::Removed(clean_up.because_removed(&id, now, memory)),
            };
            (id, verdict)
        })
        // In order already, and many.
        .collect()
}
