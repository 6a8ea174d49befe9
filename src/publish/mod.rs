//! What people are told: the agent's own rows, the history and the log. Level-triggered: what STATE_DB does not say yet is
//! written with the next publication, whatever became of the last.

mod account;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::StepOutcome;
use crate::clock;
use crate::controller::{Acted, Controller};
use crate::domain::{ImageId, Instance};
use crate::planner::Report;
use crate::sonic_db::{Published, RowChange, Rows};
use crate::store::{self, History, StateDirectory};
pub(crate) use account::Moment;
use account::{Occurrence, Said};

/// Tells of what a controller finds and does.
pub(crate) struct Publisher {
    history: History,
    /// What was logged last of each instance.
    said: Said,
    /// What was given back and is not published yet.
    reclaimed: BTreeMap<Instance, u64>,
    /// What of it is in the rows that are being written.
    being_published: BTreeMap<Instance, u64>,
    /// The images of which it was said that the engine refused to remove them.
    in_use: BTreeSet<ImageId>,
    /// The files that could not be written.
    unsaved: BTreeSet<&'static str>,
}

impl Publisher {
    /// Goes on with the history that is in the state directory.
    pub(crate) fn new(directory: StateDirectory) -> Self {
        Self {
            history: History::load(directory),
            said: Said::new(),
            reclaimed: BTreeMap::new(),
            being_published: BTreeMap::new(),
            in_use: BTreeSet::new(),
            unsaved: BTreeSet::new(),
        }
    }

    /// A decision found something that the next one will not tell again.
    pub(crate) fn found(&mut self, report: &Report, rows: &Rows) {
        self.record(account::found(report), rows);
    }

    /// An action has ended.
    pub(crate) fn acted(&mut self, Acted { base, action, outcome }: &Acted, controller: &Controller, rows: &Rows) {
        let report = controller.report();
        match outcome {
            StepOutcome::Done { reclaimed } => {
                for (instance, _) in report.instances_of(base) {
                    *self.reclaimed.entry(instance.clone()).or_default() += reclaimed;
                }
                self.record(account::carried_out(base, action, *reclaimed, report), rows);
            }
            StepOutcome::InUse => {
                let images = &controller.snapshot().images;
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

    /// What of the report STATE_DB does not say yet. Of groups in the middle of a promotion nothing is published.
    pub(crate) fn changes(&mut self, controller: &Controller, rows: &Rows, moment: Moment) -> Vec<RowChange> {
        let busy = controller.promoting(moment.since_boot).cloned().collect();
        let account = account::account(
            controller.report(),
            rows,
            &busy,
            &self.reclaimed,
            &mut self.said,
            |observing| controller.stamps().get(&observing.mark).copied(),
            moment,
        );
        self.record(account.events, rows);
        self.being_published.clone_from(&self.reclaimed);
        let mut changes = account.changes;
        changes.extend(self.unpublished(controller.report(), rows));
        // What cannot be read cannot be written either, and is compared again when it can be.
        changes.retain(|change| !rows.unreadable().contains_key(&change.namespace()));
        changes
    }

    /// These changes are in STATE_DB.
    pub(crate) fn published(&mut self, published: &Published) {
        for change in &published.written {
            let RowChange::Publish { namespace, feature, .. } = change else { continue };
            let instance = Instance { feature: feature.clone(), namespace: *namespace };
            if let Some(written) = self.being_published.remove(&instance) {
                let left = self.reclaimed.remove(&instance).unwrap_or_default().saturating_sub(written);
                self.reclaimed.extend((left > 0).then_some((instance, left)));
            }
        }
    }

    /// Logs the first failure to write to the state directory, and when every file can be written again.
    pub(crate) fn tell_saved(&mut self, file: &'static str, saved: &io::Result<bool>) {
        match saved {
            Err(error) => {
                if self.unsaved.is_empty() {
                    tracing::error!(%error, "the state directory cannot be written; nothing is promoted until it can");
                }
                self.unsaved.insert(file);
            }
            Ok(true) if self.unsaved.remove(file) && self.unsaved.is_empty() => {
                tracing::info!("the state directory can be written again");
            }
            Ok(_) => {}
        }
    }

    /// Whether the last write to the state directory failed.
    pub(crate) fn has_failed(&self) -> bool {
        !self.unsaved.is_empty()
    }

    /// Writes what was added to the history since the last time.
    pub(crate) fn save_history(&mut self) {
        let saved = self.history.save();
        self.tell_saved("history", &saved);
    }

    /// Adds events to the history.
    fn record(&mut self, events: Vec<Occurrence>, rows: &Rows) {
        let time = clock::format(clock::wall());
        for Occurrence { instance, event, version, image, reason, detail, container, exit_code } in events {
            let name = instance.container_name();
            let text = |value: Option<&dyn ToString>| value.map_or_else(String::new, ToString::to_string);
            let entry = store::HistoryEvent {
                event: event.to_owned(),
                version: text(version.as_ref().map(|it| it as _)),
                image_id: text(image.as_ref().map(|it| it as _)),
                reason: reason.map(str::to_owned),
                detail,
                container_id: container.map(|id| id.short()),
                exit_code,
            };
            // The agent was killed after it had written this down, and before it had saved that it knows.
            let is_told_again = event != "failed"
                && self.history.entries(&name).next_back().is_some_and(|newest| newest.event == entry);
            if !is_told_again {
                let published = rows.newest_history(instance.namespace, instance.feature.as_str());
                self.history.add(&name, time.clone(), entry, published);
            }
        }
    }

    /// What of the history is not in STATE_DB, or was replaced by others.
    fn unpublished(&self, report: &Report, rows: &Rows) -> Vec<RowChange> {
        report.instances.keys().flat_map(|instance| self.history.unpublished(instance, rows)).collect()
    }
}
