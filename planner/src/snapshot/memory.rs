//! What was observed before and is not to be seen any more.
//!
//! Memory holds no times: the agent keeps, beside it, when each [`Mark`] was made, and tells a decision their ages.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use derive_more::Display;
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

use super::rows::{Owner, RemoteState};
use crate::domain::{Age, Base, ContainerId, ImageId, Instance, StartedAt, Version};

/// What outlives a decision: kept by the agent in `memory.json` and `marks.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Memory {
    /// Of each instance: what the next decision compares with.
    #[serde(with = "pairs")]
    pub instances: BTreeMap<Instance, InstanceMemory>,
    /// Of each image name: what fallback and rollback depend on.
    #[serde(rename = "units")]
    pub groups: BTreeMap<Base, GroupMemory>,
}

/// What is remembered of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InstanceMemory {
    /// The last `set_owner`, which holds while the row is absent.
    pub set_owner: Option<Owner>,
    /// The takeover that stood at the last decision.
    pub takeover: Option<Takeover>,
    /// How the last takeover ended before it was stable.
    pub failed: Option<Failure>,
}

/// A takeover: this container, running without interruption since this start.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Takeover {
    /// The kube container.
    pub container: ContainerId,
    /// When the engine started it.
    pub started_at: StartedAt,
    /// Out-of-memory kills in it that were known when the takeover began.
    pub oom_kills: u32,
    /// The id of the image that the container was created from.
    pub image: ImageId,
    /// The version as the container reports it (`IMAGE_VERSION`), for people and for STATE_DB.
    pub version: Version,
}

/// A takeover that ended before it was stable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Failure {
    /// The version that failed.
    pub version: Version,
    /// The id of the image that the container was created from.
    pub image: ImageId,
    /// How it ended.
    pub ending: Ending,
}

/// How a takeover ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Display, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Ending {
    /// The container was started again.
    #[display("the container was restarted")]
    Restarted,
    /// The container exited.
    #[display("the container exited")]
    Exited,
    /// The container is paused.
    #[display("the container was paused")]
    Paused,
    /// The container was removed.
    #[display("the container was removed")]
    Removed,
    /// The kernel killed one of its processes for lack of memory.
    #[display("a process of the container was killed for lack of memory")]
    OutOfMemory,
    /// Its health check says unhealthy.
    #[display("the health check says unhealthy")]
    Unhealthy,
    /// Another container took over.
    #[display("another container took over")]
    Replaced,
    /// `current_owner` is no longer kube.
    #[display("current_owner is no longer kube")]
    OwnerChanged,
    /// `remote_state` is no longer running.
    #[display("remote_state {}", _0.map_or_else(|| "is gone".to_owned(), |state| format!("became {state}")))]
    RemoteState(Option<RemoteState>),
    /// `container_version` changed.
    #[display("container_version changed")]
    VersionChanged,
    /// The container is no longer known for sure.
    #[display("the container can no longer be identified")]
    Unidentified,
}

impl Ending {
    /// A short word for programs, which stays the same from release to release.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.into()
    }
}

/// What is remembered of an image name and all instances that share it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupMemory {
    /// What is about to be promoted. Written down before the first step, so that a crash in between is understood.
    pub intention: Option<Promotion>,
    /// The takeovers that an operator has said to be good, while they stand and are not promoted yet.
    #[serde(with = "pairs")]
    pub approved: BTreeMap<Instance, (ContainerId, StartedAt)>,
    /// What was promoted last.
    pub promoted: Option<Promotion>,
    /// The promotions of `promoted`'s takeovers are carried out to the last step.
    pub finished: bool,
    /// What was promoted before, newest first, without what is promoted now.
    pub previous: Vec<Proven>,
    /// The images that an operator rolled back from: they are held until another image takes over.
    #[serde(default, deserialize_with = "one_or_more")]
    pub rolled_back: BTreeSet<ImageId>,
    /// The images seen in the group's repositories, by id, so that one that lost its last reference is still known.
    pub images: BTreeMap<ImageId, Arrival>,
    /// Kube images whose version's tag was given to the local image that actually ran (case 1 of the clean-up).
    pub superseded: BTreeSet<ImageId>,
    /// The versions that containers of an image reported, other than its own `IMAGE_VERSION`.
    #[serde(default)]
    pub reported: BTreeMap<ImageId, BTreeSet<Version>>,
    /// How the last attempt to act failed; none after a success.
    pub error: Option<String>,
}

/// A promotion of an image for the takeovers that had proven it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Promotion {
    /// The id of the image that is, or is about to be, `BASE:latest`.
    pub image: ImageId,
    /// The version as the container reports it (`IMAGE_VERSION`), for people and for STATE_DB.
    pub version: Version,
    /// The takeovers: which container of which instance, since which start. None if an operator rolled back to it.
    #[serde(with = "pairs")]
    pub takeovers: BTreeMap<Instance, (ContainerId, StartedAt)>,
    /// What an operator rolled back from to it, the newest rollback first; kept until another image is promoted.
    #[serde(default)]
    pub rolled_back_from: Vec<Proven>,
}

impl Promotion {
    /// Whether an operator asked for it to take the place of a later version: no takeover has proven it now.
    #[must_use]
    pub fn is_rollback(&self) -> bool {
        self.takeovers.is_empty()
    }

    /// The version that an operator rolled back from to it.
    pub(crate) fn left(&self) -> Option<&Version> {
        self.rolled_back_from.first().map(|left| &left.version)
    }
}

/// A version that was stable once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Proven {
    /// The version under which the image was promoted.
    pub version: Version,
    /// The id of the image that the container was created from.
    pub image: ImageId,
}

/// When an image was first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrival {
    /// Before the takeover that stands began, or it is not known to be later.
    Before,
    /// While a takeover stood: an upgrade on its way in.
    During,
}

/// Something whose age a decision asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Mark {
    /// When this takeover was first seen to stand.
    Takeover(TakeoverMark),
    /// When this image was first seen in the repositories of this image name.
    Image {
        /// The image name.
        base: Base,
        /// The id of the image.
        image: ImageId,
    },
}

/// When each mark was made, on the boot-time clock. A mark of the memory that is not here is from an earlier boot, and old.
pub type Stamps = BTreeMap<Mark, Duration>;

/// By which the age of a takeover is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TakeoverMark {
    /// The instance of the feature that the container runs.
    pub instance: Instance,
    /// The full id of the kube container.
    pub container: ContainerId,
    /// The container's start.
    pub started_at: StartedAt,
    /// Out-of-memory kills known when it began.
    pub oom_kills: u32,
}

impl GroupMemory {
    /// The version under which an image was promoted, or is about to be.
    pub(crate) fn promoted_as(&self, image: &ImageId) -> Option<&Version> {
        let promotions = self.promoted.iter().chain(&self.intention).map(|it| (&it.image, &it.version));
        let mut all = promotions.chain(self.previous.iter().map(|proven| (&proven.image, &proven.version)));
        all.find(|(other, _)| *other == image).map(|(_, version)| version)
    }

    /// What was promoted before `promotion` and not rolled back from to it, newest first: what it falls back to.
    pub(crate) fn proven_before(&self, promotion: &Promotion) -> impl Iterator<Item = (&ImageId, &Version)> {
        let displaced = self.promoted.iter().map(|promotion| (&promotion.image, &promotion.version));
        displaced.chain(self.previous.iter().map(|proven| (&proven.image, &proven.version))).filter(
            move |(image, _)| {
                **image != promotion.image && promotion.rolled_back_from.iter().all(|left| left.image != **image)
            },
        )
    }

    /// What was promoted before what is promoted, or about to be: the last version, then the others, newest first. What a
    /// promotion displaces counts from the moment it is intended: only when that is done does memory say so itself.
    pub(crate) fn proven(&self) -> impl Iterator<Item = (&ImageId, &Version)> {
        let now = self.intention.as_ref().or(self.promoted.as_ref());
        let last = now.and_then(|now| self.proven_before(now).next());
        let displaced = self.promoted.iter().map(|promotion| (&promotion.image, &promotion.version));
        let others = displaced.chain(self.previous.iter().map(|proven| (&proven.image, &proven.version)));
        let is_another = move |image: &ImageId| {
            now.is_none_or(|now| now.image != *image) && last.is_none_or(|(last, _)| last != image)
        };
        last.into_iter().chain(others.filter(move |(image, _)| is_another(image)))
    }
}

impl Takeover {
    /// The mark by which the age of this takeover is known.
    #[must_use]
    pub fn mark(&self, instance: &Instance) -> TakeoverMark {
        TakeoverMark {
            instance: instance.clone(),
            container: self.container,
            started_at: self.started_at.clone(),
            oom_kills: self.oom_kills,
        }
    }

    /// What identifies it in a [`Promotion`].
    #[must_use]
    pub fn key(&self) -> (ContainerId, StartedAt) {
        (self.container, self.started_at.clone())
    }
}

impl Memory {
    /// Everything whose age the next decision will ask for.
    #[must_use]
    pub fn marks(&self) -> BTreeSet<Mark> {
        let takeovers = self.instances.iter().filter_map(|(instance, memory)| {
            memory.takeover.as_ref().map(|takeover| Mark::Takeover(takeover.mark(instance)))
        });
        let images = self.groups.iter().flat_map(|(base, group)| {
            group.images.keys().map(|image| Mark::Image { base: base.clone(), image: *image })
        });
        takeovers.chain(images).collect()
    }

    /// What of it still holds after a reboot: no takeover outlives one, and every image seen before is old.
    #[must_use]
    pub fn after_reboot(mut self) -> Self {
        for instance in self.instances.values_mut() {
            instance.takeover = None;
            instance.failed = None;
        }
        for group in self.groups.values_mut() {
            group.images.values_mut().for_each(|arrival| *arrival = Arrival::Before);
        }
        self
    }
}

/// The ages of the marks at the moment of a decision.
///
/// A mark that memory holds but that has no age here is older than the rules distinguish (it is from an earlier boot).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Now {
    takeovers: BTreeMap<TakeoverMark, Age>,
    images: BTreeMap<Base, BTreeMap<ImageId, Age>>,
}

impl Now {
    /// How long ago the takeover of `mark`, which memory holds, was first seen.
    #[must_use]
    pub fn takeover(&self, mark: &TakeoverMark) -> Age {
        self.takeovers.get(mark).copied().unwrap_or(Age::MAX)
    }

    /// How long ago an image, which memory holds, was first seen in the repositories of an image name.
    #[must_use]
    pub fn image(&self, base: &Base, image: &ImageId) -> Age {
        self.images.get(base).and_then(|images| images.get(image)).copied().unwrap_or(Age::MAX)
    }
}

impl FromIterator<(Mark, Age)> for Now {
    fn from_iter<I: IntoIterator<Item = (Mark, Age)>>(ages: I) -> Self {
        let mut now = Self::default();
        for (mark, age) in ages.into_iter().filter(|(_, age)| *age < Age::MAX) {
            match mark {
                Mark::Takeover(mark) => {
                    now.takeovers.insert(mark, age);
                }
                Mark::Image { base, image } => {
                    now.images.entry(base).or_default().insert(image, age);
                }
            }
        }
        now
    }
}

/// One image, as it was written when there could not be several, none, or a list.
///
/// # Errors
/// If it is neither.
pub fn one_or_more<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<ImageId>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Several(BTreeSet<ImageId>),
        One(Option<ImageId>),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::Several(images) => images,
        Written::One(image) => image.into_iter().collect(),
    })
}

/// Maps with structured keys as lists of pairs, since JSON's keys are strings.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(crate) fn deserialize<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<K, V>, D::Error> {
        Vec::<(K, V)>::deserialize(deserializer).map(|pairs| pairs.into_iter().collect())
    }
}
