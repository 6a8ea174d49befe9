//! Judges removals: of images that nothing needs and of containers that are stale, and of no others.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Case, split};
use crate::features::FEATURES;
use crate::journal::Table;
use crate::record::{GRACE, Known, Record};

/// Judges `DELETE /images/NAME`.
pub(super) fn image(case: &Case<'_>, record: &Record, name: &str) {
    case.expect_no_hold(record, true);
    case.expect_an_inspection(record, name);
    let Some(image) = case.before.names.get(name).or_else(|| case.before.images.get(name)) else {
        return case.expect_nothing_else(|_| false, None);
    };
    let (repository, _) = split(name);
    let is_id = name == image;
    // A digest goes with the last tag of its repository, or with its image.
    let goes_along = |changed: &str| split(changed).0 == repository && case.before.names.get(changed) == Some(image);
    case.expect_nothing_else(|changed| !is_id && (changed == name || goes_along(changed)), None);
    let known = record.images.get(image);
    let number = if is_id { known.map(|known| known.feature) } else { case.feature(repository) };
    let Some(number) = number else {
        return case.violation("promise 3: an image that nobody knows");
    };
    if known.is_none_or(|known| known.feature != number) {
        case.violation("promise 3: not an image of the feature's");
    }
    let feature = &FEATURES[number];
    if name == feature.latest() {
        case.violation("promise 1: latest");
    }
    let is_gone = case.after.is_some_and(|after| !after.images.contains(image));
    if is_gone && case.has_succeeded {
        case.shared.journal.count(Table::Agent, "images removed");
    } else if case.has_succeeded {
        case.shared.journal.count(Table::Agent, "names removed");
    }
    needed(case, record, number, name, image, is_gone);
}

/// Nothing that is needed goes.
fn needed(case: &Case<'_>, record: &Record, number: usize, name: &str, image: &str, is_gone: bool) {
    let feature = &FEATURES[number];
    let group = &record.groups[number];
    let expect = |holds: bool, what: &str| case.expect(record, number, name, holds, what);
    let Some(current) = group.promoted.last() else {
        return expect(false, "nothing was promoted yet");
    };
    if is_gone {
        expect(case.before.users(image).next().is_none(), "promise 2: a container uses the image");
        expect(
            case.before.names.get(&feature.latest()).is_none_or(|latest| latest != image),
            "promise 1: it is latest",
        );
    }
    let is_kube_name = name.contains('/');
    if is_kube_name {
        expect(image != current.image, "promise 4: a name of the promoted image");
    }
    expect(!is_gone || image != current.image, "promise 4: the promoted image");
    let has_kube_name = |after: &crate::view::View| after.kube_names_of(image).next().is_some();
    let loses_kube_name = has_kube_name(case.before) && case.after.is_some_and(|after| !has_kube_name(after));
    if loses_kube_name || is_gone {
        expect(!fallbacks(case, record, number).contains(image), "promise 4: the last version");
    }
    let Some(known) = record.images.get(image) else { return };
    if loses_kube_name || is_gone {
        let is_pinned = group.pin.as_ref() == Some(&known.version);
        expect(!is_pinned, "a pinned version");
        // The local image of a version that Kubernetes deployed too takes the place of that image at once.
        let stable_time = Duration::from_secs(record.stable_time.least());
        expect(known.arrived.elapsed() >= stable_time, "an image that has just come");
    }
}

/// The images that a rollback needs: what STATE_DB calls the last version, then what was promoted before, newest first,
/// until there are `keep_versions` with the current one. What was promoted counts also when somebody has taken its name of
/// the registry: it is kept by its id.
fn fallbacks(case: &Case<'_>, record: &Record, number: usize) -> BTreeSet<String> {
    let group = &record.groups[number];
    let is_kube = |image: &String| case.before.kube_names_of(image).next().is_some();
    let current = group.promoted.last().map(|promotion| &promotion.image);
    // While Redis cannot be asked, or has just been empty, nobody can say what the agent has read.
    let named = case.shared.last_versions(number).unwrap_or_default();
    let is_tagged = |image: &String, version: &str| {
        case.before.kube_names_of(image).any(|name| split(name).1.strip_prefix(':') == Some(version))
    };
    // A version's tag says which image it is; that of an image without one, its version.
    let has_tag = |version: &str| record.images.keys().any(|image| is_tagged(image, version));
    let is_named = |(image, known): &(&String, &Known)| {
        known.feature == number
            && named.contains(&known.version)
            && Some(*image) != current
            && (is_tagged(image, &known.version) || !has_tag(&known.version))
    };
    let by_name = record.images.iter().filter(is_named).map(|(image, _)| image).filter(|image| is_kube(image));
    let mut kept: BTreeSet<String> = by_name.cloned().collect();
    let before = group.before_the_last();
    let promoted: Vec<&String> =
        before.iter().map(|promotion| &promotion.image).filter(|image| case.before.images.contains(*image)).collect();
    let room = (record.keep_versions.least() - 1).saturating_sub(kept.len());
    let by_memory: BTreeSet<&String> = promoted.iter().take(record.keep_versions.least() - 1).copied().collect();
    if record.hindered.elapsed() < GRACE {
        kept.retain(|image| by_memory.contains(image));
    }
    kept.extend(promoted.into_iter().take(room).cloned());
    kept
}

/// Judges `DELETE /containers/ID`.
pub(super) fn container(case: &Case<'_>, record: &Record, id: &str) {
    case.expect_no_hold(record, false);
    case.expect_an_inspection(record, id);
    case.expect_nothing_else(|_| false, Some(id));
    let Some(container) = case.before.containers.get(id) else { return };
    let is_local =
        |number: &usize| FEATURES[*number].instances().iter().any(|instance| instance.container() == container.name);
    let Some(number) = (0..FEATURES.len()).filter(|&number| FEATURES[number].kube).find(is_local) else {
        return case.violation(format_args!("promise 3: {} is not a feature's local container", container.name));
    };
    // Without force the engine itself refuses to remove a container that runs.
    let is_running = container.is_running && case.has_succeeded;
    case.expect(record, number, id, !is_running, "promise 2: it runs");
    let latest = case.before.names.get(&FEATURES[number].latest());
    case.expect(record, number, id, latest != Some(&container.image), "it was made from latest");
    let is_promoted = record.groups[number].promoted.last().is_some();
    case.expect(record, number, id, is_promoted, "nothing was promoted yet");
    if case.has_succeeded {
        case.shared.journal.count(Table::Agent, "stale containers removed");
    }
}
