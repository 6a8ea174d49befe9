//! The two halves of the memory: what fallback depends on, and what was merely observed.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::{Base, ContainerId, ImageId, Instance, StartedAt, Version};
use crate::planner::{Arrival, GroupMemory, Memory, Promotion, Proven, Stamps};

/// What fallback and rollback depend on of each group: what has to survive a power cut.
pub(super) type Durable = BTreeMap<Base, DurableGroup>;

/// What fallback and rollback depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct DurableGroup {
    intention: Option<Promotion>,
    approved: Vec<(Instance, (ContainerId, StartedAt))>,
    promoted: Option<Promotion>,
    finished: bool,
    previous: Vec<Proven>,
    #[serde(default, deserialize_with = "crate::planner::one_or_more")]
    rolled_back: BTreeSet<ImageId>,
    superseded: BTreeSet<ImageId>,
    #[serde(default)]
    reported: BTreeMap<ImageId, BTreeSet<Version>>,
}

/// What was seen of a group, and can be observed again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ObservedGroup {
    images: BTreeMap<ImageId, Arrival>,
    error: Option<String>,
}

/// The two halves of a group.
pub(super) fn split(group: &GroupMemory) -> (DurableGroup, ObservedGroup) {
    // Named one by one: whoever adds a field decides here where it belongs.
    let GroupMemory {
        intention,
        approved,
        promoted,
        finished,
        previous,
        rolled_back,
        images,
        superseded,
        reported,
        error,
    } = group;
    let durable = DurableGroup {
        intention: intention.clone(),
        approved: approved.iter().map(|(instance, key)| (instance.clone(), key.clone())).collect(),
        promoted: promoted.clone(),
        finished: *finished,
        previous: previous.clone(),
        rolled_back: rolled_back.clone(),
        superseded: superseded.clone(),
        reported: reported.clone(),
    };
    (durable, ObservedGroup { images: images.clone(), error: error.clone() })
}

/// Puts the halves together again.
pub(super) fn join(durable: DurableGroup, observed: ObservedGroup) -> GroupMemory {
    let DurableGroup { intention, approved, promoted, finished, previous, rolled_back, superseded, reported } = durable;
    let ObservedGroup { images, error } = observed;
    let approved = approved.into_iter().collect();
    GroupMemory { intention, approved, promoted, finished, previous, rolled_back, images, superseded, reported, error }
}

/// The half that fallback depends on, without the groups that have none.
pub(super) fn durable(memory: &Memory) -> Durable {
    let groups = memory.groups.iter().map(|(base, group)| (base.clone(), split(group).0));
    groups.filter(|(_, group)| *group != DurableGroup::default()).collect()
}

/// By which the other half, with the moments of its marks, is recognised as the one that was written.
pub(super) fn fingerprint(memory: &Memory, stamps: &Stamps) -> u64 {
    let mut hasher = DefaultHasher::new();
    memory.instances.hash(&mut hasher);
    for (base, group) in &memory.groups {
        (base, &group.images, &group.error).hash(&mut hasher);
    }
    for (mark, stamp) in stamps {
        (mark, milliseconds(*stamp)).hash(&mut hasher);
    }
    hasher.finish()
}

/// Rounded up, so that nothing comes of age early.
pub(super) fn milliseconds(stamp: Duration) -> u64 {
    u64::try_from(stamp.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
