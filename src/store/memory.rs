//! The memory of the decision on the disk, and when each of its marks was made.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use serde_json::value::to_raw_value;

use super::directory::StateDirectory;
use super::file::{self, Durability};
use super::kept::{Format, KeptEntries, Object, Pairs, Problems, pairs, take, unpaired};
use super::split::{Durable, DurableGroup, ObservedGroup, durable, fingerprint, join, milliseconds, split};
use crate::domain::{Age, Base, Instance};
use crate::planner::{InstanceMemory, Mark, Memory, Now, Stamps};

const MEMORY: &str = "memory.json";
const MARKS: &str = "marks.json";

/// The ages of all marks at `since_boot`: whole seconds, rounded down, never negative.
#[must_use]
pub fn ages(stamps: &Stamps, since_boot: Duration) -> Now {
    let age = |stamp: &Duration| Age::from_seconds(since_boot.saturating_sub(*stamp).as_secs());
    stamps.iter().map(|(mark, stamp)| (mark.clone(), age(stamp))).collect()
}

/// The memory on the disk: `memory.json` with what fallback depends on, and `marks.json` with what was observed.
///
/// What another version has written there and this one does not know is kept.
#[derive(Debug)]
pub struct Store {
    pub(super) directory: StateDirectory,
    boot_id: String,
    /// What `memory.json` says; none if it has to be written.
    durable: Option<Durable>,
    /// By which what `marks.json` says is recognised; none if it has to be written.
    marks: Option<u64>,
    kept: KeptOfMemory,
    kept_marks: KeptOfMarks,
    /// By which what `versions.json` says is recognised.
    pub(super) versions: Option<u64>,
    /// The directory that these files were written to.
    held: u64,
}

/// What `memory.json` has that is not understood.
#[derive(Debug, Default)]
struct KeptOfMemory {
    file: Object,
    groups: KeptEntries<Base>,
}

/// What `marks.json` has that is not understood.
#[derive(Debug, Default)]
struct KeptOfMarks {
    file: Object,
    instances: KeptEntries<Instance>,
    groups: KeptEntries<Base>,
    stamps: Pairs,
}

/// What was read of `marks.json`.
#[derive(Default)]
struct Marks {
    boot_id: String,
    instances: BTreeMap<Instance, InstanceMemory>,
    groups: BTreeMap<Base, ObservedGroup>,
    stamps: Stamps,
    kept: KeptOfMarks,
}

impl Store {
    /// Reads what was remembered. After a reboot what no longer holds is dropped, and all stamps with it. `since_boot` is the
    /// boot-time clock now: a stamp of this boot lies in the past, unless the file was tampered with; then it would never
    /// come of age, and is brought back.
    #[must_use]
    pub fn load(directory: StateDirectory, boot_id: &str, since_boot: Duration) -> (Self, Memory, Stamps) {
        let mut problems = Problems::default();
        let read = file::read(&directory, MEMORY, |bytes| read_memory(bytes, &mut problems));
        problems.log(MEMORY);
        let (durable, kept) = read.unwrap_or_default();
        let mut problems = Problems::default();
        let marks = file::read(&directory, MARKS, |bytes| read_marks(bytes, &mut problems));
        problems.log(MARKS);
        let is_there = marks.is_some();
        let Marks { boot_id: marked_at, instances, groups, stamps, kept: mut kept_marks } = marks.unwrap_or_default();

        let mut memory = Memory { instances, groups: BTreeMap::new() };
        let mut halves: BTreeMap<Base, (DurableGroup, ObservedGroup)> = BTreeMap::new();
        for (base, group) in &durable {
            halves.entry(base.clone()).or_default().0.clone_from(group);
        }
        for (base, group) in groups {
            halves.entry(base).or_default().1 = group;
        }
        memory.groups = halves.into_iter().map(|(base, (durable, observed))| (base, join(durable, observed))).collect();

        let is_this_boot = marked_at == boot_id;
        let (memory, mut stamps) = if is_this_boot {
            let known = memory.marks();
            let stamps = stamps.into_iter().filter(|(mark, _)| known.contains(mark)).collect();
            (memory, stamps)
        } else {
            kept_marks.stamps.clear();
            (memory.after_reboot(), Stamps::new())
        };
        let marks = (is_this_boot || !is_there).then(|| fingerprint(&memory, &stamps));
        let latest = Duration::from_millis(milliseconds(since_boot));
        stamps.values_mut().for_each(|stamp| *stamp = latest.min(*stamp));
        let boot_id = boot_id.to_owned();
        let (durable, held) = (Some(durable), directory.hold().unwrap_or_default());
        let store = Self { directory, boot_id, durable, marks, kept, kept_marks, versions: None, held };
        (store, memory, stamps)
    }

    /// Writes what fallback depends on, synced to the disk, if it changed. Whether it did.
    ///
    /// # Errors
    /// If `memory.json` cannot be written: what relies on it must not be done before a save succeeded.
    pub fn save(&mut self, memory: &Memory) -> io::Result<bool> {
        self.hold()?;
        let durable = durable(memory);
        if self.durable.as_ref() == Some(&durable) {
            return Ok(false);
        }
        self.durable = None;
        file::write(&self.directory, MEMORY, &self.kept.file(&durable)?, Durability::Synced)?;
        self.durable = Some(durable);
        Ok(true)
    }

    /// Writes what was observed if it changed. Whether it did. It can wait until more urgent things are done: marks that are
    /// lost make a restarted agent wait longer at most. A `memory.json` that has gone with the directory is written as well.
    ///
    /// # Errors
    /// If a file cannot be written, which is no reason not to act; the next call tries again.
    pub fn save_marks(&mut self, memory: &Memory, stamps: &Stamps) -> io::Result<bool> {
        self.hold()?;
        if self.durable.is_none() {
            self.save(memory)?;
        }
        let marks = fingerprint(memory, stamps);
        if self.marks == Some(marks) {
            return Ok(false);
        }
        let content = self.kept_marks.file(&self.boot_id, memory, stamps)?;
        file::write(&self.directory, MARKS, &content, Durability::Cached)?;
        self.marks = Some(marks);
        Ok(true)
    }

    /// In a directory that was made anew nothing is written yet.
    pub(super) fn hold(&mut self) -> io::Result<()> {
        let held = self.directory.hold()?;
        if std::mem::replace(&mut self.held, held) != held {
            (self.durable, self.marks, self.versions) = (None, None, None);
        }
        Ok(())
    }
}

fn read_memory(bytes: &[u8], problems: &mut Problems) -> serde_json::Result<(Durable, KeptOfMemory)> {
    let mut file: Object = serde_json::from_slice(bytes)?;
    let _: Format = take(&mut file, "format")?;
    let groups = pairs(take(&mut file, "units")?)?;
    let (groups, durable) = KeptEntries::read(groups, problems)?;
    Ok((durable, KeptOfMemory { file, groups }))
}

fn read_marks(bytes: &[u8], problems: &mut Problems) -> serde_json::Result<Marks> {
    let mut file: Object = serde_json::from_slice(bytes)?;
    let _: Format = take(&mut file, "format")?;
    let boot_id = take(&mut file, "boot_id")?;
    let (kept_instances, instances) = KeptEntries::read(take(&mut file, "instances")?, problems)?;
    let (kept_groups, groups) = KeptEntries::read(pairs(take(&mut file, "units")?)?, problems)?;
    let mut stamps = Stamps::new();
    let mut strange = Pairs::new();
    for (raw_mark, raw) in take::<Pairs>(&mut file, "stamps")? {
        match (serde_json::from_str::<Mark>(raw_mark.get()), serde_json::from_str::<u64>(raw.get())) {
            (Ok(mark), Ok(stamp)) => drop(stamps.insert(mark, Duration::from_millis(stamp))),
            // Another version's marks are nothing to speak of.
            _ => strange.push((raw_mark, raw)),
        }
    }
    let kept = KeptOfMarks { file, instances: kept_instances, groups: kept_groups, stamps: strange };
    Ok(Marks { boot_id, instances, groups, stamps, kept })
}

impl KeptOfMemory {
    fn file(&self, durable: &Durable) -> serde_json::Result<Object> {
        let mut file = self.file.clone();
        file.insert("format".to_owned(), to_raw_value(&Format)?);
        file.insert("units".to_owned(), to_raw_value(&unpaired(self.groups.write(durable)?)?)?);
        Ok(file)
    }
}

impl KeptOfMarks {
    fn file(&self, boot_id: &str, memory: &Memory, stamps: &Stamps) -> serde_json::Result<Object> {
        let groups = memory.groups.iter().map(|(base, group)| (base.clone(), split(group).1)).collect();
        let stamp = |(mark, stamp): (&Mark, &Duration)| Ok((to_raw_value(mark)?, to_raw_value(&milliseconds(*stamp))?));
        let mut stamps = stamps.iter().map(stamp).collect::<serde_json::Result<Pairs>>()?;
        stamps.extend(self.stamps.iter().cloned());
        let mut file = self.file.clone();
        file.insert("format".to_owned(), to_raw_value(&Format)?);
        file.insert("boot_id".to_owned(), to_raw_value(boot_id)?);
        file.insert("instances".to_owned(), to_raw_value(&self.instances.write(&memory.instances)?)?);
        file.insert("units".to_owned(), to_raw_value(&unpaired(self.groups.write(&groups)?)?)?);
        file.insert("stamps".to_owned(), to_raw_value(&stamps)?);
        Ok(file)
    }
}

#[cfg(test)]
mod tests;
