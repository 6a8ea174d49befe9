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
mod core;
mod execution;
mod observer;
mod once;
mod retry;
mod rows;
mod service;

pub use once::run_once;
pub use service::run;

pub use self::core::AgentError;
pub use observer::Observer;
