//! Where log lines go, which of them, and how they look.
//!
//! One line holds the time, the level, the message and every field (`feature=snmp version=20201231.84`). Both outputs
//! render it alike, so that a person sees the fields in the journal, in `/var/log/syslog` (to which SONiC forwards only
//! the journal's message) and on a terminal. Values come from Redis and the engine: control characters are escaped, so
//! that no value can forge a line or move a terminal's cursor.

mod journal;
mod level;
mod line;

use std::io::{IsTerminal, Write};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::{Registry, reload};

pub use level::{LogLevel, UnknownLogLevel};

use crate::clock;
use journal::Journal;
use line::Line;

/// The logging of this process.
#[derive(Debug)]
pub struct Logging {
    filter: reload::Handle<Targets, Registry>,
}

/// Logging that cannot be set up or changed.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// It has been set up before.
    #[error("logging is set up already")]
    Twice(#[from] tracing::subscriber::SetGlobalDefaultError),
    /// It is gone.
    #[error("the log level cannot be changed: {0}")]
    Gone(#[from] reload::Error),
}

impl Logging {
    /// Logging of the agent: to the journal when systemd runs it, else to stderr.
    ///
    /// # Errors
    /// If logging has been set up before.
    pub fn of_agent() -> Result<Self, LoggingError> {
        let output = if Journal::is_stderr() { Journal::connect().map(Output::Journal) } else { None };
        Self::start(output.unwrap_or_else(Output::stderr), LogLevel::default().filter())
    }

    /// Logging of a command: warnings and errors to stderr.
    ///
    /// # Errors
    /// If logging has been set up before.
    pub fn of_command() -> Result<Self, LoggingError> {
        Self::start(Output::stderr(), LevelFilter::WARN)
    }

    fn start(output: Output, level: LevelFilter) -> Result<Self, LoggingError> {
        // The filter is a layer over all, not one of the output: so a call site that is disabled costs one comparison.
        let (filter, handle) = reload::Layer::new(targets(level));
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(filter).with(output))?;
        Ok(Self { filter: handle })
    }

    /// Changes the level at run time.
    ///
    /// # Errors
    /// If logging is gone, which does not happen while the process runs.
    pub fn set_level(&self, level: LogLevel) -> Result<(), LoggingError> {
        Ok(self.filter.reload(targets(level.filter()))?)
    }
}

/// What is logged: of this crate what `level` asks for, of others warnings and errors at most.
fn targets(level: LevelFilter) -> Targets {
    Targets::new().with_target(env!("CARGO_CRATE_NAME"), level).with_default(level.min(LevelFilter::WARN))
}

/// Where the lines go.
#[derive(Debug)]
enum Output {
    Journal(Journal),
    Stderr { colour: bool },
}

impl Output {
    fn stderr() -> Self {
        // https://no-color.org: any value but the empty one.
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self::Stderr { colour: !unwanted && std::io::stderr().is_terminal() }
    }
}

impl<S: Subscriber> Layer<S> for Output {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = Line::of(event);
        match self {
            Self::Journal(journal) => journal.send(*event.metadata().level(), event.metadata().target(), &line),
            Self::Stderr { colour } => {
                let text = terminal_line(&clock::format(clock::wall()), *event.metadata().level(), &line, *colour);
                // Nobody is left to tell when stderr is closed.
                drop(std::io::stderr().lock().write_all(text.as_bytes()));
            }
        }
    }
}

/// A line for stderr: `2026-11-21 21:32:29Z NOTICE promoted feature=snmp version=20201231.84`.
fn terminal_line(time: &str, level: Level, line: &Line, colour: bool) -> String {
    let word = level::word(level);
    if !colour {
        return format!("{time}Z {word:<6} {}\n", line.text());
    }
    let paint = match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[2m",
    };
    format!("\x1b[2m{time}Z\x1b[0m {paint}{word:<6}\x1b[0m {}\x1b[2m{}\x1b[0m\n", line.message, line.fields)
}

#[cfg(test)]
mod tests;
