//! What can go wrong with Redis, each with its remedy.

use std::io;

use redis::RedisError;

use super::limits::{DEADLINE, MOST_BYTES};
use crate::domain::printable;

/// Why a Redis server cannot be used now.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// It cannot be connected to.
    #[error("cannot connect to Redis at {server}: {source}; {}", remedy(source))]
    Unreachable {
        /// The address of the Redis server.
        server: String,
        /// What the system says.
        source: io::Error,
    },
    /// It does not answer in time.
    #[error(
        "Redis at {server} did not answer within {} s; it hangs or is overloaded: see \"systemctl status database\"",
        DEADLINE.as_secs()
    )]
    Deadline {
        /// The address of the Redis server.
        server: String,
    },
    /// It answered with an error, or the connection broke.
    #[error("Redis at {server}: {}", printable(&source.to_string()))]
    Failed {
        /// The address of the Redis server.
        server: String,
        /// What it says.
        source: RedisError,
    },
    /// It answers more than any switch has to say.
    #[error(
        "Redis at {server} answers more than {} MiB, which no switch's rows take; find the key (redis-cli --bigkeys) and \
         remove it",
        MOST_BYTES >> 20
    )]
    TooLarge {
        /// The address of the Redis server.
        server: String,
    },
    /// It is known to be unreachable and being connected to in the background.
    #[error("{0}")]
    Reconnecting(String),
    /// Rows that are being published to it have not arrived yet.
    #[error("Redis at {server} has not taken yet what was published before")]
    Busy {
        /// The address of the Redis server.
        server: String,
    },
    /// The namespace has no databases: it is not among those that the configuration names.
    #[error("namespace \"{0}\" has no databases in database_global.json")]
    NoSuchNamespace(crate::domain::Namespace),
}

impl DatabaseError {
    /// Whether the connection is of no more use; else Redis has answered, with an error.
    pub(super) fn breaks_connection(&self) -> bool {
        match self {
            Self::Failed { source, .. } => source.is_unrecoverable_error(),
            Self::Unreachable { .. } | Self::Deadline { .. } | Self::TooLarge { .. } => true,
            Self::Reconnecting(_) | Self::Busy { .. } | Self::NoSuchNamespace(_) => false,
        }
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            "is the database service running? (systemctl status database)"
        }
        io::ErrorKind::PermissionDenied => "run this as root, or as a member of the socket's group",
        _ => "see whether the database service runs (systemctl status database)",
    }
}
