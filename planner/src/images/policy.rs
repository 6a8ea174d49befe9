//! The policy of a group, and what forbids any change to it.

use std::collections::BTreeSet;

use crate::domain::{Age, Base, Instance, Namespace, Version};
use crate::report::Gate;
use crate::snapshot::index::Index;
use crate::snapshot::{FeaturePolicy, Policy, Snapshot};
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
    pub(crate) cleanup: bool,
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
