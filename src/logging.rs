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
use std::sync::{Arc, PoisonError, RwLock};

use tracing::level_filters::LevelFilter;
use tracing::span;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

pub use level::{LogLevel, UnknownLogLevel};
pub(crate) use line::plain;

use crate::clock;
use journal::Journal;
use line::Line;

/// The logging of this process.
#[derive(Debug)]
pub struct Logging {
    threshold: Threshold,
}

/// Logging that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// It has been set up before.
    #[error("logging is set up already")]
    Twice(#[from] tracing::subscriber::SetGlobalDefaultError),
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
        let threshold = Threshold::new(level);
        let write = move |event: &Event<'_>| output.write(event);
        tracing::subscriber::set_global_default(Lines { threshold: threshold.clone(), write })?;
        Ok(Self { threshold })
    }

    /// Changes the level at run time.
    pub fn set_level(&self, level: LogLevel) {
        self.threshold.set(level.filter());
    }
}

/// What is logged: of our own crates what it says, of others warnings and errors at most.
#[derive(Clone, Debug)]
struct Threshold(Arc<RwLock<LevelFilter>>);

impl Threshold {
    fn new(level: LevelFilter) -> Self {
        Self(Arc::new(RwLock::new(level)))
    }

    fn get(&self) -> LevelFilter {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, level: LevelFilter) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = level;
        // Each call site remembers whether it is wanted.
        tracing::callsite::rebuild_interest_cache();
    }

    fn lets_through(&self, metadata: &Metadata<'_>) -> bool {
        let is_ours = metadata.target().starts_with(env!("CARGO_CRATE_NAME"));
        let level = if is_ours { self.get() } else { self.get().min(LevelFilter::WARN) };
        metadata.is_event() && *metadata.level() <= level
    }
}

/// Makes each event a line. There are no spans in this program, so nothing is kept of them: the registry that
/// tracing-subscriber would keep takes 32 KiB.
struct Lines<W> {
    threshold: Threshold,
    write: W,
}

impl<W: Fn(&Event<'_>) + 'static> Subscriber for Lines<W> {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.threshold.lets_through(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.threshold.lets_through(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.threshold.get().max(LevelFilter::WARN))
    }

    fn event(&self, event: &Event<'_>) {
        (self.write)(event);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
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

    fn write(&self, event: &Event<'_>) {
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
