//! A deadline for what only a file system can answer.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

/// A healthy disk answers in microseconds; a switch's busy flash in well under a second.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

/// Runs what may block on a thread of its own, for calls into a file system that hangs (a lost NFS server, a dying
/// flash) cannot be cancelled. None if it takes longer than [`DEADLINE`]; the thread then ends with the process.
pub(super) async fn within_deadline<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    within(DEADLINE, work).await
}

async fn within<T: Send + 'static>(deadline: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = oneshot::channel();
    let run = move || {
        // Nobody waits any more once the deadline has passed.
        drop(sender.send(work()));
    };
    std::thread::Builder::new().name("doctor".to_owned()).spawn(run).ok()?;
    timeout(deadline, receiver).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_hangs_is_given_up() {
        assert_eq!(within(Duration::MAX, || 7).await, Some(7));
        let (_keep, hang) = std::sync::mpsc::channel::<()>();
        assert_eq!(within(Duration::from_millis(1), move || hang.recv().is_ok()).await, None);
    }
}
