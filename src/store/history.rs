//! `history.json`: the newest events of each instance, which outlive the agent and the switch's reboots.

mod publish;

use std::collections::{BTreeMap, VecDeque};
use std::io;

use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;

use super::directory::StateDirectory;
use super::file::{self, Durability};
use super::kept::{Format, KeptEntries, Object, Problems, pairs, take, unpaired};

const HISTORY: &str = "history.json";

/// What happened, as `CONTAINER_IMAGE_HISTORY` tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEvent {
    /// `promoted`, `cleaned`, `failed`, `held`, `rolled back`, ...
    pub event: String,
    /// The version, or the empty string.
    pub version: String,
    /// The image's id, or the empty string.
    pub image_id: String,
    /// Why, as a short word that stays the same from release to release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// More for people, or the empty string.
    pub detail: String,
    /// The id of the container that it happened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// The exit code of that container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
}

impl HistoryEvent {
    /// Whether it is the same that happened again: what people would count. Where no reason code tells, its text does.
    fn repeats(&self, other: &Self) -> bool {
        (&self.event, &self.image_id, &self.reason, self.exit_code)
            == (&other.event, &other.image_id, &other.reason, other.exit_code)
            && (self.reason.is_some() || (&self.version, &self.detail) == (&other.version, &other.detail))
    }
}

/// An event, and when and how often it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number among its instance's events, which only grows.
    pub n: u64,
    /// When it happened last, as [`crate::clock::format`] writes it.
    pub time: String,
    /// How often it happened.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub count: u64,
    /// When it happened first; none if it happened once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_time: Option<String>,
    /// What.
    #[serde(flatten)]
    pub event: HistoryEvent,
    /// What another version says of it.
    #[serde(flatten)]
    unknown: BTreeMap<String, serde_json::Value>,
}

const fn once() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_once(count: &u64) -> bool {
    *count == once()
}

impl Entry {
    /// An event that happened once.
    #[must_use]
    pub fn new(n: u64, time: String, event: HistoryEvent) -> Self {
        Self { n, time, count: once(), first_time: None, event, unknown: BTreeMap::new() }
    }
}

/// The history of every instance.
#[derive(Debug)]
pub struct History {
    directory: StateDirectory,
    instances: BTreeMap<String, Events>,
    kept: KeptEntries<String>,
    kept_of_file: Object,
    is_changed: bool,
    /// The directory that the file was written to.
    held: u64,
}

/// The newest events of one instance, oldest first.
#[derive(Debug, Serialize, Deserialize)]
struct Events {
    /// The number from which on all are this file's. STATE_DB may have older ones, of a file that was lost.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    first: u64,
    /// The number of the newest event, counted from 1. Kept by itself, so that it survives trimming.
    last: u64,
    entries: VecDeque<Entry>,
}

impl Default for Events {
    fn default() -> Self {
        Self { first: once(), last: 0, entries: VecDeque::new() }
    }
}

impl History {
    /// How many events of an instance are kept.
    pub const KEPT: usize = 20;
    /// How many instances are kept, far beyond any switch's: names come from Redis.
    const INSTANCES: usize = 1024;
    /// The longest detail.
    const DETAIL: usize = 1024;
    /// The highest number in STATE_DB that is taken for the agent's own: others may write there, too, and beyond the highest
    /// of all there is no next one.
    const MOST: u64 = 1 << 48;

    /// Reads the history.
    #[must_use]
    pub fn load(directory: StateDirectory) -> Self {
        let mut problems = Problems::default();
        let read = file::read(&directory, HISTORY, |bytes| {
            let mut file: Object = serde_json::from_slice(bytes)?;
            let _: Format = take(&mut file, "format")?;
            let (kept, instances) = KeptEntries::read(pairs(take(&mut file, "instances")?)?, &mut problems)?;
            Ok((file, kept, instances))
        });
        problems.log(HISTORY);
        let (kept_of_file, kept, mut instances): (_, _, BTreeMap<String, Events>) = read.unwrap_or_default();
        for events in instances.values_mut() {
            let newest = events.entries.back().map_or(0, |entry| entry.n);
            events.last = events.last.max(newest);
            events.trim();
        }
        let held = directory.hold().unwrap_or_default();
        Self { directory, instances, kept, kept_of_file, is_changed: false, held }
    }

    /// The events of `instance`, oldest first.
    pub fn entries(&self, instance: &str) -> impl DoubleEndedIterator<Item = &Entry> {
        self.instances.get(instance).into_iter().flat_map(|events| &events.entries)
    }

    /// The instances that have a history.
    pub fn instances(&self) -> impl Iterator<Item = &str> {
        self.instances.keys().map(String::as_str)
    }

    /// Adds an event, to be written by [`History::save`]. If it repeats one that is kept, it takes its place: with its
    /// count and one more. `published` is the newest number in STATE_DB, which may know more than this file does if that was
    /// lost. Gives the event's number.
    pub fn add(&mut self, instance: &str, time: String, mut event: HistoryEvent, published: Option<u64>) -> u64 {
        if event.detail.len() > Self::DETAIL {
            event.detail = event.detail.chars().take(Self::DETAIL / 4).chain("...".chars()).collect();
        }
        if !self.instances.contains_key(instance) && self.instances.len() >= Self::INSTANCES {
            self.forget_oldest();
        }
        self.is_changed = true;
        self.instances.entry(instance.to_owned()).or_default().add(time, event, published)
    }

    /// Writes the history if anything was added. Whether it was written.
    ///
    /// It is not synced: nothing the agent does depends on it, and ext4, which SONiC keeps `/var/lib` on, flushes a file
    /// that is renamed over another (`auto_da_alloc`), so that a power cut costs the newest events at most.
    ///
    /// # Errors
    /// If it cannot be written; the next save tries again.
    pub fn save(&mut self) -> io::Result<bool> {
        if !self.is_changed && self.instances.is_empty() {
            return Ok(false);
        }
        let held = self.directory.hold()?;
        self.is_changed |= std::mem::replace(&mut self.held, held) != held;
        if self.is_changed {
            let mut file = self.kept_of_file.clone();
            file.insert("format".to_owned(), to_raw_value(&Format)?);
            file.insert("instances".to_owned(), to_raw_value(&unpaired(self.kept.write(&self.instances)?)?)?);
            file::write(&self.directory, HISTORY, &file, Durability::Cached)?;
        }
        Ok(std::mem::take(&mut self.is_changed))
    }

    /// Makes room by dropping the instance to which nothing has happened for the longest time.
    fn forget_oldest(&mut self) {
        let newest = |events: &Events| events.entries.back().map(|entry| entry.time.clone());
        let oldest = self.instances.iter().min_by_key(|(_, events)| newest(events)).map(|(name, _)| name.clone());
        if let Some(name) = oldest {
            self.instances.remove(&name);
        }
    }
}

impl Events {
    fn add(&mut self, time: String, event: HistoryEvent, published: Option<u64>) -> u64 {
        if let Some(published) = published.filter(|published| (self.last..History::MOST).contains(published)) {
            if published > self.last {
                self.last = published;
                self.first = published + 1;
            }
        }
        self.last = self.last.saturating_add(1);
        let mut entry = Entry::new(self.last, time, event);
        if let Some(index) = self.entries.iter().rposition(|known| known.event.repeats(&entry.event)) {
            if let Some(before) = self.entries.remove(index) {
                entry.count = before.count.saturating_add(1);
                entry.first_time = Some(before.first_time.unwrap_or(before.time));
            }
        }
        self.entries.push_back(entry);
        self.trim();
        self.last
    }

    fn trim(&mut self) {
        let surplus = self.entries.len().saturating_sub(History::KEPT);
        self.entries.drain(..surplus);
    }
}

#[cfg(test)]
mod tests;
