//! The ids of images and containers: 256 bits each, which the engine writes as hex digits.
//!
//! They are kept as bits, not as text: a switch has many of them, and comparing them is what a decision does most.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::by_text::by_text;
use super::names::InvalidName;
use super::value::printable;

/// The algorithm of every image id, classic or of the containerd store (OCI image specification, "Digests").
const ALGORITHM: &str = "sha256:";

/// How many hex digits an id has.
const DIGITS: usize = 64;

/// What the digits stand for, most significant first: numbers are compared faster than bytes.
type Bits = [u64; 4];

/// An image's id (`sha256:...`), by which images are compared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageId(Bits);

/// A container's full id, 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerId(Bits);

impl ImageId {
    /// The 12 digits by which people name an image.
    #[must_use]
    pub fn short(&self) -> String {
        ContainerId(self.0).short()
    }

    /// Whether the id's digits begin with these lower-case ones.
    #[must_use]
    pub fn starts_with(&self, prefix: &str) -> bool {
        starts_with(&self.0, prefix)
    }
}

impl ContainerId {
    /// The 12 digits by which SONiC and people name a container.
    #[must_use]
    pub fn short(&self) -> String {
        format!("{self:.12}")
    }

    /// Whether the id begins with these lower-case hex digits.
    #[must_use]
    pub fn starts_with(&self, prefix: &str) -> bool {
        starts_with(&self.0, prefix)
    }

    /// The first id that can begin with these digits; none if they are no lower-case hex.
    #[must_use]
    pub fn first_with(prefix: &str) -> Option<Self> {
        let padded = prefix.bytes().chain(std::iter::repeat(b'0')).take(DIGITS.max(prefix.len()));
        parse(padded).map(Self)
    }
}

/// The digits' values, first to last.
fn digits(bits: &Bits) -> impl Iterator<Item = u8> {
    bits.iter().flat_map(|number| number.to_be_bytes()).flat_map(|byte| [byte >> 4, byte & 0xf])
}

fn starts_with(bits: &Bits, prefix: &str) -> bool {
    prefix.len() <= DIGITS && prefix.bytes().zip(digits(bits)).all(|(text, digit)| value(text) == Some(digit))
}

/// What exactly 64 lower-case hex digits stand for.
fn parse(mut text: impl Iterator<Item = u8>) -> Option<Bits> {
    let mut bits = Bits::default();
    for number in &mut bits {
        for _ in 0..DIGITS / 4 {
            *number = *number << 4 | u64::from(value(text.next()?)?);
        }
    }
    text.next().is_none().then_some(bits)
}

/// What a lower-case hex digit stands for.
fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Writes an id as text of `LENGTH` characters, which begin with `prefix`.
fn write<const LENGTH: usize>(f: &mut fmt::Formatter<'_>, prefix: &str, bits: &Bits) -> fmt::Result {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digits = digits(bits).filter_map(|digit| HEX.get(usize::from(digit)).copied());
    let mut text = [0; LENGTH];
    text.iter_mut().zip(prefix.bytes().chain(digits)).for_each(|(place, character)| *place = character);
    f.pad(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
}

impl FromStr for ImageId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bits = text.strip_prefix(ALGORITHM).and_then(|digits| parse(digits.bytes()));
        bits.map(Self).ok_or_else(|| InvalidName {
            what: "image id",
            text: printable(text),
            rule: "\"sha256:\" and 64 lower-case hex digits",
        })
    }
}

impl FromStr for ContainerId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text.bytes()).map(Self).ok_or_else(|| InvalidName {
            what: "container id",
            text: printable(text),
            rule: "64 lower-case hex digits",
        })
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write::<{ ALGORITHM.len() + DIGITS }>(f, ALGORITHM, &self.0)
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write::<DIGITS>(f, "", &self.0)
    }
}

impl fmt::Debug for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImageId({self})")
    }
}

impl fmt::Debug for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContainerId({self})")
    }
}

by_text!(ImageId, InvalidName);
by_text!(ContainerId, InvalidName);

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn ids_are_what_their_text_says() {
        let container: ContainerId = HEX.parse().unwrap();
        assert_eq!((container.to_string().as_str(), container.short().as_str()), (HEX, "0123456789ab"));
        let image: ImageId = format!("sha256:{HEX}").parse().unwrap();
        assert_eq!(image.to_string(), format!("sha256:{HEX}"));
        assert!(container < "1".repeat(64).parse().unwrap());
    }

    #[test]
    fn what_is_no_id_is_refused() {
        let (short, long) = (&HEX[1..], format!("{HEX}0"));
        for text in ["", short, &long, &HEX.to_uppercase(), &format!("sha256:{HEX}")] {
            assert!(text.parse::<ContainerId>().is_err(), "{text}");
        }
        for text in ["sha256:", &format!("sha256:{short}"), &format!("sha512:{HEX}"), HEX] {
            assert!(text.parse::<ImageId>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_id_is_found_by_its_first_digits() {
        let container: ContainerId = HEX.parse().unwrap();
        for prefix in ["", "0", "0123456789abc", HEX] {
            assert!(container.starts_with(prefix), "{prefix}");
            assert!(ContainerId::first_with(prefix).unwrap() <= container, "{prefix}");
        }
        for prefix in ["1", "0123456789ABC", "x", &format!("{HEX}0")] {
            assert!(!container.starts_with(prefix), "{prefix}");
        }
        assert_eq!(ContainerId::first_with("0123456789ABC"), None);
        assert_eq!(ContainerId::first_with(&format!("{HEX}0")), None);
    }
}
