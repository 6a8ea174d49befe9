//! What is wrong with a plan, in words.

use super::Impossible;
use crate::domain::{ContainerId, Feature, ImageId, Instance, Reference, Version};
use crate::plan::Step;

/// A plan that would break a promise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[error("{broken} (step {number}: {step})")]
pub struct Violation {
    /// What would happen.
    pub broken: Broken,
    /// Which step of the group, counted from 1.
    pub number: usize,
    /// The first step that would break it.
    pub step: Step,
}

/// What must never happen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Broken {
    /// Something forbids every change.
    #[error("nothing may be changed: {0}")]
    Forbidden(&'static str),
    /// Promise 5: what is done before it is remembered is not understood after a crash.
    #[error("promise 5: it would have to be remembered first, which is not possible")]
    Unsaved,
    /// What depends on what is not known is held back.
    #[error("how {0} stands is not known: its database cannot be read")]
    Unreadable(Instance),
    /// The plan does not fit what was observed.
    #[error("the plan does not fit what is on the disk: {0}")]
    Unfitting(Impossible),
    /// Promise 1.
    #[error("promise 1: latest would name nothing")]
    LatestGone,
    /// Promise 1.
    #[error("promise 1: latest would be moved to an image that no takeover_status takeover has proven")]
    LatestUnproven,
    /// Promise 2.
    #[error("promise 2: image {0} is used by container {1}")]
    ImageInUse(ImageId, ContainerId),
    /// Promise 2.
    #[error("promise 2: container {} is alive", .0.short())]
    ContainerAlive(ContainerId),
    /// Promises 2 and 3.
    #[error("promise 2: container {} is no local container of an instance under takeover", .0.short())]
    ContainerForeign(ContainerId),
    /// Step 2 of the promotion.
    #[error("container {} was created from what latest names", .0.short())]
    ContainerFresh(ContainerId),
    /// Step 3 of the promotion.
    #[error("promise 4: {0} would be recorded as stable, which is not what is promoted")]
    VersionUnproven(Version),
    /// Promise 3.
    #[error("promise 3: {0} is not in the feature's repositories")]
    ReferenceForeign(Reference),
    /// Promise 3.
    #[error("promise 3: image {0} is not known as the feature's")]
    ImageForeign(ImageId),
    /// Promise 3: a tag of a registry may only be given to the local image of the same version.
    #[error("promise 3: {0} would be moved to an image that is not the local one of this version")]
    TagForeign(Reference),
    /// Promise 4.
    #[error("promise 4: {0} would be promoted though an operator rolled back from it")]
    RolledBack(ImageId),
    /// Promise 4.
    #[error("promise 4: the promoted image would lose {0}")]
    PromotedLost(String),
    /// Promise 4.
    #[error("promise 4: the last version {0} would be gone")]
    FallbackLost(Version),
    /// A pin protects from clean-up.
    #[error("the pinned version {0} would be gone")]
    PinLost(Version),
    /// Promise 6.
    #[error("promise 6: the row FEATURE|{0} is not there, or is no row of the group's")]
    RowForeign(Feature),
}
