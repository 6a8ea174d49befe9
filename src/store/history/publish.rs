//! The history in STATE_DB: whatever is missing there is published, and what was replaced goes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entry, Events, History};
use crate::domain::Instance;
use crate::sonic_db::{NewRow, RowChange, Rows};

impl History {
    /// What it takes for STATE_DB to have the history of `instance`, as far as its rows are known: what was not published
    /// yet, was refused, or is gone with a reboot, is published by this.
    #[must_use]
    pub fn unpublished(&self, instance: &Instance, rows: &Rows) -> Vec<RowChange> {
        let there = rows.history(instance.namespace, instance.feature.as_str());
        let Some(events) = self.instances.get(&instance.container_name()) else { return Vec::new() };
        let (missing, replaced) = events.compare(there);
        let (namespace, feature) = (instance.namespace, &instance.feature);
        let forget = |number| RowChange::Forget { namespace, feature: feature.clone(), number };
        let record =
            |entry: &Entry| RowChange::Record { namespace, feature: feature.clone(), number: entry.n, row: row(entry) };
        replaced.into_iter().map(forget).chain(missing.into_iter().map(record)).collect()
    }
}

impl Events {
    /// Which entries are missing where these numbers are there, and which of these were replaced by others. Of all that are
    /// there then, the newest 20 stay: what would go again at once is not missing.
    fn compare(&self, there: &BTreeSet<u64>) -> (Vec<&Entry>, Vec<u64>) {
        let own: BTreeMap<u64, &Entry> = self.entries.iter().map(|entry| (entry.n, entry)).collect();
        let was_own = |number: &u64| (self.first..=self.last).contains(number);
        let is_replaced = |number: &&u64| was_own(number) && !own.contains_key(number);
        let replaced = there.iter().filter(is_replaced).copied().collect();
        let newest: BTreeSet<u64> =
            there.iter().filter(|number| !is_replaced(number)).chain(own.keys()).copied().collect();
        let missing = newest.iter().rev().take(History::KEPT).rev().filter(|number| !there.contains(number));
        (missing.filter_map(|number| own.get(number).copied()).collect(), replaced)
    }
}

/// `CONTAINER_IMAGE_HISTORY|<feature>|<n>`. Every field is there; what is absent is the empty string.
fn row(entry: &Entry) -> NewRow {
    let Entry { n: _, time, count, first_time, event, unknown: _ } = entry;
    let repeated = first_time.as_ref().map(|_| count.to_string());
    NewRow::from([
        ("time", time.clone()),
        ("event", event.event.clone()),
        ("version", event.version.clone()),
        ("image_id", event.image_id.clone()),
        ("reason", event.reason.clone().unwrap_or_default()),
        ("detail", event.detail.clone()),
        ("container_id", event.container_id.clone().unwrap_or_default()),
        ("exit_code", event.exit_code.map(|code| code.to_string()).unwrap_or_default()),
        ("count", repeated.unwrap_or_default()),
        ("first_time", first_time.clone().unwrap_or_default()),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::{HistoryEvent, once};
    use super::*;

    fn events(first: u64, numbers: impl IntoIterator<Item = u64>) -> Events {
        let entries = numbers.into_iter().map(|n| Entry::new(n, String::new(), HistoryEvent::default()));
        let entries: std::collections::VecDeque<Entry> = entries.collect();
        Events { first, last: entries.back().map_or(0, |entry| entry.n), entries }
    }

    /// What is missing and what is replaced.
    fn compare(events: &Events, there: impl IntoIterator<Item = u64>) -> (Vec<u64>, Vec<u64>) {
        let (missing, replaced) = events.compare(&there.into_iter().collect());
        (missing.into_iter().map(|entry| entry.n).collect(), replaced)
    }

    #[test]
    fn what_is_missing_is_published_and_what_was_replaced_goes() {
        let own = events(once(), [1, 3, 4]);
        assert_eq!(compare(&own, []), (vec![1, 3, 4], vec![]), "after a reboot");
        assert_eq!(compare(&own, [1, 2, 3]), (vec![4], vec![2]), "a new one that replaces another");
        assert_eq!(compare(&own, [1, 3, 4]), (vec![], vec![]), "all is there");
        assert_eq!(compare(&own, [1, 3, 4, 9]), (vec![], vec![]), "what is not known stays");
    }

    #[test]
    fn what_a_lost_file_had_published_stays_until_it_is_too_many() {
        let own = events(101, [101, 103]);
        assert_eq!(compare(&own, 81..=100), (vec![101, 103], vec![]));
        assert_eq!(compare(&own, (83..=101).chain([103])), (vec![], vec![]));
        assert_eq!(compare(&own, (83..=100).chain([101, 102])), (vec![103], vec![102]));
    }

    #[test]
    fn what_would_go_again_at_once_is_not_published() {
        assert_eq!(compare(&events(once(), 1..=5), 100..=119), (vec![], vec![]));
        assert_eq!(compare(&events(once(), 1..=5), 100..=117), (vec![4, 5], vec![]));
    }

    #[test]
    fn a_row_is_by_the_schema() {
        let image_id = format!("sha256:{}", "1".repeat(64));
        let bare =
            HistoryEvent { event: "held".to_owned(), detail: "any: \"text\"".to_owned(), ..HistoryEvent::default() };
        let full = HistoryEvent {
            event: "failed".to_owned(),
            version: "20201231.84".to_owned(),
            image_id,
            reason: Some("exited".to_owned()),
            container_id: Some("6d051d98400c".to_owned()),
            exit_code: Some(-1),
            ..bare.clone()
        };
        let time = || "2026-11-21 21:32:29".to_owned();
        let repeated = Entry { count: 3, first_time: Some(time()), ..Entry::new(7, time(), full) };
        for entry in [Entry::new(1, time(), bare), repeated] {
            imgmgrd_test_support::schema::assert_valid(
                "state_db/CONTAINER_IMAGE_HISTORY.json",
                &serde_json::json!(row(&entry)),
            );
        }
    }
}
