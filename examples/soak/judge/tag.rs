//! Judges tags: `latest` only for what has proven stable, other names only for what is to be kept.

use std::time::Duration;

use super::{Case, split};
use crate::features::{FEATURES, Feature};
use crate::journal::Table;
use crate::record::{Group, Record};

/// By so much the agent's clock and the soak's may differ.
const ROUNDING: Duration = Duration::from_millis(50);

/// Judges `POST /images/IMAGE/tag`.
pub(super) fn judge(case: &Case<'_>, record: &mut Record, image: &str) {
    let (Some(repository), Some(tag)) = (case.request.value("repo"), case.request.value("tag")) else {
        return case.violation("no name to tag it as");
    };
    let name = format!("{repository}:{tag}");
    case.expect_nothing_else(|changed| changed == name, None);
    case.expect_no_hold(record, false);
    case.expect_an_inspection(record, &name);
    let Some(number) = case.feature(repository) else { return };
    let feature = &FEATURES[number];
    if record.images.get(image).is_none_or(|known| known.feature != number) {
        case.violation("promise 3: not an image of the feature's");
    }
    if name == feature.latest() {
        latest(case, record, number, image);
    } else if repository == feature.base {
        name_it(case, record, number, image, tag);
    } else {
        keep_local(case, record, number, image, &name);
    }
}

/// Why an image may become `latest`.
fn reason(case: &Case<'_>, record: &Record, feature: &Feature, group: &Group, image: &str) -> Option<&'static str> {
    let stable_time = Duration::from_secs(record.stable_time.least());
    let is_running = |id: &str| case.before.containers.get(id).is_some_and(|container| container.is_running);
    let taken_over = group.taken_over().filter(|(kube, _)| kube.image == image);
    if let Some((_, since)) = taken_over {
        let all_run = group.kube.iter().flatten().all(|kube| is_running(&kube.id));
        if all_run && since.elapsed() + ROUNDING >= stable_time {
            return Some("promoted");
        }
        if all_run && group.kube.iter().flatten().all(|kube| group.approved.contains(&kube.id)) {
            return Some("promoted by an operator");
        }
    }
    if !case.before.names.contains_key(&feature.latest())
        && group.promoted.last().is_some_and(|last| last.image == image)
    {
        return Some("restored");
    }
    let is_former = group.former.contains(image) || group.promoted.iter().any(|promotion| promotion.image == image);
    if group.may_roll_back && is_former {
        return Some("rolled back");
    }
    None
}

fn latest(case: &Case<'_>, record: &mut Record, number: usize, image: &str) {
    let feature = &FEATURES[number];
    let group = &record.groups[number];
    let why = reason(case, record, feature, group, image);
    let containers = group.kube.iter().flatten().map(|kube| kube.id.as_str());
    let object = containers.min_by_key(|id| record.inspected.get(*id)).unwrap_or(image).to_owned();
    if why.is_none() {
        let facts = group.kube.iter().flatten().map(|kube| format!("{} for {:?}", kube.version, kube.begun.elapsed()));
        let facts: Vec<String> = facts.collect();
        let what = format!("promise 4: not proven stable; {} runs {facts:?}", feature.name);
        case.expect(record, number, &object, false, what);
    }
    let beside = |name: &str| case.before.containers.values().any(|seen| seen.name == name && seen.is_running);
    if why == Some("promoted") {
        for instance in feature.instances() {
            let is_free = !beside(instance.container());
            let what = format!("while the local container {} runs", instance.container());
            case.expect(record, number, &object, is_free, what);
        }
    }
    if case.after.is_some_and(|after| !after.names.contains_key(&feature.latest())) {
        case.violation("promise 1: latest is gone");
    }
    if !case
        .after
        .map_or(case.has_succeeded, |after| after.names.get(&feature.latest()).is_some_and(|now| now == image))
    {
        return;
    }
    let what = why.unwrap_or("latest moved, overtaken by somebody else");
    case.shared.journal.count(Table::Agent, what);
    let version = record.images.get(image).map_or(String::new(), |known| known.version.clone());
    let group = &mut record.groups[number];
    // An engine without room refuses a tag and shows it all the same, until it is restarted.
    group.latest_meddled |= !case.has_succeeded;
    if why == Some("rolled back") {
        let former: Vec<String> = group.promoted.drain(..).map(|promotion| promotion.image).collect();
        group.former.extend(former);
    }
    group.promote(image, &version);
}

/// What `latest` leaves gets its version's name, if it would have none.
fn name_it(case: &Case<'_>, record: &Record, number: usize, image: &str, tag: &str) {
    let feature = &FEATURES[number];
    let name = format!("{}:{tag}", feature.base);
    let is_latest = case.before.names.get(&feature.latest()).is_some_and(|latest| latest == image);
    let is_version = record.images.get(image).is_some_and(|known| known.version == tag);
    let is_free = case.before.names.get(&name).is_none_or(|other| other == image);
    case.expect(record, number, &name, is_latest && is_version && is_free, "not the name of what latest leaves");
}

/// Case 1: the local image that actually ran gets the name of the registry's image of the same version.
fn keep_local(case: &Case<'_>, record: &Record, number: usize, image: &str, name: &str) {
    let feature = &FEATURES[number];
    let (_, tag) = split(name);
    let local = format!("{}{tag}", feature.base);
    let is_local = case.before.names.get(&local).is_some_and(|local| local == image);
    case.expect(record, number, name, is_local, format!("{local} is another image"));
    let Some(old) = case.before.names.get(name).filter(|old| *old != image) else { return };
    let is_free = case.before.users(old).next().is_none();
    case.expect(record, number, name, is_free, "promise 2: a container uses the image that the name is taken from");
    let is_promoted = record.groups[number].promoted.iter().any(|promotion| promotion.image == *old);
    case.expect(record, number, name, !is_promoted, "promise 4: the name is taken from an image that was promoted");
}
