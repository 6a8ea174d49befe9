//! Holding back: what forbids promoting, rolling back or cleaning up.

use std::collections::BTreeSet;

use super::group::GroupPlanner;
use crate::domain::{ImageId, Instance, Version};
use crate::report::Gate;
use crate::snapshot::{Command, ImageVersion, SystemState};
use crate::takeover::InstanceStatus;

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
