//! The levels of SONiC, and what they mean here.

use std::str::FromStr;

use tracing::Level;
use tracing::level_filters::LevelFilter;

use crate::domain::Refused;

/// A level of CONFIG_DB `LOGGER|imgmgrd` `LOGLEVEL`, in the words of `swssloglevel` (sonic-swss-common
/// `common/logger.h`).
///
/// SONiC has syslog's eight levels, tracing five. What this agent says once per change is a notice in SONiC's terms and
/// `info!` in Rust's, so the two scales are laid over each other there:
///
/// | SONiC | tracing | what |
/// | --- | --- | --- |
/// | EMERG, ALERT, CRIT, ERROR | `ERROR` | what the agent could not do and needs a person |
/// | WARN | `WARN` | what it could not do and will try again; what it refused |
/// | NOTICE (the default) | `INFO` | each decision that changes something |
/// | INFO | `DEBUG` | why it reconciled, what it found |
/// | DEBUG | `TRACE` | each call |
///
/// Towards the journal the same table gives the syslog priority of each line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// The system is unusable.
    Emerg,
    /// Something has to be done at once.
    Alert,
    /// Critical.
    Crit,
    /// Errors.
    Error,
    /// Warnings.
    Warn,
    /// What is normal but worth knowing.
    #[default]
    Notice,
    /// More of that.
    Info,
    /// Everything.
    Debug,
}

/// A word that is no level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no log level: EMERG, ALERT, CRIT, ERROR, WARN, NOTICE, INFO or DEBUG")]
pub struct UnknownLogLevel(Refused);

const WORDS: [(&str, LogLevel); 8] = [
    ("EMERG", LogLevel::Emerg),
    ("ALERT", LogLevel::Alert),
    ("CRIT", LogLevel::Crit),
    ("ERROR", LogLevel::Error),
    ("WARN", LogLevel::Warn),
    ("NOTICE", LogLevel::Notice),
    ("INFO", LogLevel::Info),
    ("DEBUG", LogLevel::Debug),
];

impl FromStr for LogLevel {
    type Err = UnknownLogLevel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = WORDS.iter().find(|(word, _)| text.eq_ignore_ascii_case(word));
        known.map(|(_, level)| *level).ok_or_else(|| UnknownLogLevel(Refused::new(text)))
    }
}

impl LogLevel {
    /// What tracing is to let through.
    pub(super) fn filter(self) -> LevelFilter {
        match self {
            Self::Emerg | Self::Alert | Self::Crit | Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Notice => LevelFilter::INFO,
            Self::Info => LevelFilter::DEBUG,
            Self::Debug => LevelFilter::TRACE,
        }
    }
}

/// The word of SONiC for a line's level.
pub(super) fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "NOTICE",
        Level::DEBUG => "INFO",
        Level::TRACE => "DEBUG",
    }
}

/// The syslog priority of a line's level (RFC 5424).
pub(super) fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 5,
        Level::DEBUG => 6,
        Level::TRACE => 7,
    }
}
