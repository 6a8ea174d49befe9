//! Many writes at once.

use std::time::{Duration, Instant};

use imgmgrd_test_support::rows::{Namespace, STATE_DB};
use imgmgrd_test_support::wait::wait_equal;

use super::{BASE, FEATURE, observing, promoted, switch, until};
use crate::evidence::commands;
use crate::scene::{binary, wait_for_stability};

#[test]
fn a_burst_of_flips_promotes_nothing_and_costs_few_readings() {
    let (switch, mut agent, _) = observing(2);
    let latest = switch.engine().image_id(&format!("{BASE}:latest"));
    let reads = || commands(&switch, &["hgetall"]);
    let before = reads();
    let began = Instant::now();
    for flip in 1..=50 {
        let state = if flip % 2 == 1 { "stopped" } else { "running" };
        switch.feature(FEATURE).set(&[("remote_state", state)]);
        until(began, flip * 20);
    }
    assert_eq!(switch.engine().image_id(&format!("{BASE}:latest")), latest);
    assert_eq!(promoted(&switch), 0);
    let flips = Instant::now();
    let read = reads() - before;
    assert!(read <= 100, "{read} rows read for 50 changes");
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
    assert!(flips.elapsed() > Duration::from_millis(1800), "the flips count: {:?}", flips.elapsed());
    assert_eq!(promoted(&switch), 1);
}

#[test]
fn ten_thousand_writes_are_followed() {
    let switch = switch(1);
    let mut agent = switch.agent(binary());
    wait_for_stability(&switch, &mut agent, FEATURE, "local");
    let (cpu, memory) = (agent.cpu_nanoseconds(), agent.pss_kib());
    let mut connection = switch.redis(Namespace::Host).connection(STATE_DB);
    for write in 0..10_000 {
        let version = format!("20201231.{write}");
        redis::cmd("HSET")
            .arg(format!("FEATURE|{FEATURE}"))
            .arg("container_version")
            .arg(version)
            .exec(&mut connection)
            .expect("HSET succeeds");
    }
    wait_equal("the last one", Duration::from_secs(2), "20201231.9999", || {
        switch.feature(FEATURE).published("version")
    });
    let cpu = Duration::from_nanos(agent.cpu_nanoseconds() - cpu);
    // A test build is slower than what is measured by the benchmark: this is about the order of magnitude.
    assert!(cpu < Duration::from_secs(2), "{cpu:?}");
    assert!(agent.pss_kib() < memory + 4096, "{memory} KiB before, {} KiB after", agent.pss_kib());
}
