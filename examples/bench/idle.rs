//! A switch on which nothing changes.

use std::time::Duration;

use imgmgrd_test_support::{Agent, Namespace, Switch};

use crate::Bench;
use crate::process::{Figures, mib, ms};
use crate::table::{Table, Unit};
use crate::world::{FEATURES, IMAGES};

/// On a small switch and on a large one.
pub(crate) fn measure(bench: &Bench<'_>, table: &mut Table) {
    let (world, crowd) = (bench.world(), bench.crowd());
    let small = at_rest(bench, &world.switch, world.agent(bench.binary));
    let large = at_rest(bench, &crowd.switch, crowd.agent(bench.binary));
    let of = |features: usize, images: usize| format!("{features} features and {images} images");
    let (few, many) = (of(FEATURES, IMAGES), of(crowd.size.features, crowd.size.images));
    table.line(format!("idle: anonymous memory, {few}"), mib(small.anonymous), Unit::MiB, 1.0);
    table.line(format!("idle: anonymous memory, {many}"), mib(large.anonymous), Unit::MiB, 8.0);
    table.line(format!("idle: RSS, {few}"), mib(small.rss), Unit::MiB, 7.0);
    let within = |what: &str| format!("idle for {} s on either: {what}", bench.effort.idle);
    table.line(within("CPU"), ms(small.cpu + large.cpu), Unit::Ms, 0.0);
    table.line(within("wake-ups"), (small.wakeups + large.wakeups) as f64, Unit::Count, 0.0);
    table.line(within("Redis commands"), (small.commands + large.commands) as f64, Unit::Count, 0.0);
}

/// An agent that rests: its memory at the end, and what it has done meanwhile.
struct Rest {
    anonymous: u64,
    rss: u64,
    cpu: u64,
    wakeups: u64,
    commands: u64,
}

fn at_rest(bench: &Bench<'_>, switch: &Switch, agent: Agent) -> Rest {
    let redis = switch.redis(Namespace::Host);
    // What the question itself costs.
    let question = {
        let first = redis.commands_processed();
        redis.commands_processed() - first
    };
    let (commands, before) = (redis.commands_processed(), Figures::of(agent.pid()));
    std::thread::sleep(Duration::from_secs(bench.effort.idle));
    let (after, commands) = (Figures::of(agent.pid()), redis.commands_processed() - commands - question);
    agent.terminate();
    Rest {
        anonymous: after.anonymous,
        rss: after.rss,
        cpu: after.cpu.saturating_sub(before.cpu),
        wakeups: after.wakeups.saturating_sub(before.wakeups),
        commands,
    }
}
