//! What may happen in a scenario, and how often.

use std::fmt;

use imgmgrd_planner::{Command, Owner};

/// An image that the kubelet may pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offer {
    /// Its version and tag.
    pub version: &'static str,
    /// It was built again: another image, which takes the tag from the first.
    pub is_rebuilt: bool,
}

/// An image that is in the registry.
#[must_use]
pub fn offer(version: &'static str) -> Offer {
    Offer { version, is_rebuilt: false }
}

/// One that was built again.
#[must_use]
pub fn rebuilt(version: &'static str) -> Offer {
    Offer { version, is_rebuilt: true }
}

/// What an operator may do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `imgmgrd promote`, `imgmgrd rollback`, for the first instance's feature.
    Command(Command),
    /// CONFIG_DB: who is to own the first instance's feature.
    SetOwner(Owner),
    /// The policy's `state`.
    Enable(bool),
    /// The policy's `cleanup`.
    CleanUp(bool),
    /// The policy's `pin`.
    Pin(&'static str),
    /// The policy's `keep_versions`.
    KeepVersions(u8),
    /// `docker tag`: the version's kube image becomes `latest`.
    TagLatest(&'static str),
    /// `docker tag`: the version's kube image gets a local tag.
    TagLocally(&'static str),
    /// `docker rmi BASE:latest`.
    UntagLatest,
    /// `KUBERNETES_MASTER|SERVER` `disable`.
    Disable(bool),
    /// STATE_DB's `connected`.
    Connect(bool),
}

/// How often each thing may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Left {
    /// Kube containers that the kubelet creates.
    pub upgrades: u8,
    /// Images that it pulls.
    pub pulls: u8,
    /// Exits, restarts, failing health checks and out-of-memory kills.
    pub mishaps: u8,
    /// References that the kubelet takes from images that no container uses.
    pub collects: u8,
    /// Times that nobody takes over, and the local container is started.
    pub reverts: u8,
    /// Things that operators do.
    pub operations: u8,
    /// `config reload`.
    pub reloads: u8,
    /// Deleted STATE_DB rows.
    pub deletions: u8,
    /// Reboots.
    pub reboots: u8,
    /// The agent dies and is started again.
    pub crashes: u8,
    /// A call or a reading fails, or a call is done and its answer lost.
    pub faults: u8,
    /// A reading takes long, the rows are read later than the engine, or 300 s pass while something is under way.
    pub delays: u8,
    /// The memory cannot be saved for a while.
    pub unsaved: u8,
    /// Redis refuses writes for a while.
    pub refusals: u8,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Named one by one: whoever adds a bound has it shown.
        let Self {
            upgrades,
            pulls,
            mishaps,
            collects,
            reverts,
            operations,
            reloads,
            deletions,
            reboots,
            crashes,
            faults,
            delays,
            unsaved,
            refusals,
        } = self;
        let all = [
            (upgrades, "upgrades"),
            (pulls, "pulls"),
            (mishaps, "mishaps"),
            (collects, "collects"),
            (reverts, "reverts"),
            (operations, "operations"),
            (reloads, "reloads"),
            (deletions, "deletions"),
            (reboots, "reboots"),
            (crashes, "crashes"),
            (faults, "faults"),
            (delays, "delays"),
            (unsaved, "full disks"),
            (refusals, "refusals"),
        ];
        let bounds = all.iter().filter(|(count, _)| **count > 0).map(|(count, what)| format!("{what} {count}"));
        f.write_str(&bounds.collect::<Vec<_>>().join(", "))
    }
}
