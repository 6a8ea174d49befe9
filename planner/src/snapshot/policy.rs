//! What the operator wants: `CONTAINER_IMAGE|GLOBAL` and `CONTAINER_IMAGE_FEATURE|<feature>`, merged.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::domain::{Age, Feature, Version};

/// The policy of every feature.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Policy {
    /// Where no feature's own row says otherwise.
    pub global: FeaturePolicy,
    /// The features with rows of their own, already merged with `global`.
    pub features: BTreeMap<Feature, FeaturePolicy>,
}

impl Policy {
    /// The policy that holds for `feature`.
    #[must_use]
    pub fn of(&self, feature: &Feature) -> &FeaturePolicy {
        self.features.get(feature).unwrap_or(&self.global)
    }
}

/// The policy of one feature.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct FeaturePolicy {
    /// `state`: whether the agent may change anything in the engine.
    pub enabled: bool,
    /// `stable_time`: how long a takeover has to stand.
    pub stable_time: Age,
    /// `keep_versions`: how many stable versions stay on the disk, the promoted one included.
    pub keep_versions: u8,
    /// `cleanup`: whether old images are removed.
    pub cleanup: bool,
    /// `pin`: a version that clean-up leaves alone.
    pub pin: BTreeSet<Version>,
}

impl FeaturePolicy {
    /// `stable_time` where nothing says otherwise; ctrmgrd's `tag_latest_image_on_wait_seconds`.
    pub const STABLE_TIME: u32 = 600;
    /// `keep_versions` where nothing says otherwise: the current and the last.
    pub const KEEP_VERSIONS: u8 = 2;
}

impl Default for FeaturePolicy {
    fn default() -> Self {
        Self {
            enabled: true,
            stable_time: Age::from_seconds(u64::from(Self::STABLE_TIME)),
            keep_versions: Self::KEEP_VERSIONS,
            cleanup: true,
            pin: BTreeSet::new(),
        }
    }
}
