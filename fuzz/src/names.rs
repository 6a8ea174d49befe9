//! Names, ids and image references.

use std::fmt::Display;
use std::str::FromStr;

use imgmgrd::domain::{Base, ContainerId, Feature, ImageId, Namespace, Reference, StartedAt, Version};

use crate::grammar;
use crate::said::{NAMED, assert_said};

/// Image references: `Reference` takes what Docker takes, and means what Docker means.
///
/// # Panics
/// If it does not.
pub fn reference(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let expected = grammar::familiar(text).filter(|_| is_within_limits(text));
    match text.parse::<Reference>() {
        Ok(reference) => {
            let shown = reference.to_string();
            assert_eq!(Some(&shown), expected.as_ref(), "of {text:?}");
            assert_eq!(shown.parse().as_ref(), Ok(&reference), "what is written is read as the same");
        }
        Err(error) => {
            assert_said(&error.to_string(), NAMED);
            assert_eq!(None, expected, "{error}");
        }
    }
}

/// Where `Reference` takes less than Docker, which knows no bounds there or others.
fn is_within_limits(text: &str) -> bool {
    let (named, digest) = text.split_once('@').unwrap_or((text, ""));
    let last = named.rsplit('/').next().unwrap_or(named);
    let base = last.split(':').next().unwrap_or(last);
    let name = named.len() - (last.len() - base.len());
    text.len() <= 600 && name <= 255 && base.len() <= 128 && digest.split(':').nth(1).is_none_or(|hex| hex.len() <= 256)
}

/// Everything else that has a name: each is written as it was read.
///
/// # Panics
/// If one is not.
pub fn names(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    is_itself::<Feature>(&text);
    is_itself::<Version>(&text);
    is_itself::<Base>(&text);
    is_itself::<StartedAt>(&text);
    is_itself::<ImageId>(&text);
    is_itself::<ContainerId>(&text);
    // A number has several spellings: asic007 is asic7.
    match text.parse::<Namespace>() {
        Ok(namespace) => assert_eq!(namespace.to_string().parse(), Ok(namespace)),
        Err(error) => assert_said(&error.to_string(), NAMED),
    }
    if let Some(first) = ContainerId::first_with(&text) {
        assert!(first.starts_with(&text), "{first} begins with {text:?}");
    }
}

fn is_itself<T: FromStr<Err: Display> + Display>(text: &str) {
    match text.parse::<T>() {
        Ok(name) => assert_eq!(name.to_string(), text),
        Err(error) => assert_said(&error.to_string(), NAMED),
    }
}
