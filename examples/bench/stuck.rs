//! One thing hangs, and another feature's deadline comes: when is its `latest` tagged?

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use imgmgrd_test_support::{Instance, Namespace, Switch};
use rustix::process::{Pid, Signal, kill_process};

use crate::Bench;
use crate::engine_events::{self, Event};
use crate::hold::{Proxy, Wanted};
use crate::promotion::{STABLE_TIME, Scene};
use crate::table::{Measured, Table, Unit, median};
use crate::world::base;

/// How long to wait for the agent to ask for what is to hang.
const TO_HANG: Duration = Duration::from_secs(4);

/// The version that runs locally on the ASIC.
const LOCAL: &str = "20201231.11";

/// What hangs.
#[derive(Clone, Copy, Debug)]
enum Stuck {
    Nothing,
    ImageRemoval,
    ContainerRemoval,
    Inspect,
    Redis,
}

const CASES: [(Stuck, &str); 4] = [
    (Stuck::ImageRemoval, "the removal of another group's image"),
    (Stuck::ContainerRemoval, "the removal of another group's container"),
    (Stuck::Inspect, "the inspect of another group's container"),
    (Stuck::Redis, "another namespace's Redis"),
];

pub(crate) fn measure(bench: &Bench<'_>, table: &mut Table) {
    let names = ["stuck", "free"].map(str::to_owned);
    let builder = names.iter().fold(Switch::builder().asics(1), |builder, name| builder.image_name(name, &base(name)));
    let switch = builder.start();
    set_up(&switch);
    let proxy = Proxy::start(&switch.file("hold.sock"), switch.engine().socket());
    let events = engine_events::follow(switch.engine().socket());
    let middle = |stuck| -> Measured {
        let delays: Vec<Option<f64>> =
            (0..bench.effort.stuck).map(|_| delay(bench, &switch, &proxy, &events, stuck)).collect();
        let mut known: Vec<f64> = delays.iter().copied().flatten().collect();
        let is_known = known.len() * 2 > delays.len();
        if known.iter().any(|delay| delay.is_nan()) {
            f64::NAN.into()
        } else if is_known {
            median(&mut known).into()
        } else {
            Measured::at_least(bench.effort.tag_limit.as_secs_f64() * 1e3)
        }
    };
    let undisturbed = middle(Stuck::Nothing);
    for (stuck, what) in CASES {
        table.line(format!("deadline to latest tagged while {what} hangs"), middle(stuck), Unit::Ms, 50.0);
    }
    table.detail("while nothing hangs, over the same proxy", undisturbed, Unit::Ms);
}

/// A per-ASIC feature, whose namespace the agent has to read too.
fn set_up(switch: &Switch) {
    switch.rows().policy(&[("stable_time", "3600"), ("cleanup", "disabled")]);
    switch.rows().kubernetes_master(false);
    for namespace in [Namespace::Host, Namespace::Asic(0)] {
        switch.rows_of(namespace).config_feature("bgp", "kube", true, false);
    }
    switch.instance(&Instance::asic(0, "bgp")).local_start(LOCAL);
}

/// Has something of the first feature hang while the second becomes stable. Milliseconds from the deadline to its tag.
fn delay(bench: &Bench<'_>, switch: &Switch, proxy: &Proxy, events: &Receiver<Event>, stuck: Stuck) -> Option<f64> {
    let scenes = ["stuck", "free"].map(|name| Scene::set(switch, name));
    let [hangs, free] = &scenes;
    let engine = format!("unix://{}", switch.file("hold.sock").display());
    let agent = switch.agent_with(bench.binary, &["run"], &[("IMGMGRD__ENGINE__HOST", &engine)]);
    scenes.iter().for_each(|scene| scene.make_ready(&agent));
    proxy.hold(wanted(hangs, stuck));
    let paused = matches!(stuck, Stuck::Redis).then(|| Paused::begin(switch));
    let mut hung = true;
    if !matches!(stuck, Stuck::Nothing | Stuck::Redis) {
        hangs.take_over();
        hung = await_hang(proxy);
    }
    while events.try_recv().is_ok() {}
    let deadline = free.take_over();
    let tag = await_tag(events, &format!("{}:latest", base(&free.feature)), STABLE_TIME + bench.effort.tag_limit);
    drop(paused);
    // One that hangs need not hear a SIGTERM.
    agent.kill9();
    proxy.hold(None);
    std::fs::remove_dir_all(switch.file("state")).expect("the state directory can be removed");
    std::fs::create_dir(switch.file("state")).expect("and be made again");
    scenes.into_iter().for_each(Scene::strike);
    // Where nothing hung, nothing was measured.
    tag.map(|at| if hung { (at.as_secs_f64() - deadline.as_secs_f64()) * 1e3 } else { f64::NAN })
}

fn wanted(scene: &Scene<'_>, stuck: Stuck) -> Option<Wanted> {
    let wanted = |method, path: &str| Some(Wanted { method, path: path.to_owned() });
    match stuck {
        Stuck::Nothing | Stuck::Redis => None,
        Stuck::ImageRemoval => wanted("DELETE", "/images/"),
        Stuck::ContainerRemoval => wanted("DELETE", "/containers/"),
        Stuck::Inspect => wanted("GET", &format!("/containers/{}/json", scene.container.id)),
    }
}

/// Waits until it hangs; whether it does.
fn await_hang(proxy: &Proxy) -> bool {
    let begun = Instant::now();
    while proxy.held() == 0 && begun.elapsed() < TO_HANG {
        std::thread::sleep(Duration::from_millis(2));
    }
    proxy.held() > 0
}

fn await_tag(events: &Receiver<Event>, name: &str, limit: Duration) -> Option<Duration> {
    let begun = Instant::now();
    loop {
        let event = events.recv_timeout(limit.saturating_sub(begun.elapsed())).ok()?;
        if event.action == "tag" && event.name == name {
            return Some(event.at);
        }
    }
}

/// The Redis of the first ASIC, which hangs until this is dropped.
struct Paused(Pid);

impl Paused {
    fn begin(switch: &Switch) -> Self {
        let pid = switch.redis(Namespace::Asic(0)).pid().and_then(|pid| i32::try_from(pid).ok());
        let pid = pid.and_then(Pid::from_raw).expect("it runs");
        kill_process(pid, Signal::STOP).expect("it can be stopped");
        Self(pid)
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        kill_process(self.0, Signal::CONT).ok();
    }
}
