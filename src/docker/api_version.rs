//! Which version of its API is spoken with an engine.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

/// The newest version whose answers this agent was written for (engine 29).
pub(super) const NEWEST: ApiVersion = ApiVersion { major: 1, minor: 53 };

/// An API version, `1.41` with an engine 20.10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ApiVersion {
    /// What comes before the dot.
    major: u16,
    /// What comes after it.
    minor: u16,
}

impl ApiVersion {
    /// Reads `1.41`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once('.')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The API version to speak: major in the upper, minor in the lower half; zero before the first contact.
#[derive(Debug, Default)]
pub(super) struct Negotiated(AtomicU32);

impl Negotiated {
    /// The version to speak, if it was negotiated.
    pub(super) fn get(&self) -> Option<ApiVersion> {
        let packed = self.0.load(Ordering::Relaxed);
        let half = |bits: u32| u16::try_from(bits & 0xffff).unwrap_or_default();
        (packed != 0).then(|| ApiVersion { major: half(packed >> 16), minor: half(packed) })
    }

    /// Speaks the engine's newest version, or [`NEWEST`] where that is older: what the engine would answer in a newer one
    /// might mean something else. An engine that does not say is spoken to in that one.
    pub(super) fn settle(&self, newest: Option<ApiVersion>) -> ApiVersion {
        let spoken = newest.map_or(NEWEST, |newest| newest.min(NEWEST));
        self.0.store(u32::from(spoken.major) << 16 | u32::from(spoken.minor), Ordering::Relaxed);
        spoken
    }

    /// Whatever answers next may be another engine.
    pub(super) fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared_as_numbers() {
        assert_eq!(ApiVersion::parse("1.41"), Some(ApiVersion { major: 1, minor: 41 }));
        assert!(ApiVersion::parse(" 1.5") < ApiVersion::parse("1.41"));
        for text in ["", "1", "new", "1.x", "1.41.2"] {
            assert_eq!(ApiVersion::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_both_understand_is_spoken() {
        let negotiated = Negotiated::default();
        assert_eq!(negotiated.get(), None);
        for (engine, spoken) in [("1.24", "1.24"), ("9.99", "1.53")] {
            negotiated.settle(ApiVersion::parse(engine));
            assert_eq!(negotiated.get().map(|api| api.to_string()).as_deref(), Some(spoken));
        }
        negotiated.settle(None);
        assert_eq!(negotiated.get(), Some(NEWEST));
        negotiated.forget();
        assert_eq!(negotiated.get(), None);
    }
}
