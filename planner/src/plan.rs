//! What to do: the steps that a decision orders and that the agent carries out, one type for both.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use derive_more::Display;
use serde::Serialize;

use crate::domain::{Base, ContainerId, ImageId, Reference, StartedAt, Value, Version};
use crate::snapshot::{NamedContainer, RowKey};

/// The actions of each group, in the order in which they are to be carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Plan {
    /// Only groups with something to do.
    pub groups: BTreeMap<Base, Vec<Action>>,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}

/// Steps that belong together: when one cannot be done, the rest of the action is left for the next decision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Action {
    /// What it is for.
    pub purpose: Purpose,
    /// The steps, in order. Never empty.
    pub steps: Vec<Step>,
}

/// What an action is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display)]
pub enum Purpose {
    /// Promotion: make this version the local `latest`, steps 1 and 2. Without it, nothing else of the group is done.
    #[display("promote {_0}")]
    Promote(Version),
    /// An operator rolls back: make this version the local `latest` again. Without it, nothing else of the group is done.
    #[display("roll back to {_0}")]
    RollBack(Version),
    /// `latest` is gone while the promoted image is on the disk: tag it again.
    #[display("restore latest to {_0}")]
    RestoreLatest(Version),
    /// A version that was promoted and is to be kept has lost its tags to other images: give it one of its own.
    #[display("give {_0} a tag of its own")]
    NamePromoted(Version),
    /// Promotion, step 3: write the versions to STATE_DB.
    #[display("record {_0} as stable")]
    RecordVersions(Version),
    /// Clean-up: a local tag of an image that has another name.
    #[display("drop the local tag {_0}")]
    DropLocalTag(Version),
    /// Clean-up, case 1: the local image is the one that actually ran.
    #[display("keep the local image of {_0}, which actually ran")]
    KeepLocalImage(Version),
    /// Clean-up, case 2 and 3: an image that nothing needs any more.
    #[display("remove {}", _0.as_ref().map_or_else(|| "an image without version".to_owned(), ToString::to_string))]
    RemoveImage(Option<Version>),
}

impl Purpose {
    /// Whether the group's remaining actions depend on this one.
    #[must_use]
    pub fn is_required(&self) -> bool {
        matches!(self, Self::Promote(_) | Self::RollBack(_) | Self::RestoreLatest(_))
    }

    /// Whether it is clean-up, step 4 of the promotion: it goes behind steps 1 to 3 of every group.
    #[must_use]
    pub fn is_removal(&self) -> bool {
        matches!(self, Self::DropLocalTag(_) | Self::KeepLocalImage(_) | Self::RemoveImage(_))
    }
}

/// One change to the engine or to STATE_DB. Steps carry ids, never bare tags: what a tag names is checked right before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Point `reference` at `image`, if it still points at `from`.
    Tag {
        /// The id of the image.
        image: ImageId,
        /// The tag that is to name it.
        reference: Reference,
        /// What the tag names now.
        from: Option<ImageId>,
        /// The containers that must still run from `image`, each since this start; none unless the tag is a promotion.
        proven_by: BTreeMap<ContainerId, StartedAt>,
    },
    /// Remove the container, if it still has this name and image and does not run.
    RemoveContainer {
        /// The full id of the container.
        container: ContainerId,
        /// The name that it must still have, such as `telemetry` or `bgp0`.
        name: Arc<str>,
        /// The id of the image that it must still be of.
        image: ImageId,
    },
    /// Write `container_stable_version` and `container_last_version`, if the row still exists with this `container_id`.
    RecordVersions {
        /// The STATE_DB row, `FEATURE|<key>` in its namespace.
        row: RowKey,
        /// The `container_id` that it had.
        container_id: Value<NamedContainer>,
        /// `container_stable_version`.
        stable: Version,
        /// `container_last_version`; none leaves it as it is.
        last: Option<Version>,
    },
    /// Remove `reference`, if it still names `image`. Removes the image too if that was its last reference.
    RemoveReference {
        /// The tag or digest reference to remove.
        reference: Reference,
        /// What it must name.
        image: ImageId,
    },
    /// Remove an image that has no reference left.
    RemoveImage {
        /// The id of the image.
        image: ImageId,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag { image, reference, from: None, .. } => write!(f, "tag {image:.19} as {reference}"),
            Self::Tag { image, reference, from: Some(from), .. } => {
                write!(f, "tag {image:.19} as {reference}, which names {from:.19}")
            }
            Self::RemoveContainer { container, name, image } => {
                write!(f, "remove stopped container {name} ({container:.12}, of image {image:.19})")
            }
            Self::RecordVersions { row, stable, last, .. } => {
                write!(f, "write STATE_DB FEATURE|{}", row.key)?;
                if row.namespace != crate::domain::Namespace::Host {
                    write!(f, " of {}", row.namespace)?;
                }
                write!(f, ": container_stable_version={stable}")?;
                last.as_ref().map_or(Ok(()), |last| write!(f, " container_last_version={last}"))
            }
            Self::RemoveReference { reference, image } => write!(f, "remove {reference} ({image:.19})"),
            Self::RemoveImage { image } => write!(f, "remove image {image:.19}, which has no name"),
        }
    }
}

impl Serialize for Step {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How a step went, whoever carried it out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display)]
pub enum StepOutcome {
    /// What the step asks for is so: the step did it, or it was so already.
    #[display("done")]
    Done {
        /// The size in bytes of the image that is gone with it; layers that others share are counted.
        reclaimed: u64,
    },
    /// The engine says that something uses the image. It may succeed once something has changed on the engine.
    #[display("in use")]
    InUse,
    /// The world is not what the plan was made from, and why: nothing was changed, and a new plan is due.
    Changed(String),
    /// It failed, and why: it may be done or not, which the next reading tells.
    #[display("failed: {_0}")]
    Failed(String),
}

impl StepOutcome {
    /// Done, with nothing reclaimed.
    pub const DONE: Self = Self::Done { reclaimed: 0 };
}
