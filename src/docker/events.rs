//! The engine's events, and what they make dirty.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;

use super::answer;
use super::client::{Engine, READ_DEADLINE};
use super::error::EngineError;
use super::splitter::Splitter;
use crate::clock;
use crate::domain::ContainerId;

/// What may change a snapshot (API reference, "SystemEvents"). Not listened to: `exec_*`, which come with every health
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

/// The path that asks for events from `since` on: what happens between the request and the moment the engine has taken it
/// is told as well, from the last events it remembers (moby, daemon/events/events.go).
pub(super) fn path(since: DateTime<Utc>) -> String {
    let filters = json!({ "type": ["container", "image"], "event": EVENTS }).to_string();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let escaped = filters.bytes().map(|byte| match byte {
        _ if is_plain(byte) => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    let escaped: String = escaped.collect();
    format!("/events?since={}.{:09}&filters={escaped}", since.timestamp(), since.timestamp_subsec_nanos())
}

/// What an event tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EngineEvent {
    /// Of images.
    Images,
    /// Of a container.
    Container(ContainerId, Action),
    /// Nothing that is understood: it may be about anything.
    Unknown,
}

/// What has happened to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// It is new, or gone.
    CreateOrDestroy,
    /// It was started.
    Start,
    /// It has ended, with this exit code.
    Die(Option<i64>),
    /// One of its processes was killed for lack of memory, which changes nothing that the list shows.
    Oom,
    /// A health check told another thing than before, which changes nothing that the list shows.
    Health,
    /// Anything else.
    Other,
}

impl EngineEvent {
    /// Reads an event.
    pub(super) fn read(json: &[u8]) -> Self {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Message {
            r#type: String,
            action: String,
            actor: Actor,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Actor {
            #[serde(rename = "ID")]
            id: String,
            #[serde(default)]
            attributes: BTreeMap<String, String>,
        }
        let Ok(message) = serde_json::from_slice::<Message>(json) else { return Self::Unknown };
        let action = match &*message.action {
            "create" | "destroy" => Action::CreateOrDestroy,
            "start" => Action::Start,
            // The exit code is an attribute (API reference, "SystemEvents"; moby, daemon/monitor.go).
            "die" => Action::Die(message.actor.attributes.get("exitCode").and_then(|code| code.parse().ok())),
            "oom" => Action::Oom,
            // `health_status: unhealthy`
            action if action.starts_with("health_status") => Action::Health,
            _ => Action::Other,
        };
        match (&*message.r#type, message.actor.id.parse()) {
            ("image", _) => Self::Images,
            ("container", Ok(id)) => Self::Container(id, action),
            _ => Self::Unknown,
        }
    }

    /// Whether a takeover may hang on it. What happens to images, and to containers that do not run, does not.
    pub(super) fn is_urgent(&self) -> bool {
        !matches!(self, Self::Images | Self::Container(_, Action::CreateOrDestroy))
    }
}

impl Engine {
    /// The events of the engine from now on.
    pub(super) async fn events(&self) -> Result<Events, EngineError> {
        let what = "following the engine's events";
        let path = path(clock::wall());
        let follow = async { answer::accepted(self.transport.follow(&path).await?).await };
        let answer = self.within(what, READ_DEADLINE, follow).await?;
        Ok(Events::new(answer.into_body(), self.clone()))
    }
}

/// The engine's events, as they happen.
pub(super) struct Events {
    body: Incoming,
    engine: Engine,
    splitter: Splitter,
    read: VecDeque<EngineEvent>,
}

impl Events {
    pub(super) fn new(body: Incoming, engine: Engine) -> Self {
        Self { body, engine, splitter: Splitter::stream(), read: VecDeque::new() }
    }

    /// The next event. Nothing is lost if this is not waited for to the end.
    ///
    /// # Errors
    /// When the stream ends, as it does with the engine.
    pub(super) async fn next(&mut self) -> Result<EngineEvent, EngineError> {
        loop {
            if let Some(event) = self.read.pop_front() {
                return Ok(event);
            }
            let data = answer::data(&mut self.body).await.map_err(|error| self.engine.hung_up(Some(error)))?;
            let data = data.ok_or_else(|| self.engine.hung_up(None))?;
            let read = &mut self.read;
            if self.splitter.push(&data, |entry| read.push_back(EngineEvent::read(entry.json))).is_err() {
                self.splitter = Splitter::stream();
                self.read.push_back(EngineEvent::Unknown);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_and_what_is_not_understood_may_be_about_anything() {
        let id = "a".repeat(64);
        let read = |kind: &str, action: &str, id: &str| {
            EngineEvent::read(
                json!({ "Type": kind, "Action": action, "Actor": { "ID": id }, "x": 1 }).to_string().as_bytes(),
            )
        };
        let container = |action| EngineEvent::Container(id.parse().unwrap(), action);
        assert_eq!(read("container", "start", &id), container(Action::Start));
        assert_eq!(read("container", "health_status: unhealthy", &id), container(Action::Health));
        assert_eq!(read("container", "invented", &id), container(Action::Other));
        assert_eq!(read("image", "invented", "docker-snmp:1"), EngineEvent::Images);
        for unknown in [read("container", "start", "a"), read("invented", "start", &id), EngineEvent::read(b"{}")] {
            assert!(unknown == EngineEvent::Unknown && unknown.is_urgent());
        }
    }

    #[test]
    fn filters_are_escaped() {
        let path = path("2026-11-21T22:00:00.5Z".parse().unwrap());
        assert!(path.starts_with("/events?since=1795298400.500000000&filters=%7B%22"), "{path}");
        assert!(path.parse::<hyper::Uri>().is_ok() && !path.contains(['"', '{', ' ']), "{path}");
    }
}
