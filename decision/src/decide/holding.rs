//! Holding back: what forbids acting, and how far.

use std::collections::BTreeSet;

use super::index::Index;
use super::memory::UnitMemory;
use super::observation::{Image, ImageVersion, Observation, Order, Owner, SystemState};
use super::policy::{FeaturePolicy, Policy};
use super::report::Reason;
use super::takeover::Assessment;
use crate::domain::{Age, Base, ImageId, IteratorExt as _, Version};

/// The policies of all features that share a unit, taken together: the careful side wins.
pub(super) struct UnitPolicy {
    /// What forbids any change to the engine for this unit.
    pub(super) forbidden: Option<Reason>,
    /// Every feature allows it.
    cleanup: bool,
    /// The longest.
    pub(super) stable_time: Age,
    /// The most.
    pub(super) keep_versions: u8,
    /// All of them.
    pub(super) pins: BTreeSet<Version>,
}

impl UnitPolicy {
    /// Merges the policies of the members' features.
    pub(super) fn new(base: &Base, members: &[&Assessment<'_>], index: &Index<'_>, policy: &Policy) -> Self {
        let policies: Vec<&FeaturePolicy> =
            members.iter().map(|member| policy.of(&member.rows.instance.feature)).collect();
        let default = FeaturePolicy::default();
        Self {
            forbidden: forbidden(base, &policies, index.observation),
            cleanup: policies.iter().all(|policy| policy.cleanup),
            stable_time: policies.iter().map(|policy| policy.stable_time).max().unwrap_or(default.stable_time),
            keep_versions: policies.iter().map(|policy| policy.keep_versions).max().unwrap_or(default.keep_versions),
            pins: policies.iter().flat_map(|policy| policy.pin.iter().cloned()).ordered(),
        }
    }
}

/// What an operator asks for.
pub(super) fn order(members: &[&Assessment<'_>], index: &Index<'_>) -> Option<Order> {
    members.iter().find_map(|member| index.observation.orders.get(&member.rows.instance.feature)).copied()
}

fn forbidden(base: &Base, policies: &[&FeaturePolicy], observation: &Observation) -> Option<Reason> {
    if let Some(violation) = observation.stopped.get(base) {
        Some(Reason::Violation(violation.clone()))
    } else if observation.kubernetes.disabled {
        Some(Reason::KubernetesDisabled)
    } else if !observation.config_initialized {
        Some(Reason::ConfigurationNotInitialized)
    } else if policies.iter().any(|policy| !policy.enabled) {
        Some(Reason::PolicyDisabled)
    } else {
        None
    }
}

/// What forbids promoting `image`, whose takeovers are stable.
pub(super) fn promotion(
    members: &[&Assessment<'_>],
    image: &ImageId,
    version: &Version,
    index: &Index<'_>,
    policy: &UnitPolicy,
    memory: &UnitMemory,
) -> Option<Reason> {
    let others = not_stable_on(members, image);
    let under_takeover = || members.iter().filter(|member| member.takeover().is_some());
    policy
        .forbidden
        .clone()
        .or_else(|| (!others.is_empty()).then_some(Reason::OtherInstances(others)))
        .or_else(|| {
            under_takeover().any(|member| member.rows.configuration.is_none()).then_some(Reason::ConfigurationAbsent)
        })
        .or_else(|| {
            let is_held = memory.rolled_back.as_ref() == Some(image);
            (is_held && order(members, index) != Some(Order::Promote)).then(|| Reason::RolledBack(version.clone()))
        })
        .or_else(|| {
            under_takeover()
                .any(|member| index.observation.packages.contains_key(&member.rows.instance.feature))
                .then_some(Reason::PackageReference)
        })
        .or_else(|| local_container(members, index).map(Reason::LocalContainerRuns))
}

/// A running container named like an instance under takeover.
pub(super) fn local_container(members: &[&Assessment<'_>], index: &Index<'_>) -> Option<String> {
    members
        .iter()
        .filter(|member| member.takeover().is_some())
        .map(|member| member.rows.instance.container_name())
        .find(|name| index.container_named(name).is_some_and(|(_, container)| container.status.is_alive()))
}

/// The instances that are up and to be owned by kube, but have no stable takeover on `image`. An instance that does not
/// say whether it is up counts as up.
fn not_stable_on(members: &[&Assessment<'_>], image: &ImageId) -> BTreeSet<crate::domain::Instance> {
    members
        .iter()
        .filter(|member| member.set_owner == Some(Owner::Kube))
        .filter(|member| member.takeover().is_some() || !member.rows.state.system_state.is(&SystemState::Down))
        .filter(|member| {
            !member.takeover().is_some_and(|(takeover, _, is_stable)| is_stable && takeover.image == *image)
        })
        .map(|member| member.rows.instance.clone())
        .ordered()
}

/// What forbids cleaning up after a promotion.
pub(super) fn clean_up(index: &Index<'_>, images: &[(ImageId, &Image)], policy: &UnitPolicy) -> Option<Reason> {
    let is_unread = || images.iter().any(|(_, image)| image.version == ImageVersion::NotRead);
    policy
        .forbidden
        .clone()
        .or_else(|| (index.observation.kubernetes.connected == Some(false)).then_some(Reason::Disconnected))
        .or_else(|| (!policy.cleanup).then_some(Reason::CleanUpDisabled))
        .or_else(|| is_unread().then_some(Reason::ImagesNotRead))
}
