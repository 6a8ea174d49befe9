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
mod commands;
mod control;
mod error;
mod observer;
mod publisher;
mod rows;
mod service;
mod service_manager;

pub(crate) use commands::known;
pub use commands::{Answer, Reply, Request, UnknownFeature};
pub use error::AgentError;
pub use observer::{Observer, interest};
pub use service::{obey, run, run_once};
