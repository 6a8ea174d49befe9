//! Holding back: what forbids acting, and how far.

use std::collections::BTreeSet;

use super::group::GroupPlanner;
use crate::domain::{Age, Base, ImageId, Instance, Namespace, Version};
use crate::report::Gate;
use crate::snapshot::index::Index;
use crate::snapshot::{Command, ImageVersion, Snapshot, SystemState};
use crate::snapshot::{FeaturePolicy, Policy};
use crate::takeover::InstanceStatus;

/// The policies of all features that share a group, taken together: the careful side wins.
pub(crate) struct GroupPolicy {
    /// What forbids any change to the engine for this group.
    pub(crate) forbidden: Option<Gate>,
    /// The instances of which it is not known how they stand, as their databases cannot be read.
    pub(crate) unreadable: Option<Gate>,
    /// What has to be remembered before it is done must not be done.
    pub(crate) memory_unsaved: bool,
    /// Every feature allows it.
    cleanup: bool,
    /// How long a takeover has to hold: the longest `stable_time` of the features in the group.
    pub(crate) stable_time: Age,
    /// How many stable versions to keep: the most that any feature in the group asks for.
    pub(crate) keep_versions: u8,
    /// The versions that any feature pins.
    pub(crate) pins: BTreeSet<Version>,
}

impl GroupPolicy {
    /// Merges the policies of the members' features.
    pub(crate) fn new(base: &Base, members: &[&InstanceStatus<'_>], index: &Index<'_>, policy: &Policy) -> Self {
        let policies: Vec<&FeaturePolicy> =
            members.iter().map(|member| policy.of(&member.rows.instance.feature)).collect();
        let default = FeaturePolicy::default();
        let unreadable: BTreeSet<Instance> = members
            .iter()
            .filter(|member| member.unreadable.is_some())
            .map(|member| member.rows.instance.clone())
            .collect();
        Self {
            forbidden: forbidden(base, members, &policies, index.snapshot),
            unreadable: (!unreadable.is_empty()).then_some(Gate::InstancesUnreadable(unreadable)),
            memory_unsaved: index.snapshot.memory_unsaved,
            cleanup: policies.iter().all(|policy| policy.cleanup),
            stable_time: policies.iter().map(|policy| policy.stable_time).max().unwrap_or(default.stable_time),
            keep_versions: policies.iter().map(|policy| policy.keep_versions).max().unwrap_or(default.keep_versions),
            pins: policies.iter().flat_map(|policy| policy.pin.iter().cloned()).collect(),
        }
    }

    /// What forbids what an operator may ask for.
    pub(crate) fn command(&self) -> Option<Gate> {
        self.forbidden.clone().or_else(|| self.memory_unsaved.then_some(Gate::MemoryUnsaved))
    }
}

fn forbidden(
    base: &Base,
    members: &[&InstanceStatus<'_>],
    policies: &[&FeaturePolicy],
    snapshot: &Snapshot,
) -> Option<Gate> {
    if let Some(violation) = snapshot.stopped.get(base) {
        Some(Gate::Violation(violation.clone()))
    } else if snapshot.unreadable.contains(&Namespace::Host) {
        // Whether Kubernetes or the policy is disabled is not known either.
        Some(Gate::HostUnreadable)
    } else if snapshot.kubernetes.disabled {
        Some(Gate::KubernetesDisabled)
    } else if !snapshot.config_initialized {
        Some(Gate::ConfigurationNotInitialized)
    } else if policies.iter().any(|policy| !policy.enabled) {
        Some(Gate::PolicyDisabled)
    } else if members.iter().any(|member| member.rows.configuration.is_none()) {
        Some(Gate::ConfigurationAbsent)
    } else {
        None
    }
}

impl GroupPlanner<'_> {
    /// What forbids promoting `image`, whose takeovers are stable.
    pub(super) fn promotion_gate(&self, image: &ImageId, version: &Version) -> Option<Gate> {
        let others = self.not_stable_on(image);
        let is_held = self.memory.rolled_back.contains(image) && self.command != Some(&Command::Promote);
        self.policy
            .command()
            .or_else(|| self.policy.unreadable.clone())
            .or_else(|| (!others.is_empty()).then_some(Gate::OtherInstances(others)))
            .or_else(|| is_held.then(|| Gate::RolledBack(version.clone())))
            .or_else(|| {
                let mut under_takeover = self.members.iter().filter(|member| member.takeover().is_some());
                under_takeover.any(|member| self.is_package(member)).then_some(Gate::PackageReference)
            })
            .or_else(|| self.local_container().map(Gate::LocalContainerRuns))
            .or_else(|| self.latest_gate(image))
    }

    /// What forbids making `image` `latest`: what `latest` names now would be left without a tag, and under which version
    /// to keep it is not known before it has been inspected.
    pub(super) fn latest_gate(&self, image: &ImageId) -> Option<Gate> {
        let left = self.names.latest().filter(|latest| latest != image)?;
        let is_unread = self.names.image(&left).is_some_and(|left| left.version == ImageVersion::NotRead);
        let has_another_tag = || self.names.of(&left).any(|name| name.tag().is_some() && !name.is_local_latest());
        let is_nameless = is_unread && self.memory.promoted_as(&left).is_none() && !has_another_tag();
        is_nameless.then_some(Gate::LatestNotInspected(left))
    }

    /// What forbids cleaning up.
    pub(super) fn clean_up_gate(&self) -> Option<Gate> {
        let is_disconnected = self.index.snapshot.kubernetes.connected == Some(false);
        self.policy
            .forbidden
            .clone()
            .or_else(|| self.policy.unreadable.clone())
            .or_else(|| is_disconnected.then_some(Gate::Disconnected))
            .or_else(|| (!self.policy.cleanup).then_some(Gate::CleanUpDisabled))
            .or_else(|| self.standing_promotion().is_none().then_some(Gate::NothingPromoted))
    }

    /// sonic-package-manager starts the instance, and not from `BASE:latest`.
    pub(super) fn is_package(&self, member: &InstanceStatus<'_>) -> bool {
        self.index.snapshot.packages.contains_key(&member.rows.instance.feature)
    }

    /// A running container named like an instance under takeover.
    pub(super) fn local_container(&self) -> Option<String> {
        let under_takeover = self.members.iter().filter(|member| member.takeover().is_some());
        under_takeover
            .map(|member| member.rows.instance.container_name())
            .find(|name| self.index.container_named(name).is_some_and(|(_, container)| container.status.is_alive()))
    }

    /// The instances that are up and to be owned by kube, but have no stable takeover on `image`. An instance that does not
    /// say whether it is up counts as up.
    fn not_stable_on(&self, image: &ImageId) -> BTreeSet<Instance> {
        self.members
            .iter()
            .filter(|member| member.is_kube())
            .filter(|member| member.takeover().is_some() || !member.rows.state.system_state.is(&SystemState::Down))
            .filter(|member| !member.standing().is_some_and(|it| it.is_stable && it.takeover.image == *image))
            .map(|member| member.rows.instance.clone())
            .collect()
    }
}
