//! Ten thousand row changes as fast as Redis takes them.

use crate::Bench;
use crate::process::{Figures, mib, ms};
use crate::table::{Table, Unit};
use crate::world::settle;

const CHANGES: usize = 10_000;
/// How many of them are sent at once.
const BATCH: usize = 100;

pub(crate) fn measure(bench: &Bench<'_>, table: &mut Table) {
    let (world, binary) = (bench.world(), bench.binary);
    let agent = world.agent(binary);
    let mut connection = world.state_db();
    let before = Figures::of(agent.pid());
    for batch in 0..CHANGES / BATCH {
        let mut pipeline = redis::pipe();
        for number in 0..BATCH {
            let change = batch * BATCH + number;
            let feature = &world.members[change % world.members.len()].feature;
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
    settle();
    settle();
    let after = Figures::of(agent.pid());
    let of = "10,000 row changes";
    table.line(format!("{of}: CPU"), ms(after.cpu - before.cpu), Unit::Ms, Some(200.0));
    table.line(format!("{of}: PSS before"), mib(before.pss), Unit::MiB, None);
    table.line(format!("{of}: PSS after"), mib(after.pss), Unit::MiB, None);
    table.line(format!("{of}: most RSS"), mib(after.peak), Unit::MiB, None);
    agent.terminate();
}
