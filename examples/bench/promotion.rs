//! A whole promotion with clean-up, beside the same engine calls done by hand.
//!
//! Each round is a first upgrade from local to kube, with all that can be to clean up: `latest` and the version's own tag
//! on the local image, a stale stopped container, a kube image of the local version that only idled (case 1), and two
//! old kube images (case 3).

use std::path::Path;
use std::process::Command;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime};

use imgmgrd_test_support::{Agent, CONFIG_DB, ContainerSpec, Deployment, Image, KubeContainer, STATE_DB, Switch};

use crate::Bench;
use crate::engine_events::{self, Event};
use crate::hand::{self, Call};
use crate::process::{Figures, ms};
use crate::table::{Table, Unit, median, percentile};
use crate::world::{LONG, World, base, kube_image};

const LOCAL: &str = "20201231.11";
const OLD: [&str; 2] = ["20191130.5", "20191130.7"];
const NEW: &str = "20201231.84";

/// How long the agent observes a takeover here.
const STABLE_TIME: Duration = Duration::from_secs(1);

/// The feature of round `number`.
pub(crate) fn feature(number: usize) -> String {
    format!("upgrade{number:02}")
}

pub(crate) fn measure(bench: &Bench<'_>, table: &mut Table) {
    let (world, binary, effort) = (bench.world(), bench.binary, bench.effort);
    let events = engine_events::follow(world.switch.engine().socket());
    let agent = world.agent(binary);
    let mut rounds = Vec::new();
    let (mut requests, mut curl, mut python) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..effort.promotions {
        let in_a_scene = |done: &mut dyn FnMut(&Scene<'_>)| {
            let scene = Scene::set(&world.switch, &feature(number));
            done(&scene);
            scene.strike();
        };
        in_a_scene(&mut |scene| rounds.push(scene.promoted(world, &agent, &events)));
        in_a_scene(&mut |scene| requests.push(scene.by_hand(|socket| scene.calls(|call| call.request(socket)))));
        if number < 3 {
            in_a_scene(&mut |scene| curl.push(scene.by_hand(|socket| scene.calls(|call| call.curl(socket)))));
            if hand::has_docker() {
                in_a_scene(&mut |scene| python.push(scene.by_hand(|socket| scene.python_daemon(socket))));
            }
        }
    }
    let mut of = |get: fn(&Round) -> f64| -> Vec<f64> { rounds.iter_mut().map(|round| get(round)).collect() };
    let mut tag = of(|round| round.tag);
    let (mut done, mut published, mut cpu) =
        (of(|round| round.done), of(|round| round.published), of(|round| round.cpu));
    let (done, by_hand) = (median(&mut done), median(&mut requests));
    table.line("deadline to latest tagged: median", median(&mut tag), Unit::Ms, Some(10.0));
    table.line("deadline to latest tagged: worst", percentile(&mut tag, 1.0), Unit::Ms, None);
    table.line("promotion with clean-up, from the deadline to the last image removed", done, Unit::Ms, None);
    table.line("  the same seven calls by hand over the socket", by_hand, Unit::Ms, None);
    table.line("  ratio", done / by_hand, Unit::Times, Some(1.2));
    let curl = median(&mut curl);
    table.line("  the same seven calls by curl", curl, Unit::Ms, None);
    table.bar("the agent, from the deadline to the last image removed", done);
    table.bar("the same seven calls over the socket", by_hand);
    table.bar("the same seven calls by curl", curl);
    if !python.is_empty() {
        let python = median(&mut python);
        table.line("  by docker commands, as the Python daemon does it", python, Unit::Ms, None);
        table.line("  ratio", done / python, Unit::Times, None);
        table.bar("by docker commands, as the Python daemon does it", python);
    }
    table.line("  from the deadline to stability=stable in STATE_DB", median(&mut published), Unit::Ms, None);
    table.line("  CPU of it, from the takeover on", median(&mut cpu), Unit::Ms, Some(15.0));
    agent.terminate();
}

/// What a promotion took, in milliseconds.
struct Round {
    tag: f64,
    done: f64,
    published: f64,
    cpu: f64,
}

/// One feature, ready to be upgraded.
struct Scene<'a> {
    switch: &'a Switch,
    feature: String,
    container: KubeContainer,
    local_image: String,
    dry_run_image: String,
}

impl<'a> Scene<'a> {
    /// Brings images and containers there, none of which has rows yet.
    fn set(switch: &'a Switch, feature: &str) -> Self {
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
    fn strike(self) {
        let rows = self.switch.rows();
        rows.remove(CONFIG_DB, &format!("FEATURE|{}", self.feature));
        rows.remove(STATE_DB, &format!("FEATURE|{}", self.feature));
        rows.remove(CONFIG_DB, &format!("CONTAINER_IMAGE_FEATURE|{}", self.feature));
        self.switch.kubelet().remove(&self.container);
        let base = base(&self.feature);
        for reference in self.switch.engine().images().into_keys() {
            let (repository, _) = reference.rsplit_once(':').unwrap_or((&reference, ""));
            if repository.rsplit('/').next() == Some(&base) {
                self.switch.engine().untag(&reference);
            }
        }
    }

    /// Has the agent do it.
    fn promoted(&self, world: &World, agent: &Agent, events: &Receiver<Event>) -> Round {
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
        while events.try_recv().is_ok() {}

        let mut connection = world.state_db();
        let before = Figures::of(agent.pid());
        let deadline = since_1970() + STABLE_TIME;
        World::take_over(&mut connection, &self.feature, &self.container, NEW);
        let after_deadline = |at: Duration| (at.as_secs_f64() - deadline.as_secs_f64()) * 1e3;
        let tag = self.await_event(events, "tag", &format!("{}:latest", base(&self.feature)));
        agent.wait_until("stability to be stable", LONG, || rows.stability() == "stable");
        let published = since_1970();
        // One case-1 image and two old ones.
        let mut done = tag;
        for _ in 0..3 {
            done = self.await_event(events, "delete", "");
        }
        crate::world::settle();
        let cpu = ms(Figures::of(agent.pid()).cpu - before.cpu);
        self.check();
        let [tag, done, published] = [tag, done, published].map(after_deadline);
        Round { tag, done, published, cpu }
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

    /// Has it done otherwise, over the engine's socket. Milliseconds.
    fn by_hand(&self, work: impl FnOnce(&Path)) -> f64 {
        let begun = Instant::now();
        work(self.switch.engine().socket());
        let took = begun.elapsed();
        self.check();
        took.as_secs_f64() * 1e3
    }

    /// The way of the Python daemon.
    fn python_daemon(&self, socket: &Path) {
        let mut script = Command::new("sh");
        script.arg("-c").arg(include_str!("python_daemon.sh")).arg("python_daemon.sh");
        script.args([&self.feature, &base(&self.feature), self.container.short_id(), LOCAL, NEW]);
        script.env("DOCKER_HOST", format!("unix://{}", socket.display()));
        assert!(script.status().expect("sh can be started").success(), "the script ends well");
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

fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later than 1970")
}
