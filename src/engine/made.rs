//! A picture made of answers instead of read from an engine, for the crate in `fuzz/`.

use std::sync::Arc;

use bollard::models::{ContainerInspectResponse, ContainerSummary, EventMessage, ImageInspect, ImageSummary};

use super::events;
use super::parse;
use super::picture::{Dirty, Picture};
use super::reader::{Known, details};
use crate::decide::ImageVersion;
use crate::domain::{IteratorExt as _, Repositories};

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
    /// The picture that they give. An answer that is no JSON of its shape counts as empty; a call to the engine would fail.
    #[must_use]
    pub fn picture(&self) -> Picture {
        let containers: Vec<ContainerSummary> = serde_json::from_slice(self.containers).unwrap_or_default();
        let images: Vec<ImageSummary> = serde_json::from_slice(self.images).unwrap_or_default();
        let container: ContainerInspectResponse = serde_json::from_slice(self.container).unwrap_or_default();
        let image: ImageInspect = serde_json::from_slice(self.image).unwrap_or_default();
        let mut known = Known::default();
        if let Ok(event) = serde_json::from_slice::<EventMessage>(self.event) {
            events::note(&event, &mut Dirty::nothing(), &mut known.oom);
        }
        let (inspected, version) = (parse::inspected(&container), parse::image_version(&image));
        let containers = containers.iter().filter_map(parse::container).map(|(id, mut container)| {
            container.status = inspected.status;
            container.created_from.clone_from(&inspected.created_from);
            container.details = details(&mut known, &id, &inspected);
            (id, container)
        });
        let mut repositories = Repositories::default();
        let images = images.iter().filter_map(|image| parse::image(image, &mut repositories)).map(|(id, mut image)| {
            image.version = ImageVersion::Read(version.clone());
            (id, image)
        });
        Picture { containers: Arc::new(containers.ordered()), images: Arc::new(images.ordered()) }
    }
}
