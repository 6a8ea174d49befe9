//! One thing that an actor does: one write to a row, one call to the engine.

use std::fmt;

use imgmgrd_planner::domain::{Base, ContainerId, Instance, Reference};

use crate::bounds::{Offer, Operation};

/// Whom an action is by, and what it is. Instances are numbered as in the scenario.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The kubelet pulls an image.
    Pull(Offer, usize),
    /// The kubelet creates a container of a version.
    Create(&'static str, usize),
    /// The kubelet or the engine starts the instance's kube container, for the first time or again.
    Start(usize),
    /// The next write of the takeover, by the container's script or the host's.
    TakeOver(usize),
    /// The kubelet is about to stop the container, whose script writes so.
    Leave(usize),
    /// The kube container exits.
    Exit(usize),
    /// The row says that the kube container has gone.
    WriteGone(usize),
    /// Its health check fails, or succeeds again.
    Health(usize, bool),
    /// One of its processes is killed for lack of memory.
    OutOfMemory(usize),
    /// The kubelet removes one of its containers that does not run.
    RemoveContainer(ContainerId),
    /// The kubelet takes a reference from an image that no container uses.
    Collect(Reference),
    /// The container is replaced, and one write says so while `remote_state` stays running.
    Replace(&'static str, usize),
    /// Nobody has taken over: `remote_state=none`.
    Revert(usize),
    /// systemd creates the local container from `BASE:latest`.
    LocalCreate(usize),
    /// systemd starts the local container.
    LocalStart(usize),
    /// The next write of the local start.
    LocalWrite(usize),
    /// An operator does something.
    Operate(Operation),
    /// CONFIG_DB is flushed; its rows are there again; it is said to be loaded.
    Reload,
    /// Somebody deletes the STATE_DB row.
    DeleteRow(usize),
    /// The switch reboots; with it what was not synced to the disk may be lost.
    Reboot {
        /// The file of marks is lost.
        marks_lost: bool,
    },
    /// Half of `stable_time` passes.
    Wait,
    /// The agent does something, or something befalls it.
    Agent(Doing),
}

/// What the agent does, and what befalls it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Doing {
    /// The engine's lists are read; the agent sees them later.
    ReadEngine,
    /// The agent sees rows and lists.
    Reconcile,
    /// The next reading is under way for a while.
    ReadLate,
    /// The next reading fails.
    ReadFails,
    /// A group is read again.
    Read(Base),
    /// A call is made.
    Step(Base),
    /// A call fails.
    StepFails(Base),
    /// A call is done, and its answer lost.
    StepUnanswered(Base),
    /// Nothing can be saved, or it can again.
    DiskFull(bool),
    /// Redis refuses writes, or takes them again.
    RedisRefuses(bool),
    /// The agent dies, and is started again.
    Crash,
    /// The agent dies after it has saved what fallback depends on and before it saved its marks.
    CrashWhileSaving,
    /// The agent is stopped, and started again.
    Stop,
}

impl Action {
    /// The action in words.
    #[must_use]
    pub fn words(&self, instances: &[(Instance, Base)]) -> String {
        let name = |number: &usize| {
            instances.get(*number).map_or_else(|| number.to_string(), |(instance, _)| instance.container_name())
        };
        match self {
            Self::Pull(offer, number) => format!("kubelet pulls {offer} for {}", name(number)),
            Self::Create(version, number) => format!("kubelet creates {}'s container of {version}", name(number)),
            Self::Start(number) => format!("kubelet starts {}'s container", name(number)),
            Self::TakeOver(number) => format!("scripts go on with {}'s takeover", name(number)),
            Self::Leave(number) => format!("{}'s kube container writes that it leaves", name(number)),
            Self::Exit(number) => format!("{}'s kube container exits", name(number)),
            Self::WriteGone(number) => format!("the host writes that {}'s kube container has gone", name(number)),
            Self::Health(number, true) => format!("{}'s kube container becomes unhealthy", name(number)),
            Self::Health(number, false) => format!("{}'s kube container becomes healthy", name(number)),
            Self::OutOfMemory(number) => format!("a process in {}'s kube container is killed by OOM", name(number)),
            Self::RemoveContainer(id) => format!("kubelet removes the stopped container {}", id.short()),
            Self::Collect(reference) => format!("kubelet collects {reference}"),
            Self::Replace(version, number) => {
                format!("kubelet replaces {}'s container by one of {version}, in one write", name(number))
            }
            Self::Revert(number) => format!("nobody takes {} over: remote_state=none", name(number)),
            Self::LocalCreate(number) => format!("systemd creates {} from latest", name(number)),
            Self::LocalStart(number) => format!("systemd starts the local {}", name(number)),
            Self::LocalWrite(number) => format!("scripts go on with the local start of {}", name(number)),
            Self::Operate(operation) => format!("operator: {operation:?}"),
            Self::Reload => "config reload goes on".to_owned(),
            Self::DeleteRow(number) => format!("somebody deletes {}'s STATE_DB row", name(number)),
            Self::Reboot { marks_lost: false } => "the switch reboots".to_owned(),
            Self::Reboot { marks_lost: true } => "the switch loses power, and the agent its marks".to_owned(),
            Self::Wait => "300 s pass".to_owned(),
            Self::Agent(doing) => doing.to_string(),
        }
    }
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReadEngine => f.write_str("agent reads the engine's lists"),
            Self::Reconcile => f.write_str("agent sees rows and lists"),
            Self::ReadLate => f.write_str("agent's next reading will take long"),
            Self::ReadFails => f.write_str("agent's next reading will fail"),
            Self::Read(base) => write!(f, "agent has read {base} again"),
            Self::Step(base) => write!(f, "agent's call for {base} is done"),
            Self::StepFails(base) => write!(f, "agent's call for {base} fails"),
            Self::StepUnanswered(base) => write!(f, "agent's call for {base} is done, its answer lost"),
            Self::DiskFull(true) => f.write_str("nothing can be saved any more"),
            Self::DiskFull(false) => f.write_str("the agent's files can be saved again"),
            Self::RedisRefuses(true) => f.write_str("Redis refuses every write"),
            Self::RedisRefuses(false) => f.write_str("Redis takes writes again"),
            Self::Crash => f.write_str("agent is killed and started again"),
            Self::CrashWhileSaving => f.write_str("agent is killed while it saves, and started again"),
            Self::Stop => f.write_str("agent is stopped and started again"),
        }
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_rebuilt { "the rebuilt " } else { "" }, self.version)
    }
}
