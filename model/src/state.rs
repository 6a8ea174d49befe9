//! A state of the model: plain data, hashed as a whole.

use std::collections::BTreeMap;

use imgmgrd_planner::domain::{ContainerId, StartedAt};
use imgmgrd_planner::fixtures::container_id;
use imgmgrd_planner::{FeatureConfiguration, RowKey};

use crate::bounds::Left;
use crate::history::History;
use crate::property::Broken;
use crate::site::Site;

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The switch and the agent.
    pub site: Site,
    /// Where the kubelet, systemd and the scripts are with each instance, in the scenario's order.
    pub lives: Vec<Life>,
    /// Where `config reload` is.
    pub reload: Reload,
    /// What happened, as far as the promises depend on it.
    pub history: History,
    /// What may still happen.
    pub left: Left,
    /// What the last transition broke; nothing follows then.
    pub broken: Option<Broken>,
}

impl Life {
    /// The id for a new container of that name, and its number.
    pub(crate) fn new_container(&mut self, name: &str) -> (ContainerId, u32) {
        self.containers += 1;
        (container_id(&format!("container {name} {}", self.containers)), self.containers)
    }

    /// The time of a container's next start.
    pub(crate) fn new_start(&mut self) -> StartedAt {
        self.starts += 1;
        format!("2026-11-21T00:00:{:02}Z", self.starts).parse().expect("a time")
    }
}

/// Where an instance's actors are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Life {
    /// The kube container that the scripts are about.
    pub container: Option<ContainerId>,
    /// How far its takeover is.
    pub kube: Kube,
    /// How far the local container's start is.
    pub local: Local,
    /// How many containers it has had.
    pub containers: u32,
    /// How often one was started.
    pub starts: u32,
}

/// How far a kube container is. Each step is one write or one call, in their real order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kube {
    /// Nothing is under way.
    #[default]
    Rest,
    /// The kubelet has created it.
    Created,
    /// It runs, and has written nothing yet.
    Started,
    /// `container_version` is written.
    Announced,
    /// `remote_state=pending` is written.
    Asked,
    /// systemd has stopped the local container.
    RoomMade,
    /// The row says that the service is down.
    ServiceStopped,
    /// The row says that the service is up.
    ServiceStarted,
    /// `remote_state=ready` is written; the takeover is the next write.
    Answered,
    /// The row says that it has gone, and it is about to exit.
    Leaving,
}

/// How far systemd is with the local container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Local {
    /// Nothing is under way.
    #[default]
    Rest,
    /// It is started, the row does not say so yet.
    Started,
    /// The row says that it runs.
    Claimed,
    /// It has told its version; `container wait` writes next.
    Told,
}

/// Where `config reload` is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reload {
    /// CONFIG_DB is loaded.
    #[default]
    Rest,
    /// It is flushed; these rows will be there again.
    Flushed(BTreeMap<RowKey, FeatureConfiguration>),
    /// Its rows are there again, and not yet said to be.
    Filled,
}
