//! Judges each change that the agent asks for, by what the engine says before and after it and by what the soak itself
//! has done. It shares nothing with the agent's own decision.

mod removal;
mod tag;

use std::fmt::Display;
use std::time::Duration;

use crate::features::{FEATURES, by_base};
use crate::journal::Table;
use crate::proxy::http::Request;
use crate::record::{Hold, Record};
use crate::shared::Shared;
use crate::view::View;

/// Nothing may be changed on an inspection that is older, whatever slows the answers: no fault lasts that long.
const OLDEST_INSPECTION: Duration = Duration::from_secs(15);

/// The commands of Redis that change something.
const WRITES: [&str; 8] = ["HSET", "HMSET", "HDEL", "DEL", "SET", "EVAL", "FLUSHDB", "RENAME"];

/// What a change is judged by.
pub(crate) struct Case<'a> {
    shared: &'a Shared,
    request: &'a Request,
    before: &'a View,
    /// None if the engine went away meanwhile.
    after: Option<&'a View>,
    has_succeeded: bool,
}

/// Judges a request that may have changed something on the engine.
pub(crate) fn judge(shared: &Shared, request: &Request, before: &View, after: Option<&View>, status: Option<u16>) {
    let has_succeeded = status.is_some_and(|status| status < 300);
    let case = Case { shared, request, before, after, has_succeeded };
    shared.journal.count(Table::Checks, "changes of the agent's judged");
    let mut record = shared.record();
    promoted_without_a_tag(&mut record, before);
    if request.value("force").is_some_and(|force| !matches!(force, "0" | "false" | "")) {
        case.violation("by force");
    }
    if request.method == "POST" {
        if let Some(image) = request.object("/images/", "/tag") {
            return tag::judge(&case, &mut record, image);
        }
    } else if request.method == "DELETE" {
        if let Some(name) = request.object("/images/", "") {
            return removal::image(&case, &record, name);
        }
        if let Some(id) = request.object("/containers/", "") {
            return removal::container(&case, &record, id);
        }
    }
    case.violation("not the agent's to do at all");
}

/// A takeover that has proven stable on what is `latest` already is promoted without a tag.
pub(crate) fn promoted_without_a_tag(record: &mut Record, view: &View) {
    let stable_time = Duration::from_secs(record.stable_time.least());
    for (feature, group) in FEATURES.iter().zip(&mut record.groups) {
        let Some((kube, since)) = group.taken_over() else { continue };
        let (image, version) = (kube.image.clone(), kube.version.clone());
        if since.elapsed() >= stable_time && view.names.get(&feature.latest()) == Some(&image) {
            group.promote(&image, &version);
        }
    }
}

impl Case<'_> {
    fn violation(&self, what: impl Display) {
        self.shared.journal.violation(format_args!("{}: {what}", self.request));
    }

    /// What is wrong, unless somebody else changed something about the feature after the agent had inspected `object`:
    /// the engine knows no "if nothing has changed", so that nobody could have known.
    fn expect(&self, record: &Record, feature: usize, object: &str, holds: bool, what: impl Display) {
        if holds {
            return;
        }
        let inspected = record.inspected.get(object);
        if record.groups[feature].touched.is_some_and(|touched| inspected.is_none_or(|inspected| touched > *inspected))
        {
            self.shared.journal.count(Table::Checks, "changes that somebody else's overtook");
            self.shared.journal.says("judge", format_args!("overtaken: {what}"));
        } else {
            self.violation(what);
        }
    }

    /// It has inspected what it is about to change.
    fn expect_an_inspection(&self, record: &Record, object: &str) {
        match record.inspected.get(object) {
            Some(inspected) if inspected.elapsed() < OLDEST_INSPECTION => {}
            inspected => self.violation(format_args!("without an inspection of {object} before ({inspected:?})")),
        }
    }

    /// Nothing holds the agent back.
    fn expect_no_hold(&self, record: &Record, is_removal: bool) {
        let holds = &record.holds;
        let disconnected = holds.disconnected.filter(|_| is_removal);
        let held = [
            ("CONFIG_DB is being loaded", holds.loading),
            ("the policy says state=disabled", holds.disabled),
            ("Kubernetes is disabled", holds.kubernetes),
            ("the control plane is away", disconnected),
        ];
        for (why, _) in held.iter().filter(|(_, hold)| hold.is_some_and(Hold::is_known)) {
            self.violation(format_args!("although {why}"));
        }
    }

    /// Nothing changes but these names, and containers only if it is one that is to go.
    fn expect_nothing_else(&self, is_meant: impl Fn(&str) -> bool, container: Option<&str>) {
        let Some(after) = self.after else { return };
        let names = self.before.names.keys().chain(after.names.keys());
        let is_changed = |name: &&String| self.before.names.get(*name) != after.names.get(*name);
        for name in names.filter(is_changed).filter(|name| !is_meant(name)) {
            self.violation(format_args!("promise 3: {name} changed with it"));
        }
        let ids = self.before.containers.keys().chain(after.containers.keys());
        for id in ids.filter(|id| self.before.containers.get(*id) != after.containers.get(*id)) {
            if container != Some(id.as_str()) {
                self.violation(format_args!("promise 2: container {id} changed with it"));
            }
        }
    }

    /// The number of the kube feature whose image name ends the repository; else it is not the agent's.
    fn feature(&self, repository: &str) -> Option<usize> {
        let base = repository.rsplit('/').next().unwrap_or(repository);
        let feature = by_base(base).filter(|&number| FEATURES[number].kube);
        if feature.is_none() {
            self.violation(format_args!("promise 3: {repository} is of no feature that Kubernetes is to own"));
        }
        feature
    }
}

/// `REPOSITORY` and `:TAG` or `@DIGEST` of a reference; a registry's port is no tag.
pub(crate) fn split(reference: &str) -> (&str, &str) {
    let end = reference.rfind('/').map_or(0, |slash| slash + 1);
    let at = reference[end..].find(['@', ':']).map_or(reference.len(), |at| end + at);
    reference.split_at(at)
}

/// Judges a command to Redis.
pub(crate) fn command(shared: &Shared, words: &[String]) {
    let Some((name, arguments)) = words.split_first() else { return };
    if !WRITES.contains(&name.to_uppercase().as_str()) {
        return;
    }
    shared.journal.count(Table::Checks, "Redis writes of the agent's judged");
    let keys = match (name.as_str(), arguments) {
        ("EVAL", [_, count, rest @ ..]) => &rest[..count.parse::<usize>().unwrap_or(0).min(rest.len())],
        ("DEL", keys) => keys,
        (_, [key, ..]) => std::slice::from_ref(key),
        _ => &[],
    };
    let is_own = |key: &String| ["CONTAINER_IMAGE|", "CONTAINER_IMAGE_HISTORY|"].iter().any(|own| key.starts_with(own));
    // What is written to FEATURE rows has conditions that Redis checks with the write.
    let is_versions = |key: &String| name == "EVAL" && key.starts_with("FEATURE|");
    if keys.is_empty() || !keys.iter().all(|key| is_own(key) || is_versions(key)) {
        shared.journal.violation(format_args!("Redis: {}", words.join(" ")));
    }
    if let Some(feature) = keys.iter().find_map(|key| key.strip_prefix("FEATURE|")) {
        versions(shared, feature, arguments);
    }
}

/// `container_stable_version` is what was promoted.
fn versions(shared: &Shared, feature: &str, arguments: &[String]) {
    let Some(number) = FEATURES.iter().position(|known| feature == known.name) else {
        return shared.journal.violation(format_args!("Redis: versions of {feature}, which there is not"));
    };
    shared.spring_trap(number);
    let stable = arguments.windows(2).find(|pair| pair[0] == "container_stable_version").map(|pair| &pair[1]);
    let Some(stable) = stable else { return };
    if let Ok(view) = View::take(&shared.engine) {
        promoted_without_a_tag(&mut shared.record(), &view);
    }
    let record = shared.record();
    let group = &record.groups[number];
    if !group.promoted.iter().rev().take(2).any(|promotion| promotion.version == *stable) {
        shared.journal.violation(format_args!("Redis: {feature} stable_version={stable}, which was not promoted"));
    }
}
