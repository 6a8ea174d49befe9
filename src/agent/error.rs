//! Why the agent, or a command that acts in its place, cannot do its work.

use crate::docker::EngineError;
use crate::sonic_db::{ConfigError, DatabaseError};
use crate::store::StateError;

/// The agent cannot run.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Where the databases are is not known.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The engine cannot be used.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The boot cannot be told from others.
    #[error("/proc/sys/kernel/random/boot_id cannot be read: {0}; is /proc mounted?")]
    Boot(std::io::Error),
    /// A task of the agent's has panicked, which is a bug.
    #[error("a task has ended unexpectedly: {0}; please report this")]
    Panicked(tokio::task::JoinError),
    /// A signal cannot be waited for.
    #[error("signals cannot be waited for: {0}")]
    Signal(std::io::Error),
    /// Something could not be done; `run --once` says what.
    #[error("{0}")]
    NotDone(String),
}
