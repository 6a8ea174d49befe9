//! What holds a group back.

use std::collections::BTreeSet;

use derive_more::Display;

use super::words::{list, unreadable};
use crate::domain::{ImageId, Instance, Namespace, Version};

/// What holds a promotion, a rollback or a clean-up back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display)]
pub enum Gate {
    /// The invariants refused the plan.
    #[display("stopped, the plan would break a promise: {_0}")]
    Violation(String),
    /// The host's database cannot be read, so that it is not known what else holds.
    #[display("{}", unreadable(Namespace::Host))]
    HostUnreadable,
    /// `KUBERNETES_MASTER|SERVER` `disable=true`.
    #[display("Kubernetes is disabled (KUBERNETES_MASTER|SERVER disable=true)")]
    KubernetesDisabled,
    /// CONFIG_DB is being loaded.
    #[display("CONFIG_DB is being loaded")]
    ConfigurationNotInitialized,
    /// Policy `state=disabled`.
    #[display("policy state=disabled")]
    PolicyDisabled,
    /// The feature's CONFIG_DB row is absent.
    #[display("the CONFIG_DB row is absent")]
    ConfigurationAbsent,
    /// What has to be remembered cannot be.
    #[display("the memory cannot be saved; the log says why")]
    MemoryUnsaved,
    /// The databases that would say how these instances stand cannot be read.
    #[display("the databases that say how they stand cannot be read: {}", instances(_0))]
    InstancesUnreadable(BTreeSet<Instance>),
    /// Other instances that share the image have to be stable on it too.
    #[display("not yet stable on the same image: {}", list(_0))]
    OtherInstances(BTreeSet<Instance>),
    /// An operator rolled back from this version's image.
    #[display("an operator rolled back from {_0}")]
    RolledBack(Version),
    /// sonic-package-manager starts the feature from another reference than `BASE:latest`.
    #[display("sonic-package-manager starts it from an image id, not from its latest tag")]
    PackageReference,
    /// A container named like the instance runs.
    #[display("the local container {_0} runs")]
    LocalContainerRuns(String),
    /// `latest` would leave this image without a tag, and it has not been inspected, so that no tag of its own is known.
    #[display("image {}, which latest names, has not been inspected yet", _0.short())]
    LatestNotInspected(ImageId),
    /// Nothing that was promoted stands: clean-up waits.
    #[display("no promoted Kubernetes container is running")]
    NothingPromoted,
    /// STATE_DB says `connected=false`: nothing could be pulled again.
    #[display("the switch is not connected to Kubernetes (connected=false)")]
    Disconnected,
    /// Policy `cleanup=disabled`.
    #[display("policy cleanup=disabled")]
    CleanUpDisabled,
}

fn instances(instances: &BTreeSet<Instance>) -> String {
    let named = |instance: &Instance| format!("{instance} ({})", instance.namespace);
    list(&instances.iter().map(named).collect::<BTreeSet<_>>())
}
