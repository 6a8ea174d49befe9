//! How a call to the engine fails, told apart by status code and type, never by the engine's words: it changes them
//! between releases.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use bollard::errors::Error as ClientError;

use super::host::Host;

/// A call to the engine that failed. `what` says what the call was for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The place to look for the engine is none.
    #[error("\"{host}\" is no place of an engine: write unix:///PATH or tcp://HOST:PORT")]
    InvalidHost {
        /// The place.
        host: String,
    },
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
        /// The deadline.
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
    /// A step that is none of the engine's was given to it: a mistake of the caller.
    #[error("\"{step}\" is no step of the engine's")]
    NotAnEngineStep {
        /// The step.
        step: String,
    },
}

impl EngineError {
    /// Whether the engine itself is away or hangs, as opposed to having refused this one call.
    #[must_use]
    pub fn is_away(&self) -> bool {
        matches!(self, Self::PermissionDenied { .. } | Self::Unreachable { .. } | Self::TimedOut { .. })
    }

    /// A call that did not end in time.
    pub(super) fn timed_out(what: String, host: &Host, after: Duration) -> Self {
        Self::TimedOut { what, host: host.to_string(), after }
    }

    /// A connection that failed.
    pub(super) fn io(what: String, host: &Host, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::PermissionDenied { what, host: host.to_string() },
            io::ErrorKind::FileTooLarge => {
                Self::Unexpected { what, cause: "it is longer than any switch's".to_owned() }
            }
            _ => Self::Unreachable { what, host: host.to_string(), cause: error.to_string() },
        }
    }

    /// What the client library reports.
    pub(super) fn client(what: String, host: &Host, after: Duration, error: &ClientError) -> Self {
        match error {
            ClientError::DockerResponseServerError { status_code, message } => {
                let message = shown(message);
                match *status_code {
                    404 => Self::NotFound { what, message },
                    409 => Self::Conflict { what, message },
                    status => Self::Refused { what, status, message },
                }
            }
            ClientError::RequestTimeoutError => Self::timed_out(what, host, after),
            ClientError::IOError { err } => Self::io(what, host, err),
            ClientError::HyperResponseError { .. } => {
                let innermost = causes(error).last().map(ToString::to_string).unwrap_or_default();
                causes(error).find_map(|cause| cause.downcast_ref::<io::Error>()).map_or_else(
                    || Self::Unreachable { what: what.clone(), host: host.to_string(), cause: innermost },
                    |io| Self::io(what.clone(), host, io),
                )
            }
            _ => Self::Unexpected { what, cause: shown(&error.to_string()) },
        }
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
