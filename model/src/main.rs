//! `make model`: explores the scenarios in their larger bounds, and prints what was found.
//!
//! Arguments are names of scenarios, all of them without any; `--small` takes the bounds of every change.

use std::process::ExitCode;
use std::thread::available_parallelism;

use imgmgrd_model::conduct::Faithful;
use imgmgrd_model::explore::Exploration;
use imgmgrd_model::property::Promise;
use imgmgrd_model::scenarios::{Size, scenarios};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (options, names): (Vec<_>, Vec<_>) = arguments.iter().partition(|argument| argument.starts_with('-'));
    let size = if options.is_empty() { Size::Large } else { Size::Small };
    let all = scenarios(size);
    let unknown: Vec<_> = names.iter().filter(|name| all.iter().all(|it| it.name != **name)).collect();
    if options.iter().any(|option| *option != "--small") || !unknown.is_empty() {
        let known: Vec<_> = all.iter().map(|scenario| scenario.name).collect();
        eprintln!("usage: imgmgrd-model [--small] [SCENARIO ...]\nscenarios: {}", known.join(", "));
        return ExitCode::from(2);
    }
    let threads = available_parallelism().map_or(1, Into::into);
    println!("{} properties of every state, {threads} threads\n", Promise::ALL.len());
    println!(
        "{:<14} {:>9} {:>11} {:>6} {:>9} {:>8}  bounds",
        "scenario", "states", "transitions", "depth", "quiet", "time"
    );
    let (mut states, mut is_fine) = (0, true);
    for scenario in all.into_iter().filter(|it| names.is_empty() || names.iter().any(|name| *name == it.name)) {
        let bounds = scenario.bounds;
        let found = Exploration::new(scenario, Box::new(Faithful)).run(threads);
        println!(
            "{:<14} {:>9} {:>11} {:>6} {:>9} {:>6.1} s  {bounds}",
            found.scenario,
            found.states,
            found.transitions,
            found.depth,
            found.quiet,
            found.time.as_secs_f64()
        );
        states += found.states;
        for (promise, trace) in &found.counterexamples {
            println!("\nBROKEN: {promise}\n\n{trace}");
        }
        for what in &found.unreached {
            println!("\nNEVER CAME BY: {what}\n");
        }
        is_fine &= found.counterexamples.is_empty() && found.unreached.is_empty();
    }
    println!("\n{states} states; {}", if is_fine { "every property holds in each" } else { "see above" });
    if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
