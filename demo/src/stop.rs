//! Why the demo, or the soak, ends early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

/// It cannot go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The person has seen enough.
    Interrupted,
    /// Something is not as it should be.
    Wrong(String),
}

impl Stop {
    /// Something is not as it should be.
    pub(crate) fn wrong(what: impl Into<String>) -> Self {
        Self::Wrong(what.into())
    }
}

/// Notices Ctrl-C, so that the switch is taken down in order.
#[derive(Debug)]
pub(crate) struct Interruption(Arc<AtomicBool>);

impl Interruption {
    /// Watches from a thread of its own.
    pub(crate) fn watch() -> Result<Self, Stop> {
        let seen = Arc::new(AtomicBool::new(false));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let runtime = runtime.map_err(|error| Stop::wrong(format!("cannot wait for signals: {error}")))?;
        let noted = Arc::clone(&seen);
        std::thread::spawn(move || {
            runtime.block_on(async {
                let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
                let signals = kinds.map(|kind| Box::pin(async move { signal(kind).ok()?.recv().await }));
                futures_util::future::select_all(signals).await;
            });
            noted.store(true, Ordering::Relaxed);
        });
        Ok(Self(seen))
    }

    /// An error once the person has seen enough.
    pub(crate) fn check(&self) -> Result<(), Stop> {
        if self.0.load(Ordering::Relaxed) { Err(Stop::Interrupted) } else { Ok(()) }
    }
}
