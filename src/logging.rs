//! Which log lines are written to stderr, and how they look.
//!
//! One line holds the message and every field (`feature=snmp version=20201231.84`), so that a person sees the fields in
//! the journal, in `/var/log/syslog` (to which SONiC forwards only the journal's message) and on a terminal. Values come
//! from Redis and the engine: control characters are escaped, so that no value can forge a line or move a terminal's
//! cursor.

mod level;
mod line;
mod stderr;

use std::sync::{Arc, PoisonError, RwLock};

use tracing::level_filters::LevelFilter;
use tracing::span;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

pub use level::{LogLevel, UnknownLogLevel};
pub(crate) use line::plain;

use line::Line;
use stderr::Stderr;

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
    /// Logging of the agent: what it does, and never a wait for whoever reads it.
    ///
    /// # Errors
    /// If logging has been set up before.
    pub fn of_agent() -> Result<Self, LoggingError> {
        Self::start(Stderr::of_agent(), LogLevel::default().filter())
    }

    /// Logging of a command: warnings and errors.
    ///
    /// # Errors
    /// If logging has been set up before.
    pub fn of_command() -> Result<Self, LoggingError> {
        Self::start(Stderr::of_command(), LevelFilter::WARN)
    }

    fn start(stderr: Stderr, level: LevelFilter) -> Result<Self, LoggingError> {
        let threshold = Threshold::new(level);
        let write = move |event: &Event<'_>| stderr.write(*event.metadata().level(), &Line::of(event));
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

#[cfg(test)]
mod tests;
