//! What is explored: which switch, which actors, and how often each of them may act.

use std::collections::BTreeMap;

use imgmgrd_planner::Owner;
use imgmgrd_planner::domain::{Base, ImageId, Instance};
use imgmgrd_planner::fixtures::{Shape, Switch, base, local, on_asic, on_host};

use crate::agent::{Agent, Disk};
use crate::bounds::{Left, Offer, Operation};
use crate::history::History;
use crate::site::Site;
use crate::state::{Life, Reload, State};

/// The version that came with SONiC.
pub const LOCAL: &str = "10";

/// A scenario: a switch and the bounds within which everything that may happen to it is explored.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name, one word.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// The switch.
    pub kind: Kind,
    /// The versions that kube has run before the start, one promoted after the other; else everything runs locally.
    pub promoted: Vec<&'static str>,
    /// The version that kube runs at the start, which the agent has not seen yet.
    pub running: Option<&'static str>,
    /// What the registry has, for each instance's image name.
    pub offers: Vec<Offer>,
    /// What operators may do.
    pub operations: Vec<Operation>,
    /// How often each thing may happen.
    pub bounds: Left,
    /// What has to be come by.
    pub reaches: Vec<Reach>,
}

/// What kind of switch it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One feature, telemetry.
    OneFeature,
    /// gnmi, owned by kube, beside gnmi-watchdog, whose image name begins with gnmi's.
    NearNames,
    /// telemetry and snmp: two groups.
    TwoFeatures,
    /// bgp0 and bgp1, which share an image.
    TwoAsics(Shape),
}

impl Scenario {
    /// The instances and their image names.
    #[must_use]
    pub fn instances(&self) -> Vec<(Instance, Base)> {
        match self.kind {
            Kind::OneFeature => vec![(on_host("telemetry"), base("docker-sonic-telemetry"))],
            Kind::NearNames => vec![(on_host("gnmi"), base("docker-sonic-gnmi"))],
            Kind::TwoFeatures => {
                vec![(on_host("telemetry"), base("docker-sonic-telemetry")), (on_host("snmp"), base("docker-snmp"))]
            }
            Kind::TwoAsics(_) => (0..2).map(|number| (on_asic("bgp", number), base("docker-fpm-frr"))).collect(),
        }
    }

    /// Everything runs locally, and is to be owned by kube.
    #[must_use]
    pub fn start(&self) -> State {
        let mut switch = match self.kind {
            Kind::OneFeature => Switch::new().feature("telemetry", "docker-sonic-telemetry"),
            Kind::NearNames => {
                let switch = Switch::new().feature("gnmi", "docker-sonic-gnmi");
                let mut switch = switch.feature("gnmi-watchdog", "docker-sonic-gnmi-watchdog");
                let image = switch.image(&local("docker-sonic-gnmi-watchdog", LOCAL).latest());
                switch.local_start(&on_host("gnmi-watchdog"), &image);
                switch
            }
            Kind::TwoFeatures => {
                Switch::new().feature("telemetry", "docker-sonic-telemetry").feature("snmp", "docker-snmp")
            }
            Kind::TwoAsics(shape) => {
                let mut switch = Switch::new().feature("bgp", "docker-fpm-frr").asics(2);
                switch.shape = shape;
                switch
            }
        };
        let instances = self.instances();
        for (instance, base) in &instances {
            let image = switch.image(&local(base.as_str(), LOCAL).latest());
            switch.local_start(instance, &image);
            switch.set_owner(instance.feature.as_str(), Owner::Kube);
        }

        let mut site = Site { switch, agent: Agent::new(Disk::default(), BTreeMap::new()) };
        site.settle_ages();
        State {
            site,
            lives: vec![Life::default(); instances.len()],
            reload: Reload::default(),
            history: History::default(),
            left: self.bounds,
            broken: None,
        }
    }
}

/// What an exploration has to come by, so that it is known to explore something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A version is promoted.
    Promoted,
    /// A second one is.
    PromotedAgain,
    /// The image that came with SONiC is removed.
    CleanedUp,
    /// systemd runs the feature from a promoted image.
    FellBack,
    /// An operator has rolled back.
    RolledBack,
    /// A call has failed.
    Refused,
    /// The memory could not be saved.
    Unsaved,
}

impl Reach {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Promoted,
        Self::PromotedAgain,
        Self::CleanedUp,
        Self::FellBack,
        Self::RolledBack,
        Self::Refused,
        Self::Unsaved,
    ];

    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Promoted => "a version is promoted",
            Self::PromotedAgain => "one is promoted after another",
            Self::CleanedUp => "the image that came with SONiC is cleaned up",
            Self::FellBack => "systemd starts a promoted image",
            Self::RolledBack => "an operator rolls back",
            Self::Refused => "a call fails",
            Self::Unsaved => "the memory cannot be saved",
        }
    }

    /// Whether a state shows it.
    #[must_use]
    pub fn holds(self, state: &State, instances: &[(Instance, Base)]) -> bool {
        let Some((instance, base)) = instances.first() else { return false };
        let (site, history) = (&state.site, &state.history);
        match self {
            Self::Promoted => history.promoted.contains_key(base),
            Self::PromotedAgain => {
                let runs = |image: &ImageId| {
                    let mut containers = site.switch.snapshot.containers.values();
                    containers.any(|it| it.image == *image && it.kubelet.is_some() && it.status.is_alive())
                };
                let has_changed = history.previous.contains_key(base) && !history.pulled.is_empty();
                has_changed && history.promoted.get(base).is_some_and(runs)
            }
            Self::CleanedUp => !site.switch.snapshot.images.contains_key(&local(base.as_str(), LOCAL).id()),
            Self::FellBack => {
                let local = site.local(instance).filter(|local| site.runs(local));
                let image = local.and_then(|local| site.container(&local)).map(|container| container.image);
                image.is_some() && image.as_ref() == history.promoted.get(base)
            }
            Self::RolledBack => history.is_rollback.contains(base),
            Self::Refused => site.agent.controller.failures().next().is_some(),
            Self::Unsaved => site.agent.controller.snapshot().memory_unsaved,
        }
    }
}
