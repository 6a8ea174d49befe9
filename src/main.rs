//! The command `imgmgrd`.

use std::process::ExitCode;

use clap::Parser;
use imgmgrd::cli::CommandLine;

fn main() -> ExitCode {
    abort_on_panic();
    #[cfg(feature = "failpoints")]
    let _scenario = fail::FailScenario::setup();
    CommandLine::parse().carry_out()
}

/// Ends the process by SIGABRT when any of its tasks or threads panics, in each build as in the release, whose profile
/// says so: a task that unwinds leaves an agent that lives and does half its work, or one that ends as if it had been told to.
fn abort_on_panic() {
    let say = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        say(panic);
        std::process::abort();
    }));
}
