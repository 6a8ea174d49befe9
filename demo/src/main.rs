//! `make demo`: a switch made of real parts lives through upgrades, and the agent does its work on it.
//!
//! A private redis-server, dockerd and docker-registry are started in a temporary folder, and nothing of them is left
//! behind. `--stay` opens a shell on that switch afterwards.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the demo talks to a person")]
#![allow(clippy::disallowed_methods, reason = "a play may spawn processes and read clocks; the agent may not")]

mod narrator;
mod outcome;
mod requests;
mod requirements;
mod stage;
mod stop;
mod story;
mod visit;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Once;

use clap::{Parser, Subcommand};
use imgmgrd_test_support::workdir::sweep_own;

use narrator::Narrator;
use stop::Stop;

/// A SONiC switch, made of a private Redis, Docker engine and registry, lives through upgrades
#[derive(Debug, Parser)]
struct Options {
    /// Open a shell on the switch afterwards, to try the commands; its end is the switch's
    #[arg(long)]
    stay: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Asks the demo that stays up for something: what `deploy` and `agent` in its shell do
    #[command(hide = true)]
    Ask {
        /// Where the demo listens
        socket: PathBuf,
        /// What it is asked for
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
}

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(Action::Ask { socket, words }) = options.action {
        return requests::ask(&socket, &words);
    }
    leave_nothing_behind_after_a_panic();
    match play(options.stay) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Interrupted) => {
            eprintln!("\ndemo: interrupted; everything it started is gone");
            ExitCode::from(130)
        }
        Err(Stop::Wrong(why)) => {
            eprintln!("\ndemo: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The switch's parts panic when something is wrong with them, and in the release profile a panic unwinds nothing: what
/// `Drop` would do is done here.
fn leave_nothing_behind_after_a_panic() {
    static SWEPT: Once = Once::new();
    let say = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        say(panic);
        SWEPT.call_once(sweep_own);
        std::process::exit(1);
    }));
}

/// Plays the whole story. The switch ends with it, however it ends.
fn play(stay: bool) -> Result<(), Stop> {
    let binary = requirements::check()?;
    let interruption = stop::Interruption::watch()?;
    let narrator = Narrator::new();
    let (switch, features) = story::open(&narrator)?;
    let mut stage = stage::Stage::new(&switch, &binary, &narrator, &interruption);
    let pods = story::tell(&mut stage)?;
    outcome::show(&mut stage)?;
    outcome::verify(&switch, &features)?;
    outcome::sum_up(&mut stage);
    if stay {
        visit::host(&mut stage, &binary, pods)?;
        stage.end()?;
        narrator.heading("The switch is being taken down.");
    } else {
        stage.end()?;
        narrator.heading("Everything is as it should be. The switch is being taken down.");
        narrator.note("Try it: make demo ARGS=--stay opens a shell on the switch afterwards.");
    }
    Ok(())
}
