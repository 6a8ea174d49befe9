//! How soon a server is read again: at once after a quiet time, ever less often in a burst.

use std::time::Duration;

use tokio::time::Instant;

/// The pause between two reads: at first too short to be felt, longer while changes keep coming.
const FIRST_GAP: Duration = Duration::from_millis(1);
const LONGEST_GAP: Duration = Duration::from_millis(50);

/// The pauses between reads of one server.
#[derive(Debug)]
pub(super) struct Pace {
    gap: Duration,
    last: Option<Instant>,
}

impl Pace {
    /// Nothing was read yet.
    pub(super) fn new() -> Self {
        Self { gap: FIRST_GAP, last: None }
    }

    /// When the server may be read again; none if it may be now.
    pub(super) fn until(&self) -> Option<Instant> {
        self.last.map(|last| last + self.gap).filter(|until| *until > Instant::now())
    }

    /// The server is read now.
    pub(super) fn reads(&mut self) {
        let now = Instant::now();
        let is_burst = self.last.is_some_and(|last| now < last + 2 * self.gap);
        self.gap = if is_burst { (self.gap * 2).min(LONGEST_GAP) } else { FIRST_GAP };
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_in_a_burst_and_are_gone_after_a_quiet_time() {
        let mut pace = Pace::new();
        assert_eq!(pace.until(), None);
        for expected in [1, 2, 4, 8, 16, 32, 50, 50] {
            pace.reads();
            assert_eq!(pace.until(), Some(Instant::now() + Duration::from_millis(expected)));
            tokio::time::advance(Duration::from_millis(expected)).await;
            assert_eq!(pace.until(), None);
        }
        tokio::time::advance(LONGEST_GAP).await;
        pace.reads();
        assert_eq!(pace.until(), Some(Instant::now() + FIRST_GAP));
    }
}
