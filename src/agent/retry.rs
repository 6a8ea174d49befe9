//! Retries with an end in sight: growing, jittered pauses for each unit that could not be acted on.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::decide::Purpose;
use crate::domain::Base;
use crate::files::RemoteCtrConfig;

/// The units that have to wait before they are acted on again.
#[derive(Debug, Default)]
pub(super) struct Retries {
    units: BTreeMap<Base, Retry>,
}

#[derive(Debug)]
struct Retry {
    backoff: Backoff,
    due: Instant,
}

impl Retries {
    /// Acting on the unit did not succeed: it has to wait, each time longer, but at most `longest`.
    pub(super) fn postpone(&mut self, base: &Base, longest: Duration) {
        let now = Instant::now();
        let retry = self.units.entry(base.clone()).or_insert_with(|| Retry { backoff: Backoff::new(), due: now });
        retry.due = now + retry.backoff.next().min(longest);
    }

    /// Acting on the unit succeeded.
    pub(super) fn succeeded(&mut self, base: &Base) {
        self.units.remove(base);
    }

    /// Whether the unit may be acted on.
    #[must_use]
    pub(super) fn is_due(&self, base: &Base) -> bool {
        self.units.get(base).is_none_or(|retry| retry.due <= Instant::now())
    }

    /// When the first of the waiting units that are in `wanted` may be acted on.
    #[must_use]
    pub(super) fn next_due<'a>(&self, wanted: impl Iterator<Item = &'a Base>) -> Option<Instant> {
        wanted.filter_map(|base| self.units.get(base)).map(|retry| retry.due).min()
    }
}

/// The longest pause before a failed action is tried again, as `remote_ctr.config.json` has it.
#[must_use]
pub(super) fn longest_pause(purpose: Option<&Purpose>, config: &RemoteCtrConfig) -> Duration {
    if purpose.is_none_or(Purpose::is_required) { config.promotion_retry } else { config.clean_up_retry }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_up_to_the_longest_and_end_with_a_success() {
        let base: Base = "docker-snmp".parse().unwrap();
        let mut retries = Retries::default();
        assert!(retries.is_due(&base));
        for longest in [2, 3, 6, 10, 10] {
            retries.postpone(&base, Duration::from_secs(10));
            assert!(!retries.is_due(&base));
            let due = retries.next_due([&base].into_iter()).expect("a retry is due");
            assert!(due - Instant::now() <= Duration::from_secs(longest));
            tokio::time::advance(Duration::from_secs(longest)).await;
            assert!(retries.is_due(&base));
        }
        retries.succeeded(&base);
        assert_eq!(retries.next_due([&base].into_iter()), None);
    }
}
