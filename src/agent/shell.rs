//! The shell around the controller: turns the world into events, and effects into calls. It decides nothing.

mod lists;
mod start;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::AgentError;
use super::commands::{Reply, Request};
use super::control::{Asked, Control};
use super::observer::{self, Observer};
use super::service_manager::ServiceManager;
use crate::StepOutcome;
use crate::clock;
use crate::config::settings::{Overrides, Settings};
use crate::controller::{Controller, Effect, Event, ReadRequest, Reading};
use crate::docker::{self, EngineError, GroupRequest, GroupSnapshot, Reader};
use crate::domain::Base;
use crate::failpoint;
use crate::logging::Logging;
use crate::planner::Step;
use crate::publish::{Moment, Publisher};
use crate::sonic_db::{DatabaseError, Databases, GroupRows, Published, Written};
use crate::store::Store;
use lists::Lists;
pub use start::{obey, run, run_once};

/// How often everything is read again though nothing was heard: notifications and event streams can be lost silently.
const RESYNC: Duration = Duration::from_secs(10 * 60);

/// How long steps under way may take once the agent is to stop. They are safe to be cut short, too; see promise 5.
const STOP_GRACE: Duration = Duration::from_millis(700);

/// How long a publication may take before the next one no longer waits for the rest of it.
const PUBLISH_PATIENCE: Duration = Duration::from_millis(100);

/// How many events are taken note of before anything is done about them.
const MOST_AT_ONCE: usize = 256;

/// The controller and everything that it has to do with.
struct Shell {
    controller: Controller,
    databases: Databases,
    observer: Observer,
    reader: Reader,
    lists: Lists,
    store: Store,
    publisher: Publisher,
    /// Whose level CONFIG_DB sets.
    logging: Option<Arc<Logging>>,
    /// Calls under way, each a task of its own: none waits for another.
    calls: JoinSet<Ended>,
    publishing: Publishing,
    /// Who waits for the answer to a command.
    asked: BTreeMap<u64, oneshot::Sender<Reply>>,
    commands: u64,
    /// What is worth inspecting may be something else since rows or lists were read.
    is_interest_old: bool,
    resync_at: Option<Instant>,
    /// As they were at the start.
    settings: Settings,
    overrides: Overrides,
    manager: ServiceManager,
}

/// How far a publication is.
#[derive(Default)]
struct Publishing {
    /// How many servers have not answered yet.
    parts: usize,
    has_failed: bool,
    /// When not to wait any longer.
    until: Option<Instant>,
}

/// What there is to take note of.
enum Input {
    Stop,
    Rows,
    Lists(Result<(), EngineError>),
    Call(Result<Ended, JoinError>),
    Due,
    Impatient,
    Resync,
    Reload,
    Ping,
    Asked(Asked),
}

/// A call that has ended.
enum Ended {
    Read { base: Base, rows: Result<GroupRows, DatabaseError>, engine: Result<GroupSnapshot, EngineError> },
    Step { base: Base, outcome: StepOutcome },
    Publication(Published),
}

/// From where inputs come besides databases, engine and calls.
trait World {
    /// Completes with the next input. May be cancelled.
    fn next(&mut self) -> impl Future<Output = Input>;
}

impl Shell {
    /// Takes note of what happens, and does what the controller asks for, until it is told to stop or `is_done`.
    ///
    /// # Errors
    /// If a task has panicked, or, where nothing is followed, if the engine cannot be read.
    async fn drive(&mut self, world: &mut impl World, is_done: impl Fn(&Self) -> bool) -> Result<(), AgentError> {
        self.see_rows();
        self.carry_out();
        while !is_done(self) {
            let mut input = self.next(world).await;
            for _ in 0..MOST_AT_ONCE {
                if matches!(input, Input::Stop) {
                    return Ok(());
                }
                self.take(input)?;
                match self.next(world).now_or_never() {
                    Some(another) => input = another,
                    None => break,
                }
            }
            self.carry_out();
        }
        Ok(())
    }

    /// Sleeps until there is something to take note of.
    async fn next(&mut self, world: &mut impl World) -> Input {
        let due = self.controller.next_wake().map(|at| Instant::now() + at.saturating_sub(clock::since_boot()));
        let ping = self.manager.ping_at();
        tokio::select! {
            biased;
            input = world.next() => input,
            () = sleep_until_some(ping) => Input::Ping,
            Some(ended) = self.calls.join_next() => Input::Call(ended),
            () = sleep_until_some(due) => Input::Due,
            read = self.lists.changed() => Input::Lists(read),
            () = self.databases.changed() => Input::Rows,
            () = sleep_until_some(self.publishing.until) => Input::Impatient,
            () = sleep_until_some(self.resync_at) => Input::Resync,
        }
    }

    fn take(&mut self, input: Input) -> Result<(), AgentError> {
        match input {
            Input::Stop => {}
            Input::Rows => self.see_rows(),
            Input::Lists(read) => {
                read?;
                self.see_lists();
            }
            Input::Call(ended) => self.ended(ended.map_err(AgentError::Panicked)?),
            Input::Due => self.tell(Event::Wake),
            Input::Impatient => self.published(),
            Input::Resync => self.resync(),
            Input::Reload => self.reload(),
            Input::Ping => self.manager.ping(),
            Input::Asked(asked) => self.asked(asked),
        }
        Ok(())
    }

    fn tell(&mut self, event: Event) {
        self.controller.handle(event, clock::since_boot());
    }

    fn see_rows(&mut self) {
        let rows = self.observer.see(self.databases.rows());
        if let Some(logging) = &self.logging {
            logging.set_level(self.observer.log_level());
        }
        self.tell(Event::Rows(Box::new(rows)));
        self.is_interest_old = true;
    }

    fn see_lists(&mut self) {
        let event = self.lists.see();
        self.is_interest_old = true;
        if matches!(event, Event::Engine(_)) {
            let saved = self.store.remember_versions(&self.reader.versions());
            self.publisher.tell_saved("versions", &saved);
        }
        self.tell(event);
    }

    fn ended(&mut self, ended: Ended) {
        match ended {
            Ended::Step { base, outcome } => self.tell(Event::Stepped { base, outcome }),
            Ended::Publication(published) => {
                for refused in &published.not_written {
                    tracing::debug!(error = %refused.error, "not published; it is tried again");
                }
                self.databases.apply_published(&published);
                self.publisher.published(&published);
                let has_failed = !published.not_written.is_empty();
                if self.publishing.parts > 0 {
                    self.publishing.has_failed |= has_failed;
                    self.publishing.parts -= 1;
                    if self.publishing.parts == 0 {
                        self.published();
                    }
                } else if has_failed {
                    // Nobody has waited for it any longer.
                    self.tell(Event::Published { is_complete: false });
                }
            }
            Ended::Read { base, rows, engine } => {
                let reading = match (rows, engine) {
                    (Err(error), _) => Err(format!("Redis cannot be read: {error}")),
                    (Ok(_), Err(error)) => Err(format!("the engine cannot be read: {error}")),
                    (Ok(rows), Ok(GroupSnapshot { containers, references })) => {
                        self.databases.apply(rows);
                        if self.databases.take_news() {
                            self.see_rows();
                        }
                        let latest = references.into_values().next().flatten();
                        Ok(Box::new(Reading { containers, latest }))
                    }
                };
                self.tell(Event::Read { base, reading });
            }
        }
    }

    /// Does what the controller asks for. What it asks of the disk is answered at once.
    fn carry_out(&mut self) {
        loop {
            let effects = self.controller.effects(clock::since_boot());
            if effects.is_empty() {
                break;
            }
            effects.into_iter().for_each(|effect| self.act(effect));
        }
        self.publisher.save_history();
        if std::mem::take(&mut self.is_interest_old) {
            self.lists.set_interest(observer::interest(self.controller.snapshot(), self.controller.memory()));
        }
    }

    fn act(&mut self, effect: Effect) {
        match effect {
            Effect::ReadEngine => self.lists.read_again(),
            Effect::ReadGroup { base, request } => self.read_group(base, request),
            Effect::Found(report) => self.publisher.found(&report, self.databases.rows()),
            Effect::Save => {
                // What the memory knows is not told again.
                self.publisher.save_history();
                failpoint::reach(failpoint::BEFORE_SAVE);
                let saved = self.store.save(self.controller.memory());
                failpoint::reach(failpoint::AFTER_SAVE);
                self.publisher.tell_saved("memory", &saved);
                self.tell(Event::Saved(saved.map(drop).map_err(|error| error.to_string())));
            }
            Effect::Step { base, step } => self.step(base, step),
            Effect::Acted(acted) => self.publisher.acted(&acted, &self.controller, self.databases.rows()),
            Effect::Refused { base, violation } => {
                tracing::error!(image = %base, violation, "plan refused: it would break a promise; please report this");
            }
            Effect::Publish => self.publish(),
            Effect::SaveMarks => {
                let saved = self.store.save_marks(self.controller.memory(), self.controller.stamps());
                self.publisher.tell_saved("marks", &saved);
            }
            Effect::Answer { id, answers } => {
                if let Some(asked) = self.asked.remove(&id) {
                    // Whoever asked may have gone away since; nobody is left to tell then.
                    let _ = asked.send(Reply::answers(answers));
                }
            }
        }
    }

    fn read_group(&mut self, base: Base, request: ReadRequest) {
        let ReadRequest { instances, containers, names, every_container: all_containers, latest } = request;
        let rows = self.databases.read_group(&instances.into_iter().collect::<Vec<_>>());
        let references = [latest].into_iter().collect();
        let engine = self.reader.read_group(GroupRequest { containers, names, references, all_containers });
        self.calls.spawn(async move {
            let (rows, engine) = tokio::join!(rows, engine);
            Ended::Read { base, rows, engine }
        });
    }

    fn step(&mut self, base: Base, step: Step) {
        tracing::debug!(image = %base, %step, "doing");
        if let Step::RecordVersions { row, container_id, stable, last } = &step {
            let record = self.databases.record_versions(row, container_id, stable, last.as_ref());
            self.calls.spawn(async move { Ended::Step { base, outcome: recorded(record).await } });
        } else {
            let engine = self.reader.engine().clone();
            self.calls.spawn(async move { Ended::Step { base, outcome: docker::execute(&engine, &step).await } });
        }
    }

    /// Writes what STATE_DB does not say yet, to each server on its own.
    fn publish(&mut self) {
        let moment = Moment::now();
        let changes = self.publisher.changes(&self.controller, self.databases.rows(), moment);
        failpoint::reach(failpoint::BEFORE_PUBLISH);
        let parts = self.databases.publish_each(changes);
        self.publishing = Publishing { parts: parts.len(), has_failed: false, until: None };
        if parts.is_empty() {
            return self.published();
        }
        self.publishing.until = Some(Instant::now() + PUBLISH_PATIENCE);
        for part in parts {
            self.calls.spawn(async move {
                let published = part.await;
                failpoint::reach(failpoint::AFTER_PUBLISH);
                Ended::Publication(published)
            });
        }
    }

    /// All servers have answered, or it is not waited for them any longer.
    fn published(&mut self) {
        let Publishing { has_failed, .. } = std::mem::take(&mut self.publishing);
        self.manager.published(self.controller.report(), self.lists.unreachable().is_none());
        self.tell(Event::Published { is_complete: !has_failed });
    }

    fn asked(&mut self, Asked { request, reply }: Asked) {
        if let Err((reply, refusal)) = self.command(&request, reply) {
            // As above.
            let _ = reply.send(Reply::Refused(refusal));
        }
    }

    /// Tells the controller of a command.
    fn command(
        &mut self,
        request: &Request,
        reply: oneshot::Sender<Reply>,
    ) -> Result<(), (oneshot::Sender<Reply>, String)> {
        if !self.controller.is_ready() || self.lists.unreachable().is_some() {
            let refusal = "the engine or Redis cannot be read right now; imgmgrd doctor says why";
            return Err((reply, refusal.to_owned()));
        }
        match request.features(self.controller.snapshot(), self.controller.memory()) {
            Err(unknown) => Err((reply, unknown.to_string())),
            Ok(features) => {
                self.commands += 1;
                self.asked.insert(self.commands, reply);
                let command = request.command.clone();
                self.tell(Event::Command { id: self.commands, command, features });
                Ok(())
            }
        }
    }

    fn resync(&mut self) {
        self.resync_at = Some(Instant::now() + RESYNC);
        self.observer.read_files();
        // A state directory that is gone is made again.
        self.act(Effect::SaveMarks);
        self.databases.mark_everything();
        self.lists.resync();
        self.see_rows();
    }

    /// Reads again what was read at the start. What cannot be changed in a running agent is said.
    fn reload(&mut self) {
        self.manager.reloading();
        match Settings::load(&self.overrides) {
            Ok(settings) => {
                let old = &self.settings;
                let is_same_place = settings.paths.state_dir == old.paths.state_dir;
                if settings.redis != old.redis || settings.engine != old.engine || !is_same_place {
                    tracing::warn!("a change of redis.*, engine.host or paths.state_dir takes a restart of the agent");
                }
                self.observer.reload(&settings.paths);
                self.controller.set_pauses(self.observer.pauses());
                tracing::info!("reloaded");
            }
            Err(error) => tracing::error!(%error, "not reloaded; the settings stay as they were"),
        }
        self.resync();
        self.manager.reloaded();
    }

    /// Begins nothing more, and lets steps under way end for a moment.
    async fn stop(&mut self, control: Control) {
        self.manager.stopping();
        self.tell(Event::Stop);
        self.carry_out();
        let end = Instant::now() + STOP_GRACE;
        while self.controller.steps().next().is_some() {
            tokio::select! {
                Some(Ok(ended)) = self.calls.join_next() => self.ended(ended),
                () = sleep_until(end) => break,
                else => break,
            }
            self.carry_out();
        }
        drop(control);
        // Who waits for an answer gets it: their tasks run once more before they end with the runtime.
        tokio::task::yield_now().await;
    }
}

/// How a write of versions went.
async fn recorded(record: impl Future<Output = Result<Written, DatabaseError>>) -> StepOutcome {
    let fault =
        |place| failpoint::reach(place).map(|fault| StepOutcome::Failed(format!("{fault:?} (failpoint {place})")));
    if let Some(failed) = fault(failpoint::BEFORE_STEP) {
        return failed;
    }
    let outcome = match record.await {
        Ok(Written::Changed | Written::Unchanged | Written::RowGone) => StepOutcome::DONE,
        Ok(Written::RowChanged) => StepOutcome::Changed("the row is about another container now".to_owned()),
        Err(error) => StepOutcome::Failed(error.to_string()),
    };
    fault(failpoint::AFTER_STEP).unwrap_or(outcome)
}

async fn sleep_until_some(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
