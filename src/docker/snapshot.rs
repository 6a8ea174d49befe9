//! What is on the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::{ContainerId, ImageId, Reference};
use crate::planner::{Container, Image};

/// Every image and container of the engine. Cheap to clone.
///
/// What could not be inspected, or is not understood, is there as unknown: a container has
/// [`ContainerStatus::Unknown`](crate::planner::ContainerStatus::Unknown) and no details, an image
/// [`ImageVersion::NotRead`](crate::planner::ImageVersion::NotRead). What is still being inspected is there as it was known,
/// if it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineSnapshot {
    /// The images on the disk.
    pub images: Arc<BTreeMap<ImageId, Image>>,
    /// The containers, running or not.
    pub containers: Arc<BTreeMap<ContainerId, Container>>,
}

/// What is to be read again of one group, right before it is acted on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupRequest {
    /// The containers to inspect.
    pub containers: BTreeSet<ContainerId>,
    /// The containers to inspect by their names, as `telemetry` or `bgp0`.
    pub names: BTreeSet<Arc<str>>,
    /// The references of which to find what they name.
    pub references: BTreeSet<Reference>,
    /// Every container is to be listed as well: what uses an image is known by that alone.
    pub all_containers: bool,
}

/// What was read again of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupSnapshot {
    /// The containers that are there: those asked for with details if they run, and if all were asked for the others as
    /// they are listed, with the details that are known of them.
    pub containers: BTreeMap<ContainerId, Container>,
    /// What each reference names that was asked for, if anything.
    pub references: BTreeMap<Reference, Option<ImageId>>,
}
