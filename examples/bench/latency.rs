//! From the write that completes a takeover to `observing` in STATE_DB.

use std::time::{Duration, Instant};

use redis::Commands;

use crate::Bench;
use crate::process::{Figures, ms};
use crate::table::{Table, Unit, median, percentile};
use crate::world::{LONG, World};

pub(crate) fn measure(bench: &Bench<'_>, table: &mut Table) {
    let (world, binary, effort) = (bench.world(), bench.binary, bench.effort);
    let agent = world.agent(binary);
    let before = Figures::of(agent.pid());
    let mut took: Vec<f64> = world
        .kube()
        .cycle()
        .take(effort.takeovers)
        .map(|(member, container)| take_over(world, &member.feature, container))
        .collect();
    let cpu = ms(Figures::of(agent.pid()).cpu - before.cpu) / effort.takeovers as f64;
    let of = format!("takeover to observing, {} times", effort.takeovers);
    table.line(format!("{of}: median"), median(&mut took), Unit::Ms, None);
    table.line(format!("{of}: 99th percentile"), percentile(&mut took, 0.99), Unit::Ms, Some(2.0));
    table.line("  CPU of one, with the going away before it", cpu, Unit::Ms, None);
    agent.terminate();
}

/// The container goes away, then takes over. Milliseconds from before the write until Redis tells of `observing`.
fn take_over(world: &World, feature: &str, container: &imgmgrd_test_support::KubeContainer) -> f64 {
    let mut connection = world.state_db();
    let key = format!("CONTAINER_IMAGE|{feature}");
    let stability =
        |connection: &mut redis::Connection| -> String { connection.hget(&key, "stability").expect("HGET succeeds") };
    world.switch.feature(feature).goes_away();
    let gone = Instant::now();
    while stability(&mut connection) == "observing" {
        assert!(gone.elapsed() < LONG, "{feature} is still observed");
        std::thread::sleep(Duration::from_millis(1));
    }
    // Rows are not written as fast as a program can: the scripts take a second from one write to the next.
    std::thread::sleep(Duration::from_millis(20));
    let mut listener = world.state_db();
    let mut subscription = listener.as_pubsub();
    subscription.subscribe(format!("__keyspace@6__:{key}")).expect("a subscription");
    subscription.set_read_timeout(Some(LONG)).expect("a timeout");
    let begun = Instant::now();
    World::take_over(&mut connection, feature, container, World::kube_version());
    loop {
        subscription.get_message().expect("the agent publishes");
        let took = begun.elapsed();
        if stability(&mut connection) == "observing" {
            return took.as_secs_f64() * 1e3;
        }
    }
}
