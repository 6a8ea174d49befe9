//! The group's references and who uses its images, as they will be when the steps planned so far are done.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Base, ContainerId, ImageId, Reference, Version};
use crate::plan::Step;
use crate::snapshot::GroupMemory;
use crate::snapshot::Image;
use crate::snapshot::index::{self, Index, Named};

/// The references of one group. Planned steps change it, so that later ones are planned on what they will find.
#[derive(Clone)]
pub(crate) struct PlannedReferences<'a> {
    index: &'a Index<'a>,
    base: &'a Base,
    /// The images that have references now, in the order of their ids.
    images: &'a [Named<'a>],
    /// What `BASE:latest` names.
    latest: Option<ImageId>,
    /// The references of now that steps move or remove.
    gone: BTreeSet<Reference>,
    /// The references that steps make.
    made: BTreeMap<Reference, ImageId>,
    removed_containers: BTreeSet<ContainerId>,
}

impl<'a> PlannedReferences<'a> {
    /// The references as they are now.
    pub(crate) fn new(base: &'a Base, index: &'a Index<'a>) -> Self {
        let images = index.images_of(base);
        let has_latest = |named: &&Named<'_>| named.references(base).any(Reference::is_local_latest);
        Self {
            index,
            base,
            images,
            latest: images.iter().find(has_latest).map(|named| named.id),
            gone: BTreeSet::new(),
            made: BTreeMap::new(),
            removed_containers: BTreeSet::new(),
        }
    }

    /// Does what the step will do.
    pub(crate) fn apply(&mut self, step: &Step) {
        match step {
            Step::Tag { image, reference, .. } => self.point(reference, Some(*image)),
            Step::RemoveReference { reference, .. } => self.point(reference, None),
            Step::RemoveContainer { container, .. } => {
                self.removed_containers.insert(*container);
            }
            Step::RemoveImage { .. } | Step::RecordVersions { .. } => {}
        }
    }

    fn point(&mut self, reference: &Reference, image: Option<ImageId>) {
        if reference.is_local_latest() {
            self.latest = image;
        }
        self.made.remove(reference);
        self.made.extend(image.map(|image| (reference.clone(), image)));
        self.gone.insert(reference.clone());
    }

    /// What `reference` names.
    pub(crate) fn get(&self, reference: &Reference) -> Option<ImageId> {
        self.iter().find(|(other, _)| *other == reference).map(|(_, image)| image)
    }

    /// What `BASE:latest` names.
    pub(crate) fn latest(&self) -> Option<ImageId> {
        self.latest
    }

    /// Every reference and its image.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Reference, ImageId)> {
        let stay = self.images.iter().flat_map(|named| self.still(*named).map(|reference| (reference, named.id)));
        stay.chain(self.made.iter().map(|(reference, id)| (reference, *id)))
    }

    /// The references of `image`.
    pub(crate) fn of(&self, image: &ImageId) -> impl Iterator<Item = &Reference> {
        let stay = index::find(self.images, image).into_iter().flat_map(|named| self.still(named));
        stay.chain(self.made.iter().filter(move |(_, id)| *id == image).map(|(reference, _)| reference))
    }

    /// The references of an image that no step changes.
    fn still(&self, named: Named<'a>) -> impl Iterator<Item = &'a Reference> {
        named.references(self.base).filter(|reference| self.gone.is_empty() || !self.gone.contains(*reference))
    }

    /// Every image that has, or had before the steps, a reference.
    pub(crate) fn images(&self) -> impl Iterator<Item = &ImageId> {
        let made = self.made.values().filter(|id| index::find(self.images, id).is_none());
        self.images.iter().map(|named| &named.id).chain(made)
    }

    /// The image itself, if it is on the disk.
    pub(crate) fn image(&self, id: &ImageId) -> Option<&'a Image> {
        index::find(self.images, id).map(|named| named.image).or_else(|| self.index.snapshot.images.get(id))
    }

    /// Whether the image is named in one of the feature's kube repositories: only such an image is a fallback.
    pub(crate) fn is_kube(&self, image: &ImageId) -> bool {
        self.of(image).any(|reference| !reference.repository.is_local())
    }

    /// Whether the version names the image: it is the tag of one of its references, its `IMAGE_VERSION`, or what a
    /// container of it reported. A kube image whose tag went to the local image that actually ran is named by tags only.
    pub(crate) fn is_named(&self, version: &Version, image: &ImageId, memory: &GroupMemory) -> bool {
        let is_declared = || self.image(image).and_then(|image| image.declared_version()) == Some(version);
        let is_reported = || memory.reported.get(image).is_some_and(|versions| versions.contains(version));
        self.of(image).any(|reference| reference.tag() == Some(version))
            || (!memory.superseded.contains(image) && (is_declared() || is_reported()))
    }

    /// The names of the containers that use the image.
    pub(crate) fn users(&self, image: &ImageId) -> BTreeSet<String> {
        self.index
            .users(image)
            .iter()
            .filter(|(id, _)| !self.removed_containers.contains(*id))
            .map(|(_, container)| container.name.to_string())
            .collect()
    }

    /// The image's version for people: `IMAGE_VERSION`, else a tag.
    pub(crate) fn version(&self, image: &ImageId) -> Option<Version> {
        let declared = self.image(image).and_then(|image| image.declared_version());
        declared.or_else(|| self.of(image).filter_map(Reference::tag).find(|tag| !tag.is_latest())).cloned()
    }
}
