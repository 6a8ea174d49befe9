//! Ten thousand row changes as fast as Redis takes them.

use crate::Bench;
use crate::process::{asleep, cpu, ms};
use crate::table::{Table, Unit};
use crate::world::state_db;

const CHANGES: usize = 10_000;
/// How many of them are sent at once.
const BATCH: usize = 100;

pub(crate) fn measure(bench: &Bench<'_>, table: &mut Table) {
    let (world, binary) = (bench.world(), bench.binary);
    let agent = world.agent(binary);
    let mut connection = state_db(&world.switch);
    let before = cpu(agent.pid());
    for batch in 0..CHANGES / BATCH {
        let mut pipeline = redis::pipe();
        for number in 0..BATCH {
            let change = batch * BATCH + number;
            let feature = &world.features[change % world.features.len()];
            // A field that means nothing to the decision, as most changes do, and one that does.
            let field = if change % 2 == 0 { "update_time" } else { "container_last_version" };
            pipeline
                .cmd("HSET")
                .arg(format!("FEATURE|{feature}"))
                .arg(field)
                .arg(format!("20201231.{change}"))
                .ignore();
        }
        pipeline.exec(&mut connection).expect("HSET succeeds");
    }
    asleep(agent.pid());
    table.line("10,000 row changes: CPU", ms(cpu(agent.pid()) - before), Unit::Ms, 50.0);
    agent.terminate();
}
