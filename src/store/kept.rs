//! What of a file this program does not understand: another version has written it, and it is kept as it is.
//!
//! A field that is unknown, or holds what is not understood, goes on holding for the version that wrote it. It is written
//! back until this program has something else to write there.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

/// An object, each field as it was read.
pub(super) type Object = BTreeMap<String, Box<RawValue>>;

/// The version of all files' format. What a field means never changes under it; fields may come and go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub(super) struct Format;

impl Format {
    const VERSION: u32 = 1;
}

impl From<Format> for u32 {
    fn from(_: Format) -> Self {
        Format::VERSION
    }
}

impl TryFrom<u32> for Format {
    type Error = String;

    fn try_from(version: u32) -> Result<Self, Self::Error> {
        if version == Self::VERSION { Ok(Self) } else { Err(format!("its format is {version}, this program knows 1")) }
    }
}

/// A value's fields.
pub(super) fn object<T: Serialize>(value: &T) -> serde_json::Result<Object> {
    serde_json::from_str(to_raw_value(value)?.get())
}

/// Takes a field out of an object.
///
/// # Errors
/// If it is not there, or not of this type.
pub(super) fn take<T: DeserializeOwned>(object: &mut Object, field: &'static str) -> Result<T, serde_json::Error> {
    let raw = object.remove(field);
    serde_json::from_str(raw.as_ref().map_or("null", |raw| raw.get()))
}

/// What of an object is to be written back.
#[derive(Debug, Default)]
pub(super) struct Kept(BTreeMap<String, Field>);

/// A field that was read otherwise than it would be written.
#[derive(Debug)]
struct Field {
    read: Box<RawValue>,
    /// How it would be written; none if it is unknown.
    understood: Option<String>,
}

impl Kept {
    /// What of an object that was read is not in what was understood of it.
    pub(super) fn of(read: Object, understood: &Object) -> Self {
        let text = |field: &String| understood.get(field).map(|raw| raw.get().to_owned());
        let fields = read.into_iter().map(|(field, read)| {
            let understood = text(&field);
            (field, Field { read, understood })
        });
        Self(fields.filter(|(_, field)| field.understood.as_deref() != Some(field.read.get())).collect())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes back what is still as it was understood.
    pub(super) fn put_back(&self, object: &mut Object) {
        for (name, Field { read, understood }) in &self.0 {
            if object.get(name).map(|raw| raw.get()) == understood.as_deref() {
                object.insert(name.clone(), read.clone());
            }
        }
    }
}

/// A list of keys and values, as it was read.
pub(super) type Pairs = Vec<(Box<RawValue>, Box<RawValue>)>;

/// What of a file's entries is to be written back.
#[derive(Debug)]
pub(super) struct KeptEntries<K> {
    /// Those that are not understood.
    strange: Pairs,
    /// Of the others.
    kept: BTreeMap<K, Kept>,
}

impl<K> Default for KeptEntries<K> {
    fn default() -> Self {
        Self { strange: Vec::new(), kept: BTreeMap::new() }
    }
}

impl<K: Clone + Ord + fmt::Display + Serialize + DeserializeOwned> KeptEntries<K> {
    /// Reads each entry by itself. One that is not understood hides no other: it is noted, and kept.
    pub(super) fn read<T: Default + Serialize + DeserializeOwned>(
        pairs: Pairs,
        problems: &mut Problems,
    ) -> serde_json::Result<(Self, BTreeMap<K, T>)> {
        let mut entries = Self::default();
        let mut known = BTreeMap::new();
        for (raw_key, raw) in pairs {
            let understood = || -> Result<(K, T, Object), (String, serde_json::Error)> {
                let key = serde_json::from_str::<K>(raw_key.get()).map_err(|error| (raw_key.to_string(), error))?;
                let of_key = |error| (key.to_string(), error);
                let value = serde_json::from_str::<T>(raw.get()).map_err(of_key)?;
                let read = serde_json::from_str::<Object>(raw.get()).map_err(of_key)?;
                Ok((key, value, read))
            };
            match understood() {
                Ok((key, value, read)) => {
                    let kept = Kept::of(read, &object(&value)?);
                    if !kept.is_empty() {
                        entries.kept.insert(key.clone(), kept);
                    }
                    known.insert(key, value);
                }
                Err((key, error)) => {
                    problems.add(&key, &error);
                    entries.strange.push((raw_key, raw));
                }
            }
        }
        Ok((entries, known))
    }

    /// What is known and what is kept, together. What is known of a strange entry's key takes its place.
    pub(super) fn write<T: Default + Serialize>(&self, known: &BTreeMap<K, T>) -> serde_json::Result<Pairs> {
        let mut pairs = Pairs::with_capacity(known.len());
        for (key, value) in known.iter().filter(|(key, _)| !self.kept.contains_key(*key)) {
            pairs.push((to_raw_value(key)?, to_raw_value(value)?));
        }
        for (key, kept) in &self.kept {
            let mut object = match known.get(key) {
                Some(value) => object(value)?,
                None => object(&T::default())?,
            };
            kept.put_back(&mut object);
            pairs.push((to_raw_value(key)?, to_raw_value(&object)?));
        }
        let is_replaced =
            |key: &RawValue| serde_json::from_str::<K>(key.get()).is_ok_and(|key| known.contains_key(&key));
        pairs.extend(self.strange.iter().filter(|(key, _)| !is_replaced(key)).cloned());
        Ok(pairs)
    }
}

/// The pairs of an object.
pub(super) fn pairs(object: Object) -> serde_json::Result<Pairs> {
    object.into_iter().map(|(key, value)| Ok((to_raw_value(&key)?, value))).collect()
}

/// Pairs whose keys are texts, as an object.
pub(super) fn unpaired(pairs: Pairs) -> serde_json::Result<Object> {
    pairs.into_iter().map(|(key, value)| Ok((serde_json::from_str(key.get())?, value))).collect()
}

/// The entries of a file that were not understood, to be said once.
#[derive(Debug, Default)]
pub(super) struct Problems {
    first: Option<String>,
    count: usize,
}

impl Problems {
    pub(super) fn add(&mut self, key: &dyn fmt::Display, error: &serde_json::Error) {
        self.count += 1;
        self.first.get_or_insert_with(|| crate::domain::printable(&format!("{key}: {error}")));
    }

    /// Says so, if there are any.
    pub(super) fn log(&self, file: &str) {
        if let Some(first) = &self.first {
            let count = self.count;
            tracing::warn!(
                file,
                count,
                cause = %first,
                "what a state file says is not understood in places: it is kept, and does not hold here"
            );
        }
    }
}
