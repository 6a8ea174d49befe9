//! What is on the engine, and what of it is to be read again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::decide::{Container, Image};
use crate::domain::{ContainerId, ImageId};

/// Every image and container of the engine at one moment. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// The images on the disk.
    pub images: Arc<BTreeMap<ImageId, Image>>,
    /// The containers, running or not.
    pub containers: Arc<BTreeMap<ContainerId, Container>>,
}

/// What is to be read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dirty {
    /// The list of containers.
    pub containers: bool,
    /// The list of images.
    pub images: bool,
    /// The details of these containers.
    pub details: BTreeSet<ContainerId>,
    /// The details of all containers.
    pub all_details: bool,
    /// Containers that have ended, though the list may not say so yet.
    pub ended: BTreeSet<ContainerId>,
}

impl Dirty {
    /// Nothing: only what has become interesting is read.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Both lists and the details of every interesting container. What an image id stands for never changes, so what
    /// is known of images stays known.
    #[must_use]
    pub fn everything() -> Self {
        Self { containers: true, images: true, all_details: true, ..Self::default() }
    }

    /// Whether there is nothing to read.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what is dirty in `other`.
    pub fn merge(&mut self, other: Self) {
        self.containers |= other.containers;
        self.images |= other.images;
        self.details.extend(other.details);
        self.ended.extend(other.ended);
        self.all_details |= other.all_details;
    }
}
