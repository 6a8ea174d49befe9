//! The unit's references and who uses its images, as they will be when the steps planned so far are done.

use std::collections::{BTreeMap, BTreeSet};

use super::index::Index;
use super::memory::UnitMemory;
use super::observation::Image;
use super::plan::Step;
use crate::domain::{Base, ContainerId, ImageId, Reference, Version};

/// The references of one unit. Planned steps change it, so that later ones are planned on what they will find.
#[derive(Clone)]
pub(super) struct NamesOnDisk<'a> {
    index: &'a Index<'a>,
    latest: Option<Reference>,
    names: BTreeMap<Reference, ImageId>,
    references: BTreeMap<ImageId, BTreeSet<Reference>>,
    removed_containers: BTreeSet<ContainerId>,
}

impl<'a> NamesOnDisk<'a> {
    /// The references as they are now.
    pub(super) fn new(base: &'a Base, index: &'a Index<'a>) -> Self {
        let mut this = Self {
            index,
            latest: Reference::latest(base),
            names: BTreeMap::new(),
            references: BTreeMap::new(),
            removed_containers: BTreeSet::new(),
        };
        for (id, image) in index.images_of(base) {
            image.references_of(base).for_each(|reference| this.point(reference, id));
        }
        this
    }

    /// Does what the step will do.
    pub(super) fn apply(&mut self, step: &Step) {
        match step {
            Step::Tag { image, reference, .. } => {
                self.forget(reference);
                self.point(reference, image);
            }
            Step::RemoveReference { reference, .. } => self.forget(reference),
            Step::RemoveContainer { container, .. } => {
                self.removed_containers.insert(*container);
            }
            Step::RemoveImage { .. } | Step::RecordVersions { .. } => {}
        }
    }

    fn point(&mut self, reference: &Reference, image: &ImageId) {
        self.names.insert(reference.clone(), *image);
        self.references.entry(*image).or_default().insert(reference.clone());
    }

    fn forget(&mut self, reference: &Reference) {
        if let Some(references) = self.names.remove(reference).and_then(|image| self.references.get_mut(&image)) {
            references.remove(reference);
        }
    }

    /// What `reference` names.
    pub(super) fn get(&self, reference: &Reference) -> Option<&ImageId> {
        self.names.get(reference)
    }

    /// What `BASE:latest` names.
    pub(super) fn latest(&self) -> Option<&ImageId> {
        self.latest.as_ref().and_then(|latest| self.names.get(latest))
    }

    /// Every reference and its image.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Reference, &ImageId)> {
        self.names.iter()
    }

    /// The references of `image`.
    pub(super) fn of(&self, image: &ImageId) -> impl Iterator<Item = &Reference> {
        self.references.get(image).into_iter().flatten()
    }

    /// Every image that has, or had before the steps, a reference.
    pub(super) fn images(&self) -> impl Iterator<Item = &ImageId> {
        self.references.keys()
    }

    /// The image itself, if it is on the disk.
    pub(super) fn image(&self, id: &ImageId) -> Option<&'a Image> {
        self.index.observation.images.get(id)
    }

    /// Whether the image is named in one of the feature's kube repositories: only such an image is a fallback.
    pub(super) fn is_kube(&self, image: &ImageId) -> bool {
        self.of(image).any(|reference| !reference.repository.is_local())
    }

    /// Whether the version names the image: it is the tag of one of its references or its `IMAGE_VERSION`. The latter
    /// does not count for a kube image whose tag went to the local image that really ran.
    pub(super) fn is_named(&self, version: &Version, image: &ImageId, memory: &UnitMemory) -> bool {
        self.of(image).any(|reference| reference.tag() == Some(version))
            || (!memory.superseded.contains(image)
                && self.image(image).and_then(|image| image.declared_version()) == Some(version))
    }

    /// The names of the containers that use the image.
    pub(super) fn users(&self, image: &ImageId) -> BTreeSet<String> {
        self.index
            .users(image)
            .iter()
            .filter(|(id, _)| !self.removed_containers.contains(*id))
            .map(|(_, container)| container.name.to_string())
            .collect()
    }

    /// The image's version for people: `IMAGE_VERSION`, else a tag.
    pub(super) fn version(&self, image: &ImageId) -> Option<Version> {
        let declared = self.image(image).and_then(|image| image.declared_version());
        declared.or_else(|| self.of(image).filter_map(Reference::tag).find(|tag| !tag.is_latest())).cloned()
    }
}
