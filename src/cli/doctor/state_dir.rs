//! The state directory: whether it can be written, whether an agent holds it, and whether it outlives a reboot.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::finding::{Check, Finding};
use super::places::Places;
use super::storage::{self, Storage};
use crate::config::files;
use crate::store::StateDirectory;

/// `/proc/locks` has a line for each lock.
const LOCKS_LIMIT: u64 = 4 << 20;

/// What was seen of the state directory.
#[derive(Debug)]
pub(super) struct StateDirFacts {
    path: PathBuf,
    /// Whether it exists; if not, the agent makes it.
    exists: bool,
    /// Whether this user may write to it, or make it.
    writable: io::Result<()>,
    /// The process that holds the lock.
    holder: Option<u32>,
    storage: io::Result<Storage>,
}

/// Examines the state directory, changing nothing.
pub(super) fn examine(path: &Path, places: &Places) -> StateDirFacts {
    let existing = path.ancestors().find(|path| path.symlink_metadata().is_ok()).unwrap_or(Path::new("/"));
    StateDirFacts {
        path: path.to_owned(),
        exists: existing == path,
        writable: writable(existing),
        holder: holder(&StateDirectory::lock_file(path), places),
        storage: storage::examine(path, places),
    }
}

fn writable(directory: &Path) -> io::Result<()> {
    if !directory.metadata()?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    // As the effective user, which is who will write.
    Ok(accessat(CWD, directory, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?)
}

/// The process that holds the lock. Read from `/proc/locks`: to try the lock, even for a moment, could keep an agent from
/// starting.
fn holder(lock: &Path, places: &Places) -> Option<u32> {
    let inode = lock.metadata().ok()?.ino();
    let locks = files::read(&places.proc("locks"), LOCKS_LIMIT).ok()??;
    holder_in(&String::from_utf8_lossy(&locks), inode)
}

/// A line is `1: FLOCK  ADVISORY  WRITE 4242 08:03:1234 0 EOF` (proc(5)). The device is not compared: for a file of an
/// overlay, stat(2) and the kernel may name different ones.
fn holder_in(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", process, file, ..] = words[..] else { return None };
        let found = file.rsplit(':').next().and_then(|text| text.parse().ok());
        if found == Some(inode) { process.parse().ok() } else { None }
    })
}

/// What the facts mean for running the agent, as findings with remedies.
pub(super) fn judge(facts: &StateDirFacts) -> Vec<Finding> {
    let path = facts.path.display();
    let mut findings = Vec::new();
    findings.push(match &facts.writable {
        Ok(()) if facts.exists => Finding::ok(Check::StateDir, format!("{path} can be written")),
        Ok(()) => Finding::ok(Check::StateDir, format!("{path} does not exist yet, and can be made")),
        Err(error) => {
            let remedy = match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    "run this, and the agent, as root; or give another one with --state-dir"
                }
                io::ErrorKind::ReadOnlyFilesystem => "give one on a writable file system with --state-dir",
                io::ErrorKind::NotADirectory => "remove what is in its place, or give another one with --state-dir",
                _ => "give another one with --state-dir (paths.state_dir)",
            };
            Finding::error(Check::StateDir, format!("{path} cannot be written: {error}"), remedy)
        }
    });
    if let Some(process) = facts.holder {
        findings.push(Finding::ok(Check::StateDir, format!("the agent runs as process {process}")));
    }
    match &facts.storage {
        Ok(Storage::Disk) => {}
        Ok(Storage::Memory(kind)) => findings.push(Finding::warning(
            Check::StateDir,
            format!(
                "{path} is on {kind}: a reboot takes what the agent remembers, and with it rollbacks and fallbacks"
            ),
            "give one on a disk with --state-dir (paths.state_dir), below /host for example",
        )),
        Err(error) => findings.push(Finding::note(
            Check::StateDir,
            format!("whether {path} outlives a reboot cannot be seen: {error}"),
            "run this as root",
        )),
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn facts() -> StateDirFacts {
        StateDirFacts { path: "/s".into(), exists: true, writable: Ok(()), holder: None, storage: Ok(Storage::Disk) }
    }

    #[test]
    fn directories() {
        let cannot = |kind: io::ErrorKind| StateDirFacts { writable: Err(kind.into()), ..facts() };
        for (facts, levels, said) in [
            (facts(), vec![Level::Ok], "/s can be written"),
            (StateDirFacts { exists: false, ..facts() }, vec![Level::Ok], "can be made"),
            (StateDirFacts { holder: Some(42), ..facts() }, vec![Level::Ok, Level::Ok], "runs as process 42"),
            (cannot(io::ErrorKind::PermissionDenied), vec![Level::Error], "as root"),
            (cannot(io::ErrorKind::ReadOnlyFilesystem), vec![Level::Error], "writable file system"),
            (cannot(io::ErrorKind::NotADirectory), vec![Level::Error], "in its place"),
            (
                StateDirFacts { storage: Ok(Storage::Memory("a tmpfs")), ..facts() },
                vec![Level::Ok, Level::Warning],
                "is on a tmpfs",
            ),
            (
                StateDirFacts { storage: Err(io::ErrorKind::PermissionDenied.into()), ..facts() },
                vec![Level::Ok, Level::Note],
                "cannot be seen",
            ),
        ] {
            let findings = judge(&facts);
            assert_eq!(findings.iter().map(|finding| finding.level).collect::<Vec<_>>(), levels, "{findings:?}");
            assert!(format!("{findings:?}").contains(said), "{said}: {findings:?}");
        }
    }

    #[test]
    fn the_lock_s_holder_is_found_by_the_file() {
        let locks = "1: POSIX  ADVISORY  WRITE 7 08:03:1234 0 EOF\n2: FLOCK  ADVISORY  READ 8 08:03:1234 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 9 08:03:12345 0 EOF\n\n4: -> FLOCK\n\
                     5: FLOCK  ADVISORY  WRITE 10 08:03:1234 0 EOF\n";
        assert_eq!(holder_in(locks, 1234), Some(10));
        assert_eq!(holder_in(locks, 34), None);
    }
}
