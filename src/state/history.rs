//! `history.json`: the newest events of each instance, which outlive the agent and the switch's reboots.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use serde::{Deserialize, Serialize};

use super::directory::StateDirectory;
use super::file::{self, Durability};
use super::split::Format;

const HISTORY: &str = "history.json";

/// What happened, as `CONTAINER_IMAGE_HISTORY` tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// `promoted`, `cleaned`, `failed`, `held`, `rolled back`, ...
    pub event: String,
    /// The version, or the empty string.
    pub version: String,
    /// The image's id, or the empty string.
    pub image_id: String,
    /// More for people, or the empty string.
    pub detail: String,
}

/// An event and when it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number among its instance's events, which only grows.
    pub n: u64,
    /// When, as [`crate::clock::format`] writes it.
    pub time: String,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// The history of every instance.
#[derive(Debug)]
pub struct History {
    directory: StateDirectory,
    content: Content,
    is_changed: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: Format,
    instances: BTreeMap<String, Events>,
}

/// The newest events of one instance, oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Events {
    /// The number of the newest event, counted from 1. Kept by itself, so that it survives trimming.
    last: u64,
    entries: VecDeque<Entry>,
}

impl History {
    /// How many events of an instance are kept.
    pub const KEPT: usize = 20;
    /// How many instances are kept, far beyond any switch's: names come from Redis.
    const INSTANCES: usize = 1024;
    /// The longest detail.
    const DETAIL: usize = 1024;

    /// Reads the history.
    #[must_use]
    pub fn load(directory: StateDirectory) -> Self {
        let mut content = file::read::<Content>(&directory, HISTORY).unwrap_or_default();
        for events in content.instances.values_mut() {
            let newest = events.entries.back().map_or(0, |entry| entry.n);
            events.last = events.last.max(newest);
            events.trim();
        }
        Self { directory, content, is_changed: false }
    }

    /// The events of `instance`, oldest first.
    pub fn entries(&self, instance: &str) -> impl DoubleEndedIterator<Item = &Entry> {
        self.content.instances.get(instance).into_iter().flat_map(|events| &events.entries)
    }

    /// The instances that have a history.
    pub fn instances(&self) -> impl Iterator<Item = &str> {
        self.content.instances.keys().map(String::as_str)
    }

    /// Adds an event, to be written by [`History::save`]; none if it repeats the newest one exactly.
    pub fn add(&mut self, instance: &str, time: String, mut event: Event) -> Option<&Entry> {
        if event.detail.len() > Self::DETAIL {
            event.detail = event.detail.chars().take(Self::DETAIL / 4).chain("...".chars()).collect();
        }
        if self.entries(instance).next_back().is_some_and(|newest| newest.event == event) {
            return None;
        }
        if !self.content.instances.contains_key(instance) && self.content.instances.len() >= Self::INSTANCES {
            self.forget_oldest();
        }
        self.is_changed = true;
        let events = self.content.instances.entry(instance.to_owned()).or_default();
        events.last = events.last.saturating_add(1);
        events.entries.push_back(Entry { n: events.last, time, event });
        events.trim();
        events.entries.back()
    }

    /// Writes the history if anything was added.
    ///
    /// It is not synced: nothing the agent does depends on it, and ext4, which SONiC keeps `/var/lib` on, flushes a file
    /// that is renamed over another (`auto_da_alloc`), so that a power cut costs the newest events at most.
    ///
    /// # Errors
    /// If it cannot be written; the next save tries again.
    pub fn save(&mut self) -> io::Result<bool> {
        if self.is_changed {
            file::write(&self.directory, HISTORY, &self.content, Durability::Cached)?;
            self.is_changed = false;
            return Ok(true);
        }
        Ok(false)
    }

    /// Makes room by dropping the instance to which nothing has happened for the longest time.
    fn forget_oldest(&mut self) {
        let newest = |events: &Events| events.entries.back().map(|entry| entry.time.clone());
        let oldest =
            self.content.instances.iter().min_by_key(|(_, events)| newest(events)).map(|(name, _)| name.clone());
        if let Some(name) = oldest {
            self.content.instances.remove(&name);
        }
    }
}

impl Events {
    fn trim(&mut self) {
        let surplus = self.entries.len().saturating_sub(History::KEPT);
        self.entries.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(version: &str) -> Event {
        Event { event: "promoted".to_owned(), version: version.to_owned(), ..Event::default() }
    }

    fn load(path: &std::path::Path) -> History {
        History::load(StateDirectory::open(path).unwrap())
    }

    fn time(n: u64) -> String {
        format!("2026-11-21 21:32:{n:02}")
    }

    #[test]
    fn the_newest_twenty_stay_and_numbers_only_grow() {
        let directory = tempfile::tempdir().unwrap();
        for round in 0..3 {
            let mut history = load(directory.path());
            for n in round * 15 + 1..=round * 15 + 15 {
                assert_eq!(history.add("bgp0", time(n), event(&n.to_string())).unwrap().n, n);
            }
            history.add("telemetry", time(round), event(&round.to_string()));
            assert!(history.save().unwrap());
            assert!(!history.save().unwrap());
        }
        let history = load(directory.path());
        assert_eq!(history.entries("bgp0").map(|entry| entry.n).collect::<Vec<_>>(), (26..=45).collect::<Vec<_>>());
        assert_eq!(history.entries("telemetry").map(|entry| entry.n).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(history.instances().collect::<Vec<_>>(), ["bgp0", "telemetry"]);
        assert_eq!(history.entries("none").count(), 0);
    }

    #[test]
    fn an_exact_repetition_of_the_newest_is_skipped() {
        let directory = tempfile::tempdir().unwrap();
        let mut history = load(directory.path());
        assert!(history.add("a", time(1), event("1")).is_some());
        assert!(history.add("a", time(2), event("1")).is_none());
        assert!(history.add("b", time(2), event("1")).is_some());
        assert!(history.add("a", time(3), event("2")).is_some());
        assert_eq!(history.add("a", time(4), event("1")).unwrap().n, 3);
        history.save().unwrap();
        drop(history);
        let mut history = load(directory.path());
        assert!(history.add("a", time(5), event("1")).is_none());
        assert!(!history.save().unwrap());
    }

    #[test]
    fn long_details_repeat_too_and_names_are_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let mut history = load(directory.path());
        let long = Event { detail: "é".repeat(10_000), ..event("1") };
        assert!(history.add("a", time(1), long.clone()).unwrap().event.detail.len() <= History::DETAIL);
        assert!(history.add("a", time(2), long).is_none());
        for n in 0..2000 {
            history.add(&format!("x{n}"), time(10), event("1"));
        }
        assert_eq!(history.instances().count(), History::INSTANCES);
        assert_eq!(history.entries("a").count(), 0);
    }

    #[test]
    fn a_corrupt_file_is_moved_aside() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(HISTORY), "{\"format\":1").unwrap();
        assert_eq!(load(directory.path()).instances().count(), 0);
        assert!(directory.path().join("history.json.corrupt").exists());
    }
}
