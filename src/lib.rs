//! imgmgrd: container image management for SONiC switches.
//!
//! The data goes one way: observe, decide, act, publish.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`domain`] | names, image references, ages, values of rows |
//! | [`planner`], [`controller`] | the rules, and the loop as a value: a crate without input and output |
//! | [`sonic_db`] | SONiC's databases in Redis: read, followed and written |
//! | [`docker`] | the container engine: snapshots of it, its events, and one step of a plan at a time |
//! | [`config`] | our own settings, the operator's policy, other programs' files |
//! | [`store`] | what outlives the process, in `/var/lib/imgmgrd` |
//! | `publish` | rows, history and log, all from the one report |
//! | [`agent`] | `imgmgrd run`: the shell around the controller, the control socket, systemd |
//! | [`cli`] | the command line |
//! | `schema`, `manual` | with the feature `generate`: JSON Schemas of rows and answers, man pages, completions |
//! | [`logging`], [`clock`], [`backoff`] | what all of them use |

pub mod agent;
mod allowance;
pub mod backoff;
pub mod cli;
pub mod clock;
pub mod config;
pub mod docker;
mod failpoint;
pub mod logging;
#[cfg(feature = "generate")]
pub mod manual;
mod publish;
#[cfg(feature = "generate")]
pub mod schema;
pub mod sonic_db;
pub mod store;

pub use imgmgrd_planner::{self as planner, StepOutcome, controller, domain};
