//! What is known of the engine from after its lists were asked for last: own steps, and what was read of single units.
//!
//! A snapshot takes a while to be read. One that was asked for before a step ended may or may not show it; so it is brought
//! up to date by what is known to be newer, and another one is asked for, which settles it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::event::{ReadRequest, Snapshot};
use crate::decide::{Container, Image, Observation, Step};
use crate::domain::{ContainerId, ImageId, Reference};

/// A piece of news about the engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum News {
    /// A step of the agent's was done.
    Done(Step),
    /// A unit was read again.
    Read(ReadRequest, Seen),
}

/// What of a unit was seen on the engine.
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
    /// Takes note of news, and brings `observation` up to date.
    pub(super) fn add(&mut self, news: News, now: Duration, observation: &mut Observation) {
        apply(&news, observation);
        if let News::Read(request, _) = &news {
            // What was seen before of the same is seen anew.
            self.0.retain(|(_, older)| !matches!(older, News::Read(other, _) if other == request));
        }
        self.0.push((now, news));
    }

    /// Takes over a snapshot, and what it may not show.
    pub(super) fn snapshot(&mut self, snapshot: Snapshot, observation: &mut Observation) {
        self.0.retain(|(at, _)| *at >= snapshot.began);
        observation.images = snapshot.images;
        observation.containers = snapshot.containers;
        self.0.iter().for_each(|(_, news)| apply(news, observation));
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

fn apply(news: &News, observation: &mut Observation) {
    match news {
        News::Done(step) => play(step, observation),
        News::Read(request, seen) => take_in(request, seen, observation),
    }
}

/// What a unit's containers are, and what `BASE:latest` names.
fn take_in(request: &ReadRequest, seen: &Seen, observation: &mut Observation) {
    let is_asked = |id: &ContainerId, name: &Arc<str>| {
        request.every_container || request.containers.contains(id) || request.names.contains(name)
    };
    let is_gone = observation
        .containers
        .iter()
        .any(|(id, container)| is_asked(id, &container.name) && !seen.containers.contains_key(id));
    let is_other = seen.containers.iter().any(|(id, container)| observation.containers.get(id) != Some(container));
    if is_gone || is_other {
        let containers = observation.containers_mut();
        containers.retain(|id, container| !is_asked(id, &container.name));
        containers.extend(seen.containers.iter().map(|(id, container)| (*id, container.clone())));
    }
    // An image that a later list does not show any more names nothing.
    if seen.latest.is_none_or(|image| observation.images.contains_key(&image)) {
        point(&request.latest, seen.latest.as_ref(), observation);
    }
}

/// Does to the observation what a step has done to the engine.
fn play(step: &Step, observation: &mut Observation) {
    match step {
        Step::Tag { image, reference, .. } => point(reference, Some(image), observation),
        Step::RemoveContainer { container, .. } => {
            observation.containers_mut().remove(container);
        }
        Step::RemoveReference { reference, image } => remove_reference(reference, image, observation),
        Step::RemoveImage { image } => {
            observation.images_mut().remove(image);
        }
        // No list shows it.
        Step::RecordVersions { .. } => {}
    }
}

/// Lets a reference name this image, and no other.
fn point(reference: &Reference, image: Option<&ImageId>, observation: &mut Observation) {
    let named: Option<ImageId> =
        observation.images.iter().find(|(_, image)| image.references.contains(reference)).map(|(id, _)| *id);
    if named.as_ref() == image {
        return;
    }
    let images = observation.images_mut();
    if let Some(left) = named.and_then(|named| images.get_mut(&named)) {
        left.references.remove(reference);
    }
    if let Some(image) = image.and_then(|image| images.get_mut(image)) {
        image.references.insert(reference.clone());
    }
}

/// A repository's last tag takes its digests along, and the last name the image.
fn remove_reference(reference: &Reference, id: &ImageId, observation: &mut Observation) {
    let images: &mut BTreeMap<ImageId, Image> = observation.images_mut();
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
