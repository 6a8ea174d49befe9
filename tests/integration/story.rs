//! One feature on one switch with an agent: what happens to it, told in few words.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use imgmgrd_test_support::agent::Agent;
use imgmgrd_test_support::container::ContainerSpec;
use imgmgrd_test_support::engine::Engine;
use imgmgrd_test_support::kubelet::{Deployment, KubeContainer};
use imgmgrd_test_support::rows::{FeatureRows, Row};
use imgmgrd_test_support::switch::Switch;
use imgmgrd_test_support::wait::wait_until_or;

use crate::scene::{SOON, binary, deploy, local_switch, take_over};

/// The version that runs locally at the beginning.
pub(crate) const LOCAL: &str = "20201231.11";
/// The version that Kubernetes brings first.
pub(crate) const NEW: &str = "20201231.84";
/// The version that Kubernetes brings next.
pub(crate) const NEWER: &str = "20201231.85";
/// And the one after.
pub(crate) const NEWEST: &str = "20201231.86";

/// `stable_time` of these switches, in seconds.
pub(crate) const STABLE_TIME: u32 = 1;

/// Features that tell the time, see [`Story::let_it_pass`].
const WITNESSES: [(&str, &str); 3] =
    [("lldp", "docker-lldp"), ("nat", "docker-nat"), ("radv", "docker-router-advertiser")];

/// A feature, its switch and the agent.
pub(crate) struct Story {
    // Dropped in this order: the agent before its switch.
    pub(crate) agent: Agent,
    pub(crate) switch: Switch,
    feature: String,
    base: String,
    witnesses: usize,
}

impl Story {
    /// Telemetry runs locally.
    pub(crate) fn telemetry() -> Self {
        Self::of("telemetry", "docker-sonic-telemetry")
    }

    /// A feature runs locally.
    pub(crate) fn of(feature: &str, base: &str) -> Self {
        let mut story = Self::on(local_switch(feature, base, LOCAL, STABLE_TIME), feature, base);
        story.becomes("local");
        story
    }

    /// An agent is started on a switch that was prepared.
    pub(crate) fn on(switch: Switch, feature: &str, base: &str) -> Self {
        let agent = switch.agent(binary());
        Self { agent, switch, feature: feature.to_owned(), base: base.to_owned(), witnesses: 0 }
    }

    /// The engine.
    pub(crate) fn engine(&self) -> &Engine {
        self.switch.engine()
    }

    /// The feature's rows.
    pub(crate) fn rows(&self) -> FeatureRows<'_> {
        self.switch.feature(&self.feature)
    }

    /// The name of the local image.
    pub(crate) fn local(&self, tag: &str) -> String {
        format!("{}:{tag}", self.base)
    }

    /// The name of the registry's image.
    pub(crate) fn kube(&self, tag: &str) -> String {
        format!("{}:{tag}", self.switch.registry().repository(&self.base))
    }

    /// What a name names.
    pub(crate) fn image(&self, reference: &str) -> Option<String> {
        self.engine().image_id(reference)
    }

    /// The image that systemd would start.
    pub(crate) fn latest(&self) -> String {
        self.image(&self.local("latest")).unwrap_or_default()
    }

    /// Puts a policy field of all features.
    pub(crate) fn policy(&self, field: &str, value: &str) {
        self.switch.rows().policy(&[(field, value)]);
    }
}

/// What happens.
impl Story {
    /// The kubelet's way to bring a version.
    pub(crate) fn deployment(&self, version: &str) -> Deployment {
        Deployment::new(&self.feature, &self.base, version).without_sandbox()
    }

    /// Kubernetes brings a version of the registry, which takes over.
    pub(crate) fn deploy(&self, version: &str) -> KubeContainer {
        deploy(&self.switch, &self.feature, &self.base, version)
    }

    /// Kubernetes brings a version, in a container made to measure, which takes over.
    pub(crate) fn deploy_with(&self, version: &str, adjust: fn(ContainerSpec) -> ContainerSpec) -> KubeContainer {
        self.switch.publish(&self.base, version, "");
        let container = self.switch.kubelet().deploy(&self.deployment(version).with(adjust));
        self.take_over(&container, version);
        container
    }

    /// A container takes over.
    pub(crate) fn take_over(&self, container: &KubeContainer, version: &str) {
        take_over(&self.switch, &self.feature, version, container);
    }

    /// The kubelet pulls a version ahead of its use, or in a dry run; returns the image id.
    pub(crate) fn pull(&self, version: &str, salt: &str) -> String {
        self.switch.publish(&self.base, version, salt);
        self.switch.kubelet().pull(&self.deployment(version))
    }

    /// Kubernetes brings a version, and it is promoted.
    pub(crate) fn promote(&mut self, version: &str) -> KubeContainer {
        let container = self.deploy(version);
        self.is_promoted(version);
        container
    }

    /// Kubernetes replaces a container by one of another version, which takes over.
    pub(crate) fn upgrade(&self, old: &KubeContainer, version: &str) -> KubeContainer {
        self.switch.kubelet().remove(old);
        self.rows().goes_away();
        self.deploy(version)
    }
}

/// What is waited for.
impl Story {
    /// Waits until something holds.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        assert!(self.agent.is_running(), "the agent ended:\n{}", self.agent.log());
        let this = &*self;
        let told = || format!("{:?}\n{:?}\n{}", this.rows().image_row(), this.engine().images(), this.agent.log());
        wait_until_or(what, SOON, || holds(this), told);
    }

    /// Waits until the feature has this stability.
    #[track_caller]
    pub(crate) fn becomes(&mut self, stability: &str) {
        self.until(&format!("it becomes {stability}"), |story| story.rows().stability() == stability);
    }

    /// Waits until the feature has this stability for a reason in which these words are.
    #[track_caller]
    pub(crate) fn is(&mut self, stability: &str, why: &str) {
        self.until(&format!("it is {stability}: {why}"), |story| {
            let row = story.rows().image_row().unwrap_or_default();
            row.get("stability").is_some_and(|is| is == stability)
                && row.get("reason").is_some_and(|is| is.contains(why))
        });
    }

    /// Waits until a version is promoted.
    #[track_caller]
    pub(crate) fn is_promoted(&mut self, version: &str) {
        self.until(&format!("{version} is promoted"), |story| {
            let row = story.rows().image_row().unwrap_or_default();
            row.get("stability").is_some_and(|is| is == "stable") && row.get("version").is_some_and(|is| is == version)
        });
    }

    /// Waits until an image is gone from the disk.
    #[track_caller]
    pub(crate) fn loses(&mut self, image: &str) {
        self.until(&format!("{image} is removed"), |story| story.image(image).is_none());
    }

    /// Lets `stable_time` pass by the agent's own clock: another feature is taken over now, and later the agent has found
    /// it stable, in a decision on everything else as well.
    pub(crate) fn let_it_pass(&mut self) {
        let (feature, base) = WITNESSES[self.witnesses];
        self.witnesses += 1;
        self.switch.rows().config_feature(feature, "kube", false, true);
        let image = self.engine().import_image(&format!("registry.example/{base}:1"), Some("1"), &[], feature);
        let container = self.switch.kubelet().run(&Deployment::new(feature, base, "1").without_sandbox(), &image);
        self.switch.feature(feature).takeover(container.short_id(), "1");
        self.until("the time has passed", |story| {
            let row = story.switch.feature(feature).image_row().unwrap_or_default();
            row.get("stability").is_some_and(|is| is == "stable" || is == "held")
        });
    }

    /// Waits until the agent has reconciled the rows as they are now.
    pub(crate) fn has_reconciled(&mut self, marker: &str) {
        self.switch.rows().config_feature(marker, "local", false, true);
        self.until("the agent has reconciled", |story| story.switch.feature(marker).stability() == "local");
    }
}

/// What there is to see.
impl Story {
    /// The events of this kind, the oldest first.
    pub(crate) fn history(&self, event: &str) -> Vec<Row> {
        self.rows().history().into_iter().map(|(_, row)| row).filter(|row| row["event"] == event).collect()
    }

    /// Why an image stays or goes, as `imgmgrd images` tells.
    pub(crate) fn why(&self, image: &str) -> String {
        let output = self.switch.command(binary(), &["images", &self.feature, "--json"]);
        let text = String::from_utf8_lossy(&output.stdout);
        let told: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let found = told.as_array().into_iter().flatten().find(|one| one.to_string().contains(image));
        found.map_or_else(|| panic!("no {image} in {text}"), ToString::to_string)
    }

    /// Nothing has been promoted.
    #[track_caller]
    pub(crate) fn nothing_was_promoted(&self, latest: &str) {
        assert_eq!(self.latest(), latest, "latest is what it was");
        assert_eq!(self.history("promoted"), Vec::<Row>::new());
        let version = self.rows().feature_row().and_then(|row| row.get("container_stable_version").cloned());
        assert_eq!(version.as_deref(), Some(LOCAL), "no version was recorded");
    }
}

/// Time for something to happen that must not: nothing else tells when it has not.
pub(crate) const QUIET: Duration = Duration::from_millis(2500);

/// One request to the engine that only a test makes; the whole answer.
pub(crate) fn ask_engine(switch: &Switch, method: &str, path: &str) -> String {
    let mut stream = UnixStream::connect(switch.engine().socket()).expect("the engine listens");
    write!(stream, "{method} {path} HTTP/1.0\r\nContent-Length: 0\r\n\r\n").expect("the engine reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the engine answers");
    answer
}
