//! The promises of the reference's section 4, stated on the world before and after each thing that the agent does.
//!
//! They share nothing with the planner, nor with the second opinion, which judges plans before they are carried out.

use std::collections::{BTreeMap, BTreeSet};

use imgmgrd_planner::controller::CommandAnswer;
use imgmgrd_planner::domain::{Base, ImageId, Instance, Reference, Value};
use imgmgrd_planner::fixtures::Switch;
use imgmgrd_planner::{FeatureState, NamedContainer, Owner, Snapshot, Step, SystemState};

use crate::history::{History, named, stands};
use crate::property::{Broken, Promise};
use crate::quiet;
use crate::site::{OLD, Site};

type Judgement = Result<(), Broken>;

fn ensure(holds: bool, promise: Promise, what: impl FnOnce() -> String) -> Judgement {
    if holds { Ok(()) } else { Err(Broken { promise, what: what() }) }
}

/// Judges a call that the agent has made for a group, by what became of the switch.
pub(crate) fn judge_call(
    base: &Base,
    step: &Step,
    before: &Switch,
    after: &Switch,
    history: &mut History,
    instances: &[(Instance, Base)],
) -> Judgement {
    let (was, is) = (&before.snapshot, &after.snapshot);
    let (latest_was, latest_is) = (named(was, base), named(is, base));
    ensure(latest_was.is_none() || latest_is.is_some(), Promise::Latest, || format!("{step}: latest names nothing"))?;
    in_use(step, was, is)?;
    own(base, step, was, is, instances)?;
    if let Some(image) = latest_is.filter(|_| latest_is != latest_was) {
        let is_restored = latest_was.is_none() && history.promoted(base) == Some(image);
        let is_rollback = history.is_rollback.contains(base) && history.promoted(base) == Some(image);
        if !is_restored && !is_rollback {
            proven_by_now(base, image, after, history)?;
        }
    }
    if let Step::Tag { image, reference, proven_by, .. } = step {
        // Done by the call, or found to be done.
        if !proven_by.is_empty() && reference.is_local_latest() && latest_is == Some(*image) {
            history.tagged.insert(base.clone(), *image);
        }
    }
    let promoted = history.promoted(base);
    if let Some(image) = promoted.filter(|image| was.images.contains_key(image)) {
        ensure(is.images.contains_key(&image), Promise::Fallback, || format!("{step}: the promoted image is gone"))?;
        let was_kube = is_kube(was, base, &image);
        ensure(!was_kube || is_kube(is, base, &image), Promise::Fallback, || {
            format!("{step}: the promoted image has lost its last kube reference")
        })?;
    }
    fallback(base, step, before, after, history, instances)?;
    rows(base, before, after, history, instances)
}

/// Promise 2.
fn in_use(step: &Step, was: &Snapshot, is: &Snapshot) -> Judgement {
    for (id, container) in was.containers.iter() {
        let now = is.containers.get(id);
        ensure(!container.status.is_alive() || now == Some(container), Promise::InUse, || {
            format!("{step}: the running {} was touched", container.name)
        })?;
        let was_there = was.images.contains_key(&container.image);
        ensure(now.is_none() || !was_there || is.images.contains_key(&container.image), Promise::InUse, || {
            format!("{step}: {} lost its image", container.name)
        })?;
    }
    Ok(())
}

/// Promise 3.
fn own(base: &Base, step: &Step, was: &Snapshot, is: &Snapshot, instances: &[(Instance, Base)]) -> Judgement {
    let others = |seen: &Snapshot| -> BTreeMap<Reference, ImageId> {
        let all = seen.images.iter().flat_map(|(id, image)| image.references.iter().map(|name| (name.clone(), *id)));
        all.filter(|(name, _)| name.repository.base() != base).collect()
    };
    ensure(others(was) == others(is), Promise::Own, || format!("{step}: touched another image name's references"))?;
    let removed = was.images.iter().filter(|(id, _)| !is.images.contains_key(*id));
    for (id, image) in removed {
        let is_own = image.references.iter().all(|name| name.repository.base() == base);
        ensure(is_own, Promise::Own, || format!("{step}: {} was somebody else's too", id.short()))?;
    }
    for (id, container) in was.containers.iter().filter(|(id, _)| !is.containers.contains_key(*id)) {
        let mut names = instances.iter().filter(|(_, other)| other == base).map(|(it, _)| it.container_name());
        ensure(names.any(|name| *name == *container.name), Promise::Own, || {
            format!("{step}: container {} ({}) is no local container of the feature", container.name, id.short())
        })?;
    }
    Ok(())
}

/// Promise 4: a container that proves the image has run for `stable_time` at this very moment.
fn proven_by_now(base: &Base, image: ImageId, switch: &Switch, history: &History) -> Judgement {
    let proves = |(id, container): (&imgmgrd_planner::domain::ContainerId, &imgmgrd_planner::Container)| {
        let Some(details) = container.details.as_ref().filter(|_| container.kubelet.is_some()) else { return false };
        let is_old = switch.started.get(id).is_some_and(|since| switch.clock - since >= OLD);
        let is_approved = history.approved.values().any(|(other, at)| other == id && *at == details.started_at);
        container.image == image && (is_old || is_approved)
    };
    ensure(switch.snapshot.containers.iter().any(proves), Promise::Proven, || {
        format!("{base}:latest is {} now, which no container has run long enough", switch.labels.of(&image))
    })
}

/// Promise 4: what was promoted before stays, unless STATE_DB names another fallback that is on the disk.
fn fallback(
    base: &Base,
    step: &Step,
    before: &Switch,
    after: &Switch,
    history: &History,
    instances: &[(Instance, Base)],
) -> Judgement {
    let promoted = history.promoted(base);
    let displaced = history.tagged.get(base).and_then(|_| history.promoted.get(base));
    let previous = displaced.or_else(|| history.previous.get(base)).copied();
    let Some(previous) = previous.filter(|image| promoted != Some(*image)) else { return Ok(()) };
    let seen = &after.snapshot;
    let named_by_rows: BTreeSet<_> = members(base, instances)
        .filter_map(|instance| seen.state.get(&after.key(instance)))
        .flat_map(|row| [row.last_version.get(), row.stable_version.get()])
        .flatten()
        .collect();
    let is_another_there = seen.images.iter().any(|(id, image)| {
        let tags = image.references_of(base).filter_map(Reference::tag);
        let is_named = tags.chain(image.declared_version()).any(|version| named_by_rows.contains(version));
        promoted != Some(*id) && *id != previous && is_kube(seen, base, id) && is_named
    });
    let was_kube = is_kube(&before.snapshot, base, &previous);
    ensure(!was_kube || is_another_there || is_kube(seen, base, &previous), Promise::Fallback, || {
        format!("{step}: the last version is gone")
    })
}

/// Promise 6: only versions are written, only to rows that are there, and only while they are about the promotion.
fn rows(base: &Base, before: &Switch, after: &Switch, history: &History, instances: &[(Instance, Base)]) -> Judgement {
    let (was, is) = (&before.snapshot, &after.snapshot);
    ensure(was.state.keys().eq(is.state.keys()), Promise::Rows, || "a row came or went".to_owned())?;
    for (key, row) in &is.state {
        let Some(old) = was.state.get(key).filter(|old| *old != row) else { continue };
        let but_versions = |row: &FeatureState| FeatureState {
            stable_version: Value::Absent,
            last_version: Value::Absent,
            ..row.clone()
        };
        ensure(but_versions(old) == but_versions(row), Promise::Rows, || {
            format!("FEATURE|{}: more than versions was written", key.key)
        })?;
        let is_own = members(base, instances).any(|instance| after.key(instance) == *key);
        ensure(is_own, Promise::Rows, || format!("FEATURE|{} is another image name's", key.key))?;
        if history.is_rollback.contains(base) {
            continue;
        }
        let is_about = match &row.container_id {
            Value::Is(NamedContainer::Prefix(prefix)) => {
                let container = is.containers.iter().find(|(id, _)| id.starts_with(prefix));
                let image = container.map(|(_, container)| is.images.get(&container.image));
                // A container that is gone tells nothing.
                image.is_none_or(|image| image.and_then(|it| it.declared_version()) == row.stable_version.get())
            }
            _ => false,
        };
        ensure(is_about, Promise::Rows, || {
            format!("FEATURE|{} is not about a container of that version, and its versions were overwritten", key.key)
        })?;
    }
    Ok(())
}

/// Judges an action that begins, by what is there at this moment.
pub(crate) fn judge_begun(
    base: &Base,
    step: &Step,
    site: &Site,
    history: &History,
    instances: &[(Instance, Base)],
) -> Judgement {
    let (rows, policy) = (&site.switch.snapshot, &site.switch.policy.global);
    let may_act = rows.config_initialized && !rows.kubernetes.disabled && policy.enabled;
    ensure(may_act, Promise::HeldBack, || format!("{step}: nothing may be changed now"))?;
    match step {
        Step::RemoveReference { .. } | Step::RemoveImage { .. } => {
            let may_clean = policy.cleanup && rows.kubernetes.connected != Some(false);
            ensure(may_clean, Promise::HeldBack, || format!("{step}: nothing may be cleaned up now"))?;
            if let Step::RemoveReference { reference, .. } = step {
                let is_pinned = reference.tag().is_some_and(|tag| policy.pin.contains(tag));
                ensure(reference.repository.is_local() || !is_pinned, Promise::Fresh, || {
                    format!("{step}: it is pinned")
                })?;
            }
            let under_way = site.agent.controller.promoting(site.now()).find(|other| *other != base).cloned();
            let due = under_way.or_else(|| quiet::due(site, instances).filter(|other| other != base));
            ensure(due.is_none(), Promise::PromotionsFirst, || {
                format!("{step}: the promotion of {} is due", due.map_or_else(String::new, |due| due.to_string()))
            })
        }
        Step::Tag { image, reference, proven_by, .. } if reference.is_local_latest() => {
            if !proven_by.is_empty() {
                let owned = |instance: &Instance| {
                    let mut rows = rows.configuration.iter().filter(|(key, _)| key.key == instance.feature);
                    rows.any(|(_, row)| row.set_owner.is(&Owner::Kube))
                };
                ensure(members(base, instances).any(owned), Promise::Fresh, || format!("{step}: it is not kube's"))?;
                proven(base, *image, rows, &site.switch, history, instances)?;
            }
            let saved = site.agent.disk.memory.groups.get(base);
            let saved = saved.into_iter().flat_map(|group| group.intention.iter().chain(&group.promoted));
            ensure(saved.into_iter().any(|promotion| promotion.image == *image), Promise::Saved, || {
                format!("{step}: nothing on the disk says so")
            })
        }
        Step::RecordVersions { row, container_id, .. } => {
            let is_same = rows.state.get(row).is_none_or(|row| row.container_id == *container_id);
            ensure(is_same, Promise::Fresh, || format!("{step}: the row is about another container"))
        }
        Step::RemoveContainer { container, .. } => {
            let is_alive = rows.containers.get(container).is_some_and(|container| container.status.is_alive());
            ensure(!is_alive, Promise::Fresh, || format!("{step}: it runs"))
        }
        Step::Tag { .. } => Ok(()),
    }
}

/// Judges what commands were answered.
pub(crate) fn judge_answers(
    answers: &[(Instance, CommandAnswer)],
    switch: &Switch,
    instances: &[(Instance, Base)],
) -> Judgement {
    for (instance, answer) in answers {
        let (Ok((version, _)), Some((_, base))) = (answer, instances.iter().find(|(other, _)| other == instance))
        else {
            continue;
        };
        let image = named(&switch.snapshot, base);
        let latest = image.and_then(|image| switch.snapshot.images.get(&image)).and_then(|it| it.version_in(base));
        ensure(latest == Some(version), Promise::Says, || {
            let latest = latest.map_or_else(|| "gone".to_owned(), ToString::to_string);
            format!("{}: it was answered that latest is {version}, which is {latest}", instance.container_name())
        })?;
    }
    Ok(())
}

/// Promise 4: every instance that is up and to be owned by kube has run this image for `stable_time`, and stood at every
/// decision meanwhile, unless an operator says that it is good; and no operator rolled back from it.
fn proven(
    base: &Base,
    image: ImageId,
    seen: &Snapshot,
    switch: &Switch,
    history: &History,
    instances: &[(Instance, Base)],
) -> Judgement {
    let label = switch.labels.of(&image);
    let held = history.rolled_back.get(base);
    ensure(held.is_none_or(|held| !held.contains(&image)), Promise::Proven, || {
        format!("{label} is to be promoted, from which an operator rolled back")
    })?;
    for instance in members(base, instances) {
        let configured = seen.configuration.iter().find(|(key, _)| key.key == instance.feature);
        if !configured.is_some_and(|(_, row)| row.set_owner.is(&Owner::Kube)) {
            continue;
        }
        let name = instance.container_name();
        let local = seen.containers.values().find(|container| *container.name == *name);
        let takeover = stands(seen, switch, instance);
        let Some(takeover) = takeover else {
            let is_down =
                seen.state.get(&switch.key(instance)).is_some_and(|row| row.system_state.is(&SystemState::Down));
            ensure(is_down, Promise::Proven, || format!("{label} is to be promoted while {name} does not run it"))?;
            continue;
        };
        ensure(takeover.image == image, Promise::Proven, || format!("{label} is to be promoted, {name} runs another"))?;
        ensure(local.is_none_or(|local| !local.status.is_alive()), Promise::Proven, || {
            format!("{label} is to be promoted while the local {name} runs")
        })?;
        let is_old = switch.started.get(&takeover.container).is_some_and(|since| switch.clock - since >= OLD);
        let is_approved = history.approved.get(instance) == Some(&(takeover.container, takeover.started_at));
        ensure(is_approved || is_old, Promise::Proven, || {
            format!("{label} is to be promoted, and {name} has not run it long enough")
        })?;
        ensure(is_approved || !history.doubted.contains_key(instance), Promise::Proven, || {
            format!("{label} is to be promoted, and a decision not long ago has seen {name} not stand")
        })?;
    }
    Ok(())
}

fn members<'a>(base: &'a Base, instances: &'a [(Instance, Base)]) -> impl Iterator<Item = &'a Instance> {
    instances.iter().filter(move |(_, other)| other == base).map(|(instance, _)| instance)
}

/// The image has a reference in a registry.
fn is_kube(seen: &Snapshot, base: &Base, image: &ImageId) -> bool {
    let image = seen.images.get(image);
    image.is_some_and(|image| image.references_of(base).any(|name| !name.repository.is_local()))
}
