//! What the engine's events make dirty.

use std::collections::HashMap;

use bollard::models::{EventMessage, EventMessageTypeEnum};
use bollard::query_parameters::EventsOptions;
use chrono::{DateTime, Utc};

use super::oom::OomKills;
use super::picture::Dirty;
use crate::domain::ContainerId;

/// What may change a picture (API reference, "SystemEvents"). Not listened to: `exec_*`, which come with every health
/// check, and `attach`, `resize`, `top` and others that change nothing.
const EVENTS: [&str; 16] = [
    "create",
    "start",
    "die",
    "oom",
    "health_status",
    "pause",
    "unpause",
    "rename",
    "destroy", // containers
    "pull",
    "load",
    "import",
    "tag",
    "untag",
    "delete",
    "prune", // images
];

/// Asks for events from `since` on: what happens between the request and the moment the engine has taken it is told
/// as well, from the last events it remembers (moby, daemon/events/events.go).
pub(super) fn options(since: DateTime<Utc>) -> EventsOptions {
    let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let filters =
        HashMap::from([("type".to_owned(), list(&["container", "image"])), ("event".to_owned(), list(&EVENTS))]);
    let since = format!("{}.{:09}", since.timestamp(), since.timestamp_subsec_nanos());
    EventsOptions { since: Some(since), until: None, filters: Some(filters) }
}

/// Whether a takeover may hang on it. What happens to images, and to containers that do not run, does not.
pub(super) fn is_urgent(event: &EventMessage) -> bool {
    let action = event.action.as_deref().unwrap_or_default();
    event.typ != Some(EventMessageTypeEnum::IMAGE) && !["create", "destroy"].contains(&action)
}

/// Takes note of an event.
pub(super) fn note(event: &EventMessage, dirty: &mut Dirty, oom: &mut OomKills) {
    if event.typ == Some(EventMessageTypeEnum::IMAGE) {
        dirty.images = true;
        return;
    }
    let id = event.actor.as_ref().and_then(|actor| actor.id.as_deref()).and_then(|id| id.parse::<ContainerId>().ok());
    let action = event.action.as_deref().unwrap_or_default();
    // `health_status: unhealthy` and `oom` change nothing that the list shows.
    let is_detail = action == "oom" || action.starts_with("health_status");
    dirty.containers |= !is_detail;
    let Some(id) = id else {
        // An event that cannot be understood may be about anything.
        dirty.merge(Dirty::everything());
        return;
    };
    match action {
        "oom" => oom.heard(&id),
        "start" => oom.started(&id),
        // An engine 20.10 tells of it before its list does (moby, daemon/monitor.go: the event comes before the
        // checkpoint of which lists are made; tried). An inspection waits for both.
        "die" => {
            dirty.ended.insert(id);
        }
        _ => {}
    }
    dirty.details.insert(id);
}
