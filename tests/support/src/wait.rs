//! Waiting for conditions, never sleeping for a guess.

use std::fmt::Debug;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(3);

/// What a condition answers: `true`/`Some(value)` ends the waiting.
pub trait Answer {
    /// What the waiter gets in the end.
    type Value;
    /// The value, if the condition holds.
    fn met(self) -> Option<Self::Value>;
}

impl Answer for bool {
    type Value = ();
    fn met(self) -> Option<()> {
        self.then_some(())
    }
}

impl<T> Answer for Option<T> {
    type Value = T;
    fn met(self) -> Option<T> {
        self
    }
}

/// Waits until `condition` holds and returns its value; `Err` when it did not within `timeout`.
pub fn try_wait_until<A: Answer>(timeout: Duration, mut condition: impl FnMut() -> A) -> Result<A::Value, Duration> {
    let start = Instant::now();
    loop {
        if let Some(value) = condition().met() {
            return Ok(value);
        }
        if start.elapsed() >= timeout {
            return Err(start.elapsed());
        }
        sleep(POLL);
    }
}

/// Waits until `condition` holds and returns its value.
///
/// # Panics
/// Says `what` was waited for when it did not hold within `timeout`.
#[track_caller]
pub fn wait_until<A: Answer>(what: &str, timeout: Duration, condition: impl FnMut() -> A) -> A::Value {
    wait_until_or(what, timeout, condition, String::new)
}

/// Like [`wait_until`]; the panic ends with `diagnosis()`, for example an agent's log.
#[track_caller]
pub fn wait_until_or<A: Answer>(
    what: &str,
    timeout: Duration,
    condition: impl FnMut() -> A,
    diagnosis: impl FnOnce() -> String,
) -> A::Value {
    match try_wait_until(timeout, condition) {
        Ok(value) => value,
        Err(waited) => panic!("not within {:.1} s: {what}\n{}", waited.as_secs_f32(), diagnosis()),
    }
}

/// Waits until `look()` gives `expected`; the panic names the last value seen.
#[track_caller]
pub fn wait_equal<T, E>(what: &str, timeout: Duration, expected: &E, mut look: impl FnMut() -> T)
where
    T: PartialEq<E> + Debug,
    E: Debug + ?Sized,
{
    let mut last = None;
    let result = try_wait_until(timeout, || {
        let value = look();
        let equal = value == *expected;
        last = Some(value);
        equal
    });
    if let Err(waited) = result {
        panic!("not within {:.1} s: {what}\nexpected {expected:?}\nlast saw {last:?}", waited.as_secs_f32());
    }
}
