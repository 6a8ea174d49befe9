//! A snapshot made of answers instead of read from an engine, for the crate in `fuzz/`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::events::EngineEvent;
use super::known::Known;
use super::parse;
use super::snapshot::EngineSnapshot;
use super::splitter::Splitter;
use crate::domain::Repositories;
use crate::planner::ImageVersion;

/// The bodies of what the engine answers, and one event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answers<'a> {
    /// The list of containers.
    pub containers: &'a [u8],
    /// The list of images.
    pub images: &'a [u8],
    /// The inspection of every container.
    pub container: &'a [u8],
    /// The inspection of every image.
    pub image: &'a [u8],
    /// An event.
    pub event: &'a [u8],
}

impl Answers<'_> {
    /// The snapshot that they give. A list that is none ends where that is seen; a call to the engine would fail.
    #[must_use]
    pub fn snapshot(&self) -> EngineSnapshot {
        let mut known = Known::default();
        known.note(&EngineEvent::read(self.event));
        let inspected = parse::inspected_container(self.container).ok();
        let version = parse::inspected_image(self.image).ok().and_then(|image| image.version);
        let (mut containers, mut images) = (BTreeMap::new(), BTreeMap::new());
        let _: Result<(), _> = Splitter::list().push(self.containers, |entry| {
            let Some((id, mut container)) = parse::listed_container(entry) else { return };
            if let Some(mut inspected) = inspected.clone() {
                inspected.id = id;
                known.note_container(&inspected, known.heard());
                known.complete(&id, &mut container);
            }
            containers.insert(id, container);
        });
        let mut repositories = Repositories::default();
        let _: Result<(), _> = Splitter::list().push(self.images, |entry| {
            let Some((id, mut image)) = parse::listed_image(entry, &mut repositories) else { return };
            image.version = version.clone().map_or(ImageVersion::NotRead, ImageVersion::Read);
            images.insert(id, image);
        });
        EngineSnapshot { containers: Arc::new(containers), images: Arc::new(images) }
    }
}
