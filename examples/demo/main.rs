//! `make demo`: a switch made of real parts lives through upgrades, and the agent does its work on it.
//!
//! A private redis-server, dockerd and docker-registry are started in a temporary folder; nothing of this machine's own
//! is touched, and nothing is left behind.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the demo talks to a person")]
#![allow(clippy::disallowed_methods, reason = "a play may spawn processes and read clocks; the agent may not")]

mod narrator;
mod outcome;
mod requirements;
mod stage;
mod stop;
mod story;
mod visit;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;

use narrator::Narrator;
use stop::Stop;

/// A SONiC switch, made of a private Redis, Docker engine and registry, lives through upgrades
#[derive(Clone, Copy, Debug, Parser)]
struct Options {
    /// Keep the switch up afterwards, to try the commands on it, until Ctrl-C
    #[arg(long)]
    stay: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match catch_unwind(AssertUnwindSafe(|| play(options))) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(Stop::Interrupted)) => {
            eprintln!("\ndemo: interrupted; everything it started is gone");
            ExitCode::from(130)
        }
        Ok(Err(Stop::Wrong(why))) => {
            eprintln!("\ndemo: {why}");
            ExitCode::FAILURE
        }
        // The panic of one of the switch's parts has said what is wrong.
        Err(_) => ExitCode::FAILURE,
    }
}

/// Plays the whole story. The switch ends with it, however it ends.
fn play(options: Options) -> Result<(), Stop> {
    let binary = requirements::check()?;
    let interruption = stop::Interruption::watch()?;
    let narrator = Narrator::new();
    let (switch, features) = story::open(&narrator)?;
    let mut stage = stage::Stage::new(&switch, &binary, &narrator, &interruption);
    story::tell(&mut stage)?;
    outcome::show(&mut stage)?;
    outcome::verify(&switch, &features)?;
    if options.stay {
        visit::host(&mut stage, &binary)?;
    }
    stage.end()?;
    narrator.heading("Everything is as it should be. The switch is being taken down.");
    Ok(())
}
