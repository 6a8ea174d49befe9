//! How a call to the engine fails, told apart by status code and type, never by the engine's words: it changes them
//! between releases.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use super::host::EngineHost;
use super::transport::NoAnswer;

/// A call to the engine that failed. `what` says what the call was for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Connecting is not permitted.
    #[error("{what}: no permission to use the engine at {host}: run as root or as a member of the group \"docker\"")]
    PermissionDenied {
        /// What the call was for.
        what: String,
        /// Where the engine should be.
        host: String,
    },
    /// No socket, nobody listens, or the connection broke.
    #[error("{what}: no engine at {host}: {cause}: is the engine running? systemctl status docker")]
    Unreachable {
        /// What the call was for.
        what: String,
        /// Where the engine should be.
        host: String,
        /// What happened.
        cause: String,
    },
    /// The engine took the call and did not answer in time.
    #[error("{what}: the engine at {host} did not answer within {} s: does it hang? systemctl status docker", .after.as_secs())]
    TimedOut {
        /// What the call was for.
        what: String,
        /// Where the engine is.
        host: String,
        /// How long was waited for the answer.
        after: Duration,
    },
    /// The engine knows no such thing (404).
    #[error("{what}: the engine knows no such thing: {message}")]
    NotFound {
        /// What the call was for.
        what: String,
        /// The engine's words.
        message: String,
    },
    /// Something is in the way, normally that it is in use (409).
    #[error("{what}: something is in the way: {message}")]
    Conflict {
        /// What the call was for.
        what: String,
        /// The engine's words.
        message: String,
    },
    /// The engine refused for another reason.
    #[error("{what}: the engine refused with status {status}: {message}")]
    Refused {
        /// What the call was for.
        what: String,
        /// The HTTP status code.
        status: u16,
        /// The engine's words.
        message: String,
    },
    /// The answer is not what it should be.
    #[error("{what}: the engine's answer is not understood: {cause}")]
    Unexpected {
        /// What the call was for.
        what: String,
        /// What is wrong with it.
        cause: String,
    },
}

impl EngineError {
    /// Whether the engine itself is unreachable or hangs, as opposed to having refused this one call.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::PermissionDenied { .. } | Self::Unreachable { .. } | Self::TimedOut { .. })
    }

    /// Whether there is no way to the engine: no other call will do better.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::PermissionDenied { .. } | Self::Unreachable { .. })
    }

    /// A call that came to nothing.
    pub(super) fn of(what: String, host: &EngineHost, failure: Failure) -> Self {
        match failure {
            Failure::Late(after) => Self::TimedOut { what, host: host.to_string(), after },
            Failure::NoAnswer(NoAnswer::Connect(error)) => Self::io(what, host, &error),
            Failure::NoAnswer(NoAnswer::Http(error)) => {
                let innermost = causes(&error).last().map(ToString::to_string).unwrap_or_default();
                causes(&error).find_map(|cause| cause.downcast_ref::<io::Error>()).map_or_else(
                    || Self::Unreachable { what: what.clone(), host: host.to_string(), cause: innermost },
                    |io| Self::io(what.clone(), host, io),
                )
            }
            Failure::Status(404, message) => Self::NotFound { what, message: shown(&message) },
            Failure::Status(409, message) => Self::Conflict { what, message: shown(&message) },
            Failure::Status(status, message) => Self::Refused { what, status, message: shown(&message) },
            Failure::TooLong => Self::Unexpected { what, cause: "it is longer than any switch's".to_owned() },
            Failure::NotUnderstood(cause) => Self::Unexpected { what, cause: shown(&cause) },
        }
    }

    /// A connection that failed.
    pub(super) fn io(what: String, host: &EngineHost, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::PermissionDenied { what, host: host.to_string() },
            _ => Self::Unreachable { what, host: host.to_string(), cause: error.to_string() },
        }
    }
}

/// Why a call came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// Its deadline passed.
    Late(Duration),
    /// It was not answered.
    NoAnswer(NoAnswer),
    /// The engine refused, with this status and in these words.
    Status(u16, String),
    /// The answer is longer than is read.
    TooLong,
    /// The answer is not what it should be.
    NotUnderstood(String),
}

impl From<NoAnswer> for Failure {
    fn from(error: NoAnswer) -> Self {
        Self::NoAnswer(error)
    }
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        Self::NoAnswer(error.into())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::NotUnderstood(error.to_string())
    }
}

/// The engine's words on one line, and no more of them than people read: they are published, remembered and logged.
fn shown(words: &str) -> String {
    const MOST: usize = 500;
    words.trim().chars().take(MOST).map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// An error, what caused it, what caused that, and so on.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}
