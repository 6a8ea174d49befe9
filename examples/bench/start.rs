//! From the start of the process until every feature's row is published.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use imgmgrd_test_support::{Namespace, STATE_DB, Switch};

use crate::Bench;
use crate::process::{Figures, ms};
use crate::table::{Table, Unit, median};
use crate::world::{FEATURES, LONG};

pub(crate) fn measure(bench: &Bench<'_>, table: &mut Table) {
    let (world, binary, effort) = (bench.world(), bench.binary, bench.effort);
    let (mut took, mut cpu) = (Vec::new(), Vec::new());
    // The first one, which warms the engine and the page cache up and fills the state directory, is not counted.
    for round in 0..=effort.starts {
        let (one, figures) = first_look(&world.switch, binary, FEATURES);
        if round > 0 {
            took.push(one);
            cpu.push(ms(figures.cpu));
        }
    }
    table.line("start to first look published", median(&mut took), Unit::Ms, Some(30.0));
    table.line("  CPU of it", median(&mut cpu), Unit::Ms, None);
}

/// Starts the agent on a STATE_DB without rows of its own, until it has published so many. Milliseconds, and its figures
/// right after.
pub(crate) fn first_look(switch: &Switch, binary: &Path, features: usize) -> (f64, Figures) {
    for key in switch.rows().keys(STATE_DB, "CONTAINER_IMAGE*") {
        switch.rows().remove(STATE_DB, &key);
    }
    let mut connection = switch.redis(Namespace::Host).connection(STATE_DB);
    let mut subscription = connection.as_pubsub();
    subscription.psubscribe("__keyspace@6__:CONTAINER_IMAGE|*").expect("a subscription");
    subscription.set_read_timeout(Some(LONG)).expect("a timeout");
    let begun = Instant::now();
    let mut child = Command::new(binary)
        .arg("run")
        .envs(switch.environment())
        .env_remove("DOCKER_HOST")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the agent starts");
    for _ in 0..features {
        subscription.get_message().expect("every feature is published");
    }
    let took = begun.elapsed();
    let figures = Figures::of(child.id());
    child.kill().expect("the agent can be killed");
    child.wait().expect("the agent ends");
    (took.as_secs_f64() * 1e3, figures)
}
