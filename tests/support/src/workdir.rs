//! The temporary folder of a switch, and the sweep that leaves no process, no mount and no file of it behind.

use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::wait::try_wait_until;

/// Begins the name of every folder; the id of the process that made it follows.
const PREFIX: &str = "imd-";

/// A temporary folder with a short name: paths of unix sockets are limited to 108 bytes.
#[derive(Debug)]
pub struct Workdir {
    folder: TempDir,
}

impl Workdir {
    /// A new, empty folder. The first one of a process also sweeps up after test processes that were killed.
    pub fn new() -> Self {
        static SWEPT: Once = Once::new();
        SWEPT.call_once(sweep_abandoned);
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let folder = tempfile::Builder::new()
            .prefix(&prefix)
            .rand_bytes(4)
            .tempdir_in(parent())
            .expect("a temporary folder can be made");
        Self { folder }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A folder in it, made if it is not there.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(&path).unwrap_or_else(|error| panic!("cannot make {path:?}: {error}"));
        path
    }

    /// A folder in it with a file system of its own, in memory, so many bytes large.
    pub(crate) fn mount_disk(&self, name: &str, bytes: u64) {
        let path = self.folder(name);
        let options = CString::new(format!("size={bytes},mode=755")).expect("no NUL in a number");
        mount("tmpfs", &path, "tmpfs", MountFlags::empty(), options.as_c_str())
            .unwrap_or_else(|error| panic!("cannot mount a tmpfs at {path:?}: {error}"));
    }

    /// Writes a file in it, with the folders above it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap_or(self.path())).expect("a folder can be made");
        fs::write(&path, content).unwrap_or_else(|error| panic!("cannot write {path:?}: {error}"));
        path
    }
}

impl Default for Workdir {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Workdir {
    fn drop(&mut self) {
        sweep(self.path());
    }
}

fn parent() -> PathBuf {
    std::env::var_os("IMGMGRD_TEST_DIR").map_or_else(std::env::temp_dir, PathBuf::from)
}

/// The processes whose command line names something below `folder`.
pub fn processes_below(folder: &Path) -> Vec<(i32, String)> {
    let needle = format!("{}/", folder.display());
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if pid != own && line.contains(&needle) {
            found.push((pid, line));
        }
    }
    found
}

/// The mount points at or below `folder`, the innermost first.
pub fn mounts_below(folder: &Path) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut found: Vec<PathBuf> = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|point| PathBuf::from(point.replace("\\040", " ")))
        .filter(|point| point.starts_with(folder))
        .collect();
    found.reverse();
    found
}

/// Ends what still runs on `folder`, with its children (a container under its shim), and unmounts what is mounted there.
pub(crate) fn sweep(folder: &Path) {
    let left = processes_below(folder);
    for pid in left.iter().flat_map(|(pid, _)| children(*pid).into_iter().chain([*pid])) {
        if let Some(pid) = Pid::from_raw(pid) {
            kill_process(pid, Signal::KILL).ok();
        }
    }
    if !left.is_empty() {
        try_wait_until(Duration::from_secs(5), || processes_below(folder).is_empty()).ok();
    }
    for point in mounts_below(folder) {
        unmount(&point, UnmountFlags::DETACH).ok();
    }
}

fn children(pid: i32) -> Vec<i32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let list = fs::read_to_string(path).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Removes the folders of this very process, and ends what runs there: for a program that is about to end without dropping
/// anything, as after a panic where panics abort.
pub fn sweep_own() {
    sweep_of(|owner| owner == std::process::id());
}

/// Removes the folders of test processes that are gone (they were killed: `Drop` never ran).
fn sweep_abandoned() {
    sweep_of(|owner| !Path::new(&format!("/proc/{owner}")).exists());
}

fn sweep_of(is_meant: impl Fn(u32) -> bool) {
    for entry in fs::read_dir(parent()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|rest| rest.split('-').next());
        if owner.and_then(|pid| pid.parse::<u32>().ok()).is_some_and(&is_meant) {
            sweep(&entry.path());
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}
