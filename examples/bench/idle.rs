//! A switch on which nothing changes.

use std::time::Duration;

use imgmgrd_test_support::Namespace;

use crate::Bench;
use crate::process::{Figures, mib, ms};
use crate::table::{Table, Unit};

pub(crate) fn measure(bench: &Bench<'_>, table: &mut Table) {
    let (world, binary, effort) = (bench.world(), bench.binary, bench.effort);
    let agent = world.agent(binary);
    let redis = world.switch.redis(Namespace::Host);
    // What the question itself costs.
    let question = {
        let first = redis.commands_processed();
        redis.commands_processed() - first
    };
    let (commands, before) = (redis.commands_processed(), Figures::of(agent.pid()));
    std::thread::sleep(Duration::from_secs(effort.idle));
    let (after, commands) = (Figures::of(agent.pid()), redis.commands_processed() - commands - question);
    let within = |what: &str| format!("idle for {} s: {what}", effort.idle);
    table.line("idle: memory, PSS", mib(after.pss), Unit::MiB, Some(3.0));
    table.line("idle: memory, RSS", mib(after.rss), Unit::MiB, None);
    table.line("idle: threads", after.threads as f64, Unit::Count, Some(1.0));
    table.line(within("CPU ticks of 10 ms"), (after.ticks - before.ticks) as f64, Unit::Count, Some(0.0));
    table.line(within("CPU"), ms(after.cpu - before.cpu), Unit::Ms, None);
    table.line(within("wake-ups"), (after.wakeups - before.wakeups) as f64, Unit::Count, Some(0.0));
    table.line(within("Redis commands"), commands as f64, Unit::Count, Some(0.0));
    agent.terminate();
}
