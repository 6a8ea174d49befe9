//! A file system without room, or that cannot be written, and that can be again.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount_bind, mount_remount, unmount};

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

/// Has a folder be read-only until it is dropped: also for processes that have written in it before, by its path.
#[derive(Debug)]
pub struct ReadOnlyFolder {
    folder: PathBuf,
}

impl ReadOnlyFolder {
    /// Nothing can be written below `folder` any more.
    pub fn make(folder: &Path) -> Self {
        mount_bind(folder, folder).unwrap_or_else(|error| panic!("cannot mount {folder:?} on itself: {error}"));
        let made = Self { folder: folder.to_owned() };
        mount_remount(folder, MountFlags::BIND | MountFlags::RDONLY, "")
            .unwrap_or_else(|error| panic!("cannot have {folder:?} be read-only: {error}"));
        made
    }
}

impl Drop for ReadOnlyFolder {
    fn drop(&mut self) {
        unmount(&self.folder, UnmountFlags::DETACH).ok();
    }
}
