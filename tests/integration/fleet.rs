//! Several features on one switch, and an agent whose calls to the engine go through a proxy: what one of them suffers is
//! not to be felt by the others.

use std::time::Duration;

use imgmgrd_test_support::agent::Agent;
use imgmgrd_test_support::container::ContainerSpec;
use imgmgrd_test_support::image::Image;
use imgmgrd_test_support::kubelet::{Deployment, KubeContainer};
use imgmgrd_test_support::proxy::EngineProxy;
use imgmgrd_test_support::rows::{Instance, Row};
use imgmgrd_test_support::switch::Switch;
use imgmgrd_test_support::wait::{Answer, wait_until_or};

use crate::scene::{SOON, binary, take_over};
use crate::story::LOCAL;

/// A feature and the name of its image. They are in the order in which the agent would come to them.
pub(crate) type Feature = (&'static str, &'static str);

pub(crate) const LLDP: Feature = ("lldp", "docker-lldp");
pub(crate) const SNMP: Feature = ("snmp", "docker-snmp");
pub(crate) const TELEMETRY: Feature = ("telemetry", "docker-sonic-telemetry");

/// `stable_time` that no test waits for, in seconds.
const FOR_EVER: u32 = 600;

/// How long a feature that nothing is wrong with may take, `stable_time` of one second included: far less than any of the
/// deadlines by which a call that hangs is given up.
pub(crate) const IN_TIME: Duration = Duration::from_secs(5);

/// The switch, the proxy and the agent.
pub(crate) struct Fleet {
    // Dropped in this order: the agent before its switch.
    agent: Option<Agent>,
    pub(crate) proxy: EngineProxy,
    pub(crate) switch: Switch,
}

impl Fleet {
    /// These features run locally, and whatever takes over is observed until [`all_are_due`](Self::all_are_due).
    pub(crate) fn of(features: &[Feature]) -> Self {
        Self::on(Switch::new(), features)
    }

    /// The same on a switch that was prepared.
    pub(crate) fn on(switch: Switch, features: &[Feature]) -> Self {
        let fleet = Self { agent: None, proxy: switch.engine_proxy(), switch };
        fleet.stable_time(FOR_EVER);
        for (feature, base) in features {
            fleet.switch.rows().config_feature(feature, "local", false, true);
            fleet.switch.engine().load(&Image::new(Some(LOCAL)).salt(base), &[&format!("{base}:latest")]);
            fleet.switch.start_locally(&Instance::host(feature), base, LOCAL);
        }
        fleet
    }

    /// Starts the agent.
    pub(crate) fn start_agent(&mut self) {
        let host = self.proxy.host();
        self.agent = Some(self.switch.agent_with(binary(), &["run"], &[("IMGMGRD__ENGINE__HOST", &host)]));
    }

    /// The agent.
    pub(crate) fn agent(&self) -> &Agent {
        self.agent.as_ref().expect("it was started")
    }

    /// What the agent has logged.
    pub(crate) fn log(&self) -> String {
        self.agent.as_ref().map(Agent::log).unwrap_or_default()
    }

    /// Kubernetes brings a version, which takes over.
    pub(crate) fn deploy(&self, feature: Feature, version: &str) -> KubeContainer {
        self.deploy_with(feature, version, |spec| spec)
    }

    /// Kubernetes brings a version, in a container made to measure, which takes over.
    pub(crate) fn deploy_with(
        &self,
        (feature, base): Feature,
        version: &str,
        adjust: fn(ContainerSpec) -> ContainerSpec,
    ) -> KubeContainer {
        // No image is shared with another feature.
        self.switch.publish(base, version, base);
        let deployment = Deployment::new(feature, base, version).without_sandbox().with(adjust);
        let container = self.switch.kubelet().deploy(&deployment);
        take_over(&self.switch, feature, version, &container);
        container
    }

    /// So many old versions of a feature are on the disk, that nobody needs once another one is promoted; their names.
    pub(crate) fn old_versions(&self, (_, base): Feature, count: usize) -> Vec<String> {
        let name = |number| format!("registry.example/{base}:{}", old_version(number));
        let images = (0..count).map(|number| (Image::new(Some(&old_version(number))).salt(base), vec![name(number)]));
        self.switch.engine().load_all(&images.collect::<Vec<_>>());
        (0..count).map(name).collect()
    }

    /// Takeovers are stable after so many seconds.
    pub(crate) fn stable_time(&self, seconds: u32) {
        self.switch.rows().policy(&[("stable_time", &seconds.to_string())]);
    }

    /// All takeovers that stand become stable now, in the same moment.
    pub(crate) fn all_are_due(&self) {
        self.stable_time(0);
    }
}

/// The version of an old image.
pub(crate) fn old_version(number: usize) -> String {
    format!("20201231.{}", 20 + number)
}

/// What there is to see.
impl Fleet {
    /// What the agent publishes of a feature.
    pub(crate) fn row(&self, (feature, _): Feature) -> Row {
        self.switch.feature(feature).image_row().unwrap_or_default()
    }

    /// A field of it, empty without a row.
    pub(crate) fn published(&self, feature: Feature, field: &str) -> String {
        self.row(feature).remove(field).unwrap_or_default()
    }

    /// The image that systemd would start.
    pub(crate) fn latest(&self, (_, base): Feature) -> Option<String> {
        self.switch.engine().image_id(&format!("{base}:latest"))
    }

    /// Whether a feature boots from this container's image: neither the tag nor a stale container is in the way.
    pub(crate) fn boots(&self, feature: Feature, container: &KubeContainer) -> bool {
        self.latest(feature).as_ref() == Some(&container.image_id)
            && self.switch.engine().container(feature.0).is_none()
    }

    /// Waits until something holds.
    #[track_caller]
    pub(crate) fn until<A: Answer>(&self, what: &str, holds: impl FnMut() -> A) -> A::Value {
        self.within(SOON, what, holds)
    }

    /// Waits until something holds, which must not take longer than this.
    #[track_caller]
    pub(crate) fn within<A: Answer>(&self, time: Duration, what: &str, holds: impl FnMut() -> A) -> A::Value {
        let rows = || {
            let rows = [LLDP, SNMP, TELEMETRY].map(|feature| format!("{feature:?}: {:?}", self.row(feature)));
            format!("{}\ncalls: {:#?}\n{}", rows.join("\n"), self.proxy.calls(""), self.log())
        };
        wait_until_or(what, time, holds, rows)
    }

    /// Waits until a feature has this stability.
    #[track_caller]
    pub(crate) fn becomes(&self, feature: Feature, stability: &str) {
        self.until(&format!("{} becomes {stability}", feature.0), || self.published(feature, "stability") == stability);
    }

    /// A feature that nothing is wrong with is promoted and published, in time.
    #[track_caller]
    pub(crate) fn is_promoted_in_time(&self, feature: Feature, container: &KubeContainer) {
        self.within(IN_TIME, &format!("{} is promoted", feature.0), || {
            self.boots(feature, container) && self.published(feature, "stability") == "stable"
        });
    }

    /// Waits until the agent has read the rows as they are now: what it publishes of another feature tells.
    #[track_caller]
    pub(crate) fn has_read_the_rows(&self, marker: &str) {
        self.switch.rows().config_feature(marker, "local", false, true);
        self.until("the agent has read the rows", || self.switch.feature(marker).stability() == "local");
    }
}
