//! The two lists of an engine, and the snapshot that they and what is known make.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::interest::Interest;
use super::known::Known;
use super::snapshot::EngineSnapshot;
use crate::domain::{ContainerId, ImageId};
use crate::planner::{Container, ContainerStatus, Image};

/// What was listed last.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// The containers as listed, without details, and the boot-time clock just before.
    containers: BTreeMap<ContainerId, Container>,
    containers_began: Duration,
    /// The images, of which there may be many: shared with the last snapshot.
    images: Arc<BTreeMap<ImageId, Image>>,
    images_began: Duration,
    /// The last snapshot.
    snapshot: EngineSnapshot,
}

impl Lists {
    /// Takes over a list of the containers that was asked for at `began`.
    pub(super) fn take_containers(
        &mut self,
        began: Duration,
        containers: BTreeMap<ContainerId, Container>,
        known: &mut Known,
    ) {
        known.retain_containers(&containers);
        (self.containers, self.containers_began) = (containers, began);
    }

    /// Takes over a list of the images that was asked for at `began`.
    pub(super) fn take_images(&mut self, began: Duration, images: BTreeMap<ImageId, Image>, known: &mut Known) {
        known.retain_images(&images);
        (self.images, self.images_began) = (Arc::new(images), began);
    }

    /// What was done before this is shown.
    pub(super) fn began(&self) -> Duration {
        self.containers_began.min(self.images_began)
    }

    /// The container is gone.
    pub(super) fn drop_container(&mut self, id: &ContainerId) {
        self.containers.remove(id);
    }

    /// The image is gone.
    pub(super) fn drop_image(&mut self, id: &ImageId) {
        Arc::make_mut(&mut self.images).remove(id);
    }

    /// The interesting containers that run, unless all is known of them, those that may only seem to run, and interesting ones
    /// that have ended with nobody listening. The engine tells of `unpause` before its list does (moby, daemon/unpause.go): an
    /// inspection waits for it.
    pub(super) fn containers_to_inspect(&self, interest: &Interest, known: &Known) -> BTreeSet<ContainerId> {
        let is_wanted = |(id, container): &(&ContainerId, &Container)| {
            let is_worth_it = match container.status {
                ContainerStatus::Running | ContainerStatus::Paused => {
                    interest.wants_container(id, container) || known.has_ended(id)
                }
                ContainerStatus::Stopped => known.exit_code(id).is_none() && interest.wants_container(id, container),
                ContainerStatus::Restarting | ContainerStatus::Unknown => false,
            };
            is_worth_it && !known.is_current(id)
        };
        self.containers.iter().filter(is_wanted).map(|(id, _)| *id).collect()
    }

    /// The images of interesting containers, and the interesting images, unless their versions are known.
    pub(super) fn images_to_inspect(
        &self,
        interest: &Interest,
        known: &Known,
    ) -> (BTreeSet<ImageId>, BTreeSet<ImageId>) {
        let is_unknown = |id: &ImageId| !known.versions.contains_key(id);
        let users = self.containers.iter().filter(|(id, container)| interest.wants_container(id, container));
        let used = users.map(|(_, container)| container.image);
        let used = used.filter(|id| self.images.contains_key(id) && is_unknown(id)).collect();
        let is_wanted = |(id, image): &(&ImageId, &Image)| interest.wants_image(id, image) && is_unknown(id);
        (used, self.images.iter().filter(is_wanted).map(|(id, _)| *id).collect())
    }

    /// Puts together what is known. What did not change is shared with the last snapshot.
    pub(super) fn snapshot(&mut self, known: &Known, has_failed: impl Fn(&ContainerId) -> bool) -> EngineSnapshot {
        let mut containers = self.containers.clone();
        for (id, container) in &mut containers {
            known.complete(id, container);
            if has_failed(id) {
                (container.status, container.details) = (ContainerStatus::Unknown, None);
            }
        }
        let versions = known.news(&self.images);
        if !versions.is_empty() {
            let images = Arc::make_mut(&mut self.images);
            for (id, version) in versions {
                if let Some(image) = images.get_mut(&id) {
                    image.version = version;
                }
            }
        }
        if self.snapshot.images != self.images {
            self.snapshot.images = Arc::clone(&self.images);
        }
        self.images = Arc::clone(&self.snapshot.images);
        if *self.snapshot.containers != containers {
            self.snapshot.containers = Arc::new(containers);
        }
        self.snapshot.clone()
    }
}
