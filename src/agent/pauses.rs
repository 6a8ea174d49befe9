//! When to wait though there is something to do.

use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::engine::EngineError;

/// How long nothing is acted on after what was to be acted on could not be read again.
#[derive(Default)]
pub(super) struct Hold {
    /// When it ends; none while all can be read.
    pub(super) until: Option<Instant>,
    backoff: Backoff,
    /// It was logged, its end not yet.
    is_told: bool,
}

impl Hold {
    /// Whether nothing may be acted on now.
    pub(super) fn is_on(&self) -> bool {
        self.until.is_some_and(|until| until > Instant::now())
    }

    /// It could not be read once more.
    pub(super) fn extend(&mut self) {
        self.until = Some(Instant::now() + self.backoff.next());
    }

    /// Says once that the engine hangs or refuses. That it is away is for its watcher to say, who sees that too.
    pub(super) fn tell(&mut self, error: &EngineError) {
        let is_seen_by_watcher =
            matches!(error, EngineError::Unreachable { .. } | EngineError::PermissionDenied { .. });
        if !is_seen_by_watcher && !std::mem::replace(&mut self.is_told, true) {
            tracing::warn!(%error, "the engine cannot be read; nothing is changed until it can");
        }
    }

    /// It was read.
    pub(super) fn end(&mut self) {
        if std::mem::take(self).is_told {
            tracing::info!("the engine can be read again");
        }
    }
}
