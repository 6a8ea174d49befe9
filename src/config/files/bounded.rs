//! Reading a file of bounded size, with errors that name the file, the cause and the remedy.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::de::DeserializeOwned;

use crate::domain::printable;

/// The largest file that is read: the real ones have a few KiB.
pub const LIMIT: u64 = 1 << 20;

/// A file that exists and cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it, and what to do.
    pub cause: FileCause,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum FileCause {
    /// It cannot be opened or read.
    #[error("cannot be read: {0}{hint}", hint = hint(.0))]
    Io(io::Error),
    /// It is a directory, a pipe or a device.
    #[error("is no regular file; put one in its place")]
    NotAFile,
    /// It is larger than anything sensible.
    #[error("is larger than {0} bytes; it cannot be what it should be, restore it")]
    TooLarge(u64),
    /// Its content is not what it should be.
    #[error("is not understood: {0}; correct or remove it")]
    Content(String),
}

/// What to do about an error of the system.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "; run as root",
        io::ErrorKind::NotFound => "; create it or name another",
        _ => "",
    }
}

/// The content of `path`; none if it does not exist.
///
/// # Errors
/// If it exists and cannot be read, is no regular file, or is larger than `limit`.
pub fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, FileError> {
    read_with(path, limit, OFlags::empty())
}

/// The same of a file in a directory that another user may write to: a link there is not followed.
///
/// # Errors
/// As [`read`], and if it is a link.
pub fn read_unlinked(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, FileError> {
    read_with(path, limit, OFlags::NOFOLLOW)
}

fn read_with(path: &Path, limit: u64, more: OFlags) -> Result<Option<Vec<u8>>, FileError> {
    let failed = |cause| FileError { path: path.to_owned(), cause };
    // Without O_NONBLOCK, opening a pipe would wait for its writer for ever.
    let flags = i32::try_from((OFlags::NONBLOCK | more).bits()).unwrap_or(0);
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(FileCause::Io(error))),
    };
    let metadata = file.metadata().map_err(|error| failed(FileCause::Io(error)))?;
    if !metadata.is_file() {
        return Err(failed(FileCause::NotAFile));
    }
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content).map_err(|error| failed(FileCause::Io(error)))?;
    if u64::try_from(content.len()).is_ok_and(|length| length <= limit) {
        Ok(Some(content))
    } else {
        Err(failed(FileCause::TooLarge(limit)))
    }
}

/// The JSON in `path`, of at most [`LIMIT`] bytes; none if it does not exist.
///
/// # Errors
/// As [`read`], and if the content is no JSON of this shape.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, FileError> {
    let Some(content) = read(path, LIMIT)? else { return Ok(None) };
    serde_json::from_slice(&content)
        .map(Some)
        .map_err(|error| FileError { path: path.to_owned(), cause: FileCause::Content(printable(&error.to_string())) })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{file, garbage};
    use super::*;

    #[test]
    fn missing_is_no_error_and_garbage_is_one() {
        assert!(read_json::<Vec<u8>>(Path::new("/nonexistent/x")).unwrap().is_none());
        for content in garbage() {
            let (_directory, path) = file(&content);
            let error = read_json::<std::collections::BTreeMap<String, String>>(&path).unwrap_err().to_string();
            assert!(error.starts_with(path.to_str().unwrap()), "{error}");
        }
    }

    #[test]
    fn an_error_quotes_no_more_than_a_line_of_a_log_can_bear() {
        let (_directory, path) = file(format!("\"{}\"", "x\\u001b".repeat(1000)).as_bytes());
        let error = read_json::<Vec<u8>>(&path).unwrap_err().to_string();
        assert!(error.len() < 400 && !error.contains('\u{1b}'), "{error}");
    }

    #[test]
    fn a_file_of_the_limit_is_read_and_one_byte_more_is_not() {
        let (_directory, path) = file(b"12345");
        assert_eq!(read(&path, 5).unwrap().unwrap(), b"12345");
        assert!(matches!(read(&path, 4).unwrap_err().cause, FileCause::TooLarge(4)));
    }

    #[test]
    fn what_is_no_regular_file_is_refused_without_waiting() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(read(directory.path(), 5).unwrap_err().cause, FileCause::NotAFile | FileCause::Io(_)));
        let pipe = directory.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(matches!(read(&pipe, 5).unwrap_err().cause, FileCause::NotAFile));
    }
}
