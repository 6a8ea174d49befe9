//! Look-ups into a snapshot that every group needs, made once per decision.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::domain::{Base, ContainerId, ImageId, Reference};
use crate::snapshot::{Container, Image, Snapshot};
use crate::snapshot::{GroupMemory, Memory};

/// An image in the repositories of an image name.
#[derive(Clone, Copy)]
pub(crate) struct Named<'a> {
    /// The image id (`sha256:...`), by which images are compared.
    pub(crate) id: ImageId,
    /// The image as the engine lists it.
    pub(crate) image: &'a Image,
    /// It has references in the repositories of another image name, too.
    is_shared: bool,
}

impl<'a> Named<'a> {
    /// The references in the repositories of `base`, the name that the image was looked up by.
    pub(crate) fn references(self, base: &Base) -> impl Iterator<Item = &'a Reference> {
        self.image.references.iter().filter(move |it| !self.is_shared || it.repository.base() == base)
    }
}

/// The look-ups.
pub(crate) struct Index<'a> {
    /// The snapshot itself.
    pub(crate) snapshot: &'a Snapshot,
    /// The images in the repositories of each image name, in the order of their ids. It is only looked up in, so it
    /// needs no order of its own.
    images: HashMap<&'a Base, Vec<Named<'a>>>,
    /// The containers by name; a name is unique in the engine.
    by_name: BTreeMap<&'a str, (&'a ContainerId, &'a Container)>,
    /// The running kube containers by their label.
    labelled: BTreeMap<&'a str, Vec<(&'a ContainerId, &'a Container)>>,
    /// The containers that use each image.
    users: BTreeMap<&'a ImageId, Vec<(&'a ContainerId, &'a Container)>>,
    /// The image names that features are known by.
    named: BTreeSet<&'a Base>,
    /// The images that each group's memory calls promoted or proven.
    proven: BTreeMap<&'a ImageId, BTreeSet<&'a Base>>,
}

impl<'a> Index<'a> {
    /// Builds the look-ups; with `only`, no more of them than that group needs.
    pub(crate) fn new(snapshot: &'a Snapshot, memory: &'a Memory, only: Option<&Base>) -> Self {
        let mut index = Self {
            snapshot,
            images: HashMap::new(),
            by_name: BTreeMap::new(),
            labelled: BTreeMap::new(),
            users: BTreeMap::new(),
            named: snapshot.image_names.values().collect(),
            proven: BTreeMap::new(),
        };
        for (id, image) in snapshot.images.iter() {
            let mut bases = image.references.iter().map(|reference| reference.repository.base());
            if only.is_some_and(|only| bases.clone().all(|base| base != only)) {
                continue;
            }
            let Some(first) = bases.next() else { continue };
            if bases.all(|base| base == first) {
                index.images.entry(first).or_default().push(Named { id: *id, image, is_shared: false });
            } else {
                let bases: BTreeSet<_> = image.references.iter().map(|it| it.repository.base()).collect();
                for base in bases {
                    index.images.entry(base).or_default().push(Named { id: *id, image, is_shared: true });
                }
            }
        }
        for (id, container) in snapshot.containers.iter() {
            index.by_name.insert(&container.name, (id, container));
            index.users.entry(&container.image).or_default().push((id, container));
            if let Some(labels) = container.kubelet.as_ref().filter(|labels| labels.is_container) {
                if container.status.is_alive() {
                    index.labelled.entry(&labels.container_name).or_default().push((id, container));
                }
            }
        }
        for (base, group) in &memory.groups {
            let proven = group.previous.iter().map(|proven| &proven.image);
            let promoted = group.promoted.iter().chain(&group.intention).map(|promotion| &promotion.image);
            for image in proven.chain(promoted) {
                index.proven.entry(image).or_default().insert(base);
            }
        }
        index
    }

    /// The images in the repositories of `base`, in the order of their ids.
    pub(crate) fn images_of(&self, base: &Base) -> &[Named<'a>] {
        self.images.get(base).map_or(&[], Vec::as_slice)
    }

    /// The images on the disk that are a group's: those in its repositories and those remembered as its own.
    pub(crate) fn images_of_group(&self, base: &Base, memory: &GroupMemory) -> Vec<(ImageId, &'a Image)> {
        let named = self.images_of(base);
        let promoted = memory.promoted.iter().chain(&memory.intention).map(|promotion| &promotion.image);
        // What was superseded is remembered for longer than what was merely seen.
        let proven = memory.previous.iter().map(|proven| &proven.image);
        let remembered = memory.images.keys().chain(&memory.superseded).chain(promoted).chain(proven);
        let nameless = remembered.filter(|id| find(named, id).is_none());
        let nameless = nameless.filter_map(|id| self.snapshot.images.get(id).map(|image| (*id, image)));
        let mut images: Vec<_> = named.iter().map(|named| (named.id, named.image)).chain(nameless).collect();
        images.sort_unstable_by_key(|(id, _)| *id);
        images.dedup_by_key(|(id, _)| *id);
        images
    }

    /// The container of that name.
    pub(crate) fn container_named(&self, name: &str) -> Option<(&'a ContainerId, &'a Container)> {
        self.by_name.get(name).copied()
    }

    /// The living kube containers with that label.
    pub(crate) fn labelled(&self, name: &str) -> &[(&'a ContainerId, &'a Container)] {
        self.labelled.get(name).map_or(&[], Vec::as_slice)
    }

    /// The containers, running or not, that use the image.
    pub(crate) fn users(&self, image: &ImageId) -> &[(&'a ContainerId, &'a Container)] {
        self.users.get(image).map_or(&[], Vec::as_slice)
    }

    /// Whether a feature is known to have this image name.
    pub(crate) fn is_named(&self, base: &Base) -> bool {
        self.named.contains(base)
    }

    /// A group other than `base` that has promoted the image once and may fall back to it.
    pub(crate) fn needed_by_another(&self, image: &ImageId, base: &Base) -> Option<&'a Base> {
        self.proven.get(image).into_iter().flatten().copied().find(|other| *other != base)
    }
}

/// The image with that id among `images`, which are in the order of their ids.
pub(crate) fn find<'a>(images: &[Named<'a>], id: &ImageId) -> Option<Named<'a>> {
    let place = images.binary_search_by_key(id, |named| named.id).ok()?;
    images.get(place).copied()
}
