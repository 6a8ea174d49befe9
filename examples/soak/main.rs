//! `make soak`: a real redis-server, dockerd and the agent for minutes under random faults. The promises are checked
//! from outside all along; the exit code is 1 if one was broken.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the soak talks to a person")]
#![allow(clippy::disallowed_methods, reason = "a play may spawn processes and read clocks; the agent may not")]
#![allow(clippy::expect_used, clippy::panic, reason = "a switch that cannot be played on has nothing else to say")]
#![allow(clippy::indexing_slicing, reason = "the same")]

mod actors;
mod agent;
mod bulkhead;
mod calm;
mod events;
mod expected;
mod faults;
mod features;
mod journal;
mod judge;
mod operator;
mod proxy;
mod record;
mod report;
mod rows;
mod samples;
mod schedule;
mod setup;
mod shared;
mod stage;
#[path = "../../demo/src/stop.rs"]
mod stop;
mod truth;
mod view;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;

use agent::Supervisor;
use features::namespaces;
use journal::Journal;
use record::Record;
use schedule::{Play, Schedule};
use shared::Shared;
use stage::Stage;
use stop::{Interruption, Stop};

/// The policy at the begin.
const STABLE_TIME: u64 = 2;
const KEEP_VERSIONS: usize = 2;

/// The agent on a private switch of real parts, for minutes under random faults
#[derive(Clone, Debug, Parser)]
struct Options {
    /// For how long; the round under way is played to its end
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Repeats the schedule of the run that printed it; without, a new one
    #[arg(long)]
    seed: Option<u64>,
    /// The agent [default: the release binary beside this example]
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Print the schedule of this many rounds, and end
    #[arg(long)]
    schedule: Option<u32>,
    /// Print the table and what is wrong, not all that happens
    #[arg(long)]
    quiet: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    if let Some(rounds) = options.schedule {
        print_schedule(seed, rounds);
        return ExitCode::SUCCESS;
    }
    match catch_unwind(AssertUnwindSafe(|| soak(&options, seed))) {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        Ok(Err(Stop::Interrupted)) => {
            eprintln!("\nsoak: interrupted; everything it started is gone");
            ExitCode::from(130)
        }
        Ok(Err(Stop::Wrong(why))) => {
            eprintln!("\nsoak: {why}");
            ExitCode::FAILURE
        }
        // The panic of one of the switch's parts has said what is wrong.
        Ok(Ok(false)) | Err(_) => ExitCode::FAILURE,
    }
}

fn print_schedule(seed: u64, rounds: u32) {
    let mut schedule = Schedule::new(seed);
    for _ in 0..rounds {
        let round = schedule.next();
        println!("round {}", round.number);
        match &round.play {
            Play::Storm(happenings) => {
                happenings.iter().for_each(|(at, what)| println!("{:8.3}  {what}", at.as_secs_f64()));
            }
            Play::Bulkhead(bulkhead) => println!("          {bulkhead}"),
        }
    }
}

/// Plays rounds for the time that was asked for; whether no promise was broken.
fn soak(options: &Options, seed: u64) -> Result<bool, Stop> {
    if !rustix::process::geteuid().is_root() {
        return Err(Stop::wrong("it starts a private dockerd, which takes root: run `make soak` as root"));
    }
    let binary = options.binary.clone().or_else(binary);
    let binary =
        binary.ok_or_else(|| Stop::wrong("target/release/imgmgrd is not built; `make soak` builds it first"))?;
    let faketime =
        agent::faketime().ok_or_else(|| Stop::wrong("no libfaketime; `make setup` installs what is missing"))?;
    let interruption = Interruption::watch()?;
    let switch = setup::switch();
    let sockets = namespaces().map(|namespace| switch.redis(namespace).socket().to_owned()).collect();
    let journal = Journal::new(options.quiet);
    journal.says("soak", format_args!("seed {seed}, on {}", switch.path().display()));
    let record = Record::new(STABLE_TIME, KEEP_VERSIONS);
    let shared = Arc::new(Shared::new((**switch.engine()).clone(), sockets, journal, record));
    let socket = switch.file("proxy/docker.sock");
    let engine_line = proxy::engine::start(&socket, switch.engine().socket(), &shared, seed);
    let redis_line = |(number, namespace)| {
        let redis = switch.redis(namespace).socket();
        proxy::redis::start(&stage::redis_socket(&switch, number), redis, &shared, seed)
    };
    let redis_lines = namespaces().enumerate().map(redis_line).collect();
    let servers = stage::behind_proxies(&switch, &socket);
    let supervisor = Supervisor::new(&binary, servers, faketime, &switch, &shared);
    let mut stage = Stage::new(switch, Arc::clone(&shared), supervisor, (engine_line, redis_lines), &interruption);
    stage.set_up();
    stage.calm()?;
    let time = Duration::from_secs_f64(options.minutes * 60.0);
    let mut schedule = Schedule::new(seed);
    while shared.journal.elapsed() < time {
        let round = schedule.next();
        stage.play(&round)?;
        stage.calm()?;
    }
    stage.agent.end();
    Ok(report::print(&stage, seed))
}

/// The release binary beside this example.
fn binary() -> Option<PathBuf> {
    let example = std::env::current_exe().ok()?;
    let target = example.ancestors().nth(3).map(Path::to_owned)?;
    Some(target.join("release/imgmgrd")).filter(|path| path.is_file())
}
