//! The two halves of the memory: what fallback depends on, and what was merely observed.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::decide::{Arrival, Memory, Promotion, Proven, UnitMemory};
use crate::domain::{Base, ContainerId, ImageId, Instance, StartedAt, Version};

use super::memory::Stamps;

/// What fallback and rollback depend on of each unit: what has to survive a power cut.
pub(super) type Durable = BTreeMap<Base, DurableUnit>;

/// What fallback and rollback depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct DurableUnit {
    intention: Option<Promotion>,
    approved: Vec<(Instance, (ContainerId, StartedAt))>,
    promoted: Option<Promotion>,
    finished: bool,
    previous: Vec<Proven>,
    #[serde(default, deserialize_with = "crate::decide::one_or_more")]
    rolled_back: BTreeSet<ImageId>,
    superseded: BTreeSet<ImageId>,
    #[serde(default)]
    reported: BTreeMap<ImageId, BTreeSet<Version>>,
}

/// What was seen of a unit, and can be observed again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ObservedUnit {
    images: BTreeMap<ImageId, Arrival>,
    error: Option<String>,
}

/// The two halves of a unit.
pub(super) fn split(unit: &UnitMemory) -> (DurableUnit, ObservedUnit) {
    // Named one by one: whoever adds a field decides here where it belongs.
    let UnitMemory {
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
    } = unit;
    let durable = DurableUnit {
        intention: intention.clone(),
        approved: approved.iter().map(|(instance, key)| (instance.clone(), key.clone())).collect(),
        promoted: promoted.clone(),
        finished: *finished,
        previous: previous.clone(),
        rolled_back: rolled_back.clone(),
        superseded: superseded.clone(),
        reported: reported.clone(),
    };
    (durable, ObservedUnit { images: images.clone(), error: error.clone() })
}

/// Puts the halves together again.
pub(super) fn join(durable: DurableUnit, observed: ObservedUnit) -> UnitMemory {
    let DurableUnit { intention, approved, promoted, finished, previous, rolled_back, superseded, reported } = durable;
    let ObservedUnit { images, error } = observed;
    let approved = approved.into_iter().collect();
    UnitMemory { intention, approved, promoted, finished, previous, rolled_back, images, superseded, reported, error }
}

/// The half that fallback depends on, without the units that have none.
pub(super) fn durable(memory: &Memory) -> Durable {
    let units = memory.units.iter().map(|(base, unit)| (base.clone(), split(unit).0));
    units.filter(|(_, unit)| *unit != DurableUnit::default()).collect()
}

/// By which the other half, with the moments of its marks, is recognised as the one that was written.
pub(super) fn fingerprint(memory: &Memory, stamps: &Stamps) -> u64 {
    let mut hasher = DefaultHasher::new();
    memory.instances.hash(&mut hasher);
    for (base, unit) in &memory.units {
        (base, &unit.images, &unit.error).hash(&mut hasher);
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
