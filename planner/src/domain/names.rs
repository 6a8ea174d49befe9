//! Names and ids, each a type of its own, valid by construction.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::by_text::by_text;
use super::value::printable;

/// A text that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a valid {what}: {rule}")]
pub struct InvalidName {
    /// What was expected.
    pub(super) what: &'static str,
    /// The offending text, printable and short.
    pub(super) text: String,
    /// What a valid one looks like.
    pub(super) rule: &'static str,
}

impl InvalidName {
    /// What a valid one looks like.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        self.rule
    }
}

/// Declares a name: a shared, immutable, validated string.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidName { what: $what, text: printable(text), rule: $rule })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        by_text!($name, InvalidName);
    };
}

name!(
    /// A SONiC feature: the key of a `FEATURE` row, the name of its systemd service and of its local container.
    ///
    /// The container name grammar of Docker (`[a-zA-Z0-9][a-zA-Z0-9_.-]+`), at most 64 characters.
    Feature,
    "feature name",
    "letters, digits, '_', '.' and '-', starting with a letter or digit, at most 64 characters",
    |text| is_word(text, 64, |first| first.is_ascii_alphanumeric())
);

name!(
    /// A version: an image's tag or its `IMAGE_VERSION`, in the tag grammar of the distribution project
    /// (`[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`). Case matters.
    Version,
    "version",
    "letters, digits, '_', '.' and '-', starting with a letter, digit or '_', at most 128 characters",
    |text| is_word(text, 128, |first| first.is_ascii_alphanumeric() || first == b'_')
);

name!(
    /// The last path component of a feature's repositories (`docker-sonic-telemetry`), and so the name of the
    /// local repository. A path component of the distribution project's grammar.
    Base,
    "image name",
    "lower-case letters and digits, separated by '.', '_', '__' or '-', at most 128 characters",
    |text| text.len() <= 128 && is_path_component(text)
);

name!(
    /// When the engine says that a container was last started. Compared for equality only: the same container
    /// with the same start has run without interruption.
    StartedAt,
    "start time",
    "an RFC 3339 time of at most 64 printable characters",
    |text| !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic())
);

impl Version {
    /// The tag that systemd starts a feature's local container from.
    pub const LATEST: &'static str = "latest";

    /// Whether this is the tag `latest`, which is never cleaned up.
    #[must_use]
    pub fn is_latest(&self) -> bool {
        self.as_str() == Self::LATEST
    }
}

/// `text` is made of `[A-Za-z0-9_.-]`, begins as `first` demands, and has at most `most` characters.
fn is_word(text: &str, most: usize, first: fn(u8) -> bool) -> bool {
    text.len() <= most
        && text.bytes().next().is_some_and(first)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

/// A digit of an id.
pub(super) fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// A Redis namespace: the host, or one ASIC of a multi-ASIC switch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Namespace {
    /// The host, whose name in SONiC is the empty string.
    #[default]
    Host,
    /// `asic0`, `asic1`, ...
    Asic(u16),
}

impl FromStr for Namespace {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = || text.strip_prefix("asic").filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
        match text {
            "" => Ok(Self::Host),
            _ => number().and_then(|digits| digits.parse().ok()).map(Self::Asic).ok_or_else(|| InvalidName {
                what: "namespace",
                text: printable(text),
                rule: "\"asic\" and a number, or empty for the host",
            }),
        }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => Ok(()),
            Self::Asic(number) => write!(f, "asic{number}"),
        }
    }
}

by_text!(Namespace, InvalidName);

/// One instance of a feature: on the host, or one per ASIC (`bgp` in `asic0`, run as container `bgp0`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Instance {
    /// The feature, as `FEATURE` rows name it.
    pub feature: Feature,
    /// Where it runs.
    pub namespace: Namespace,
}

impl Instance {
    /// The name of the instance's local container, which is also how people name the instance: the feature's name,
    /// followed by the ASIC's number.
    #[must_use]
    pub fn container_name(&self) -> String {
        match self.namespace {
            Namespace::Host => self.feature.as_str().to_owned(),
            Namespace::Asic(number) => format!("{}{number}", self.feature),
        }
    }

    /// Whether a person who says `name` means this instance: by its feature's name, or by its own.
    #[must_use]
    pub fn answers_to(&self, name: &Feature) -> bool {
        self.feature == *name || self.container_name() == name.as_str()
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.container_name())
    }
}

/// `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`
pub(super) fn is_path_component(text: &str) -> bool {
    let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends_well = |byte: Option<u8>| byte.is_some_and(is_alphanumeric);
    ends_well(text.bytes().next())
        && ends_well(text.bytes().last())
        && text.bytes().all(|byte| is_alphanumeric(byte) || matches!(byte, b'.' | b'_' | b'-'))
        && text
            .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            .all(|separator| matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_feature_names_and_versions_are_refused() {
        for text in ["", "a b", "-v", "$(reboot)", "x;y", "a/b", "a\nb", "é", &"x".repeat(65)] {
            assert!(text.parse::<Feature>().is_err(), "{text:?}");
        }
        for text in ["", ".1", "-1", "1:2", "a b", "1\0", "../x", &"1".repeat(129)] {
            assert!(text.parse::<Version>().is_err(), "{text:?}");
        }
        assert_eq!("20240510.RC1".parse::<Version>().unwrap().as_str(), "20240510.RC1");
        let error = "x;\nreboot".parse::<Feature>().unwrap_err().to_string();
        assert!(error.starts_with("\"x;\\nreboot\" is not a valid feature name: letters"), "{error}");
    }

    #[test]
    fn namespaces_and_the_container_names_of_their_instances() {
        let bgp = "bgp".parse::<Feature>().unwrap();
        let asic1 = "asic1".parse::<Namespace>().unwrap();
        assert_eq!(Instance { feature: bgp.clone(), namespace: asic1 }.container_name(), "bgp1");
        assert_eq!(Instance { feature: bgp, namespace: "".parse().unwrap() }.container_name(), "bgp");
        for text in ["asic", "asic-1", "asic+1", "asic70000", "host"] {
            assert!(text.parse::<Namespace>().is_err(), "{text}");
        }
    }
}
