//! `versions.json`: `IMAGE_VERSION` of the images on the disk, so that a start need not inspect them again.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;

use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;

use super::file::{self, Durability};
use super::kept::{Format, Object, take};
use super::memory::Store;
use crate::domain::{ImageId, Refused, Value, Version};

const VERSIONS: &str = "versions.json";

/// A version as it is written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Written {
    /// The image has none.
    Absent,
    /// It has this.
    Is(Version),
    /// It has one that is not valid.
    Invalid(Refused),
}

impl Store {
    /// `IMAGE_VERSION` of images by their ids, as last remembered. An id names the same content for ever, so these hold as
    /// long as the image is there, also after a reboot.
    #[must_use]
    pub fn versions(&self) -> BTreeMap<ImageId, Value<Version>> {
        let parse = |bytes: &[u8]| {
            let mut file: Object = serde_json::from_slice(bytes)?;
            let _: Format = take(&mut file, "format")?;
            take::<Object>(&mut file, "versions")
        };
        let versions = file::read(&self.directory, VERSIONS, parse).unwrap_or_default();
        // It is a cache: what is not understood is inspected again.
        let known = versions.into_iter().filter_map(|(image, version)| {
            let version = match serde_json::from_str(version.get()).ok()? {
                Written::Absent => Value::Absent,
                Written::Is(version) => Value::Is(version),
                Written::Invalid(refused) => Value::Invalid(refused),
            };
            Some((image.parse().ok()?, version))
        });
        known.collect()
    }

    /// Remembers these, and forgets all others: `versions` are those of the images on the disk. Written, but not synced, if
    /// they changed. Whether they did.
    ///
    /// # Errors
    /// If `versions.json` cannot be written, which costs inspections at the next start; the next call tries again.
    pub fn remember_versions(&mut self, versions: &BTreeMap<ImageId, Value<Version>>) -> io::Result<bool> {
        self.hold()?;
        let fingerprint = fingerprint(versions);
        if self.versions.is_none() {
            self.versions = Some(self::fingerprint(&self.versions()));
        }
        if self.versions == Some(fingerprint) {
            return Ok(false);
        }
        let written = versions.iter().map(|(image, version)| {
            let version = match version {
                Value::Absent => Written::Absent,
                Value::Is(version) => Written::Is(version.clone()),
                Value::Invalid(refused) => Written::Invalid(refused.clone()),
            };
            (image, version)
        });
        let written: BTreeMap<&ImageId, Written> = written.collect();
        let content = Object::from([
            ("format".to_owned(), to_raw_value(&Format)?),
            ("versions".to_owned(), to_raw_value(&written)?),
        ]);
        file::write(&self.directory, VERSIONS, &content, Durability::Cached)?;
        self.versions = Some(fingerprint);
        Ok(true)
    }
}

fn fingerprint(versions: &BTreeMap<ImageId, Value<Version>>) -> u64 {
    let mut hasher = DefaultHasher::new();
    versions.hash(&mut hasher);
    hasher.finish()
}
