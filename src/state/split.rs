//! The two halves of the memory: what fallback depends on, and what was merely observed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::decide::{Arrival, InstanceMemory, Mark, Memory, Promotion, Proven, UnitMemory};
use crate::domain::{Base, ContainerId, ImageId, Instance, IteratorExt as _, StartedAt, Version};

/// The version of both files' format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub(super) struct Format;

impl Format {
    const VERSION: u32 = 1;
}

impl From<Format> for u32 {
    fn from(_: Format) -> Self {
        Format::VERSION
    }
}

impl TryFrom<u32> for Format {
    type Error = String;

    fn try_from(version: u32) -> Result<Self, Self::Error> {
        if version == Self::VERSION { Ok(Self) } else { Err(format!("its format is {version}, this program knows 1")) }
    }
}

/// `memory.json`: what has to survive a power cut.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Durable {
    format: Format,
    units: BTreeMap<Base, DurableUnit>,
}

/// What fallback and rollback depend on.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DurableUnit {
    intention: Option<Promotion>,
    #[serde(default)]
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

/// `marks.json`: what can be observed again.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Marks {
    format: Format,
    pub(super) boot_id: String,
    instances: Vec<(Instance, InstanceMemory)>,
    units: BTreeMap<Base, ObservedUnit>,
    /// When each mark was made: milliseconds on the boot-time clock.
    pub(super) stamps: Vec<(Mark, u64)>,
}

/// What was seen of a unit.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ObservedUnit {
    images: BTreeMap<ImageId, Arrival>,
    error: Option<String>,
}

impl Durable {
    /// Whether the same would be written of both memories.
    pub(super) fn is_same(one: &Memory, other: &Memory) -> bool {
        let nothing = UnitMemory::default();
        let written = |(_, unit): &(&Base, &UnitMemory)| !is_same_unit(unit, &nothing);
        let (mut ones, mut others) = (one.units.iter().filter(written), other.units.iter().filter(written));
        loop {
            match (ones.next(), others.next()) {
                (None, None) => return true,
                (Some((base, unit)), Some((other, other_unit))) if base == other && is_same_unit(unit, other_unit) => {}
                _ => return false,
            }
        }
    }

    pub(super) fn of(memory: &Memory) -> Self {
        let units = memory.units.iter().filter_map(|(base, unit)| {
            // Named one by one: whoever adds a field decides here where it belongs.
            let UnitMemory {
                intention,
                approved,
                promoted,
                finished,
                previous,
                rolled_back,
                superseded,
                reported,
                images: _,
                error: _,
            } = unit;
            let unit = DurableUnit {
                intention: intention.clone(),
                approved: approved.iter().map(|(instance, key)| (instance.clone(), key.clone())).collect(),
                promoted: promoted.clone(),
                finished: *finished,
                previous: previous.clone(),
                rolled_back: rolled_back.clone(),
                superseded: superseded.clone(),
                reported: reported.clone(),
            };
            (unit != DurableUnit::default()).then(|| (base.clone(), unit))
        });
        Self { format: Format, units: units.ordered() }
    }
}

fn is_same_unit(one: &UnitMemory, other: &UnitMemory) -> bool {
    // Named one by one, as below.
    let UnitMemory {
        intention,
        approved,
        promoted,
        finished,
        previous,
        rolled_back,
        superseded,
        reported,
        images: _,
        error: _,
    } = one;
    *intention == other.intention
        && *approved == other.approved
        && *promoted == other.promoted
        && *finished == other.finished
        && *previous == other.previous
        && *rolled_back == other.rolled_back
        && *superseded == other.superseded
        && *reported == other.reported
}

impl Marks {
    /// Whether the same would be written of both memories, besides the stamps.
    pub(super) fn is_same(one: &Memory, other: &Memory) -> bool {
        one.instances == other.instances
            && one.units.len() == other.units.len()
            && one.units.iter().zip(&other.units).all(|((base, unit), (other_base, other))| {
                base == other_base && unit.images == other.images && unit.error == other.error
            })
    }

    pub(super) fn of(memory: &Memory, boot_id: &str, stamps: Vec<(Mark, u64)>) -> Self {
        let instances = memory.instances.iter().map(|(instance, memory)| (instance.clone(), memory.clone()));
        let units = memory.units.iter().map(|(base, unit)| {
            (base.clone(), ObservedUnit { images: unit.images.clone(), error: unit.error.clone() })
        });
        Self {
            format: Format,
            boot_id: boot_id.to_owned(),
            instances: instances.collect(),
            units: units.ordered(),
            stamps,
        }
    }
}

/// Puts the halves together again.
pub(super) fn join(durable: Durable, instances_and_units: Marks) -> Memory {
    let mut memory = Memory { instances: instances_and_units.instances.into_iter().ordered(), units: BTreeMap::new() };
    for (base, ObservedUnit { images, error }) in instances_and_units.units {
        memory.units.insert(base, UnitMemory { images, error, ..UnitMemory::default() });
    }
    for (base, durable) in durable.units {
        let DurableUnit { intention, approved, promoted, finished, previous, rolled_back, superseded, reported } =
            durable;
        let unit = memory.units.entry(base).or_default();
        unit.intention = intention;
        unit.approved = approved.into_iter().ordered();
        unit.promoted = promoted;
        unit.finished = finished;
        unit.previous = previous;
        unit.rolled_back = rolled_back;
        unit.reported = reported;
        unit.superseded = superseded;
    }
    memory
}
