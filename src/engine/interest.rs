//! What is worth an inspection.

use std::collections::BTreeSet;

use crate::decide::{Container, Image};
use crate::domain::{Base, ContainerId, Feature, ImageId};

/// What a decision needs to know more about than the lists of images and containers say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// The kube containers of these features, by the kubelet's label.
    pub features: BTreeSet<Feature>,
    /// The containers whose id begins with one of these, as rows name them.
    pub containers: BTreeSet<String>,
    /// The images with a reference in a repository of one of these names.
    pub bases: BTreeSet<Base>,
    /// These images.
    pub images: BTreeSet<ImageId>,
    /// Whatever runs, and every image with a name: for one look of a command that knows no names yet.
    pub everything: bool,
}

impl Interest {
    /// Whether a container is worth an inspection while it runs, and its image always.
    pub(super) fn wants_container(&self, id: &ContainerId, container: &Container) -> bool {
        let is_named = || self.containers.iter().any(|prefix| !prefix.is_empty() && id.starts_with(prefix));
        let is_labelled = || {
            container.kubelet.as_ref().is_some_and(|labels| {
                labels.is_container && self.features.iter().any(|feature| feature.as_str() == &*labels.container_name)
            })
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
