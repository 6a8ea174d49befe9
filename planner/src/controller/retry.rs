//! Pauses between tries: growing, and not the same for all.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// The first pause, and the longest that any setting asks for.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Something that failed and is tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Retry {
    /// How often in a row it has failed, as far as the pauses depend on it.
    tries: u32,
    /// When it is tried again; none while it works.
    due: Option<Duration>,
}

impl Retry {
    /// It has failed once more. `who` makes the pauses of several differ by up to a quarter, so that what failed together
    /// is not tried again together; they are at most `longest`.
    pub(super) fn failed(&mut self, who: impl Hash, longest: Duration, now: Duration) {
        let pause = FIRST.saturating_mul(1 << self.tries.min(6)).min(longest.min(LONGEST));
        let mut hasher = DefaultHasher::new();
        (who, self.tries).hash(&mut hasher);
        let quarter = u32::try_from(hasher.finish() % 256).unwrap_or_default();
        self.due = Some(now + pause - pause / 1024 * quarter);
        self.tries = (self.tries + 1).min(7);
    }

    /// It succeeded: the next failure begins with the shortest pause.
    pub(super) fn worked(&mut self) {
        *self = Self::default();
    }

    /// It may be tried again now, though the pause is not over.
    pub(super) fn at_once(&mut self, now: Duration) {
        self.due = self.due.map(|due| due.min(now));
    }

    /// The pause is over. Should it fail again, the next one is longer.
    pub(super) fn over(&mut self) {
        self.due = None;
    }

    /// Whether it has failed last.
    pub(super) fn has_failed(&self) -> bool {
        self.due.is_some()
    }

    /// Whether it has to wait.
    pub(super) fn waits(&self, now: Duration) -> bool {
        self.due.is_some_and(|due| due > now)
    }

    /// When it may be tried again, if it has to wait.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// The time in it.
    #[cfg(feature = "fixtures")]
    pub(super) fn time(&mut self) -> Option<&mut Duration> {
        self.due.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest_and_end_with_a_success() {
        let mut retry = Retry::default();
        let mut now = Duration::from_secs(1000);
        for longest in [1, 2, 4, 8, 10, 10, 10, 10, 10] {
            retry.failed("docker-snmp", Duration::from_secs(10), now);
            assert!(retry.waits(now));
            let pause = retry.due().unwrap() - now;
            assert!(
                pause <= Duration::from_secs(longest) && pause >= Duration::from_secs(longest) * 3 / 4,
                "{pause:?}"
            );
            now += pause;
            assert!(retry.has_failed() && !retry.waits(now));
            retry.over();
            assert!(!retry.has_failed());
        }
        retry.worked();
        assert_eq!(retry, Retry::default());
    }
}
