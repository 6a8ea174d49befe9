//! An upgrade with something of everything to clean up, which can be set up again and again on one switch.

use std::collections::{BTreeMap, BTreeSet};

use imgmgrd_test_support::agent::Agent;
use imgmgrd_test_support::container::ContainerSpec;
use imgmgrd_test_support::image::Image;
use imgmgrd_test_support::kubelet::{Deployment, KubeContainer};
use imgmgrd_test_support::rows::{CONFIG_DB, Row, STATE_DB};
use imgmgrd_test_support::switch::Switch;

use crate::evidence::state_files;
use crate::scene::{SOON, binary, take_over};

pub(crate) const FEATURE: &str = "telemetry";
pub(crate) const BASE: &str = "docker-sonic-telemetry";

/// A local version that actually ran, a kube image of the same version, a local one that nobody needs, an old kube one,
/// and the one that takes over.
pub(crate) const RAN: &str = "20201231.11";
const LOCAL_ONLY: &str = "20201231.05";
const OLD: &str = "20201231.71";
pub(crate) const NEW: &str = "20201231.84";

/// Nobody's image, which keeps the layer on the disk that all others share: so setting up is fast.
const KEEPER: &str = "keeper:1";

/// What an upgrade ends in, without what differs from run to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    images: BTreeMap<String, String>,
    image_ids: BTreeSet<String>,
    containers: BTreeSet<String>,
    versions: Row,
    published: Row,
    promoted: usize,
    files: Vec<String>,
}

impl Outcome {
    /// The same without the version before the one that is promoted: what a reboot starts, and what is told of it.
    pub(crate) fn without_the_last(mut self) -> Self {
        let promoted = self.published.get("image_id").cloned().unwrap_or_default();
        self.images.retain(|reference, image| reference == KEEPER || *image == promoted);
        self.image_ids = self.images.values().cloned().collect();
        for field in ["images", "last_version"] {
            self.published.remove(field);
        }
        self
    }
}

/// The switch on which it happens.
pub(crate) struct Upgrade {
    pub(crate) switch: Switch,
    /// The images that `latest` may name: before and after.
    latest: [String; 2],
}

impl Upgrade {
    /// A switch whose registry has all versions.
    pub(crate) fn new() -> Self {
        let switch = Switch::new();
        for version in [RAN, OLD, NEW] {
            switch.publish(BASE, version, "kube");
        }
        switch.engine().import_image(KEEPER, None, &[], "keeper");
        let latest = [Image::new(Some(RAN)).salt("local").id(), Image::new(Some(NEW)).salt("kube").id()];
        Self { switch, latest }
    }

    /// Everything anew: the takeover stands, nothing has been done about it. Returns the container that took over.
    pub(crate) fn set_up(&self) -> KubeContainer {
        self.clear();
        let (switch, engine) = (&self.switch, self.switch.engine());
        switch.rows().config_initialized(true);
        switch.rows().policy(&[("stable_time", "0")]);
        switch.rows().config_feature(FEATURE, "local", false, true);
        engine.import_image(&format!("{BASE}:latest"), Some(RAN), &[], "local");
        engine.import_image(&format!("{BASE}:{LOCAL_ONLY}"), Some(LOCAL_ONLY), &[], "local");
        // It has run, and is stopped.
        engine.create_container(&ContainerSpec::new(FEATURE, &format!("{BASE}:latest")));
        switch.feature(FEATURE).local_start(RAN);
        for version in [RAN, OLD] {
            switch.kubelet().pull(&Deployment::new(FEATURE, BASE, version));
        }
        let container = switch.kubelet().deploy(&Deployment::new(FEATURE, BASE, NEW).without_sandbox());
        take_over(switch, FEATURE, NEW, &container);
        container
    }

    fn clear(&self) {
        let engine = self.switch.engine();
        engine.container_names().iter().for_each(|name| engine.remove_container(name));
        engine.images().keys().filter(|reference| *reference != KEEPER).for_each(|reference| {
            // A digest goes with the last tag of its repository.
            engine.try_untag(reference).ok();
        });
        let keeper = engine.image_id(KEEPER);
        engine.image_ids().iter().filter(|id| keeper.as_ref() != Some(*id)).for_each(|id| {
            engine.try_untag(id).ok();
        });
        assert_eq!(engine.images().into_keys().collect::<Vec<_>>(), [KEEPER]);
        for database in [CONFIG_DB, STATE_DB] {
            self.switch.rows().flush(database);
        }
        for name in state_files(&self.switch).keys() {
            std::fs::remove_file(self.switch.file("state").join(name)).expect("a file can be removed");
        }
    }

    /// The agent, with faults: `before-step=2*off->return(kill)`.
    pub(crate) fn agent(&self, faults: &str) -> Agent {
        self.switch.agent_with(binary(), &["run"], &[("FAILPOINTS", faults)])
    }

    /// An agent without faults, which has come so far that it ends in order when it is told to.
    pub(crate) fn next_agent(&self) -> Agent {
        let agent = self.agent("");
        agent.wait_until("its start", SOON, || agent.log().contains("started"));
        agent
    }

    /// How many steps the plan has.
    pub(crate) fn steps(&self) -> usize {
        self.set_up();
        let output = self.switch.command(binary(), &["plan", FEATURE, "--json"]);
        let plan: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let actions = plan[0]["actions"].as_array().expect("actions");
        actions.iter().filter_map(|action| action["steps"].as_array()).map(Vec::len).sum()
    }

    /// What has become of it.
    pub(crate) fn outcome(&self) -> Outcome {
        let (switch, engine) = (&self.switch, self.switch.engine());
        let feature = switch.feature(FEATURE);
        let without = |row: Option<Row>, fields: &[&str]| {
            row.unwrap_or_default().into_iter().filter(|(field, _)| !fields.contains(&field.as_str())).collect()
        };
        let times = ["update_time", "observing_since", "stable_since", "stable_after", "reclaimed", "container_id"];
        let kind = |name: String| if name.starts_with("k8s_") { "kubelet's".to_owned() } else { name };
        Outcome {
            images: engine.images(),
            image_ids: engine.image_ids(),
            containers: engine.container_names().into_iter().map(kind).collect(),
            versions: without(feature.feature_row(), &["container_id", "update_time"]),
            published: without(feature.image_row(), &times),
            promoted: feature.history().iter().filter(|(_, row)| row["event"] == "promoted").count(),
            files: state_files(switch).into_keys().collect(),
        }
    }

    /// The row tells how many images are there, without the one that keeps the engine's layers.
    pub(crate) fn images_are_told(&self) -> bool {
        let there = self.switch.engine().image_ids().len() - 1;
        self.switch.feature(FEATURE).published("images") == there.to_string()
    }

    /// What an undisturbed agent makes of it: the pattern for all others.
    pub(crate) fn undisturbed(&self) -> Outcome {
        self.set_up();
        let agent = self.agent("");
        agent.wait_until("the clean-up", SOON, || {
            self.latest_name() == self.latest[1]
                && self.switch.engine().image_ids().len() == 3
                && self.images_are_told()
        });
        agent.wait_until("the row", SOON, || self.switch.feature(FEATURE).stability() == "stable");
        let row = self.switch.feature(FEATURE).feature_row().expect("the row");
        assert_eq!((row["container_stable_version"].as_str(), row["container_last_version"].as_str()), (NEW, RAN));
        let engine = self.switch.engine();
        let kube = |version: &str| format!("{}:{version}", self.switch.registry().repository(BASE));
        assert_eq!(engine.image_id(&kube(RAN)).as_ref(), Some(&self.latest[0]), "case 1: what actually ran is kept");
        assert_eq!(engine.image_id(&format!("{BASE}:{LOCAL_ONLY}")), None, "case 2");
        assert_eq!(engine.image_id(&kube(OLD)), None, "case 3");
        let (status, _) = agent.terminate();
        assert!(status.success());
        self.outcome()
    }

    /// Waits until it is as if nothing had happened.
    #[track_caller]
    pub(crate) fn wait_for(&self, undisturbed: &Outcome, agent: &Agent, after: &str) {
        let mut last = None;
        let reached = imgmgrd_test_support::wait::try_wait_until(SOON, || {
            let outcome = self.outcome();
            let is_there = outcome == *undisturbed;
            last = Some(outcome);
            is_there
        });
        let last = last.expect("an outcome");
        assert!(reached.is_ok(), "{after}: not {undisturbed:#?}\nbut {last:#?}\nthe agent:\n{}", agent.log());
    }

    fn latest_name(&self) -> String {
        self.switch.engine().image_id(&format!("{BASE}:latest")).unwrap_or_default()
    }

    /// What holds at every instant: `latest` is there, and each version that is to stay has a tag.
    #[track_caller]
    pub(crate) fn assert_fallback_is_there(&self, when: &str) {
        let latest = self.latest_name();
        assert!(self.latest.contains(&latest), "{when}: latest is {latest:?}");
        let images = self.switch.engine().images();
        for version in [RAN, NEW] {
            let is_tagged = images.keys().any(|reference| reference.ends_with(&format!(":{version}")));
            // Before the promotion, latest alone may stand for what runs locally.
            assert!(is_tagged, "{when}: no tag of {version}: {images:#?}");
        }
        let local = self.latest[0].as_str();
        assert!(images.values().any(|id| id == local), "{when}: what actually ran is gone: {images:#?}");
    }
}
