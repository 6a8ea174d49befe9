//! What is worth an inspection.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::{Base, ContainerId, ImageId};
use crate::planner::{Container, Image};

/// What a decision needs to know more about than the lists of images and containers say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// The kube containers of these features, by the kubelet's label.
    pub features: BTreeSet<Arc<str>>,
    /// The containers whose id begins with one of these: 12 digits each, of what rows name them by.
    pub containers: BTreeSet<String>,
    /// The images with a reference in a repository of one of these names.
    pub bases: BTreeSet<Base>,
    /// The images with these ids.
    pub images: BTreeSet<ImageId>,
    /// Whatever runs, and every image with a name: for a command that reads once and knows no names yet.
    pub everything: bool,
}

impl Interest {
    /// Whether a container is worth an inspection while it runs, and its image always.
    pub(super) fn wants_container(&self, id: &ContainerId, container: &Container) -> bool {
        let is_named = || self.containers.contains(&id.short());
        let is_labelled = || {
            let labels = container.kubelet.as_ref();
            labels.is_some_and(|labels| labels.is_container && self.features.contains(&labels.container_name))
        };
        self.everything || is_named() || is_labelled()
    }

    /// Whether an image is worth an inspection for its own sake.
    pub(super) fn wants_image(&self, id: &ImageId, image: &Image) -> bool {
        (self.everything && !image.references.is_empty())
            || self.images.contains(id)
            || image.references.iter().any(|reference| self.bases.contains(reference.repository.base()))
    }
}
