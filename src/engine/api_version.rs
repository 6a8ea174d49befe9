//! Which version of its API is spoken with an engine.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use bollard::API_DEFAULT_VERSION;

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

    /// The newest that the client library understands.
    fn of_library() -> Self {
        let half = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        Self { major: half(API_DEFAULT_VERSION.major_version), minor: half(API_DEFAULT_VERSION.minor_version) }
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

    /// Speaks the engine's newest version, or the client library's where that is older: what the engine would answer in
    /// a newer one, the library might not understand. An engine that does not say is spoken to in the library's.
    pub(super) fn settle(&self, newest: Option<ApiVersion>) {
        let library = ApiVersion::of_library();
        let spoken = newest.map_or(library, |newest| newest.min(library));
        self.0.store(u32::from(spoken.major) << 16 | u32::from(spoken.minor), Ordering::Relaxed);
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
        let library = ApiVersion::of_library();
        for (engine, spoken) in [("1.24", "1.24"), ("9.99", &*library.to_string())] {
            negotiated.settle(ApiVersion::parse(engine));
            assert_eq!(negotiated.get().map(|api| api.to_string()).as_deref(), Some(spoken));
        }
        negotiated.settle(None);
        assert_eq!(negotiated.get(), Some(library));
        negotiated.forget();
        assert_eq!(negotiated.get(), None);
    }
}
