//! A state of the model: plain data, hashed as a whole.

use std::collections::BTreeMap;

use imgmgrd_decision::decide::fixtures::Switch;
use imgmgrd_decision::decide::{FeatureConfiguration, RowKey};
use imgmgrd_decision::domain::ContainerId;

use crate::agent::Agent;
use crate::history::History;
use crate::promises::Broken;
use crate::scenario::Left;

/// What the agent has to do with: the switch with its databases and its engine, the memory on its disk, and the agent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Site {
    /// Rows, images, containers, policy, and the agent's memory with the ages of its marks.
    pub switch: Switch,
    /// What the agent is doing.
    pub agent: Agent,
}

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The switch and the agent.
    pub site: Site,
    /// Where the kubelet, systemd and the scripts are with each instance, in the scenario's order.
    pub lives: Vec<Life>,
    /// Where `config reload` is.
    pub reload: Reload,
    /// What really happened, as far as the promises depend on it.
    pub history: History,
    /// What may still happen.
    pub left: Left,
    /// What the last transition broke; nothing follows then.
    pub broken: Option<Broken>,
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
