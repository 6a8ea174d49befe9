//! imgmgrd: container image management for SONiC switches.
//!
//! The data goes one way: observe, decide, act, publish.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`domain`] | the words: names, image references, ages, values of rows |
//! | [`decide`] | the rules: a pure function from what is, what was and what is wanted to a plan and a report |
//! | [`database`] | SONiC's databases in Redis: read, followed and written |
//! | [`engine`] | the container engine: snapshots of it, its events, and one step of a plan at a time |
//! | [`files`], [`policy_rows`], [`settings`] | what else is read: other programs' files, the operator's policy, our own settings |
//! | [`state`] | what outlives the process, in `/var/lib/imgmgrd` |
//! | [`agent`] | `imgmgrd run`: the loop that connects them |
//! | [`command`] | the command line |
//! | `schema`, `manual` | with the feature `generate`: JSON Schemas of rows and answers, man pages, completions |
//! | [`logging`], [`clock`], [`backoff`] | what all of them use |

pub mod agent;
mod allowance;
pub mod backoff;
pub mod clock;
pub mod command;
pub mod database;
pub mod engine;
mod failpoint;
pub mod files;
pub mod logging;
#[cfg(feature = "generate")]
pub mod manual;
pub mod policy_rows;
#[cfg(feature = "generate")]
pub mod schema;
pub mod settings;
pub mod state;

pub use imgmgrd_decision::{StepOutcome, controller, decide, domain};
