//! Ages in whole seconds, the only form in which time reaches a decision.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How long ago something was, in whole seconds, rounded down.
///
/// It saturates at [`Age::MAX`], the longest wait that any policy can ask for: what is older is simply old, so that
/// decisions over ages have finitely many cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Age(u32);

impl Age {
    /// No time has passed.
    pub const ZERO: Self = Self(0);
    /// As old as the rules distinguish: a day, the upper bound of `stable_time`.
    pub const MAX: Self = Self(86_400);

    /// An age of so many seconds.
    #[must_use]
    pub fn from_seconds(seconds: u64) -> Self {
        u32::try_from(seconds).map_or(Self::MAX, |seconds| Self(seconds.min(Self::MAX.0)))
    }

    /// The age in seconds.
    #[must_use]
    pub fn seconds(self) -> u32 {
        self.0
    }

    /// The sum of two ages.
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self::from_seconds(u64::from(self.0) + u64::from(other.0))
    }

    /// What is missing until this age reaches `target`; zero when it has.
    #[must_use]
    pub fn until(self, target: Self) -> Self {
        Self(target.0.saturating_sub(self.0))
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_saturate_at_a_day() {
        assert_eq!(Age::from_seconds(u64::MAX), Age::MAX);
        assert_eq!(Age::MAX.saturating_add(Age::MAX), Age::MAX);
        assert_eq!(Age::MAX.until(Age::from_seconds(600)), Age::ZERO);
        assert_eq!(Age::from_seconds(599).until(Age::from_seconds(600)).seconds(), 1);
    }
}
