//! The parts of memory and report that are one group's, and the part of the memory that fallback depends on.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Base, Instance};
use crate::{GroupMemory, InstanceReport, Mark, Memory, Report, Wake};

impl GroupMemory {
    /// What fallback and rollback depend on: what has to survive a power cut. The rest can be observed again.
    #[must_use]
    pub fn durable(&self) -> Self {
        // Named one by one: whoever adds a field decides here where it belongs.
        let Self {
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
        } = self;
        Self {
            intention: intention.clone(),
            approved: approved.clone(),
            promoted: promoted.clone(),
            finished: *finished,
            previous: previous.clone(),
            rolled_back: rolled_back.clone(),
            superseded: superseded.clone(),
            reported: reported.clone(),
            images: BTreeMap::new(),
            error: None,
        }
    }

    /// Whether both say the same of what fallback and rollback depend on.
    #[must_use]
    pub fn is_same_durable(&self, other: &Self) -> bool {
        // Named one by one, as above.
        let Self {
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
        } = self;
        *intention == other.intention
            && *approved == other.approved
            && *promoted == other.promoted
            && *finished == other.finished
            && *previous == other.previous
            && *rolled_back == other.rolled_back
            && *superseded == other.superseded
            && *reported == other.reported
    }

    /// Takes what fallback and rollback depend on from `saved`, and keeps what was observed.
    pub(super) fn set_durable(&mut self, saved: Option<&Self>) {
        let (images, error) = (std::mem::take(&mut self.images), self.error.take());
        *self = Self { images, error, ..saved.cloned().unwrap_or_default() };
    }
}

impl Memory {
    /// The marks of a group and of the instances that a report says are its.
    pub(super) fn marks_of(&self, base: &Base, report: &Report) -> BTreeSet<Mark> {
        let images = self.groups.get(base).into_iter().flat_map(|group| group.images.keys());
        let images = images.map(|image| Mark::Image { base: base.clone(), image: *image });
        let takeovers = report.instances_of(base).filter_map(|(instance, _)| {
            Some(Mark::Takeover(self.instances.get(instance)?.takeover.as_ref()?.mark(instance)))
        });
        images.chain(takeovers).collect()
    }
}

impl Report {
    /// The instances of a group.
    pub fn instances_of<'a>(&'a self, base: &'a Base) -> impl Iterator<Item = (&'a Instance, &'a InstanceReport)> {
        self.instances.iter().filter(move |(_, told)| told.base.as_ref() == Some(base))
    }

    /// Whether there is something in it that the next decision will not tell again.
    pub(super) fn has_news(&self) -> bool {
        self.instances.values().any(|told| told.ended.is_some())
            || self.groups.values().any(|group| group.settled.is_some())
    }

    /// Takes over what another report says of a group.
    pub(super) fn replace(&mut self, base: &Base, newer: Self) {
        let is_its = |wake: &Wake| match &wake.mark {
            Mark::Image { base: other, .. } => other == base,
            Mark::Takeover(mark) => {
                self.instances.get(&mark.instance).is_some_and(|told| told.base.as_ref() == Some(base))
            }
        };
        let wakes: BTreeSet<Wake> = self.wakes.iter().filter(|wake| !is_its(wake)).cloned().collect();
        self.wakes = wakes.into_iter().chain(newer.wakes).collect();
        self.instances.extend(newer.instances);
        self.groups.extend(newer.groups);
    }
}
