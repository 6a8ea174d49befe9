//! The agent: observe, decide, act, publish, and look again when something changes.
//!
//! ```text
//! Redis ──┐                                  ┌─> engine (steps, one by one)
//! engine ─┼─> observation ─> decide ─> plan ─┤
//! files ──┘       memory ──┘   │             └─> STATE_DB (versions)
//!                    ^         └─> report ─> CONTAINER_IMAGE rows, history, log
//!                    └── saved before the first step
//! ```

mod account;
mod control;
mod core;
mod observer;
mod once;
mod orders;
mod pauses;
mod remembered;
mod retry;
mod rows;
mod service;
mod service_manager;

use imgmgrd_decision::execution;
pub use once::{obey, run_once};
pub(crate) use orders::known;
pub use orders::{Answer, Reply, Request, UnknownFeature};
pub use service::run;

pub use self::core::AgentError;
pub use observer::Observer;
