//! The files on the switch that others write and the agent only reads.
//!
//! None of them is needed: a file that is missing, broken or hostile leaves the agent with less knowledge and a reason,
//! never with an error that ends it.

mod bounded;
mod image_names;
mod packages;
mod remote_ctr_config;

use std::path::Path;

pub use bounded::{FileError, LIMIT, read, read_json, read_unlinked};
pub use image_names::read_image_names;
pub use packages::read_packages;
pub use remote_ctr_config::{RemoteCtrConfig, read_remote_ctr_config};

use serde_json::{Map, Value};

use crate::domain::printable;

/// What was read of a file, and what is to be said about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded<T> {
    /// What holds now.
    pub value: T,
    /// Why the file contributed nothing, if so.
    pub absence: Option<Absence>,
    /// One line for each entry that was refused; the rest of the file holds.
    pub refused: Vec<String>,
}

/// Why a file contributed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absence {
    /// It does not exist, which is nothing unusual.
    Missing(String),
    /// It exists and cannot be read or understood: what it would say is not known.
    Unreadable(String),
}

impl<T: Default> Loaded<T> {
    /// Reads the JSON object in `path`; `take` makes the value of it and notes the entries that it refuses.
    fn from_object(path: &Path, take: impl FnOnce(Map<String, Value>, &mut Refusals<'_>) -> T) -> Self {
        match read_json::<Map<String, Value>>(path) {
            Ok(Some(object)) => {
                let mut refusals = Refusals { path, lines: Vec::new(), more: 0 };
                let value = take(object, &mut refusals);
                Self { value, absence: None, refused: refusals.finish() }
            }
            Ok(None) => Self {
                absence: Some(Absence::Missing(format!("{} does not exist", path.display()))),
                ..Self::default()
            },
            Err(error) => Self { absence: Some(Absence::Unreadable(error.to_string())), ..Self::default() },
        }
    }
}

impl<T> Loaded<T> {
    /// Whether the file is there and what it says is not known.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        matches!(self.absence, Some(Absence::Unreadable(_)))
    }

    /// Logs a line for each problem that was not there `before`, so that reading a file again repeats nothing.
    pub fn log(&self, before: Option<&Self>) {
        if let Some(Absence::Unreadable(reason)) = &self.absence {
            if before.and_then(|before| before.absence.as_ref()) != self.absence.as_ref() {
                tracing::warn!("{reason}");
            }
        }
        for line in &self.refused {
            if !before.is_some_and(|before| before.refused.contains(line)) {
                tracing::warn!("{line}");
            }
        }
    }
}

/// Collects the entries of a file that are refused: each is named, up to a number that a log can bear.
struct Refusals<'a> {
    path: &'a Path,
    lines: Vec<String>,
    more: usize,
}

impl Refusals<'_> {
    const MOST: usize = 32;

    fn add(&mut self, key: &str, problem: &str, consequence: &str) {
        if self.lines.len() < Self::MOST {
            let line = format!("{}: \"{}\": {problem}; {consequence}", self.path.display(), printable(key));
            self.lines.push(line);
        } else {
            self.more += 1;
        }
    }

    fn finish(mut self) -> Vec<String> {
        if self.more > 0 {
            self.lines.push(format!("{}: {} more entries are refused", self.path.display(), self.more));
        }
        self.lines
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    /// A file with this content in a directory of its own.
    pub(super) fn file(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.json");
        std::fs::write(&path, content).unwrap();
        (directory, path)
    }

    /// Contents that are no JSON object of anything sensible.
    pub(super) fn garbage() -> Vec<Vec<u8>> {
        vec![
            Vec::new(),
            b"{".to_vec(),
            b"[]".to_vec(),
            b"null".to_vec(),
            b"\xff\xfe\0".to_vec(),
            b"[".repeat(100_000),
            br#"{"a":"#.repeat(1000),
            vec![b' '; 2 << 20],
        ]
    }
}
