//! Small builders that read like sentences: a switch in a line, for the tests of the decision and for the model.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "what a test names is there")]

mod engine;
mod image;
mod rows;
mod switch;
mod text;

pub use engine::Refusal;
pub use image::{Described, REGISTRY, kube, local};
pub use rows::Shape;
pub use switch::Switch;
pub use text::{Labels, plan_text, report_text};

use crate::domain::{Base, ContainerId, Feature, ImageId, Instance, Namespace, Reference, Version};

/// 64 hex digits that depend on `text` only.
fn digits(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}").repeat(4)
}

/// The id of the image that tests call `label`.
pub fn image_id(label: &str) -> ImageId {
    format!("sha256:{}", digits(label)).parse().unwrap()
}

/// The id of the container that tests call `label`.
pub fn container_id(label: &str) -> ContainerId {
    digits(label).parse().unwrap()
}

/// A feature.
pub fn feature(name: &str) -> Feature {
    name.parse().unwrap()
}

/// An image name.
pub fn base(name: &str) -> Base {
    name.parse().unwrap()
}

/// A version.
pub fn version(text: &str) -> Version {
    text.parse().unwrap()
}

/// A reference.
pub fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

/// The instance of a feature on a switch with one ASIC.
pub fn on_host(name: &str) -> Instance {
    Instance { feature: feature(name), namespace: Namespace::Host }
}

/// The instance of a feature on one ASIC.
pub fn on_asic(name: &str, number: u16) -> Instance {
    Instance { feature: feature(name), namespace: Namespace::Asic(number) }
}
