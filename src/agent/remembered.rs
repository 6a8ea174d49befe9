//! What the agent remembers, and when each of its marks was made.

use std::io;
use std::time::Duration;

use crate::planner::{Mark, Memory, Now};
use crate::planner::Stamps;
use crate::store::{self, Store};

/// The memory and its stamps, in the process and on the disk.
#[derive(Debug)]
pub(super) struct Remembered {
    store: Store,
    memory: Memory,
    stamps: Stamps,
}

impl Remembered {
    /// Takes over what was read.
    pub(super) fn new((store, memory, stamps): (Store, Memory, Stamps)) -> Self {
        Self { store, memory, stamps }
    }

    /// What is remembered.
    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The ages of all marks.
    pub(super) fn now(&self, since_boot: Duration) -> Now {
        store::ages(&self.stamps, since_boot)
    }

    /// When `mark` was made, on the boot-time clock; none if it is not known or from an earlier boot.
    pub(super) fn stamp(&self, mark: &Mark) -> Option<Duration> {
        self.stamps.get(mark).copied()
    }

    /// Takes over `memory`, stamps the marks that are new in it with `since_boot`, and writes what fallback depends on if it
    /// changed. Whether it did.
    ///
    /// # Errors
    /// If it cannot be written. The memory holds in this process all the same.
    pub(super) fn save(&mut self, memory: Memory, since_boot: Duration) -> io::Result<bool> {
        let (before, after) = (self.memory.marks(), memory.marks());
        if before != after {
            self.stamps.retain(|mark, _| after.contains(mark));
            // What was there before without a stamp is from an earlier boot, and stays old.
            let new = after.into_iter().filter(|mark| !before.contains(mark));
            self.stamps.extend(new.map(|mark| (mark, since_boot)));
        }
        self.memory = memory;
        self.store.save(&self.memory)
    }

    /// Writes the marks if they changed. Whether they did.
    ///
    /// # Errors
    /// If they cannot be written, which is no reason not to act.
    pub(super) fn save_marks(&mut self) -> io::Result<bool> {
        self.store.save_marks(&self.memory, &self.stamps)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::planner::{Arrival, GroupMemory};
    use crate::domain::{Age, ImageId};
    use crate::store::StateDirectory;

    const SECOND: Duration = Duration::from_secs(1);

    fn load(path: &Path, since_boot: Duration) -> Remembered {
        Remembered::new(Store::load(StateDirectory::open(path).unwrap(), "boot", since_boot))
    }

    fn image(n: u8) -> ImageId {
        format!("sha256:{}", format!("{n:02x}").repeat(32)).parse().unwrap()
    }

    fn mark(n: u8) -> Mark {
        Mark::Image { base: "docker-snmp".parse().unwrap(), image: image(n) }
    }

    fn memory(images: &[u8]) -> Memory {
        let images = images.iter().map(|n| (image(*n), Arrival::During)).collect();
        let group = GroupMemory { images, ..GroupMemory::default() };
        Memory { groups: [("docker-snmp".parse().unwrap(), group)].into(), ..Memory::default() }
    }

    #[test]
    fn marks_are_stamped_once_and_forgotten_when_they_vanish() {
        let directory = tempfile::tempdir().unwrap();
        let mut remembered = load(directory.path(), SECOND);
        remembered.save(memory(&[1]), 10 * SECOND).unwrap();
        remembered.save(memory(&[7]), 20 * SECOND).unwrap();
        assert_eq!((remembered.stamp(&mark(1)), remembered.stamp(&mark(7))), (None, Some(20 * SECOND)));
        remembered.save(memory(&[1, 7]), 30 * SECOND).unwrap();
        assert_eq!((remembered.stamp(&mark(1)), remembered.stamp(&mark(7))), (Some(30 * SECOND), Some(20 * SECOND)));
    }

    #[test]
    fn ages_are_whole_seconds_and_no_older_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let mut remembered = load(directory.path(), SECOND);
        remembered.save(memory(&[1]), Duration::from_micros(10_900_001)).unwrap();
        remembered.save_marks().unwrap();
        drop(remembered);
        let remembered = load(directory.path(), 20 * SECOND);
        let stamp = Duration::from_millis(10_901);
        for (after, age) in [(0, 0), (999, 0), (1000, 1), (599_999, 599), (600_000, 600), (u64::MAX / 2, 86_400)] {
            let now = remembered.now(stamp + Duration::from_millis(after));
            assert_eq!(now.image(&"docker-snmp".parse().unwrap(), &image(1)).seconds(), age, "{after}");
        }
        assert_eq!(remembered.now(Duration::ZERO).image(&"docker-snmp".parse().unwrap(), &image(1)), Age::ZERO);
    }
}
