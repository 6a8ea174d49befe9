//! Growing, jittered pauses between tries of something that fails (DESIGN.md, "Holding back").

use std::time::Duration;

/// The pause after the first failure.
const FIRST: Duration = Duration::from_secs(1);

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);

/// The pauses between tries: a second, doubled with each failure up to a minute.
///
/// Each pause is shortened or lengthened by up to a quarter, so that the switches of a data centre that lost the same
/// thing at the same moment do not all come back at the same moment.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    next: Duration,
}

impl Backoff {
    /// Pauses of 1 s up to 60 s.
    #[must_use]
    pub const fn new() -> Self {
        Self { first: FIRST, next: FIRST }
    }

    /// One pause of this length before those of [`Backoff::new`], for what often comes back at once.
    #[must_use]
    pub const fn quick(first: Duration) -> Self {
        Self { first, next: first }
    }

    /// The pause before the next try; the one after it will be longer.
    #[expect(clippy::should_implement_trait, reason = "pauses never end, and an iterator cannot say so")]
    pub fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).clamp(FIRST, LONGEST);
        pause.mul_f64(0.75 + 0.5 * fastrand::f64()).min(LONGEST)
    }

    /// It worked: the next failure starts over.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pauses in tenths of a second, without the jitter's quarter.
    fn is_about(pause: Duration, expected: f64) -> bool {
        (expected * 0.75..=expected * 1.25).contains(&pause.as_secs_f64())
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_start_over() {
        let mut backoff = Backoff::new();
        for expected in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
            let pause = backoff.next();
            assert!(is_about(pause, expected) && pause <= LONGEST, "{pause:?}, not {expected}");
        }
        backoff.reset();
        assert!(is_about(backoff.next(), 1.0));
    }

    #[test]
    fn a_quick_first_pause_comes_before_the_others() {
        let mut backoff = Backoff::quick(Duration::from_millis(200));
        for expected in [0.2, 1.0, 2.0] {
            let pause = backoff.next();
            assert!(is_about(pause, expected), "{pause:?}, not {expected}");
        }
        backoff.reset();
        assert!(is_about(backoff.next(), 0.2));
    }
}
