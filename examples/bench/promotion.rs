//! A whole promotion with clean-up, beside the same engine calls done by hand.
//!
//! Each round is a first upgrade from local to kube, with all that can be to clean up: `latest` and the version's own tag
//! on the local image, a stale stopped container, a kube image of the local version that only idled (case 1), and two
//! old kube images (case 3).

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime};

use imgmgrd_test_support::{Agent, CONFIG_DB, ContainerSpec, Deployment, Image, KubeContainer, STATE_DB, Switch};

use crate::Bench;
use crate::engine_events::{self, Event};
use crate::hand::Call;
use crate::process::{asleep, cpu, ms};
use crate::table::{Table, Unit, median};
use crate::world::{LONG, base, kube_image, state_db, takeover};

const LOCAL: &str = "20201231.11";
const OLD: [&str; 2] = ["20191130.5", "20191130.7"];
const NEW: &str = "20201231.84";

/// How long the agent observes a takeover here.
pub(crate) const STABLE_TIME: Duration = Duration::from_secs(1);

/// The feature of round `number`.
pub(crate) fn feature(number: usize) -> String {
    format!("upgrade{number:02}")
}

pub(crate) fn measure(bench: &Bench<'_>, table: &mut Table) {
    let (world, binary, effort) = (bench.world(), bench.binary, bench.effort);
    let events = engine_events::follow(world.switch.engine().socket());
    let agent = world.agent(binary);
    let (mut rounds, mut by_hand) = (Vec::new(), Vec::new());
    for number in 0..effort.promotions {
        // In turn, so that what else the machine does slows both.
        let scene = Scene::set(&world.switch, &feature(number));
        rounds.push(scene.promoted(&agent, &events));
        scene.strike();
        let scene = Scene::set(&world.switch, &feature(number));
        by_hand.push(scene.by_hand());
        scene.strike();
    }
    agent.terminate();
    let of = |get: fn(&Round) -> f64| median(&mut rounds.iter().map(get).collect::<Vec<_>>());
    let (whole, by_hand) = (of(|round| round.whole), median(&mut by_hand));
    table.line("deadline to latest tagged: median", of(|round| round.tag), Unit::Ms, 15.0);
    table.line("promotion with clean-up, against the same seven calls by hand", whole / by_hand, Unit::Times, 1.5);
    table.detail("from the deadline to the last image removed", whole, Unit::Ms);
    table.detail("the same seven calls by hand", by_hand, Unit::Ms);
    table.line("promotion with clean-up: CPU, from the takeover on", of(|round| round.cpu), Unit::Ms, 15.0);
}

/// What a promotion took, in milliseconds.
struct Round {
    tag: f64,
    whole: f64,
    cpu: f64,
}

/// One feature, ready to be upgraded.
pub(crate) struct Scene<'a> {
    switch: &'a Switch,
    /// Its name.
    pub(crate) feature: String,
    /// What is to take it over.
    pub(crate) container: KubeContainer,
    local_image: String,
    dry_run_image: String,
}

impl<'a> Scene<'a> {
    /// Brings images and containers there, none of which has rows yet.
    pub(crate) fn set(switch: &'a Switch, feature: &str) -> Self {
        let base = base(feature);
        let local = Image::new(Some(LOCAL)).salt(feature);
        let mut images = vec![(local, vec![format!("{base}:latest"), format!("{base}:{LOCAL}")])];
        images.extend([LOCAL, NEW].into_iter().chain(OLD).map(|version| kube_image(switch, feature, version)));
        let ids = switch.engine().load_all(&images);
        switch.engine().create_container(&ContainerSpec::new(feature, &format!("{base}:latest")));
        let deployment = Deployment::new(feature, &base, NEW).without_sandbox();
        let container = switch.kubelet().run(&deployment, &ids[2]);
        let (local_image, dry_run_image) = (ids[0].clone(), ids[1].clone());
        Self { switch, feature: feature.to_owned(), container, local_image, dry_run_image }
    }

    /// Removes what is left.
    pub(crate) fn strike(self) {
        let rows = self.switch.rows();
        rows.remove(CONFIG_DB, &format!("FEATURE|{}", self.feature));
        rows.remove(STATE_DB, &format!("FEATURE|{}", self.feature));
        rows.remove(CONFIG_DB, &format!("CONTAINER_IMAGE_FEATURE|{}", self.feature));
        self.switch.kubelet().remove(&self.container);
        if self.switch.engine().container(&self.feature).is_some() {
            self.switch.engine().remove_container(&self.feature);
        }
        let base = base(&self.feature);
        for reference in self.switch.engine().images().into_keys() {
            let (repository, _) = reference.rsplit_once(':').unwrap_or((&reference, ""));
            if repository.rsplit('/').next() == Some(&base) {
                self.switch.engine().untag(&reference);
            }
        }
    }

    /// Everything is as it is right before the takeover, and the agent has seen the images for long enough.
    pub(crate) fn make_ready(&self, agent: &Agent) {
        let rows = self.switch.feature(&self.feature);
        let policy = [("stable_time", "1"), ("cleanup", "enabled")];
        self.switch.rows().feature_policy(&self.feature, &policy);
        self.switch.rows().config_feature(&self.feature, "kube", false, true);
        rows.local_start(LOCAL);
        rows.kube_container_reports(NEW);
        rows.service_restart();
        rows.ready();
        agent.wait_until("the feature to be published", LONG, || rows.stability() == "waiting");
        // The images are not new any more when it has seen them for so long.
        std::thread::sleep(STABLE_TIME + Duration::from_millis(200));
    }

    /// The takeover; when it is stable, since 1970.
    pub(crate) fn take_over(&self) -> Duration {
        let mut connection = state_db(self.switch);
        let deadline = since_1970() + STABLE_TIME;
        takeover(&self.feature, &self.container, NEW).exec(&mut connection).expect("HSET succeeds");
        deadline
    }

    /// Has the agent do it.
    fn promoted(&self, agent: &Agent, events: &Receiver<Event>) -> Round {
        self.make_ready(agent);
        asleep(agent.pid());
        while events.try_recv().is_ok() {}
        let before = cpu(agent.pid());
        let deadline = self.take_over();
        let after_deadline = |at: Duration| (at.as_secs_f64() - deadline.as_secs_f64()) * 1e3;
        let tag = self.await_event(events, "tag", &format!("{}:latest", base(&self.feature)));
        // One case-1 image and two old ones.
        let mut last = tag;
        for _ in 0..3 {
            last = self.await_event(events, "delete", "");
        }
        asleep(agent.pid());
        let cpu = ms(cpu(agent.pid()) - before);
        self.check();
        Round { tag: after_deadline(tag), whole: after_deadline(last), cpu }
    }

    fn await_event(&self, events: &Receiver<Event>, action: &str, name: &str) -> Duration {
        let begun = Instant::now();
        loop {
            let event = events.recv_timeout(LONG).expect("the engine tells what happens");
            if event.action == action && (name.is_empty() || event.name == name) {
                return event.at;
            }
            assert!(begun.elapsed() < LONG, "{}: no {action} of {name}", self.feature);
        }
    }

    /// Does it without the agent, over the engine's socket. Milliseconds.
    fn by_hand(&self) -> f64 {
        let begun = Instant::now();
        self.calls(|call| call.request(self.switch.engine().socket()));
        let took = begun.elapsed();
        self.check();
        took.as_secs_f64() * 1e3
    }

    /// The calls, one after the other.
    fn calls(&self, make: impl Fn(&Call)) {
        let base = base(&self.feature);
        let repository = self.switch.registry().repository(&base);
        let [old, older] = OLD.map(|version| Call::RemoveImage(format!("{repository}:{version}")));
        let calls = [
            Call::Tag { image: self.container.image_id.clone(), repository: base.clone(), tag: "latest".to_owned() },
            Call::RemoveContainer(self.feature.clone()),
            Call::Tag { image: self.local_image.clone(), repository: repository.clone(), tag: LOCAL.to_owned() },
            Call::RemoveImage(format!("{base}:{LOCAL}")),
            Call::RemoveImage(self.dry_run_image.clone()),
            old,
            older,
        ];
        calls.iter().for_each(make);
    }

    /// The result is the same, whoever did it.
    fn check(&self) {
        let base = base(&self.feature);
        let repository = self.switch.registry().repository(&base);
        let engine = self.switch.engine();
        let images = engine.images();
        let mut left: Vec<(&str, &str)> = images
            .iter()
            .filter(|(reference, _)| reference.contains(&format!("{base}:")))
            .map(|(reference, id)| (reference.as_str(), id.as_str()))
            .collect();
        left.sort_unstable();
        let (latest, new, fallback) =
            (format!("{base}:latest"), format!("{repository}:{NEW}"), format!("{repository}:{LOCAL}"));
        let promoted = self.container.image_id.as_str();
        let mut expected =
            vec![(latest.as_str(), promoted), (new.as_str(), promoted), (fallback.as_str(), self.local_image.as_str())];
        expected.sort_unstable();
        assert_eq!(left, expected, "the promotion is done");
        assert!(engine.container(&self.feature).is_none(), "the stale container is gone");
    }
}

/// Now, as the engine tells the time of its events.
pub(crate) fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later than 1970")
}
