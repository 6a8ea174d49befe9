//! `imgmgrd run`: looks when something changes or a deadline comes, and sleeps in between.

mod in_hand;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::control::{Asked, Control};
use super::core::{AgentError, Core, Decided, carry_out};
use super::execution::{Execution, Went};
use super::pauses::{Hold, Pace};
use super::service_manager::ServiceManager;
use crate::clock;
use crate::database::{self, Databases};
use crate::decide::{Action, Mark, Plan, Step};
use crate::domain::{Base, IteratorExt as _};
use crate::engine::{self, Engine, EngineError, Interest, Picture, State, Watcher};
use crate::logging::Logging;
use crate::settings::{Overrides, Settings};
use crate::state::StateDirectory;
use in_hand::InHand;

/// How often everything is read again though nothing was heard: notifications and event streams can be lost silently.
const RESYNC: Duration = Duration::from_secs(10 * 60);

/// How long a step under way may take once the agent is to stop. Steps are safe to be cut short, too; see promise 5.
const STOP_GRACE: Duration = Duration::from_millis(700);

/// How long before a deadline what is to be acted on is read again, so that the reading delays nothing: an engine with
/// hundreds of images takes some ten milliseconds for it.
const LEAD: Duration = Duration::from_millis(40);

/// Runs the agent until it is told to stop. `settings` were loaded with `overrides`, and are again on SIGHUP.
///
/// # Errors
/// If it cannot start. Whatever goes away later is waited for.
pub async fn run(settings: &Settings, overrides: &Overrides, logging: Arc<Logging>) -> Result<(), AgentError> {
    let stop = stop_signals().map_err(AgentError::Signal)?;
    let hangup = signal(SignalKind::hangup()).map_err(AgentError::Signal)?;
    let config = database::read_config(&settings.redis.database_config, &settings.redis.database_global)?;
    let engine = Engine::connect(&settings.engine.host.to_string())?;
    let directory = StateDirectory::open(&settings.paths.state_dir)?;
    let core = Core::new(settings, directory, Databases::new(&config), logging)?;
    let (interest, interested) = watch::channel(Interest::default());
    let watcher = Arc::new(engine::watch(engine.clone(), interested));
    let control = Control::listen(&settings.paths.state_dir).map_err(|error| {
        tracing::warn!(%error, "no control socket: promote and rollback need the agent to be stopped");
    });
    let service = Service {
        core,
        engine,
        engine_state: watcher.state(),
        watcher,
        interest,
        generation: 0,
        has_rows: false,
        latest: None,
        acting: Acting::Idle,
        hold: Hold::default(),
        unsaved: Hold::default(),
        carried_out: Plan::default(),
        acted_on: BTreeSet::new(),
        shown_by: 0,
        control: control.ok(),
        ordered: None,
        pace: Pace::default(),
        resync_at: Instant::now() + RESYNC,
        settings: settings.clone(),
        overrides: overrides.clone(),
        hangup,
        manager: ServiceManager::new(),
    };
    service.run(stop).await
}

/// What the agent is doing about a plan.
enum Acting {
    /// Nothing.
    Idle,
    /// Reading again what these units are about to be acted on for.
    Confirming(BTreeSet<Base>, JoinHandle<Result<Picture, EngineError>>),
    /// Carrying out a step.
    Executing(Box<Execution>, JoinHandle<Went>),
}

/// What there is to do.
enum Wake {
    Stop,
    Rows,
    Engine,
    Due,
    Unsaved,
    Resync,
    Reload,
    Ping,
    Asked(Asked),
    Confirmed(Result<Picture, EngineError>),
    Stepped(Went),
}

struct Service {
    core: Core,
    engine: Engine,
    engine_state: watch::Receiver<State>,
    watcher: Arc<Watcher>,
    interest: watch::Sender<Interest>,
    generation: u64,
    has_rows: bool,
    latest: Option<Decided>,
    acting: Acting,
    hold: Hold,
    /// When to look again after a look that could not be remembered: nobody tells when there is room on the disk.
    unsaved: Hold,
    /// The plan that was carried out last. If the next look asks for the very same again, it had no effect.
    carried_out: Plan,
    /// The units of which no picture shows yet what was done to them.
    acted_on: BTreeSet<Base>,
    /// The answer of the watcher that will show it.
    shown_by: u64,
    control: Option<Control>,
    /// What an operator asked for and was not told yet what came of.
    ordered: Option<InHand>,
    pace: Pace,
    resync_at: Instant,
    /// As they were at the start.
    settings: Settings,
    overrides: Overrides,
    /// SIGHUP: the files are to be read again.
    hangup: Signal,
    manager: ServiceManager,
}

impl Service {
    async fn run(mut self, mut stop: [Signal; 2]) -> Result<(), AgentError> {
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "started");
        loop {
            let wake = self.wake(&mut stop).await;
            if matches!(wake, Wake::Stop) {
                break;
            }
            // Redis may hang while it is read or written: a stop does not wait for that.
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                () = self.handle(wake) => {}
            }
        }
        self.manager.stopping();
        self.finish().await;
        tracing::info!("stopped");
        Ok(())
    }

    async fn handle(&mut self, wake: Wake) {
        match wake {
            Wake::Stop => {}
            Wake::Rows => self.rows_changed().await,
            Wake::Engine => self.engine_changed().await,
            Wake::Due => self.confirm(),
            Wake::Unsaved => {
                self.unsaved.until = None;
                self.look().await;
            }
            Wake::Resync => self.resync(),
            Wake::Reload => self.reload().await,
            Wake::Ping => self.manager.ping(),
            Wake::Asked(asked) => self.asked(asked).await,
            Wake::Confirmed(Ok(picture)) => self.confirmed(&picture).await,
            Wake::Confirmed(Err(error)) => self.not_confirmed(&error).await,
            Wake::Stepped(went) => self.stepped(went).await,
        }
    }

    /// Sleeps until there is something to do.
    async fn wake(&mut self, stop: &mut [Signal; 2]) -> Wake {
        let due = self.due();
        let pause = self.pace.until();
        let ping = self.manager.ping_at();
        let unsaved = self.unsaved.until;
        tokio::select! {
            biased;
            () = stopped(stop) => Wake::Stop,
            () = sleep_until_some(ping), if ping.is_some() => Wake::Ping,
            wake = acted(&mut self.acting) => wake,
            () = sleep_until_some(due), if due.is_some() => Wake::Due,
            () = sleep_until_some(unsaved), if unsaved.is_some() => Wake::Unsaved,
            changed = self.engine_state.changed() => match changed {
                Ok(()) => Wake::Engine,
                // The watcher ends only with this service.
                Err(_) => Wake::Stop,
            },
            () = async { sleep_until(pause).await; self.core.databases.changed().await } => Wake::Rows,
            Some(asked) = next_request(&mut self.control), if self.ordered.is_none() => Wake::Asked(asked),
            Some(()) = self.hangup.recv() => Wake::Reload,
            () = sleep_until(self.resync_at) => Wake::Resync,
        }
    }

    /// When each deadline comes, and what for.
    fn deadlines(&self) -> impl Iterator<Item = (Instant, &Mark)> {
        let (since_boot, now) = (clock::since_boot(), Instant::now());
        let wakes = self.latest.iter().flat_map(|decided| &decided.report.wakes);
        wakes.filter_map(move |wake| {
            let stamp = self.core.store.stamp(&wake.mark)?;
            let at = stamp + Duration::from_secs(u64::from(wake.age.seconds()));
            Some((now + at.saturating_sub(since_boot), &wake.mark))
        })
    }

    /// When the next deadline comes.
    fn deadline(&self) -> Option<Instant> {
        self.deadlines().map(|(at, _)| at).min()
    }

    /// The units that are about to be acted on: now, or at a deadline that comes by `until`.
    fn about_to_act(&self, until: Instant) -> BTreeSet<Base> {
        let Some(decided) = &self.latest else { return BTreeSet::new() };
        let imminent = self.deadlines().filter(|(at, _)| *at <= until).filter_map(|(_, mark)| match mark {
            Mark::Image { base, .. } => Some(base),
            Mark::Takeover(mark) => decided.report.instances.get(&mark.instance)?.base.as_ref(),
        });
        let due = self.core.due(&decided.plan).units.into_keys();
        imminent.cloned().chain(due).chain(self.ordered_bases(decided)).ordered()
    }

    /// When to read again what is to be acted on: a moment before a deadline, or when a retry is due; never while a plan
    /// is being carried out, which ends in another look.
    fn due(&self) -> Option<Instant> {
        let decided = self.latest.as_ref().filter(|_| matches!(self.acting, Acting::Idle))?;
        let before_deadline = self.deadline().map(|at| at.checked_sub(LEAD).unwrap_or(at));
        let retry = self.core.retries.next_due(decided.plan.units.keys());
        // A plan that is due and not confirmed was held up.
        let held_up = self.hold.until.filter(|_| !self.core.due(&decided.plan).is_empty());
        let due = before_deadline.into_iter().chain(retry).chain(held_up).min();
        due.map(|due| self.hold.until.map_or(due, |until| due.max(until)))
    }

    async fn rows_changed(&mut self) {
        self.pace.looked();
        let read = self.core.databases.read().await;
        // What went wrong was logged by the connection; the rows of other servers were read.
        self.has_rows |= read.is_ok();
        if self.has_rows {
            self.core.see_rows();
            self.tell_interest();
            self.look().await;
        }
    }

    async fn engine_changed(&mut self) {
        let state = self.engine_state.borrow_and_update().clone();
        if state.generation != self.generation {
            self.generation = state.generation;
            // Something happened on the engine: what was in use may not be any more.
            self.core.observer.observation_mut().refused.clear();
        }
        if let Some(picture) = &state.picture {
            self.hold.end();
            if state.answers >= self.shown_by && !matches!(self.acting, Acting::Executing(..)) {
                self.acted_on.clear();
            }
            self.core.see_picture(picture);
            self.look().await;
        }
    }

    fn resync(&mut self) {
        self.resync_at = Instant::now() + RESYNC;
        self.core.observer.read_files();
        self.core.databases.mark_everything();
        self.watcher.resync();
    }

    /// Reads again what was read at the start. What cannot be changed in a running agent is said.
    async fn reload(&mut self) {
        self.manager.reloading();
        match Settings::load(&self.overrides) {
            Ok(settings) => {
                let old = &self.settings;
                let is_same_place = settings.paths.state_dir == old.paths.state_dir;
                if settings.redis != old.redis || settings.engine != old.engine || !is_same_place {
                    tracing::warn!("a change of redis.*, engine.host or paths.state_dir takes a restart of the agent");
                }
                self.core.reload(&settings.paths);
                tracing::info!("reloaded");
            }
            Err(error) => tracing::error!(%error, "not reloaded; the settings stay as they were"),
        }
        self.resync();
        self.look().await;
        self.manager.reloaded();
    }

    fn tell_interest(&self) {
        let interest = self.core.interest();
        self.interest.send_if_modified(|current| {
            let is_other = *current != interest;
            *current = interest;
            is_other
        });
    }

    /// Decides and publishes on what is known; a plan has to be confirmed before it is carried out. Whether there is a
    /// new decision.
    async fn look(&mut self) -> bool {
        if !self.has_rows || !self.core.observer.has_seen_engine() {
            return false;
        }
        let Ok(decided) = self.core.look(&self.acted_on) else {
            // Looks that something else is the cause of do not make the pause longer.
            if self.unsaved.until.is_none() {
                self.unsaved.extend();
            }
            return false;
        };
        self.unsaved.end();
        self.tell_interest();
        let busy = self.busy(&decided);
        self.publish(&decided, &busy).await;
        let is_due = !self.core.due(&decided.plan).is_empty();
        self.latest = Some(decided);
        self.answer_unless_due();
        if is_due {
            self.confirm();
        }
        true
    }

    /// The units of which nothing is published now: they are, or are about to be, acted on.
    fn busy(&self, decided: &Decided) -> BTreeSet<Base> {
        let mut busy: BTreeSet<Base> = self.core.due(&decided.plan).units.into_keys().ordered();
        if let Acting::Executing(execution, _) = &self.acting {
            busy.extend(execution.units.iter().cloned());
        }
        busy
    }

    async fn publish(&mut self, decided: &Decided, busy: &BTreeSet<Base>) {
        // A failure was logged by the connection, whose recovery leads to another look.
        let _: Result<(), _> = self.core.publish(decided, busy).await;
        self.core.save_marks();
        self.manager.published(&decided.report, self.engine_state.borrow().picture.is_some());
    }

    /// Reads again what is to be acted on, unless something is being acted on. A deadline that is about to come is
    /// waited for.
    fn confirm(&mut self) {
        let now = Instant::now();
        if !matches!(self.acting, Acting::Idle) || self.hold.is_on() {
            return;
        }
        self.core.observer.read_files();
        let at = self.deadline().filter(|at| *at <= now + LEAD).unwrap_or(now);
        if at > now {
            self.core.prepare(at - now);
        }
        let bases = self.about_to_act(now + LEAD);
        let containers = self.latest.iter().flat_map(|decided| decided.report.instances.values());
        let containers = containers.filter(|told| told.base.as_ref().is_some_and(|base| bases.contains(base)));
        let containers = containers.filter_map(|told| told.container).ordered();
        let (watcher, interest) = (Arc::clone(&self.watcher), self.core.interest());
        let task = tokio::spawn(async move { watcher.fresh_at(at, &interest, &containers).await });
        self.acting = Acting::Confirming(bases, task);
    }

    /// Decides on what was read right now, and begins to act on the units that it was read for.
    async fn confirmed(&mut self, picture: &Picture) {
        let Acting::Confirming(bases, _) = std::mem::replace(&mut self.acting, Acting::Idle) else { return };
        if self.core.databases.read_again().await.is_err() {
            self.hold.extend(); // Nothing is acted on.
            self.put_off_order("Redis cannot be read");
            return;
        }
        self.core.see_rows();
        self.core.see_picture(picture);
        self.tell_interest();
        let Ok(decided) = self.core.look(&BTreeSet::new()) else {
            // The memory cannot be saved: without a pause, a deadline that has passed would lead here again at once.
            self.hold.extend();
            self.put_off_order("the memory cannot be saved");
            return;
        };
        self.hold.end();
        let had_no_effect =
            |(base, actions): &(&Base, &Vec<Action>)| self.carried_out.units.get(*base) == Some(*actions);
        for (base, _) in decided.plan.units.iter().filter(had_no_effect) {
            self.core.postpone(base);
        }
        let mut plan = self.core.due(&decided.plan);
        let busy = plan.units.keys().cloned().ordered();
        plan.units.retain(|base, _| bases.contains(base));
        self.note_confirmed(&bases, &decided);
        self.take_in_hand(&decided, &mut plan);
        self.carried_out = plan.clone();
        if !plan.is_empty() {
            let execution = self.core.begin(plan);
            self.acted_on.clone_from(&execution.units);
            self.begin(execution);
        }
        self.publish(&decided, &busy).await;
        let is_all = busy.iter().all(|base| bases.contains(base));
        self.latest = Some(decided);
        self.answer_unless_due();
        if !is_all {
            // A unit came due in the meantime; what it depends on was not read. While others are acted on, this waits.
            self.confirm();
        }
    }

    /// The engine could not be read: nothing is acted on for a while, unless it comes back sooner.
    async fn not_confirmed(&mut self, error: &EngineError) {
        self.acting = Acting::Idle;
        self.hold.extend();
        self.hold.tell(error);
        self.put_off_order(&format!("the engine cannot be read: {error}"));
        if let Some(decided) = self.latest.take() {
            self.publish(&decided, &BTreeSet::new()).await;
            self.latest = Some(decided);
        }
    }

    fn begin(&mut self, execution: Execution) {
        if let Some(step) = execution.step().cloned() {
            let task = self.start(&step);
            self.acting = Acting::Executing(Box::new(execution), task);
        }
    }

    /// Starts a step of the engine's; one of Redis's is taken up when the task, which has nothing to do, has ended.
    fn start(&self, step: &Step) -> JoinHandle<Went> {
        let (engine, step) = (self.engine.clone(), step.clone());
        tokio::spawn(async move {
            match step {
                Step::RecordVersions { .. } => Went::Done { reclaimed: 0 },
                step => carry_out(engine, step).await,
            }
        })
    }

    async fn stepped(&mut self, went: Went) {
        let Acting::Executing(mut execution, _) = std::mem::replace(&mut self.acting, Acting::Idle) else { return };
        let went = match execution.step().cloned() {
            Some(Step::RecordVersions { row, stable, last, .. }) => {
                self.core.record_versions(&row, &stable, last.as_ref()).await
            }
            _ => went,
        };
        execution.note(went);
        if execution.step().is_some() {
            self.begin(*execution);
            return;
        }
        // What failed or was skipped is postponed for that already.
        let has_had_a_setback =
            |base: &Base| execution.failed.contains_key(base) || execution.skipped.contains_key(base);
        self.carried_out.units.retain(|base, _| !has_had_a_setback(base));
        if let Some(decided) = self.latest.take() {
            self.answer_after(&execution);
            if self.core.conclude(*execution, &decided).await.is_err() {
                tracing::debug!("what was done could not be recorded; the next look finds it");
            }
            self.latest = Some(decided);
        }
        // Look again, on what is there now.
        self.shown_by = self.watcher.look_again();
    }

    /// Lets a step under way end, for a moment, and tells who waits.
    async fn finish(&mut self) {
        if let Acting::Executing(_, task) = &mut self.acting {
            let _: Result<_, _> = timeout(STOP_GRACE, task).await;
        }
        self.core.save_marks();
        // Who waits for an answer gets one: their tasks run once more before they end with the runtime.
        self.put_off_order("the agent is stopping");
        drop(self.control.take());
        tokio::task::yield_now().await;
    }
}

/// The end of what is being done about a plan.
async fn acted(acting: &mut Acting) -> Wake {
    match acting {
        Acting::Idle => std::future::pending().await,
        Acting::Confirming(_, task) => match task.await {
            Ok(picture) => Wake::Confirmed(picture),
            Err(_) => Wake::Stop,
        },
        Acting::Executing(_, task) => match task.await {
            Ok(went) => Wake::Stepped(went),
            Err(_) => Wake::Stop,
        },
    }
}

async fn next_request(control: &mut Option<Control>) -> Option<Asked> {
    match control {
        Some(control) => control.next().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until_some(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// SIGTERM, by which systemd stops a service, and SIGINT, by which a person does.
fn stop_signals() -> std::io::Result<[Signal; 2]> {
    Ok([signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?])
}

/// Completes when the process is told to stop.
async fn stopped([terminate, interrupt]: &mut [Signal; 2]) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
