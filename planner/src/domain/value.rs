//! A field of a row: absent, valid, or refused.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A value that is not a valid name, reference, word or number, kept only to be shown in a reason.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Refused(String);

impl Refused {
    /// Keeps what is needed to recognise `text`: printable, and short.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(printable(text))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `text` with control and other unprintable characters escaped, cut to a length that suits a log line.
#[must_use]
pub fn printable(text: &str) -> String {
    const MOST: usize = 80;
    let mut shown: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push_str("...");
    }
    shown
}

/// One field of a row as it was read.
///
/// An empty string counts as absent: SONiC's scripts clear a field by writing the empty string.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value<T> {
    /// The field is missing or empty.
    #[default]
    Absent,
    /// The field holds this.
    Is(T),
    /// The field holds something that is not valid.
    Invalid(Refused),
}

impl<T: FromStr> Value<T> {
    /// Reads a field.
    #[must_use]
    pub fn read(text: Option<&str>) -> Self {
        match text {
            None | Some("") => Self::Absent,
            Some(text) => text.parse().map_or_else(|_| Self::Invalid(Refused::new(text)), Self::Is),
        }
    }
}

impl<T> Value<T> {
    /// The value, if it is there and valid.
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            Self::Absent | Self::Invalid(_) => None,
        }
    }

    /// Whether the field is there and valid and equals `other`.
    #[must_use]
    pub fn is(&self, other: &T) -> bool
    where
        T: PartialEq,
    {
        self.get() == Some(other)
    }

    /// Whether the field is missing or empty.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl<T: Clone> Value<T> {
    /// This field, or where it is absent the same field of another row.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        if self.is_absent() { other.clone() } else { self.clone() }
    }
}
