//! A model of the engine that is just large enough for what the agent's steps do to it.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Base, ContainerId, ImageId, Reference, Repository, Version};
use crate::plan::{Plan, Step};
use crate::snapshot::GroupMemory;
use crate::snapshot::{Image, Snapshot};

/// What is on the disk.
#[derive(Clone)]
pub(super) struct Engine {
    references: BTreeMap<Reference, ImageId>,
    images: BTreeSet<ImageId>,
    /// Images that something else than a reference keeps: references that are not understood.
    anchored: BTreeSet<ImageId>,
    /// The containers that use these images.
    users: BTreeMap<ContainerId, ImageId>,
    removed: BTreeSet<ContainerId>,
}

/// The images of an snapshot by image name, put in order once for all groups of a plan.
pub(super) struct ByName<'a> {
    snapshot: &'a Snapshot,
    named: BTreeMap<&'a Base, BTreeMap<&'a ImageId, &'a Image>>,
    users: BTreeMap<&'a ImageId, Vec<&'a ContainerId>>,
}

impl<'a> ByName<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, plan: &'a Plan) -> Self {
        let named = plan.groups.keys().map(|base| (base, BTreeMap::new())).collect();
        let mut this = Self { snapshot, named, users: BTreeMap::new() };
        for (id, image) in snapshot.images.iter() {
            for reference in &image.references {
                if let Some(images) = this.named.get_mut(reference.repository.base()) {
                    images.insert(id, image);
                }
            }
        }
        for (id, container) in snapshot.containers.iter() {
            this.users.entry(&container.image).or_default().push(id);
        }
        this
    }
}

/// A step that names something else than what is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Impossible {
    /// There is no such image.
    #[error("there is no image {0}")]
    NoImage(ImageId),
    /// The reference names another image, or none.
    #[error("{0} names another image or none")]
    NamesAnother(Reference),
    /// There is no such container.
    #[error("there is no such container {}", .0.short())]
    NoContainer(ContainerId),
    /// The image still has references.
    #[error("image {0} still has names")]
    HasReferences(ImageId),
}

impl Engine {
    /// The images that are a group's, with all their references, and the containers that use them.
    pub(super) fn new(by_name: &ByName<'_>, base: &Base, group: Option<&GroupMemory>) -> Self {
        let mut images: BTreeMap<_, _> = by_name.named.get(base).cloned().unwrap_or_default();
        let remembered = group.into_iter().flat_map(|group| group.images.keys().chain(&group.superseded));
        images.extend(remembered.filter_map(|id| by_name.snapshot.images.get_key_value(id)));
        let named = images.iter().flat_map(|(id, image)| image.references.iter().map(move |r| (r.clone(), *(*id))));
        let anchored = images.iter().filter(|(_, image)| image.unreadable_references > 0);
        let users = images
            .keys()
            .flat_map(|image| by_name.users.get(image).into_iter().flatten().map(|id| (*(*id), *(*image))));
        Self {
            references: named.collect(),
            images: images.keys().map(|id| *(*id)).collect(),
            anchored: anchored.map(|(id, _)| *(*id)).collect(),
            users: users.collect(),
            removed: BTreeSet::new(),
        }
    }

    /// Does what the engine will do. A last reference takes the image along.
    pub(super) fn play(&mut self, step: &Step) -> Result<(), Impossible> {
        match step {
            Step::Tag { image, .. } if !self.has(image) => Err(Impossible::NoImage(*image)),
            Step::Tag { reference, from, .. } if self.references.get(reference) != from.as_ref() => {
                Err(Impossible::NamesAnother(reference.clone()))
            }
            Step::Tag { image, reference, .. } => {
                self.references.insert(reference.clone(), *image);
                Ok(())
            }
            Step::RemoveContainer { container, .. } => {
                self.users.remove(container);
                let is_first = self.removed.insert(*container);
                if is_first { Ok(()) } else { Err(Impossible::NoContainer(*container)) }
            }
            Step::RemoveReference { reference, image } => self.remove_reference(reference, image),
            Step::RemoveImage { image } if !self.has(image) => Err(Impossible::NoImage(*image)),
            Step::RemoveImage { image } if self.is_named(image) => Err(Impossible::HasReferences(*image)),
            Step::RemoveImage { image } => {
                self.images.remove(image);
                Ok(())
            }
            Step::RecordVersions { .. } => Ok(()),
        }
    }

    fn remove_reference(&mut self, reference: &Reference, image: &ImageId) -> Result<(), Impossible> {
        if self.references.get(reference) != Some(image) {
            return Err(Impossible::NamesAnother(reference.clone()));
        }
        self.references.remove(reference);
        // A repository's last tag takes its digests along.
        let repository = &reference.repository;
        let is_here = |other: &Reference, id: &ImageId| id == image && other.repository == *repository;
        if !self.references.iter().any(|(other, id)| is_here(other, id) && other.tag().is_some()) {
            self.references.retain(|other, id| !is_here(other, id));
        }
        if !self.is_named(image) {
            self.images.remove(image);
        }
        Ok(())
    }

    fn is_named(&self, image: &ImageId) -> bool {
        self.anchored.contains(image) || self.references.values().any(|named| named == image)
    }

    /// Whether the image is on the disk.
    pub(super) fn has(&self, image: &ImageId) -> bool {
        self.images.contains(image)
    }

    /// What a reference names.
    pub(super) fn get(&self, reference: &Reference) -> Option<&ImageId> {
        self.references.get(reference)
    }

    /// What the local `BASE:tag` names, if it is on the disk.
    pub(super) fn named(&self, base: &Base, tag: &str) -> Option<&ImageId> {
        let reference = Repository::local(base.clone()).tagged(tag.parse().ok()?);
        self.references.get(&reference).filter(|image| self.has(image))
    }

    /// Every reference and its image.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Reference, &ImageId)> {
        self.references.iter()
    }

    /// The references of an image.
    pub(super) fn references(&self, image: &ImageId) -> impl Iterator<Item = &Reference> {
        self.references.iter().filter(move |(_, id)| *id == image).map(|(reference, _)| reference)
    }

    /// The images in repositories of `base`.
    pub(super) fn images_of(&self, base: &Base) -> impl Iterator<Item = &ImageId> {
        self.references.iter().filter(move |(reference, _)| reference.repository.base() == base).map(|(_, id)| id)
    }

    /// The references in repositories of `base` with this tag.
    pub(super) fn tagged(&self, base: &Base, tag: &Version) -> impl Iterator<Item = &Reference> {
        self.references
            .keys()
            .filter(move |reference| reference.repository.base() == base && reference.tag() == Some(tag))
    }

    /// A container whose image was there before and is not any more.
    pub(super) fn missing_of_a_container(&self, before: &Self) -> Option<(&ImageId, &ContainerId)> {
        let mut used = self.users.iter().map(|(container, image)| (image, container));
        used.find(|(image, _)| before.has(image) && !self.has(image))
    }
}
