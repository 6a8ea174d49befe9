//! The memory of the decision on the disk, and when each of its marks was made.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::directory::StateDirectory;
use super::file::{self, Durability};
use super::split::{Durable, Marks, join};
use crate::decide::{Mark, Memory, Now};
use crate::domain::{Age, IteratorExt as _};

const MEMORY: &str = "memory.json";
const MARKS: &str = "marks.json";

/// The memory and its stamps, in the process and on the disk.
#[derive(Debug)]
pub struct Store {
    directory: StateDirectory,
    boot_id: String,
    memory: Memory,
    /// When each mark was made, on the boot-time clock, in whole milliseconds. A mark of the memory that is not here is
    /// from an earlier boot, and old.
    stamps: BTreeMap<Mark, Duration>,
    /// What `memory.json` holds ahead of `memory`: what the next save is expected to bring.
    prepared: Option<Memory>,
    /// The file on the disk is not what is here: it could not be written, or is from an earlier boot.
    memory_is_stale: bool,
    marks_are_stale: bool,
}

impl Store {
    /// Reads what was remembered. After a reboot what no longer holds is dropped, and all stamps with it.
    #[must_use]
    pub fn load(directory: StateDirectory, boot_id: &str) -> Self {
        let durable = file::read::<Durable>(&directory, MEMORY).unwrap_or_default();
        let marks = file::read::<Marks>(&directory, MARKS);
        let is_this_boot = marks.as_ref().is_some_and(|marks| marks.boot_id == boot_id);
        let marks_are_stale = marks.is_some() && !is_this_boot;
        let mut marks = marks.unwrap_or_default();
        let stamps = std::mem::take(&mut marks.stamps);
        let memory = join(durable, marks);
        let (memory, stamps) = if is_this_boot {
            let known = memory.marks();
            let stamps = stamps.into_iter().filter(|(mark, _)| known.contains(mark));
            let stamps = stamps.map(|(mark, stamp)| (mark, Duration::from_millis(stamp))).ordered();
            (memory, stamps)
        } else {
            (memory.after_reboot(), BTreeMap::new())
        };
        Self {
            directory,
            boot_id: boot_id.to_owned(),
            memory,
            stamps,
            prepared: None,
            memory_is_stale: false,
            marks_are_stale,
        }
    }

    /// What is remembered.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The ages of all marks: whole seconds, rounded down, never negative.
    #[must_use]
    pub fn now(&self, since_boot: Duration) -> Now {
        let age = |stamp: &Duration| Age::from_seconds(since_boot.saturating_sub(*stamp).as_secs());
        self.stamps.iter().map(|(mark, stamp)| (mark.clone(), age(stamp))).collect()
    }

    /// When `mark` was made, on the boot-time clock; none if it is not known or from an earlier boot.
    #[must_use]
    pub fn stamp(&self, mark: &Mark) -> Option<Duration> {
        self.stamps.get(mark).copied()
    }

    /// Writes what fallback depends on as the next save is expected to: if it does, nothing is left to be written then.
    ///
    /// A promotion that is intended a moment too early does no harm: it is intended anew by each look, and is done only
    /// when `latest` names its image.
    ///
    /// # Errors
    /// If `memory.json` cannot be written.
    pub fn prepare(&mut self, expected: Memory) -> io::Result<()> {
        let written = self.prepared.as_ref().unwrap_or(&self.memory);
        if self.memory_is_stale || !Durable::is_same(&expected, written) {
            file::write(&self.directory, MEMORY, &Durable::of(&expected), Durability::Synced)?;
            self.prepared = Some(expected);
        }
        Ok(())
    }

    /// Takes over `memory`, stamps the marks that are new in it with `since_boot`, and writes what fallback depends on if it
    /// changed. Whether it did.
    ///
    /// # Errors
    /// If `memory.json` cannot be written. The memory holds in this process all the same, and the next save tries
    /// again; but a plan that relies on it must not be carried out before a save succeeded.
    pub fn save(&mut self, memory: Memory, since_boot: Duration) -> io::Result<bool> {
        let written = self.prepared.take();
        self.memory_is_stale |= !Durable::is_same(&memory, written.as_ref().unwrap_or(&self.memory));
        if memory != self.memory {
            self.marks_are_stale |= self.stamp_new(&memory, since_boot);
            self.marks_are_stale |= !Marks::is_same(&memory, &self.memory);
            self.memory = memory;
        }
        self.no_stamp_from_the_future(since_boot);
        if self.memory_is_stale {
            file::write(&self.directory, MEMORY, &Durable::of(&self.memory), Durability::Synced)?;
        }
        Ok(std::mem::take(&mut self.memory_is_stale))
    }

    /// Writes the marks if they changed. Whether they did. It can wait until more urgent things are done: marks that are lost
    /// make a restarted agent wait longer at most.
    ///
    /// # Errors
    /// If `marks.json` cannot be written, which is no reason not to act; the next call tries again.
    pub fn save_marks(&mut self) -> io::Result<bool> {
        if self.marks_are_stale {
            file::write(&self.directory, MARKS, &self.marks(), Durability::Cached)?;
        }
        Ok(std::mem::take(&mut self.marks_are_stale))
    }

    fn marks(&self) -> Marks {
        let milliseconds = |stamp: &Duration| u64::try_from(stamp.as_millis()).unwrap_or(u64::MAX);
        let stamps = self.stamps.iter().map(|(mark, stamp)| (mark.clone(), milliseconds(stamp))).collect();
        Marks::of(&self.memory, &self.boot_id, stamps)
    }

    /// Stamps what `memory` marks and the memory so far does not, and drops what it no longer marks.
    fn stamp_new(&mut self, memory: &Memory, since_boot: Duration) -> bool {
        let (before, after) = (self.memory.marks(), memory.marks());
        if before == after {
            return false;
        }
        let stamp = up_to_milliseconds(since_boot);
        self.stamps.retain(|mark, _| after.contains(mark));
        // What was there before without a stamp is from an earlier boot, and stays old.
        self.stamps.extend(after.into_iter().filter(|mark| !before.contains(mark)).map(|mark| (mark, stamp)));
        true
    }

    /// A stamp of this boot lies in the past, unless the file was tampered with; then it would never come of age.
    fn no_stamp_from_the_future(&mut self, since_boot: Duration) {
        let latest = up_to_milliseconds(since_boot);
        for stamp in self.stamps.values_mut().filter(|stamp| **stamp > latest) {
            *stamp = latest;
            self.marks_are_stale = true;
        }
    }
}

/// Rounded up, so that nothing comes of age early, and the same in the process as on the disk.
fn up_to_milliseconds(time: Duration) -> Duration {
    let milliseconds = time.as_nanos().div_ceil(1_000_000);
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
