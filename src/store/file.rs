//! One file of the state directory: read whole, written atomically.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::directory::{StateDirectory, TEMPORARY, give_to_owner, remove_if_there};
use crate::config::files;
use crate::domain::printable;

/// The largest file that is read; 5,000 images take less than two MiB.
const LIMIT: u64 = 16 << 20;

/// Whether a file has to outlive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// Synced to the disk, and the rename too.
    Synced,
    /// Atomic towards other processes; after a power cut the old content may be back.
    Cached,
}

/// Replaces the content of `name`.
pub(super) fn write<T: Serialize>(
    directory: &StateDirectory,
    name: &str,
    content: &T,
    durability: Durability,
) -> io::Result<()> {
    directory.hold()?;
    let path = directory.path().join(name);
    let temporary = directory.path().join(format!("{name}.{TEMPORARY}"));
    let written = write_and_rename(directory.path(), &temporary, &path, &serde_json::to_vec(content)?, durability);
    if written.is_err() {
        // It would be removed at the next start; on a full disk its space is wanted now.
        drop(fs::remove_file(&temporary));
    }
    written.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

fn write_and_rename(
    directory: &Path,
    temporary: &Path,
    path: &Path,
    content: &[u8],
    durability: Durability,
) -> io::Result<()> {
    // Made anew, never opened: commands are run as root in a directory that is another user's, where a link of that name
    // would have them write to, and give away, whatever file it leads to.
    remove_if_there(temporary)?;
    let mut file = File::create_new(temporary)?;
    give_to_owner(&file, directory)?;
    file.write_all(content)?;
    if durability == Durability::Synced {
        file.sync_all()?;
    }
    drop(file);
    fs::rename(temporary, path)?;
    if durability == Durability::Synced {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

/// The content of `name`, as `parse` understands it; none if it does not exist or cannot be used. What cannot be used is
/// moved aside and logged, so that a person can look at it, and the agent goes on with what it sees.
pub(super) fn read<T>(
    directory: &StateDirectory,
    name: &str,
    parse: impl FnOnce(&[u8]) -> serde_json::Result<T>,
) -> Option<T> {
    let path = directory.path().join(name);
    let cause = match files::read_unlinked(&path, LIMIT) {
        Ok(None) => return None,
        Ok(Some(content)) => match parse(&content) {
            Ok(content) => return Some(content),
            Err(error) => printable(&error.to_string()),
        },
        Err(error) => error.cause.to_string(),
    };
    if directory.is_read_only() {
        tracing::warn!(file = %path.display(), %cause, "a state file cannot be used");
        return None;
    }
    let aside = directory.path().join(format!("{name}.corrupt"));
    match fs::rename(&path, &aside) {
        Ok(()) => {
            tracing::warn!(file = %path.display(), %cause, kept = %aside.display(), "a state file could not be used and was moved aside");
        }
        Err(error) => {
            tracing::warn!(file = %path.display(), %cause, %error, "a state file could not be used, nor moved aside");
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    type Content = BTreeMap<String, u32>;

    fn read(directory: &StateDirectory, name: &str) -> Option<Content> {
        super::read(directory, name, |bytes| serde_json::from_slice(bytes))
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_written_is_read_and_leaves_nothing_else() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = StateDirectory::open(temporary.path()).unwrap();
        assert_eq!(read(&directory, "x.json"), None);
        for (n, durability) in [(1, Durability::Synced), (2, Durability::Cached)] {
            let content = Content::from([("a".to_owned(), n)]);
            write(&directory, "x.json", &content, durability).unwrap();
            assert_eq!(read(&directory, "x.json"), Some(content));
        }
        assert_eq!(names(temporary.path()), ["lock", "x.json"]);
    }

    #[test]
    fn what_root_makes_is_the_directory_owner_s() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let temporary = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(temporary.path(), Some(12345), Some(23456)).unwrap();
        // Left by a root that did not care, say.
        fs::write(temporary.path().join("lock"), "").unwrap();
        let directory = StateDirectory::open(temporary.path()).unwrap();
        write(&directory, "x.json", &Content::new(), Durability::Cached).unwrap();
        for name in names(temporary.path()) {
            let metadata = fs::metadata(temporary.path().join(&name)).unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), (12345, 23456), "{name}");
        }
    }

    #[test]
    fn a_torn_temporary_file_is_never_read_and_goes_at_the_next_start() {
        let temporary = tempfile::tempdir().unwrap();
        let content = Content::from([("a".to_owned(), 1)]);
        write(&StateDirectory::open(temporary.path()).unwrap(), "x.json", &content, Durability::Synced).unwrap();
        fs::write(temporary.path().join("x.json.tmp"), "{\"a\": ").unwrap();
        let directory = StateDirectory::open(temporary.path()).unwrap();
        assert_eq!(names(temporary.path()), ["lock", "x.json"]);
        assert_eq!(read(&directory, "x.json"), Some(content));
    }

    #[test]
    fn what_cannot_be_used_is_moved_aside_but_only_by_the_agent() {
        for bad in ["", "{", "[]", "{\"a\": \"x\"}", "\u{0}"] {
            let temporary = tempfile::tempdir().unwrap();
            fs::write(temporary.path().join("x.json"), bad).unwrap();
            assert_eq!(read(&StateDirectory::read_only(temporary.path()), "x.json"), None);
            assert_eq!(names(temporary.path()), ["x.json"]);
            let directory = StateDirectory::open(temporary.path()).unwrap();
            assert_eq!(read(&directory, "x.json"), None);
            assert_eq!(names(temporary.path()), ["lock", "x.json.corrupt"]);
            assert_eq!(fs::read_to_string(temporary.path().join("x.json.corrupt")).unwrap(), bad);
        }
    }

    #[test]
    fn no_link_is_followed() {
        let elsewhere = tempfile::tempdir().unwrap();
        let target = elsewhere.path().join("shadow.json");
        fs::write(&target, "{\"secret\": 1}").unwrap();
        let temporary = tempfile::tempdir().unwrap();
        let link = |name: &str| std::os::unix::fs::symlink(&target, temporary.path().join(name)).unwrap();
        link("y.json.tmp");
        let directory = StateDirectory::open(temporary.path()).unwrap();
        assert_eq!(names(temporary.path()), ["lock"], "what is left over is removed, links too");
        link("x.json");
        link("x.json.tmp");
        assert_eq!(read(&StateDirectory::read_only(temporary.path()), "x.json"), None);
        assert_eq!(read(&directory, "x.json"), None);
        write(&directory, "x.json", &Content::from([("a".to_owned(), 2)]), Durability::Cached).unwrap();
        assert_eq!(names(temporary.path()), ["lock", "x.json", "x.json.corrupt"]);
        assert_eq!(read(&directory, "x.json"), Some(Content::from([("a".to_owned(), 2)])));
        assert_eq!(fs::read_to_string(&target).unwrap(), "{\"secret\": 1}");
    }

    #[test]
    fn a_file_beyond_the_limit_is_not_read() {
        let temporary = tempfile::tempdir().unwrap();
        File::create(temporary.path().join("x.json")).unwrap().set_len(LIMIT + 1).unwrap();
        let directory = StateDirectory::open(temporary.path()).unwrap();
        assert_eq!(read(&directory, "x.json"), None);
        assert_eq!(names(temporary.path()), ["lock", "x.json.corrupt"]);
    }

    #[test]
    fn a_failed_write_leaves_the_old_content() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = StateDirectory::open(temporary.path()).unwrap();
        fs::create_dir(temporary.path().join("x.json")).unwrap();
        let error = write(&directory, "x.json", &Content::new(), Durability::Cached).unwrap_err().to_string();
        assert!(error.contains("x.json: "), "{error}");
        assert_eq!(names(temporary.path()), ["lock", "x.json"]);
        assert!(write(&StateDirectory::read_only(temporary.path()), "y", &Content::new(), Durability::Cached).is_err());
    }
}
