//! A picture that stays current: follow the engine's events, read again what they make dirty, come back after the
//! engine was away.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tracing::{info, warn};

use super::client::{Engine, Events};
use super::error::EngineError;
use super::events;
use super::interest::Interest;
use super::picture::{Dirty, Picture};
use super::reader::{Reader, Shared};
use crate::backoff::Backoff;
use crate::clock;
use crate::domain::ContainerId;

/// How long an event waits for others, so that a burst (a start is three events, a clean-up a dozen) is one read.
const BURST: Duration = Duration::from_millis(2);

/// How long an event waits on which no takeover depends: a whole clean-up is one read, and not one read for each image
/// while the engine is busy with the next.
const CALM_BURST: Duration = Duration::from_millis(50);

/// The pause before the first try to come back: an engine that restarts is often there again in less than a second.
const FIRST_RETRY: Duration = Duration::from_millis(200);

/// What the watcher knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// What is on the engine; none before the first read and while the engine is away.
    pub picture: Option<Picture>,
    /// Why the engine is away, in words for people.
    pub away: Option<Arc<str>>,
    /// Grows with every burst of events and with every new contact: while it stands still, nothing has happened on the
    /// engine, as far as the engine tells.
    pub generation: u64,
    /// The interest that the picture answers.
    pub interest: Arc<Interest>,
    /// The last [`look_again`](Watcher::look_again) after which the picture was read.
    pub answers: u64,
}

/// How often a new picture was asked for, and that it was.
#[derive(Debug, Default)]
struct Again {
    times: AtomicU64,
    notify: Notify,
}

/// The handle of a watching task, which ends with it.
#[derive(Debug)]
pub struct Watcher {
    engine: Engine,
    shared: Shared,
    state: watch::Receiver<State>,
    resync: Arc<Notify>,
    again: Arc<Again>,
    task: JoinHandle<()>,
}

impl Watcher {
    /// What the watcher knows, now and as it changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Asks for a new stream of events and a full read: streams die silently (moby #10879). Also ends a pause while the
    /// engine is away.
    pub fn resync(&self) {
        self.resync.notify_one();
    }

    /// Asks for a new picture at once, after the agent itself has changed something: it comes as the next state, be
    /// there news in it or not. What is returned is what [`State::answers`] is not below any more when it has come.
    pub fn look_again(&self) -> u64 {
        let times = self.again.times.fetch_add(1, Ordering::Relaxed) + 1;
        self.again.notify.notify_one();
        times
    }

    /// Reads both lists and the details of these containers right now, past whatever the watcher is doing. The details
    /// of other containers are those that are known, as long as nothing was heard of them.
    ///
    /// # Errors
    /// If the engine cannot be asked.
    pub async fn fresh(&self, interest: &Interest, containers: &BTreeSet<ContainerId>) -> Result<Picture, EngineError> {
        let dirty = Dirty { containers: true, images: true, details: containers.clone(), ..Dirty::nothing() };
        Reader::sharing(self.engine.clone(), self.shared.clone()).read(dirty, interest).await
    }

    /// As [`fresh`](Self::fresh), for a decision that is due at `at`: read now, and once more if anything was heard in
    /// between.
    ///
    /// # Errors
    /// If the engine cannot be asked.
    pub async fn fresh_at(
        &self,
        at: Instant,
        interest: &Interest,
        containers: &BTreeSet<ContainerId>,
    ) -> Result<Picture, EngineError> {
        let heard = || self.shared.lock().heard;
        let before = heard();
        let picture = self.fresh(interest, containers).await?;
        if Instant::now() < at {
            sleep_until(at).await;
            if heard() != before {
                return self.fresh(interest, containers).await;
            }
        }
        Ok(picture)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Watches an engine from a task of its own, until the handle is dropped.
///
/// The first state is empty: neither a picture nor away.
#[must_use]
pub fn watch(engine: Engine, interest: watch::Receiver<Interest>) -> Watcher {
    let (sender, state) = watch::channel(State::default());
    let (resync, again, shared) = (Arc::new(Notify::new()), Arc::<Again>::default(), Shared::default());
    let task = Watching {
        engine: engine.clone(),
        reader: Reader::sharing(engine.clone(), shared.clone()),
        shared: shared.clone(),
        interest,
        resync: Arc::clone(&resync),
        again: Arc::clone(&again),
        state: sender,
        backoff: Backoff::quick(FIRST_RETRY),
        is_away: false,
    };
    Watcher { engine, shared, state, resync, again, task: tokio::spawn(task.run()) }
}

/// The watching task.
struct Watching {
    engine: Engine,
    reader: Reader,
    shared: Shared,
    interest: watch::Receiver<Interest>,
    resync: Arc<Notify>,
    again: Arc<Again>,
    state: watch::Sender<State>,
    backoff: Backoff,
    /// The failure was logged, the recovery not yet.
    is_away: bool,
}

/// Why following a stream of events ended without an error.
enum End {
    /// A new one is asked for.
    Resync,
    /// Nobody is interested any more.
    Over,
}

impl Watching {
    async fn run(mut self) {
        loop {
            match self.follow().await {
                Ok(End::Resync) => {}
                Ok(End::Over) => return,
                Err(error) => self.wait(error).await,
            }
        }
    }

    /// The engine is away: say so, and wait before the next try.
    async fn wait(&mut self, error: EngineError) {
        self.engine.forget();
        let reason: Arc<str> = error.to_string().into();
        if !self.is_away {
            self.is_away = true;
            warn!(reason = %reason, "the engine is away; trying again with growing pauses");
        }
        self.state.send_if_modified(|state| {
            let is_news = state.picture.is_some() || state.away.as_ref() != Some(&reason);
            state.picture = None;
            state.away = Some(reason);
            is_news
        });
        tokio::select! {
            () = sleep(self.backoff.next()) => {}
            () = self.resync.notified() => {}
        }
    }

    /// Follows one stream of events: subscribe first, read everything, then read what events make dirty.
    async fn follow(&mut self) -> Result<End, EngineError> {
        let mut events = self.engine.events(events::options(clock::wall())).await?;
        let (resync, again) = (Arc::clone(&self.resync), Arc::clone(&self.again));
        let mut dirty = Dirty::everything();
        let mut is_new_contact = self.state.borrow().picture.is_none();
        let mut heard = false;
        let mut asked = false;
        let mut answers = 0;
        loop {
            let mut urgent = false;
            let interest = Arc::new(self.interest.borrow_and_update().clone());
            if dirty.containers && dirty.images {
                answers = again.times.load(Ordering::Relaxed);
            }
            let mut next = Dirty::nothing();
            let picture = {
                let mut read = pin!(self.reader.read(dirty, &interest));
                loop {
                    tokio::select! {
                        biased;
                        event = events.next() => urgent |= note(event, &self.engine, &self.shared, &mut next)?,
                        picture = &mut read => break picture?,
                    }
                }
            };
            self.publish(picture, interest, answers, heard || is_new_contact, asked);
            is_new_contact = false;
            asked = false;
            if next.is_clean() {
                tokio::select! {
                    event = events.next() => urgent |= note(event, &self.engine, &self.shared, &mut next)?,
                    changed = self.interest.changed() => if changed.is_err() { return Ok(End::Over) },
                    () = again.notify.notified() => asked = true,
                    () = resync.notified() => return Ok(End::Resync),
                }
            }
            if !next.is_clean() {
                let drained = drain(&mut events, &self.engine, &self.shared, &mut next, urgent);
                tokio::select! {
                    drained = drained => drained?,
                    () = again.notify.notified() => asked = true,
                }
            }
            while let Some(event) = events.next().now_or_never() {
                note(event, &self.engine, &self.shared, &mut next)?;
            }
            heard = !next.is_clean();
            next.containers |= asked;
            next.images |= asked;
            dirty = next;
        }
    }

    /// Publishes a picture, if anything about it is new or it was `asked` for.
    fn publish(
        &mut self,
        picture: Picture,
        interest: Arc<Interest>,
        answers: u64,
        something_happened: bool,
        asked: bool,
    ) {
        self.backoff.reset();
        if std::mem::take(&mut self.is_away) {
            info!("the engine is back");
        }
        self.state.send_if_modified(|state| {
            let is_other = state.picture.as_ref() != Some(&picture);
            let is_news = is_other || something_happened || asked || state.away.is_some() || state.interest != interest;
            // A full read that finds what no event told has happened as well.
            state.generation = state.generation.wrapping_add(u64::from(something_happened || is_other));
            state.picture = Some(picture);
            state.away = None;
            state.interest = interest;
            state.answers = answers;
            is_news
        });
    }
}

/// Takes note of an event, or of the stream's end. Whether it is urgent.
fn note(
    event: Option<Result<bollard::models::EventMessage, EngineError>>,
    engine: &Engine,
    shared: &Shared,
    dirty: &mut Dirty,
) -> Result<bool, EngineError> {
    let event = event.unwrap_or_else(|| Err(engine.hung_up()))?;
    let mut known = shared.lock();
    known.heard = known.heard.wrapping_add(1);
    events::note(&event, dirty, &mut known.oom);
    known.stale.extend(&dirty.details);
    Ok(events::is_urgent(&event))
}

/// Takes note of the events that come within a moment.
async fn drain(
    events: &mut Events,
    engine: &Engine,
    shared: &Shared,
    dirty: &mut Dirty,
    urgent: bool,
) -> Result<(), EngineError> {
    let mut end = Instant::now() + if urgent { BURST } else { CALM_BURST };
    while let Ok(event) = timeout_at(end, events.next()).await {
        if note(event, engine, shared, dirty)? {
            end = end.min(Instant::now() + BURST);
        }
        if Instant::now() >= end {
            break;
        }
    }
    Ok(())
}
