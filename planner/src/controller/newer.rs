//! What is known of the engine from after its lists were asked for last: own steps, and what was read of single groups.
//!
//! A snapshot takes a while to be read. One that was asked for before a step ended may or may not show it; so it is brought
//! up to date by what is known to be newer, and another one is asked for, which settles it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::event::{EngineSnapshot, ReadRequest};
use crate::domain::{ContainerId, ImageId, Reference};
use crate::{Container, Image, Snapshot, Step};

/// A piece of news about the engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum News {
    /// A step of the agent's was done.
    Done(Step),
    /// A group was read again.
    Read(ReadRequest, Seen),
}

/// What of a group was seen on the engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    /// The containers that were asked for and exist.
    pub(super) containers: BTreeMap<ContainerId, Container>,
    /// What `BASE:latest` names.
    pub(super) latest: Option<ImageId>,
}

/// The news that the last snapshot may not show, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Newer(Vec<(Duration, News)>);

impl Newer {
    /// Takes note of news, and brings `snapshot` up to date.
    pub(super) fn add(&mut self, news: News, now: Duration, snapshot: &mut Snapshot) {
        apply(&news, snapshot);
        if let News::Read(request, _) = &news {
            // What was seen before of the same is seen anew.
            self.0.retain(|(_, older)| !matches!(older, News::Read(other, _) if other == request));
        }
        self.0.push((now, news));
    }

    /// Takes over a snapshot, and what it may not show.
    pub(super) fn take_lists(&mut self, lists: EngineSnapshot, snapshot: &mut Snapshot) {
        self.0.retain(|(at, _)| *at >= lists.began);
        snapshot.images = lists.images;
        snapshot.containers = lists.containers;
        self.0.iter().for_each(|(_, news)| apply(news, snapshot));
    }

    /// When the last news came.
    pub(super) fn newest(&self) -> Option<Duration> {
        self.0.last().map(|(at, _)| *at)
    }

    /// Whether the last snapshot shows everything.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All times in it.
    #[cfg(feature = "fixtures")]
    pub(super) fn times(&mut self) -> impl Iterator<Item = &mut Duration> {
        self.0.iter_mut().map(|(at, _)| at)
    }
}

fn apply(news: &News, snapshot: &mut Snapshot) {
    match news {
        News::Done(step) => play(step, snapshot),
        News::Read(request, seen) => take_in(request, seen, snapshot),
    }
}

/// What a group's containers are, and what `BASE:latest` names.
fn take_in(request: &ReadRequest, seen: &Seen, snapshot: &mut Snapshot) {
    let is_asked = |id: &ContainerId, name: &Arc<str>| {
        request.every_container || request.containers.contains(id) || request.names.contains(name)
    };
    let is_gone = snapshot
        .containers
        .iter()
        .any(|(id, container)| is_asked(id, &container.name) && !seen.containers.contains_key(id));
    let is_other = seen.containers.iter().any(|(id, container)| snapshot.containers.get(id) != Some(container));
    if is_gone || is_other {
        let containers = snapshot.containers_mut();
        containers.retain(|id, container| !is_asked(id, &container.name));
        containers.extend(seen.containers.iter().map(|(id, container)| (*id, container.clone())));
    }
    // An image that a later list does not show any more names nothing.
    if seen.latest.is_none_or(|image| snapshot.images.contains_key(&image)) {
        point(&request.latest, seen.latest.as_ref(), snapshot);
    }
}

/// Does to the snapshot what a step has done to the engine.
fn play(step: &Step, snapshot: &mut Snapshot) {
    match step {
        Step::Tag { image, reference, .. } => point(reference, Some(image), snapshot),
        Step::RemoveContainer { container, .. } => {
            snapshot.containers_mut().remove(container);
        }
        Step::RemoveReference { reference, image } => remove_reference(reference, image, snapshot),
        Step::RemoveImage { image } => {
            snapshot.images_mut().remove(image);
        }
        // No list shows it.
        Step::RecordVersions { .. } => {}
    }
}

/// Lets a reference name this image, and no other.
fn point(reference: &Reference, image: Option<&ImageId>, snapshot: &mut Snapshot) {
    let named: Option<ImageId> =
        snapshot.images.iter().find(|(_, image)| image.references.contains(reference)).map(|(id, _)| *id);
    if named.as_ref() == image {
        return;
    }
    let images = snapshot.images_mut();
    if let Some(left) = named.and_then(|named| images.get_mut(&named)) {
        left.references.remove(reference);
    }
    if let Some(image) = image.and_then(|image| images.get_mut(image)) {
        image.references.insert(reference.clone());
    }
}

/// A repository's last tag takes its digests along, and the last name the image.
fn remove_reference(reference: &Reference, id: &ImageId, snapshot: &mut Snapshot) {
    let images: &mut BTreeMap<ImageId, Image> = snapshot.images_mut();
    let Some(image) = images.get_mut(id) else { return };
    image.references.remove(reference);
    let is_here = |other: &Reference| other.repository == reference.repository;
    if !image.references.iter().any(|other| is_here(other) && other.tag().is_some()) {
        image.references.retain(|other| !is_here(other));
    }
    if image.references.is_empty() && image.unreadable_references == 0 {
        images.remove(id);
    }
}
