//! Look-ups into an observation that every unit needs, made once per decision.

use std::collections::{BTreeMap, BTreeSet};

use super::memory::Memory;
use super::observation::{Container, Image, Observation};
use crate::domain::{Base, ContainerId, ImageId};

/// The look-ups.
pub(super) struct Index<'a> {
    /// The observation itself.
    pub(super) observation: &'a Observation,
    /// The images in the repositories of each image name.
    images: BTreeMap<&'a Base, BTreeMap<&'a ImageId, &'a Image>>,
    /// The containers by name; a name is unique in the engine.
    by_name: BTreeMap<&'a str, (&'a ContainerId, &'a Container)>,
    /// The running kube containers by their label.
    labelled: BTreeMap<&'a str, Vec<(&'a ContainerId, &'a Container)>>,
    /// The containers that use each image.
    users: BTreeMap<&'a ImageId, Vec<(&'a ContainerId, &'a Container)>>,
    /// The image names that features are known by.
    named: BTreeSet<&'a Base>,
    /// The images that each unit's memory calls promoted or proven.
    proven: BTreeMap<&'a ImageId, BTreeSet<&'a Base>>,
}

impl<'a> Index<'a> {
    /// Builds the look-ups.
    pub(super) fn new(observation: &'a Observation, memory: &'a Memory) -> Self {
        let mut index = Self {
            observation,
            images: BTreeMap::new(),
            by_name: BTreeMap::new(),
            labelled: BTreeMap::new(),
            users: BTreeMap::new(),
            named: observation.image_names.values().collect(),
            proven: BTreeMap::new(),
        };
        for (id, image) in &observation.images {
            for reference in &image.references {
                index.images.entry(reference.repository.base()).or_default().insert(id, image);
            }
        }
        for (id, container) in &observation.containers {
            index.by_name.insert(&container.name, (id, container));
            index.users.entry(&container.image).or_default().push((id, container));
            if let Some(labels) = container.kubelet.as_ref().filter(|labels| labels.is_container) {
                if container.status.is_alive() {
                    index.labelled.entry(&labels.container_name).or_default().push((id, container));
                }
            }
        }
        for (base, unit) in &memory.units {
            let proven = unit.previous.iter().map(|proven| &proven.image);
            let promoted = unit.promoted.iter().chain(&unit.intention).map(|promotion| &promotion.image);
            for image in proven.chain(promoted) {
                index.proven.entry(image).or_default().insert(base);
            }
        }
        index
    }

    /// The images in the repositories of `base`.
    pub(super) fn images_of(&self, base: &Base) -> impl Iterator<Item = (&'a ImageId, &'a Image)> + use<'_, 'a> {
        self.images.get(base).into_iter().flatten().map(|(id, image)| (*id, *image))
    }

    /// The container of that name.
    pub(super) fn container_named(&self, name: &str) -> Option<(&'a ContainerId, &'a Container)> {
        self.by_name.get(name).copied()
    }

    /// The living kube containers with that label.
    pub(super) fn labelled(&self, name: &str) -> &[(&'a ContainerId, &'a Container)] {
        self.labelled.get(name).map_or(&[], Vec::as_slice)
    }

    /// The containers, running or not, that use the image.
    pub(super) fn users(&self, image: &ImageId) -> &[(&'a ContainerId, &'a Container)] {
        self.users.get(image).map_or(&[], Vec::as_slice)
    }

    /// Whether a feature is known to have this image name.
    pub(super) fn is_named(&self, base: &Base) -> bool {
        self.named.contains(base)
    }

    /// A unit other than `base` that has promoted the image once and may fall back to it.
    pub(super) fn needed_by_another(&self, image: &ImageId, base: &Base) -> Option<&'a Base> {
        self.proven.get(image).into_iter().flatten().copied().find(|other| *other != base)
    }
}
