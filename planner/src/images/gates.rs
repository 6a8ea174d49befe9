//! Holding back: what forbids acting, and how far.

use std::collections::BTreeSet;

use crate::domain::{Age, Base, ImageId, Instance, Namespace, Version};
use crate::report::Reason;
use crate::snapshot::GroupMemory;
use crate::snapshot::index::Index;
use crate::snapshot::{Command, Owner, Snapshot, SystemState};
use crate::snapshot::{FeaturePolicy, Policy};
use crate::takeover::InstanceStatus;

/// The policies of all features that share a group, taken together: the careful side wins.
pub(crate) struct GroupPolicy {
    /// What forbids any change to the engine for this group.
    pub(crate) forbidden: Option<Reason>,
    /// The instances of which it is not known how they stand, as their databases cannot be read.
    pub(crate) unreadable: Option<Reason>,
    /// What has to be remembered before it is done must not be done.
    pub(crate) memory_unsaved: bool,
    /// Every feature allows it.
    cleanup: bool,
    /// How long a takeover has to hold: the longest `stable_time` of the features in the group.
    pub(crate) stable_time: Age,
    /// How many stable versions to keep: the most that any feature in the group asks for.
    pub(crate) keep_versions: u8,
    /// All of them.
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
            unreadable: (!unreadable.is_empty()).then_some(Reason::InstancesUnreadable(unreadable)),
            memory_unsaved: index.snapshot.memory_unsaved,
            cleanup: policies.iter().all(|policy| policy.cleanup),
            stable_time: policies.iter().map(|policy| policy.stable_time).max().unwrap_or(default.stable_time),
            keep_versions: policies.iter().map(|policy| policy.keep_versions).max().unwrap_or(default.keep_versions),
            pins: policies.iter().flat_map(|policy| policy.pin.iter().cloned()).collect(),
        }
    }
}

impl GroupPolicy {
    /// What forbids what an operator may ask for.
    pub(crate) fn command(&self) -> Option<Reason> {
        self.forbidden.clone().or_else(|| self.memory_unsaved.then_some(Reason::MemoryUnsaved))
    }

    /// What forbids cleaning up after a promotion.
    pub(crate) fn clean_up(&self, snapshot: &Snapshot) -> Option<Reason> {
        self.forbidden
            .clone()
            .or_else(|| self.unreadable.clone())
            .or_else(|| (snapshot.kubernetes.connected == Some(false)).then_some(Reason::Disconnected))
            .or_else(|| (!self.cleanup).then_some(Reason::CleanUpDisabled))
    }
}

/// What an operator asks for.
pub(crate) fn command<'a>(members: &[&InstanceStatus<'_>], index: &Index<'a>) -> Option<&'a Command> {
    members.iter().find_map(|member| index.snapshot.commands.get(&member.rows.instance.feature))
}

fn forbidden(
    base: &Base,
    members: &[&InstanceStatus<'_>],
    policies: &[&FeaturePolicy],
    snapshot: &Snapshot,
) -> Option<Reason> {
    if let Some(violation) = snapshot.stopped.get(base) {
        Some(Reason::Violation(violation.clone()))
    } else if snapshot.unreadable.contains(&Namespace::Host) {
        // Whether Kubernetes or the policy is disabled is not known either.
        Some(Reason::NamespaceUnreadable(Namespace::Host))
    } else if snapshot.kubernetes.disabled {
        Some(Reason::KubernetesDisabled)
    } else if !snapshot.config_initialized {
        Some(Reason::ConfigurationNotInitialized)
    } else if policies.iter().any(|policy| !policy.enabled) {
        Some(Reason::PolicyDisabled)
    } else if members.iter().any(|member| member.rows.configuration.is_none()) {
        Some(Reason::ConfigurationAbsent)
    } else {
        None
    }
}

/// What forbids promoting `image`, whose takeovers are stable.
pub(crate) fn promotion(
    members: &[&InstanceStatus<'_>],
    image: &ImageId,
    version: &Version,
    index: &Index<'_>,
    policy: &GroupPolicy,
    memory: &GroupMemory,
) -> Option<Reason> {
    let others = not_stable_on(members, image);
    let under_takeover = || members.iter().filter(|member| member.takeover().is_some());
    policy
        .command()
        .or_else(|| policy.unreadable.clone())
        .or_else(|| (!others.is_empty()).then_some(Reason::OtherInstances(others)))
        .or_else(|| {
            let is_held = memory.rolled_back.contains(image);
            (is_held && command(members, index) != Some(&Command::Promote)).then(|| Reason::RolledBack(version.clone()))
        })
        .or_else(|| {
            under_takeover()
                .any(|member| index.snapshot.packages.contains_key(&member.rows.instance.feature))
                .then_some(Reason::PackageReference)
        })
        .or_else(|| local_container(members, index).map(Reason::LocalContainerRuns))
}

/// A running container named like an instance under takeover.
pub(crate) fn local_container(members: &[&InstanceStatus<'_>], index: &Index<'_>) -> Option<String> {
    members
        .iter()
        .filter(|member| member.takeover().is_some())
        .map(|member| member.rows.instance.container_name())
        .find(|name| index.container_named(name).is_some_and(|(_, container)| container.status.is_alive()))
}

/// The instances that are up and to be owned by kube, but have no stable takeover on `image`. An instance that does not
/// say whether it is up counts as up.
fn not_stable_on(members: &[&InstanceStatus<'_>], image: &ImageId) -> BTreeSet<Instance> {
    members
        .iter()
        .filter(|member| member.set_owner == Some(Owner::Kube))
        .filter(|member| member.takeover().is_some() || !member.rows.state.system_state.is(&SystemState::Down))
        .filter(|member| {
            !member.takeover().is_some_and(|(takeover, _, is_stable)| is_stable && takeover.image == *image)
        })
        .map(|member| member.rows.instance.clone())
        .collect()
}
