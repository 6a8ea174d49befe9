//! The fields of a policy row, and what each may hold.

use std::fmt;
use std::ops::RangeInclusive;

use strum::{Display, EnumString};

use crate::domain::{Age, InvalidName, Version};
use crate::planner::FeaturePolicy;

/// A field of a policy row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Display, EnumString)]
#[strum(serialize_all = "snake_case", parse_err_ty = Refused, parse_err_fn = no_field)]
pub(super) enum Field {
    State,
    StableTime,
    KeepVersions,
    Cleanup,
    Pin,
}

/// The range of `stable_time`, in seconds.
const STABLE_TIME: RangeInclusive<u32> = 0..=86_400;
/// The range of `keep_versions`.
const KEEP_VERSIONS: RangeInclusive<u32> = 2..=10;

/// Why a field or its value is refused: what is allowed instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// There is no such field.
    #[error("no such field; the fields are state, stable_time, keep_versions, cleanup and, of a feature, pin")]
    NoField,
    /// It turns something on or off.
    #[error("it must be enabled or disabled")]
    NoSwitch,
    /// It is a number.
    #[error("it must be {}..{}", .0.start(), .0.end())]
    NoNumber(RangeInclusive<u32>),
    /// It is a version.
    #[error("it must be {}", .0.rule())]
    NoVersion(InvalidName),
    /// It names no version, but whichever image was promoted last.
    #[error("it must be a version other than latest, which always stays")]
    Latest,
    /// `pin` for all features.
    #[error("a version is pinned in CONTAINER_IMAGE_FEATURE|<feature>")]
    PinForAll,
}

fn no_field(_: &str) -> Refused {
    Refused::NoField
}

impl Field {
    /// The setting in `text`.
    ///
    /// # Errors
    /// What is allowed instead.
    pub(super) fn parse(self, text: &str) -> Result<Setting, Refused> {
        match self {
            Self::State | Self::Cleanup => match text {
                _ if text.eq_ignore_ascii_case("enabled") => Ok(Setting::Enabled(true)),
                _ if text.eq_ignore_ascii_case("disabled") => Ok(Setting::Enabled(false)),
                _ => Err(Refused::NoSwitch),
            },
            Self::StableTime => number(text, STABLE_TIME).map(Setting::Number),
            Self::KeepVersions => number(text, KEEP_VERSIONS).map(Setting::Number),
            Self::Pin => match text.parse::<Version>() {
                Ok(version) if version.is_latest() => Err(Refused::Latest),
                Ok(version) => Ok(Setting::Version(version)),
                Err(error) => Err(Refused::NoVersion(error)),
            },
        }
    }
}

/// A number in digits only, within `range`.
fn number(text: &str, range: RangeInclusive<u32>) -> Result<u32, Refused> {
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok()).flatten();
    number.filter(|number| range.contains(number)).ok_or(Refused::NoNumber(range))
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    Enabled(bool),
    Number(u32),
    Version(Version),
}

impl Setting {
    /// Makes `policy` what this setting of `field` asks for.
    pub(super) fn apply(&self, field: Field, policy: &mut FeaturePolicy) {
        match (field, self) {
            (Field::State, Self::Enabled(enabled)) => policy.enabled = *enabled,
            (Field::Cleanup, Self::Enabled(enabled)) => policy.cleanup = *enabled,
            (Field::StableTime, Self::Number(seconds)) => policy.stable_time = Age::from_seconds(u64::from(*seconds)),
            (Field::KeepVersions, Self::Number(count)) => {
                policy.keep_versions = u8::try_from(*count).unwrap_or(FeaturePolicy::KEEP_VERSIONS);
            }
            (Field::Pin, Self::Version(version)) => {
                policy.pin.insert(version.clone());
            }
            // `Field::parse` makes no other pairs.
            _ => {}
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enabled(true) => f.write_str("enabled"),
            Self::Enabled(false) => f.write_str("disabled"),
            Self::Number(number) => number.fmt(f),
            Self::Version(version) => version.fmt(f),
        }
    }
}
