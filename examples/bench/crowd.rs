//! A large switch: hundreds of features that kube is to own, each with images, and many of them about to be taken over.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use imgmgrd_test_support::{Agent, ContainerSpec, Deployment, Image, KubeContainer, Switch};

use crate::Bench;
use crate::engine_events::{self, Event};
use crate::promotion::since_1970;
use crate::table::{Measured, Table, Unit};
use crate::world::{await_published, base, kube_image, state_db, takeover};

const LOCAL: &str = "20201231.11";
const NEW: &str = "20201231.84";
/// With the local one, five that a promotion leaves to be removed.
const OLD: [&str; 4] = ["20191130.1", "20191130.2", "20191130.3", "20191130.4"];

/// So many images at once are given to the engine.
const AT_ONCE: usize = 250;

/// How large it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Features.
    pub(crate) features: usize,
    /// Images.
    pub(crate) images: usize,
    /// How many of the features become stable at once.
    pub(crate) due: usize,
    /// How long to wait for all that comes of it.
    pub(crate) limit: Duration,
}

/// The switch.
pub(crate) struct Crowd {
    /// Its servers.
    pub(crate) switch: Switch,
    /// What was asked for.
    pub(crate) size: Size,
    /// The features that are about to be taken over, each with its container.
    due: Vec<(String, KubeContainer)>,
}

fn feature(number: usize) -> String {
    format!("crowd{number:03}")
}

impl Crowd {
    /// Everything runs locally; a kube container runs beside it where one is to take over.
    pub(crate) fn new(size: Size) -> Self {
        let names = (0..size.features).map(feature);
        let switch = names.fold(Switch::builder(), |builder, name| builder.image_name(&name, &base(&name))).start();
        switch.rows().policy(&[("stable_time", "3600"), ("cleanup", "disabled")]);
        switch.rows().kubernetes_master(false);
        load(&switch, &images(&switch, size));
        for number in 0..size.features {
            switch.rows().config_feature(&feature(number), "kube", false, true);
            switch.feature(&feature(number)).local_start(LOCAL);
        }
        // Two at a time: most of what it takes is done by the engine.
        let halves = [0, 1].map(|half| (0..size.due).filter(move |number| number % 2 == half));
        let due = std::thread::scope(|scope| {
            let switch = &switch;
            let threads = halves.map(|half| scope.spawn(move || half.map(|number| run(switch, number)).collect()));
            let started = threads.into_iter().flat_map(|thread| -> Vec<_> { thread.join().expect("they start") });
            started.collect()
        });
        Self { switch, size, due }
    }

    /// Starts the agent, and waits until it has published everything and sleeps.
    pub(crate) fn agent(&self, binary: &Path) -> Agent {
        let agent = self.switch.agent(binary);
        await_published(&agent, &self.switch, self.size.features);
        agent
    }

    /// Adds kube images of all features until there are so many, which nobody cleans up.
    pub(crate) fn grow_to(&self, images: usize) {
        self.switch.rows().policy(&[("stable_time", "3600"), ("cleanup", "disabled")]);
        let there = self.switch.engine().image_ids().len();
        let more: Vec<_> = (there..images)
            .map(|number| {
                kube_image(&self.switch, &feature(number % self.size.features), &format!("20211231.{number}"))
            })
            .collect();
        load(&self.switch, &more);
    }
}

fn load(switch: &Switch, images: &[(Image, Vec<String>)]) {
    for some in images.chunks(AT_ONCE) {
        switch.engine().load_all(some);
    }
}

/// The local image of each feature, the new and the old ones of those that are due, and old ones of the others.
fn images(switch: &Switch, size: Size) -> Vec<(Image, Vec<String>)> {
    let mut images = Vec::new();
    for number in 0..size.features {
        let (name, base) = (feature(number), base(&feature(number)));
        let local = Image::new(Some(LOCAL)).salt(&name);
        images.push((local, vec![format!("{base}:latest"), format!("{base}:{LOCAL}")]));
        if number < size.due {
            images.extend([NEW].iter().chain(&OLD).map(|version| kube_image(switch, &name, version)));
        }
    }
    let others = size.features - size.due;
    for number in 0..size.images - images.len() {
        images.push(kube_image(switch, &feature(size.due + number % others), &format!("20191130.{number}")));
    }
    images
}

/// The stopped local container, and the kube container, which nobody knows of yet.
fn run(switch: &Switch, number: usize) -> (String, KubeContainer) {
    let (name, base) = (feature(number), base(&feature(number)));
    switch.engine().create_container(&ContainerSpec::new(&name, &format!("{base}:latest")));
    let image = format!("{}:{NEW}", switch.registry().repository(&base));
    let image = switch.engine().image_id(&image).expect("the image was loaded");
    let deployment = Deployment::new(&name, &base, NEW).without_sandbox();
    let container = switch.kubelet().run(&deployment, &image);
    let rows = switch.feature(&name);
    rows.kube_container_reports(NEW);
    rows.service_restart();
    rows.ready();
    (name, container)
}

/// All takeovers come in one go, and so all deadlines in the same instant.
pub(crate) fn measure(bench: &Bench<'_>, table: &mut Table) {
    let (crowd, wait) = (bench.crowd(), bench.effort.stable_time);
    let Size { features, images, due, limit } = crowd.size;
    let policy = [("stable_time", &*wait.as_secs().to_string()), ("cleanup", "enabled")];
    crowd.switch.rows().policy(&policy);
    let events = engine_events::follow(crowd.switch.engine().socket());
    let agent = crowd.agent(bench.binary);
    // The images are not new any more when the agent has seen them for so long.
    std::thread::sleep(wait);
    while events.try_recv().is_ok() {}
    let mut takeovers = redis::pipe();
    for (feature, container) in &crowd.due {
        takeovers.add_command(takeover(feature, container, NEW)).ignore();
    }
    let deadline = since_1970() + wait;
    takeovers.exec(&mut state_db(&crowd.switch)).expect("HSET succeeds");
    let done = Done::await_all(&events, &crowd.due, wait + limit);
    agent.terminate();
    let after = |at: Option<Duration>| -> Measured {
        at.map_or(Measured::at_least(limit.as_secs_f64()), |at| (at.as_secs_f64() - deadline.as_secs_f64()).into())
    };
    let of = format!("{features} features, {images} images, {due} due at once");
    table.line(format!("{of}: last tag and stale container"), after(done.promoted), Unit::Seconds, 2.0);
    let early = done.removed.iter().filter(|at| done.tagged.is_none_or(|tagged| **at < tagged)).count();
    table.line(format!("{of}: images removed before the last tag"), early as f64, Unit::Count, 0.0);
    let all = done.removed.iter().max().filter(|_| done.removed.len() >= due * (OLD.len() + 1)).copied();
    table.detail("last image removed", after(all), Unit::Seconds);
}

/// What has become of the promotions.
#[derive(Default)]
struct Done {
    /// The last tag, if all came.
    tagged: Option<Duration>,
    /// The last tag or stale container, if all of them came and went.
    promoted: Option<Duration>,
    /// When each image was removed.
    removed: Vec<Duration>,
}

impl Done {
    fn await_all(events: &Receiver<Event>, due: &[(String, KubeContainer)], limit: Duration) -> Self {
        let mut tags: BTreeSet<String> = due.iter().map(|(feature, _)| format!("{}:latest", base(feature))).collect();
        let mut stale: BTreeSet<String> = due.iter().map(|(feature, _)| feature.clone()).collect();
        let mut done = Self::default();
        let begun = Instant::now();
        while !(done.promoted.is_some() && done.removed.len() >= due.len() * (OLD.len() + 1)) {
            let Ok(event) = events.recv_timeout(limit.saturating_sub(begun.elapsed())) else { break };
            let is_last_tag = event.action == "tag" && tags.remove(&event.name) && tags.is_empty();
            let is_last_stale = event.action == "destroy" && stale.remove(&event.name) && stale.is_empty();
            if is_last_tag {
                done.tagged = Some(event.at);
            }
            if (is_last_tag || is_last_stale) && tags.is_empty() && stale.is_empty() {
                done.promoted = Some(event.at);
            }
            if event.action == "delete" {
                done.removed.push(event.at);
            }
        }
        done
    }
}
