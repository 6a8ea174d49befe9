//! What was seen: rows, images and containers, what is remembered, and the policy. Types only; the rules are above them.

mod engine;
pub(crate) mod index;
mod memory;
mod policy;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::{Base, ContainerId, Feature, ImageId, Namespace, Version};

pub use engine::*;
pub use memory::*;
pub use policy::*;
pub use rows::*;

/// Everything a decision is made from, besides memory, policy and the time.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Snapshot {
    /// CONFIG_DB's `CONFIG_DB_INITIALIZED` is 1; else it is being loaded and absent rows mean nothing.
    pub config_initialized: bool,
    /// The two `KUBERNETES_MASTER|SERVER` rows.
    pub kubernetes: Kubernetes,
    /// The ASIC namespaces of a multi-ASIC switch (never the host); empty with one ASIC.
    pub asics: BTreeSet<Namespace>,
    /// CONFIG_DB `FEATURE|<feature>` of each namespace.
    pub configuration: BTreeMap<RowKey, FeatureConfiguration>,
    /// STATE_DB `FEATURE|<feature>` of each namespace. The key is the row's, so `bgp0` on the host is a key of its own.
    pub state: BTreeMap<RowKey, FeatureState>,
    /// `ctr_image_names.json`: which repository belongs to which feature.
    pub image_names: BTreeMap<Feature, Base>,
    /// The features of sonic-package-manager that start from an image id instead of `BASE:latest`, and that id where
    /// it is valid.
    pub packages: BTreeMap<Feature, Option<ImageId>>,
    /// Every image on the disk. Shared with whoever listed them, since there may be many.
    pub images: Arc<BTreeMap<ImageId, Image>>,
    /// Every container, running or not.
    pub containers: Arc<BTreeMap<ContainerId, Container>>,
    /// The images that the engine refused to remove because something uses them. Not asked for again until the
    /// engine reports that something changed.
    pub refused: BTreeSet<ImageId>,
    /// What an operator asks for at this moment.
    pub commands: BTreeMap<Feature, Command>,
    /// The namespaces whose databases cannot be read now. Their rows are as they were last read, if ever: what rests on
    /// them is unknown.
    pub unreadable: BTreeSet<Namespace>,
    /// The memory cannot be saved: what has to be remembered before it is done must not be done. The memory that is
    /// decided with is then the one that was saved last.
    pub memory_unsaved: bool,
    /// The groups whose plan the check of the promises refused, and why: nothing is planned for them.
    pub stopped: BTreeMap<Base, String>,
}

impl Snapshot {
    /// The images, to be changed.
    pub fn images_mut(&mut self) -> &mut BTreeMap<ImageId, Image> {
        Arc::make_mut(&mut self.images)
    }

    /// The containers, to be changed.
    pub fn containers_mut(&mut self) -> &mut BTreeMap<ContainerId, Container> {
        Arc::make_mut(&mut self.containers)
    }
}

/// What an operator may ask for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// The version that runs is good: promote it without waiting any longer. Every other check stays.
    Promote,
    /// Make the last version `latest` again.
    Rollback {
        /// Only from this version; without it, one rollback is followed by no further one.
        from: Option<Version>,
    },
}
