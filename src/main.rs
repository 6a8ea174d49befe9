//! The command `imgmgrd`.

use std::process::ExitCode;

use clap::Parser;
use imgmgrd::command::CommandLine;

fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    let _scenario = fail::FailScenario::setup();
    CommandLine::parse().carry_out()
}
