//! The state directory, and the lock by which only one agent acts on a switch.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

/// The name of the lock file. It stays when the agent ends: the lock is on the open file, not in its existence.
const LOCK: &str = "lock";

/// What the names of half-written files end with.
pub(super) const TEMPORARY: &str = "tmp";

/// A state directory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another agent holds it.
    #[error("{}: another imgmgrd{} uses this state directory; stop it first", path.display(), with_pid(*.pid))]
    Locked {
        /// The path of the state directory.
        path: PathBuf,
        /// The other process, if it could be read.
        pid: Option<u32>,
    },
    /// It cannot be created, opened or written.
    #[error("{}: the state directory cannot be used: {cause}{}", path.display(), remedy(cause))]
    Unusable {
        /// The path of the state directory.
        path: PathBuf,
        /// What the operating system says.
        cause: io::Error,
    },
}

impl From<StateError> for io::Error {
    fn from(error: StateError) -> Self {
        let kind = match &error {
            StateError::Locked { .. } => io::ErrorKind::ResourceBusy,
            StateError::Unusable { cause, .. } => cause.kind(),
        };
        Self::new(kind, error)
    }
}

fn with_pid(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

fn remedy(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::PermissionDenied => "; run as root, or give another one with --state-dir",
        io::ErrorKind::ReadOnlyFilesystem => "; give one on a writable file system with --state-dir",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "; remove what is in its place, or give another one with --state-dir"
        }
        io::ErrorKind::StorageFull => "; free space on that file system",
        _ => "",
    }
}

/// An open state directory. Clones share the lock, which falls with the last of them.
#[derive(Clone, Debug)]
pub struct StateDirectory {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// None if the directory was opened for reading only.
    held: Option<Mutex<Held>>,
}

/// The lock that is held.
#[derive(Debug)]
struct Held {
    lock: File,
    /// How often it had to be taken anew.
    renewals: u64,
}

impl StateDirectory {
    /// Opens `path` to read and write, creating it if need be, and locks it. What a killed predecessor left half
    /// written is removed.
    ///
    /// # Errors
    /// If another process holds the lock, or the directory cannot be used.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let lock = take(path, true)?;
        let unusable = |cause| StateError::Unusable { path: path.to_owned(), cause };
        remove_leftovers(path).map_err(unusable)?;
        let held = Some(Mutex::new(Held { lock, renewals: 0 }));
        Ok(Self { inner: Arc::new(Inner { path: path.to_owned(), held }) })
    }

    /// Sees to it that the directory is there and its lock held: if somebody has removed them, they are made again. Gives a
    /// number that is another one after that: then none of what was written before is there any more.
    ///
    /// # Errors
    /// If it cannot be made again, another process holds the lock by now, or the directory is open for reading only.
    pub(super) fn hold(&self) -> io::Result<u64> {
        let Some(held) = &self.inner.held else {
            let why = "the state directory is open for reading only";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        };
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path();
        let id = |metadata: &Metadata| (metadata.dev(), metadata.ino());
        let is_there = std::fs::symlink_metadata(path.join(LOCK))
            .is_ok_and(|there| held.lock.metadata().is_ok_and(|locked| id(&there) == id(&locked)));
        if !is_there {
            held.lock = take(path, false).map_err(io::Error::from)?;
            held.renewals += 1;
            tracing::warn!(path = %path.display(), "the state directory was gone; it was made again");
        }
        Ok(held.renewals)
    }

    /// How often the directory had to be made again: the number that [`hold`](Self::hold) gave last.
    pub(crate) fn renewals(&self) -> u64 {
        let renewals = |held: &Mutex<Held>| held.lock().unwrap_or_else(PoisonError::into_inner).renewals;
        self.inner.held.as_ref().map_or(0, renewals)
    }

    /// Opens `path` for a command that only reads: nothing is locked, created or moved. It need not exist.
    #[must_use]
    pub fn read_only(path: &Path) -> Self {
        Self { inner: Arc::new(Inner { path: path.to_owned(), held: None }) }
    }

    /// The file in `path` whose lock a running agent holds.
    #[must_use]
    pub fn lock_file(path: &Path) -> PathBuf {
        path.join(LOCK)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Whether nothing may be changed in it.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.inner.held.is_none()
    }
}

/// Makes the directory if need be, at the start its parents as well, and locks it.
fn take(path: &Path, with_parents: bool) -> Result<File, StateError> {
    let unusable = |cause| StateError::Unusable { path: path.to_owned(), cause };
    if with_parents || !path.is_dir() {
        // What is gone with its parents was removed on purpose.
        DirBuilder::new().recursive(with_parents).mode(0o755).create(path).map_err(unusable)?;
    }
    let mut lock = open_lock(path).map_err(unusable)?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            return Err(StateError::Locked { path: path.to_owned(), pid: pid_in(&mut lock) });
        }
        Err(errno) => return Err(unusable(errno.into())),
    }
    give_to_owner(&lock, path).map_err(unusable)?;
    // Only for people: a disk that is full must not keep the agent from starting.
    if let Err(error) = write_pid(&mut lock) {
        tracing::debug!(%error, "the process id could not be written to the lock file");
    }
    Ok(lock)
}

/// Opens the lock file. It is written to, and given to the directory's owner, also by commands that root runs: so it must
/// be a file of this directory, and no link that its owner has made to another.
fn open_lock(path: &Path) -> io::Result<File> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or(0);
    let mut options = OpenOptions::new();
    let lock = options.read(true).write(true).create(true).truncate(false).custom_flags(flags).open(path.join(LOCK))?;
    let metadata = lock.metadata()?;
    if metadata.is_file() && metadata.nlink() == 1 {
        Ok(lock)
    } else {
        Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{LOCK} in it is no file of its own")))
    }
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    lock.write_all(format!("{}\n", std::process::id()).as_bytes())
}

/// The process that wrote itself into the lock file.
fn pid_in(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Removes what a killed predecessor left half written.
fn remove_leftovers(directory: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let is_leftover = Path::new(&entry.file_name()).extension() == Some(TEMPORARY.as_ref());
        let kind = entry.file_type()?;
        if is_leftover && (kind.is_file() || kind.is_symlink()) {
            remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes a file, unless it is gone already.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Gives a file to the owner of the directory it is in. Commands are run as root, the agent as a user of its own, and it
/// has to read and replace what they leave.
pub(super) fn give_to_owner(file: &File, directory: &Path) -> io::Result<()> {
    let (there, wanted) = (file.metadata()?, std::fs::metadata(directory)?);
    if rustix::process::geteuid().is_root() && (there.uid(), there.gid()) != (wanted.uid(), wanted.gid()) {
        fchown(file, Some(wanted.uid()), Some(wanted.gid()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_second_agent_is_told_who_was_first() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let first = StateDirectory::open(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
        let clone = first.clone();
        drop(first);
        let error = StateDirectory::open(&path).unwrap_err().to_string();
        let expected = format!(
            "{}: another imgmgrd (process {}) uses this state directory; stop it first",
            path.display(),
            std::process::id()
        );
        assert_eq!(error, expected);
        assert!(StateDirectory::read_only(&path).is_read_only());
        drop(clone);
        assert!(!StateDirectory::open(&path).unwrap().is_read_only());
    }

    #[test]
    fn a_longer_pid_of_before_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(LOCK), "4294967295 and more\n").unwrap();
        let _first = StateDirectory::open(directory.path()).unwrap();
        let content = std::fs::read_to_string(directory.path().join(LOCK)).unwrap();
        assert_eq!(content, format!("{}\n", std::process::id()));
    }

    #[test]
    fn a_lock_that_is_a_link_is_not_followed() {
        let elsewhere = tempfile::tempdir().unwrap();
        let target = elsewhere.path().join("passwd");
        std::fs::write(&target, "root").unwrap();
        type Link = fn(&Path, &Path) -> io::Result<()>;
        let links: [Link; 2] = [|to, at| std::os::unix::fs::symlink(to, at), |to, at| std::fs::hard_link(to, at)];
        for link in links {
            let directory = tempfile::tempdir_in(elsewhere.path()).unwrap();
            link(&target, &directory.path().join(LOCK)).unwrap();
            assert!(matches!(StateDirectory::open(directory.path()), Err(StateError::Unusable { .. })));
            assert_eq!(std::fs::read_to_string(&target).unwrap(), "root");
        }
    }

    #[test]
    fn errors_name_the_directory_and_the_remedy() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "").unwrap();
        let error = StateDirectory::open(&path).unwrap_err().to_string();
        assert!(error.starts_with(path.to_str().unwrap()) && error.contains("remove what is in its place"), "{error}");
        let cause = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = StateError::Unusable { path, cause }.to_string();
        assert!(error.ends_with("run as root, or give another one with --state-dir"), "{error}");
    }
}
