//! Files for code that reads files.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A folder of its own, in memory where there is such a place: `make fuzz` writes thousands of files a second.
#[derive(Debug)]
pub(crate) struct Scratch(TempDir);

impl Scratch {
    pub(crate) fn new() -> Self {
        let place = Path::new("/dev/shm");
        let folder = if place.is_dir() { tempfile::tempdir_in(place) } else { tempfile::tempdir() };
        Self(folder.expect("a temporary folder can be made"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// A file with this content.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, content).expect("a file can be written");
        path
    }

    /// A text about the file, without the folder's name, whose length is the machine's.
    pub(crate) fn without_folder(&self, text: &str) -> String {
        text.replace(&*self.path().to_string_lossy(), "")
    }
}
