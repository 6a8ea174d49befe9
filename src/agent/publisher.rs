//! What people are told: the agent's own rows, the history and the log. Level-triggered: what STATE_DB does not say yet is
//! written with the next publication, whatever became of the last.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::account::{self, Event, Moment, Said};
use crate::clock;
use crate::controller::{Acted, Controller};
use crate::database::{NewRow, Published, RowChange, Rows};
use crate::decide::Report;
use crate::domain::{ImageId, Instance, IteratorExt as _};
use crate::StepOutcome;
use crate::state::{self, History, StateDirectory};

/// Tells of what a controller finds and does.
pub(super) struct Publisher {
    history: History,
    /// What was logged last of each instance.
    said: Said,
    /// What was given back and is not published yet.
    reclaimed: BTreeMap<Instance, u64>,
    /// What of it is in the rows that are being written.
    being_published: BTreeMap<Instance, u64>,
    /// The images of which it was said that the engine refused to remove them.
    in_use: BTreeSet<ImageId>,
    /// The last failure to write to the state directory was logged.
    is_save_failing: bool,
}

impl Publisher {
    /// Goes on with the history that is in the state directory.
    pub(super) fn new(directory: StateDirectory) -> Self {
        Self {
            history: History::load(directory),
            said: Said::new(),
            reclaimed: BTreeMap::new(),
            being_published: BTreeMap::new(),
            in_use: BTreeSet::new(),
            is_save_failing: false,
        }
    }

    /// A decision found something that the next one will not tell again.
    pub(super) fn found(&mut self, report: &Report) {
        self.record(account::found(report));
    }

    /// An action has ended.
    pub(super) fn acted(&mut self, Acted { base, action, outcome }: &Acted, controller: &Controller) {
        let report = controller.report();
        match outcome {
            StepOutcome::Done { reclaimed } => {
                for (instance, _) in report.instances_of(base) {
                    *self.reclaimed.entry(instance.clone()).or_default() += reclaimed;
                }
                self.record(account::carried_out(base, action, *reclaimed, report));
            }
            StepOutcome::InUse => {
                let images = &controller.observation().images;
                self.in_use.retain(|image| images.contains_key(image));
                for image in account::images_of(action) {
                    if self.in_use.insert(image) {
                        tracing::info!(image = %image, "kept: the engine says that it is in use");
                    }
                }
            }
            StepOutcome::Changed(why) => tracing::debug!(image = %base, reason = %why, "not done: {}", action.purpose),
            // The row says so, and the log with it.
            StepOutcome::Failed(why) => tracing::debug!(image = %base, error = %why, "failed: {}", action.purpose),
        }
    }

    /// What of the report STATE_DB does not say yet. Of units in the middle of a promotion nothing is published.
    pub(super) fn changes(&mut self, controller: &Controller, rows: &Rows, moment: Moment) -> Vec<RowChange> {
        let busy = controller.promoting(moment.since_boot).cloned().ordered();
        let account = account::account(
            controller.report(),
            rows,
            &busy,
            &self.reclaimed,
            &mut self.said,
            |observing| controller.stamps().get(&observing.mark).copied(),
            moment,
        );
        self.record(account.events);
        self.being_published.clone_from(&self.reclaimed);
        let mut changes = account.changes;
        changes.extend(self.unpublished(controller.report(), rows));
        changes
    }

    /// These changes are in STATE_DB.
    pub(super) fn published(&mut self, published: &Published) {
        for change in &published.written {
            let RowChange::Publish { namespace, feature, .. } = change else { continue };
            let instance = Instance { feature: feature.clone(), namespace: *namespace };
            if let Some(written) = self.being_published.remove(&instance) {
                let left = self.reclaimed.remove(&instance).unwrap_or_default().saturating_sub(written);
                self.reclaimed.extend((left > 0).then_some((instance, left)));
            }
        }
    }

    /// Logs the first failure to write to the state directory, and the first success after it.
    pub(super) fn tell_saved(&mut self, saved: &io::Result<bool>) {
        match saved {
            Err(error) if !std::mem::replace(&mut self.is_save_failing, true) => {
                tracing::error!(%error, "the state directory cannot be written; nothing is promoted until it can");
            }
            Ok(true) if std::mem::take(&mut self.is_save_failing) => {
                tracing::info!("the state directory can be written again");
            }
            _ => {}
        }
    }

    /// Adds events to the history.
    fn record(&mut self, events: Vec<Event>) {
        let time = clock::format(clock::wall());
        for event in events {
            let text = |value: Option<&dyn ToString>| value.map_or_else(String::new, ToString::to_string);
            let entry = state::Event {
                event: event.event.to_owned(),
                version: text(event.version.as_ref().map(|it| it as _)),
                image_id: text(event.image.as_ref().map(|it| it as _)),
                detail: event.detail,
            };
            self.history.add(&event.instance.to_string(), time.clone(), entry);
        }
        let saved = self.history.save();
        self.tell_saved(&saved);
    }

    /// What of the history is not in STATE_DB: the newest events, or after a reboot, or when Redis was emptied, all of them.
    fn unpublished(&self, report: &Report, rows: &Rows) -> Vec<RowChange> {
        let mut changes = Vec::new();
        for instance in report.instances.keys() {
            let newest = rows.newest_history(instance.namespace, instance.feature.as_str());
            let entries = self.history.entries(instance.container_name().as_str());
            let missing = entries.filter(|entry| newest.is_none_or(|newest| entry.n > newest));
            changes.extend(missing.map(|entry| history_row(instance, entry)));
        }
        changes
    }
}

/// `CONTAINER_IMAGE_HISTORY|<feature>|<n>`.
fn history_row(instance: &Instance, entry: &state::Entry) -> RowChange {
    let row = NewRow::from([
        ("time", entry.time.clone()),
        ("event", entry.event.event.clone()),
        ("version", entry.event.version.clone()),
        ("image_id", entry.event.image_id.clone()),
        ("detail", entry.event.detail.clone()),
    ]);
    RowChange::Record { namespace: instance.namespace, feature: instance.feature.clone(), number: entry.n, row }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_row_is_by_the_schema() {
        let instance = Instance { feature: "bgp".parse().unwrap(), namespace: Default::default() };
        let image_id = format!("sha256:{}", "1".repeat(64));
        for (event, version, image_id) in [("latest moved", "20201231.84", image_id.as_str()), ("held", "", "")] {
            let (version, image_id) = (version.to_owned(), image_id.to_owned());
            let event = state::Event { event: event.to_owned(), version, image_id, detail: "any: \"text\"".to_owned() };
            let entry = state::Entry { n: 1, time: clock::format(clock::wall()), event };
            let RowChange::Record { row, .. } = history_row(&instance, &entry) else { panic!("a history row") };
            imgmgrd_test_support::schema::assert_valid(
                "state_db/CONTAINER_IMAGE_HISTORY.json",
                &serde_json::json!(row),
            );
        }
    }
}
