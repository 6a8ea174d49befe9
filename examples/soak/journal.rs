//! What happened, in order, with the time since the begin; and what was found to be wrong.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Mutex;
use std::time::Instant;

/// How many lines are told around something wrong.
const AROUND: usize = 50;

#[derive(Debug, Default)]
struct Inner {
    lines: Vec<String>,
    counts: BTreeMap<(Table, String), u64>,
    violations: Vec<Violation>,
}

/// Which part of the final table a count is in.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Table {
    /// What went wrong.
    Faults,
    /// What others did.
    Events,
    /// What the agent did.
    Agent,
    /// What was checked.
    Checks,
}

/// Something that is not as it was promised.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    /// What.
    pub(crate) what: String,
    /// The lines before it, and itself.
    pub(crate) before: Vec<String>,
}

/// The soak's own log. Any thread may write to it.
#[derive(Debug)]
pub(crate) struct Journal {
    begun: Instant,
    is_quiet: bool,
    inner: Mutex<Inner>,
}

impl Journal {
    /// An empty one; `is_quiet` prints nothing but violations.
    pub(crate) fn new(is_quiet: bool) -> Self {
        Self { begun: Instant::now(), is_quiet, inner: Mutex::default() }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Somebody did something.
    pub(crate) fn says(&self, who: &str, what: impl Display) {
        let line = format!("{:8.3}  {who:<8} {what}", self.begun.elapsed().as_secs_f64());
        if !self.is_quiet {
            println!("{line}");
        }
        self.inner().lines.push(line);
    }

    /// One more of these.
    pub(crate) fn count(&self, table: Table, what: &str) {
        *self.inner().counts.entry((table, what.to_owned())).or_default() += 1;
    }

    /// How many there were.
    pub(crate) fn counts(&self, table: Table) -> Vec<(String, u64)> {
        let inner = self.inner();
        let of_table = inner.counts.iter().filter(|((other, _), _)| *other == table);
        of_table.map(|((_, what), count)| (what.clone(), *count)).collect()
    }

    /// A promise was broken.
    pub(crate) fn violation(&self, what: impl Display) {
        let line = format!("{:8.3}  VIOLATION {what}", self.begun.elapsed().as_secs_f64());
        println!("{line}");
        let mut inner = self.inner();
        inner.lines.push(line);
        let before = inner.lines.iter().rev().take(AROUND).rev().cloned().collect();
        inner.violations.push(Violation { what: what.to_string(), before });
    }

    /// What was found.
    pub(crate) fn violations(&self) -> Vec<Violation> {
        self.inner().violations.clone()
    }

    /// Every line.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.inner().lines.clone()
    }

    /// How long it has gone on.
    pub(crate) fn elapsed(&self) -> std::time::Duration {
        self.begun.elapsed()
    }
}
