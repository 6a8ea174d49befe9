//! What the soak knows of the switch by its own doing, beside what the engine says: since when which container runs,
//! which images came when, what the agent made `latest`, and what holds it back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::features::FEATURES;

/// A changed row or policy may reach the agent so much later, on a machine that is busy.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// A Kubernetes container that has taken an instance over.
#[derive(Clone, Debug)]
pub(crate) struct Kube {
    /// Its id, 64 hex digits.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// Its image.
    pub(crate) image: String,
    /// The version.
    pub(crate) version: String,
    /// A moment before it was started: it cannot have run for longer.
    pub(crate) begun: Instant,
}

/// What became of an order of the operator's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    /// `imgmgrd promote` of the version that runs.
    Promote,
    /// `imgmgrd rollback`.
    Rollback,
}

/// What the agent made `latest`.
#[derive(Clone, Debug)]
pub(crate) struct Promotion {
    /// The image.
    pub(crate) image: String,
    /// Its version.
    pub(crate) version: String,
}

/// A feature with all its instances.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// What runs each instance, if Kubernetes does.
    pub(crate) kube: Vec<Option<Kube>>,
    /// The promotions, the newest last; after a rollback the version that it went back to alone.
    pub(crate) promoted: Vec<Promotion>,
    /// What was promoted before a rollback: it may be gone back to, or kept.
    pub(crate) former: BTreeSet<String>,
    /// Containers whose version an operator has said to be good, or may have.
    pub(crate) approved: BTreeSet<String>,
    /// The orders since the last version was deployed.
    pub(crate) orders: Vec<Order>,
    /// A rollback was asked for, and may still come: what cannot be done at once is done when it can be.
    pub(crate) may_roll_back: bool,
    /// Others have moved or removed `latest` since the last version was deployed.
    pub(crate) latest_meddled: bool,
    /// The pinned version.
    pub(crate) pin: Option<String>,
    /// When somebody else changed something about its images or containers for the last time.
    pub(crate) touched: Option<Instant>,
}

impl Group {
    /// The image that runs every instance that is up, and since when at most.
    pub(crate) fn taken_over(&self) -> Option<(&Kube, Instant)> {
        let first = self.kube.iter().flatten().next()?;
        let youngest = self.kube.iter().flatten().map(|kube| kube.begun).max()?;
        self.kube.iter().flatten().all(|kube| kube.image == first.image).then_some((first, youngest))
    }

    /// The promotions before the last, newest first, without those of its image and each image once.
    pub(crate) fn before_the_last(&self) -> Vec<&Promotion> {
        let Some(last) = self.promoted.last() else { return Vec::new() };
        let mut found: Vec<&Promotion> = Vec::new();
        for promotion in self.promoted.iter().rev() {
            if promotion.image != last.image && found.iter().all(|other| other.image != promotion.image) {
                found.push(promotion);
            }
        }
        found
    }

    /// A container ends.
    pub(crate) fn ends(&mut self, id: &str) {
        let is_it = |kube: &&mut Option<Kube>| kube.as_ref().is_some_and(|kube| kube.id == id);
        self.kube.iter_mut().filter(is_it).for_each(|kube| *kube = None);
    }

    /// `image` is what the group is on now.
    pub(crate) fn promote(&mut self, image: &str, version: &str) {
        if self.promoted.last().is_none_or(|last| last.image != image) {
            self.promoted.push(Promotion { image: image.to_owned(), version: version.to_owned() });
        }
    }
}

/// An image of a feature's.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// The feature's number.
    pub(crate) feature: usize,
    /// Its version.
    pub(crate) version: String,
    /// A moment before it came for the first time.
    pub(crate) arrived: Instant,
    /// The first calm phase in which it was on the disk: the agent has seen it, too.
    pub(crate) settled: Option<Instant>,
}

/// A value that changes, with when it did.
#[derive(Debug)]
pub(crate) struct Changing<T> {
    now: T,
    before: T,
    changed: Option<Instant>,
}

impl<T: Copy + Ord> Changing<T> {
    fn new(value: T) -> Self {
        Self { now: value, before: value, changed: None }
    }

    /// It is this from now on.
    pub(crate) fn set(&mut self, value: T) {
        self.before = self.least();
        self.now = value;
        self.changed = Some(Instant::now());
    }

    /// The value.
    pub(crate) fn now(&self) -> T {
        self.now
    }

    /// The least that the agent may rightly go by.
    pub(crate) fn least(&self) -> T {
        match self.changed {
            Some(changed) if changed.elapsed() < GRACE => self.now.min(self.before),
            _ => self.now,
        }
    }
}

/// Something that holds the agent back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    known_at: Instant,
}

impl Hold {
    /// From now on; the agent knows it in a while.
    pub(crate) fn begin() -> Option<Self> {
        Some(Self { known_at: Instant::now() + GRACE })
    }

    /// Whether the agent knows.
    pub(crate) fn is_known(self) -> bool {
        Instant::now() > self.known_at
    }
}

/// What holds the agent back.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    /// CONFIG_DB is being loaded.
    pub(crate) loading: Option<Hold>,
    /// The policy says `state=disabled`.
    pub(crate) disabled: Option<Hold>,
    /// Kubernetes is disabled.
    pub(crate) kubernetes: Option<Hold>,
    /// The control plane is away: nothing is removed.
    pub(crate) disconnected: Option<Hold>,
}

/// All that is known.
#[derive(Debug)]
pub(crate) struct Record {
    /// By feature number.
    pub(crate) groups: Vec<Group>,
    /// By id.
    pub(crate) images: BTreeMap<String, Known>,
    /// When the agent has last asked the engine for an object, by what it called it.
    pub(crate) inspected: BTreeMap<String, Instant>,
    /// Seconds.
    pub(crate) stable_time: Changing<u64>,
    /// The current version included.
    pub(crate) keep_versions: Changing<usize>,
    /// What holds the agent back.
    pub(crate) holds: Holds,
    /// The last moment at which the agent was hindered in following what goes on.
    pub(crate) hindered: Instant,
    /// How often the engine was taken away.
    pub(crate) outages: u64,
}

impl Record {
    /// Before anything has happened.
    pub(crate) fn new(stable_time: u64, keep_versions: usize) -> Self {
        let group = |feature: &crate::features::Feature| Group {
            kube: vec![None; feature.instances().len()],
            ..Group::default()
        };
        Self {
            groups: FEATURES.iter().map(group).collect(),
            images: BTreeMap::new(),
            inspected: BTreeMap::new(),
            stable_time: Changing::new(stable_time),
            keep_versions: Changing::new(keep_versions),
            holds: Holds::default(),
            hindered: Instant::now(),
            outages: 0,
        }
    }

    /// Somebody else is changing something about a feature's images or containers.
    pub(crate) fn touch(&mut self, feature: usize) {
        self.groups[feature].touched = Some(Instant::now());
    }

    /// The agent is hindered in following what goes on: what it does not know yet it knows later.
    pub(crate) fn hinder(&mut self) {
        self.hindered = Instant::now();
        let Holds { loading, disabled, kubernetes, disconnected } = &mut self.holds;
        for hold in [loading, disabled, kubernetes, disconnected].into_iter().flatten() {
            if !hold.is_known() {
                hold.known_at = self.hindered + GRACE;
            }
        }
    }

    /// An image is on its way in.
    pub(crate) fn image_comes(&mut self, id: &str, feature: usize, version: &str, since: Instant) {
        let known = Known { feature, version: version.to_owned(), arrived: since, settled: None };
        self.images.entry(id.to_owned()).or_insert(known);
    }
}
