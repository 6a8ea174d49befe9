//! The agent: observe, decide, act, publish, and reconcile again when something changes.
//!
//! ```text
//! Redis ──┐                                  ┌─> engine (steps, one by one)
//! engine ─┼─> snapshot ─> decide ─> plan ─┤
//! files ──┘       memory ──┘   │             └─> STATE_DB (versions)
//!                    ^         └─> report ─> CONTAINER_IMAGE rows, history, log
//!                    └── saved before the first step
//! ```

mod commands;
mod control;
mod error;
mod observer;
mod service_manager;
mod shell;

pub(crate) use commands::known;
pub use commands::{Answer, Reply, Request, UnknownFeature};
pub use error::AgentError;
pub use observer::{Observer, interest};
pub use shell::{obey, run, run_once};
