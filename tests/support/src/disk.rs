//! A file system without room, and with room again.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Takes all the room of a file system until it is dropped. Meant for one of
/// [`engine_disk`](crate::SwitchBuilder::engine_disk) or [`state_disk`](crate::SwitchBuilder::state_disk).
#[derive(Debug)]
pub struct FullDisk {
    filler: PathBuf,
}

impl FullDisk {
    /// Fills the file system of `folder` by a file in it.
    ///
    /// # Panics
    /// When `folder` has no file system of its own.
    pub fn fill(folder: &Path) -> Self {
        let mounts = crate::workdir::mounts_below(folder);
        assert!(mounts.iter().any(|point| point == folder), "{folder:?} has no file system of its own");
        let filler = folder.join(".filler");
        let mut file = File::create(&filler).expect("a file can be made");
        // Ever smaller, until there is room for not a byte.
        for size in [1 << 20, 1 << 12, 1] {
            let bytes = vec![0; size];
            while file.write_all(&bytes).is_ok() {}
        }
        Self { filler }
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        fs::remove_file(&self.filler).ok();
    }
}
