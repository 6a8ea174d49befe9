//! What `run` and `run --once` share: one look, from observation to publication.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::account::{self, Event, Moment, Said};
use super::execution::{Execution, Went};
use super::observer::Observer;
use super::orders::{Ordered, Request, UnknownFeature};
use super::retry::{Retries, longest_pause};
use crate::clock;
use crate::database::{ConfigError, DatabaseError, Databases, NewRow, RowChange, Written};
use crate::decide::promises::{Violation, check};
use crate::decide::{Decision, Plan, Policy, Reason, Report, RowKey, Stability, Step, decide};
use crate::domain::{Base, IteratorExt as _, Version};
use crate::engine::{self, Engine, EngineError, Interest, Outcome, Picture};
use crate::failpoint;
use crate::logging::{LogLevel, Logging};
use crate::policy_rows::{PolicyReader, PolicyRows};
use crate::settings::{PathSettings, Settings};
use crate::state::{self, History, LastPolicy, StateDirectory, StateError, Store};

/// The agent cannot run.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Where the databases are is not known.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The engine cannot be used.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The boot cannot be told from others.
    #[error("/proc/sys/kernel/random/boot_id cannot be read: {0}; is /proc mounted?")]
    Boot(std::io::Error),
    /// The memory cannot be saved.
    #[error("the state directory cannot be written: {0}; nothing was changed in the engine")]
    Save(std::io::Error),
    /// A signal cannot be waited for.
    #[error("signals cannot be waited for: {0}")]
    Signal(std::io::Error),
    /// Something could not be done; `run --once` says what.
    #[error("{0}")]
    NotDone(String),
}

/// What was decided. What is to be remembered of it is in the store by now.
pub(super) struct Decided {
    /// What to do.
    pub(super) plan: Plan,
    /// What was found, and why.
    pub(super) report: Report,
}

/// What the agent holds.
pub(super) struct Core {
    pub(super) databases: Databases,
    pub(super) observer: Observer,
    pub(super) store: Store,
    pub(super) retries: Retries,
    policy_reader: PolicyReader,
    policy: Policy,
    last_policy: LastPolicy,
    history: History,
    logging: Arc<Logging>,
    level: LogLevel,
    /// The `container_id` of each row that the plan under way writes to, when that plan was made. The rows are read on
    /// while it is carried out.
    planned_for: BTreeMap<RowKey, Option<String>>,
    /// What was given back and not yet published.
    reclaimed: BTreeMap<Base, u64>,
    /// What was logged last of each instance.
    said: Said,
    /// The last failure to save was logged.
    is_save_failing: bool,
    /// Events that are in the history and not yet in STATE_DB.
    unpublished: Vec<RowChange>,
    /// The full read of the databases after which it was seen to that the history is in STATE_DB.
    history_published_after: u64,
}

impl Core {
    /// Takes up what the state directory, which is locked, remembers.
    pub(super) fn new(
        settings: &Settings,
        directory: StateDirectory,
        databases: Databases,
        logging: Arc<Logging>,
    ) -> Result<Self, AgentError> {
        let boot_id = clock::boot_id().map_err(AgentError::Boot)?;
        let observer = Observer::new(&settings.paths);
        let last_policy = LastPolicy::load(directory.clone());
        let policy_reader = PolicyReader::new(observer.remote_ctr_config()).remembering(last_policy.good());
        Ok(Self {
            databases,
            store: Store::load(directory.clone(), &boot_id),
            history: History::load(directory),
            retries: Retries::default(),
            policy: Policy::default(),
            policy_reader,
            last_policy,
            observer,
            logging,
            level: LogLevel::default(),
            planned_for: BTreeMap::new(),
            reclaimed: BTreeMap::new(),
            said: Said::new(),
            is_save_failing: false,
            unpublished: Vec::new(),
            history_published_after: 0,
        })
    }

    /// Takes over the rows that the databases have read.
    pub(super) fn see_rows(&mut self) {
        let rows = self.databases.rows();
        self.observer.see_rows(rows);
        // While CONFIG_DB is being loaded its rows mean nothing, and what held goes on holding.
        if rows.config_initialized() {
            self.policy = self.policy_reader.read(&PolicyRows::from_keys(rows.policy()));
            if let Err(error) = self.last_policy.save(self.policy_reader.good()) {
                tracing::warn!(%error, "the policy cannot be remembered: a bad value would mean the default after a restart");
            }
            let level = rows.log_level().and_then(|word| word.parse().ok()).unwrap_or_default();
            if level != self.level {
                self.logging.set_level(level);
                self.level = level;
            }
        }
    }

    /// Reads again the files that others write, which may be others now, and what they say of the policy.
    pub(super) fn reload(&mut self, paths: &PathSettings) {
        self.observer.reload(paths);
        self.policy_reader.set_defaults(self.observer.remote_ctr_config());
        self.see_rows();
    }

    /// What the engine should be looked at for.
    pub(super) fn interest(&self) -> Interest {
        self.observer.interest(self.store.memory())
    }

    /// One look: decides on what was observed, and saves what fallback depends on. Of the units in `acted_on` the picture
    /// does not show yet what was done to them: what is remembered of them stays, as it would over a crash.
    ///
    /// # Errors
    /// If the memory cannot be saved: then nothing of the plan may be carried out.
    pub(super) fn look(&mut self, acted_on: &BTreeSet<Base>) -> Result<Decided, AgentError> {
        let since_boot = clock::since_boot();
        let now = self.store.now(since_boot);
        let mut decision = decide(self.observer.observation(), self.store.memory(), &self.policy, &now);
        let violations = check(self.observer.observation(), &decision.memory, &self.policy, &decision.plan);
        for (base, violation) in violations {
            self.refuse(&mut decision, &base, &violation);
        }
        for base in acted_on {
            if let Some(known) = self.store.memory().units.get(base) {
                decision.memory.units.insert(base.clone(), known.clone());
            }
            if let Some(told) = decision.report.units.get_mut(base) {
                told.settled = None;
            }
        }
        // First the history, which knows a repetition when it is told one: so nothing is lost in between.
        let events = self.record(account::found(&decision.report));
        self.unpublished.extend(events);
        failpoint::reach(failpoint::BEFORE_SAVE);
        let Decision { plan, report, memory } = decision;
        let saved = self.store.save(memory, since_boot);
        self.tell_saved(&saved);
        saved.map_err(AgentError::Save)?;
        failpoint::reach(failpoint::AFTER_SAVE);
        Ok(Decided { plan, report })
    }

    /// Saves what is remembered of the last look but can be lost: after everything that somebody waits for.
    pub(super) fn save_marks(&mut self) {
        let saved = self.store.save_marks();
        self.tell_saved(&saved);
    }

    /// Writes down what a look in a moment is going to remember if nothing happens until then, so that acting at a
    /// deadline does not wait for the disk.
    pub(super) fn prepare(&mut self, moment: Duration) {
        let now = self.store.now(clock::since_boot() + moment);
        let expected = decide(self.observer.observation(), self.store.memory(), &self.policy, &now);
        if let Err(error) = self.store.prepare(expected.memory) {
            tracing::debug!(%error, "not prepared; the look at the deadline tells more");
        }
    }

    /// The second opinion is against the plan of a unit: it is not carried out, and the unit says so.
    fn refuse(&mut self, decision: &mut Decision, base: &Base, violation: &Violation) {
        decision.plan.units.remove(base);
        for told in decision.report.instances.values_mut().filter(|told| told.base.as_ref() == Some(base)) {
            told.stability = Stability::Error;
            told.reason = Reason::Violation(violation.to_string());
        }
        let text = format!("stopped, the plan would break a promise: {violation}");
        if let Some(unit) = decision.memory.units.get_mut(base) {
            if unit.error.as_ref() != Some(&text) {
                tracing::error!(image = %base, %violation, "plan refused: it would break a promise; please report this");
            }
            unit.error = Some(text);
        }
    }

    /// Logs the first failure to write to the state directory, and the first success after it.
    fn tell_saved(&mut self, saved: &std::io::Result<bool>) {
        match saved {
            Err(error) if !std::mem::replace(&mut self.is_save_failing, true) => {
                tracing::error!(%error, "the state directory cannot be written; nothing is changed until it can");
            }
            Ok(true) if std::mem::take(&mut self.is_save_failing) => {
                tracing::info!("the state directory can be written again");
            }
            _ => {}
        }
    }

    /// Takes up what an operator asks for: the next looks decide on it.
    ///
    /// # Errors
    /// If there is no such feature.
    pub(super) fn take_order(&mut self, request: Request) -> Result<Ordered, UnknownFeature> {
        let (observation, memory) = (self.observer.observation(), self.store.memory());
        let ordered = Ordered::new(request, &observation.instances(memory), &observation.instances_of_kube(memory))?;
        ordered.put_into(self.observer.observation_mut());
        Ok(ordered)
    }

    /// The order is carried out, or cannot be.
    pub(super) fn drop_order(&mut self) {
        self.observer.observation_mut().orders.clear();
    }

    /// The part of the plan that may be carried out now.
    pub(super) fn due(&self, plan: &Plan) -> Plan {
        let due = |base: &Base| self.retries.is_due(base);
        Plan { units: plan.units.iter().filter(|(base, _)| due(base)).map(|(b, a)| (b.clone(), a.clone())).ordered() }
    }

    /// Begins to carry out a plan that was made from the rows as they are now.
    pub(super) fn begin(&mut self, plan: Plan) -> Execution {
        let steps = plan.units.values().flatten().flat_map(|action| &action.steps);
        let rows = steps.filter_map(|step| match step {
            Step::RecordVersions { row, .. } => Some(row),
            _ => None,
        });
        let known = self.databases.rows();
        self.planned_for = rows.map(|row| (row.clone(), known.container_id(row).map(str::to_owned))).ordered();
        Execution::new(plan)
    }

    /// Acting on a unit had no effect: it waits as if it had failed.
    pub(super) fn postpone(&mut self, base: &Base) {
        tracing::debug!(image = %base, "what was carried out had no effect");
        self.retries.postpone(base, longest_pause(None, self.observer.remote_ctr_config()));
    }

    /// Publishes what the report says, except of units that are being acted on.
    pub(super) async fn publish(&mut self, decided: &Decided, busy: &BTreeSet<Base>) -> Result<(), DatabaseError> {
        let account = account::account(
            &decided.report,
            self.databases.rows(),
            busy,
            &self.reclaimed,
            &mut self.said,
            |observing| self.store.stamp(&observing.mark),
            Moment::now(),
        );
        self.reclaimed.retain(|base, _| busy.contains(base));
        let mut changes = self.unpublished();
        changes.extend(account.changes);
        changes.extend(self.record(account.events));
        if changes.is_empty() { Ok(()) } else { self.write(changes).await }
    }

    async fn write(&mut self, changes: Vec<RowChange>) -> Result<(), DatabaseError> {
        failpoint::reach(failpoint::BEFORE_PUBLISH);
        let written = self.databases.publish(changes).await;
        failpoint::reach(failpoint::AFTER_PUBLISH);
        written
    }

    /// Adds events to the history, and gives the rows that publish them.
    fn record(&mut self, events: Vec<Event>) -> Vec<RowChange> {
        let time = clock::format(clock::wall());
        let mut changes = Vec::new();
        for event in events {
            let text = |value: Option<&dyn ToString>| value.map_or_else(String::new, ToString::to_string);
            let entry = state::Event {
                event: event.event.to_owned(),
                version: text(event.version.as_ref().map(|it| it as _)),
                image_id: text(event.image.as_ref().map(|it| it as _)),
                detail: event.detail,
            };
            let added = self.history.add(&event.instance.to_string(), time.clone(), entry);
            changes.extend(added.map(|entry| history_row(&event.instance, entry)));
        }
        let saved = self.history.save();
        self.tell_saved(&saved);
        changes
    }

    /// What of the history is not in STATE_DB: the newest events, or once after each full read whatever is missing, as
    /// after a reboot or when Redis was emptied.
    fn unpublished(&mut self) -> Vec<RowChange> {
        let newest = std::mem::take(&mut self.unpublished);
        let full_reads = self.databases.full_reads();
        if std::mem::replace(&mut self.history_published_after, full_reads) == full_reads {
            return newest;
        }
        let rows = self.databases.rows();
        let instances = self.observer.observation().instances(self.store.memory());
        let mut changes = Vec::new();
        for instance in &instances {
            let newest = rows.newest_history(instance.namespace, instance.feature.as_str());
            let entries = self.history.entries(instance.container_name().as_str()).cloned().collect::<Vec<_>>();
            let missing = entries.iter().filter(|entry| newest.is_none_or(|newest| entry.n > newest));
            changes.extend(missing.map(|entry| history_row(instance, entry)));
        }
        changes
    }

    /// Writes versions to a STATE_DB row, if it still has the `container_id` from which that was planned.
    pub(super) async fn record_versions(&mut self, row: &RowKey, stable: &Version, last: Option<&Version>) -> Went {
        let failed =
            |place| failpoint::reach(place).map(|fault| Went::Failed(format!("{fault:?} (failpoint {place})")));
        if let Some(failed) = failed(failpoint::BEFORE_STEP) {
            return failed;
        }
        let container_id = self.planned_for.get(row).cloned().flatten();
        let went = match self.databases.record_versions(row, container_id.as_deref(), stable, last).await {
            Ok(Written::Changed | Written::Unchanged | Written::RowGone) => Went::Done { reclaimed: 0 },
            Ok(Written::RowChanged) => Went::Skipped("the row is about another container now".to_owned()),
            Err(error) => Went::Failed(error.to_string()),
        };
        failed(failpoint::AFTER_STEP).unwrap_or(went)
    }

    /// Takes over how a plan went: what failed is remembered and tried again later, what was done is told.
    pub(super) async fn conclude(&mut self, execution: Execution, decided: &Decided) -> Result<(), AgentError> {
        let mut memory = self.store.memory().clone();
        let mut events = Vec::new();
        for carried in &execution.carried {
            *self.reclaimed.entry(carried.base.clone()).or_default() += carried.reclaimed;
            events.extend(account::carried_out(carried, &decided.report));
        }
        for base in &execution.units {
            let failure = execution.failed.get(base);
            if let Some(unit) = memory.units.get_mut(base) {
                unit.error = failure.map(|(purpose, why)| format!("could not {purpose}: {why}"));
            }
            if failure.is_some() || execution.skipped.contains_key(base) {
                let purpose = failure.map(|(purpose, _)| purpose);
                self.retries.postpone(base, longest_pause(purpose, self.observer.remote_ctr_config()));
            } else {
                self.retries.succeeded(base);
            }
        }
        for (base, why) in &execution.skipped {
            tracing::debug!(image = %base, reason = %why, "a step was skipped");
        }
        for image in &execution.refused {
            tracing::info!(image = %image, "kept: the engine says that it is in use");
        }
        self.observer.observation_mut().refused.extend(execution.refused);
        let changes = self.record(events);
        if !changes.is_empty() {
            self.write(changes).await?;
        }
        self.store.save(memory, clock::since_boot()).map_err(AgentError::Save)?;
        Ok(())
    }

    /// Puts in a picture that was read right now.
    pub(super) fn see_picture(&mut self, picture: &Picture) {
        self.observer.see_picture(picture);
    }
}

/// Carries out one step of the engine's.
pub(super) async fn carry_out(engine: Engine, step: Step) -> Went {
    match engine::execute(&engine, &step).await {
        Ok(Outcome::Done { reclaimed }) => Went::Done { reclaimed },
        Ok(Outcome::AlreadyDone) => Went::Done { reclaimed: 0 },
        Ok(Outcome::InUse) => Went::InUse,
        Ok(Outcome::Skipped(why)) => Went::Skipped(why.to_string()),
        Err(error) => Went::Failed(error.to_string()),
    }
}

/// `CONTAINER_IMAGE_HISTORY|<feature>|<n>`.
fn history_row(instance: &crate::domain::Instance, entry: &state::Entry) -> RowChange {
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

    mod looks;

    #[test]
    fn a_history_row_is_by_the_schema() {
        let instance = crate::domain::Instance { feature: "bgp".parse().unwrap(), namespace: Default::default() };
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
