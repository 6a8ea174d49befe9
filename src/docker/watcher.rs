//! A snapshot that stays current: follow the engine's events, read again what they make dirty, come back after the
//! engine was unreachable.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

use super::error::EngineError;
use super::events::{Action, EngineEvent};
use super::inspections::{Ended, Inspections};
use super::interest::Interest;
use super::listing::{Listed, Listing, News};
use super::lists::Lists;
use super::reader::Reader;
use super::snapshot::EngineSnapshot;
use crate::backoff::Backoff;

/// How long a snapshot waits for the inspections of what it shows, so that normally it is one. One that hangs holds up
/// nobody longer than that.
const PATIENCE: Duration = Duration::from_millis(20);

/// The same where the interest is new, as at the start: what was published before is true until all that matters has been
/// inspected, and a slow switch takes some ten milliseconds for that.
const FIRST_PATIENCE: Duration = Duration::from_millis(200);

/// How long what later inspections of images tell waits for others: a cold start inspects thousands.
const CALM_PATIENCE: Duration = Duration::from_millis(250);

/// The pause before the first try to come back: an engine that restarts is often there again in less than a second.
const FIRST_RETRY: Duration = Duration::from_millis(200);

/// What the watcher knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// What is on the engine; none before the first read and while the engine is unreachable.
    pub snapshot: Option<EngineSnapshot>,
    /// Why the engine is unreachable, in words for people.
    pub unreachable: Option<Arc<str>>,
    /// By the boot-time clock, just before the lists were asked for: what was done to the engine before that is shown.
    pub began: Duration,
    /// Changes when something was heard of the engine or found on it: while it stands still, nothing has happened there,
    /// as far as the engine tells.
    pub generation: u64,
    /// The interest that the snapshot answers: the containers that it asks for, and their images, have been inspected, or
    /// could not be for a while.
    pub interest: Arc<Interest>,
}

/// The handle of a watching task, which ends with it.
#[derive(Debug)]
pub struct Watcher {
    reader: Reader,
    state: watch::Receiver<State>,
    resync: Arc<Notify>,
    again: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Watcher {
    /// What the watcher knows, now and as it changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Asks for a new stream of events and a full read: streams die silently (moby #10879). Also ends a pause while the
    /// engine is unreachable.
    pub fn resync(&self) {
        self.resync.notify_one();
    }

    /// Asks for both lists to be read again at once, as after the agent itself has changed something. A state with a later
    /// [`began`](State::began) comes, be there news in it or not.
    pub fn look_again(&self) {
        self.again.notify_one();
    }

    /// A reader that shares what the watcher knows.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Watches an engine from a task of its own, until the handle is dropped, and shares what `reader` knows. An interest is told
/// from another by its allocation.
///
/// The first state is empty: neither a snapshot nor unreachable.
#[must_use]
pub fn watch(reader: Reader, interest: watch::Receiver<Arc<Interest>>) -> Watcher {
    let (sender, state) = watch::channel(State::default());
    let (resync, again) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let task = Watching {
        lists: Lists::default(),
        inspections: Inspections::new(reader.engine.clone(), reader.shared.clone()),
        reader: reader.clone(),
        interest,
        resync: Arc::clone(&resync),
        again: Arc::clone(&again),
        state: sender,
        backoff: Backoff::quick(FIRST_RETRY),
        is_unreachable: false,
        publish_at: None,
        news: News::default(),
        promised: News::default(),
    };
    Watcher { reader, state, resync, again, task: tokio::spawn(task.run()) }
}

/// The watching task.
struct Watching {
    reader: Reader,
    lists: Lists,
    inspections: Inspections,
    interest: watch::Receiver<Arc<Interest>>,
    resync: Arc<Notify>,
    again: Arc<Notify>,
    state: watch::Sender<State>,
    backoff: Backoff,
    /// The failure was logged, the recovery not yet.
    is_unreachable: bool,
    /// When to publish what is known, if there is anything to publish.
    publish_at: Option<Instant>,
    /// Why to publish what is known.
    news: News,
    /// Why to publish what is being listed.
    promised: News,
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

    /// The engine is unreachable: say so, and wait before the next try.
    async fn wait(&mut self, error: EngineError) {
        self.reader.engine.forget();
        self.inspections = Inspections::new(self.reader.engine.clone(), self.reader.shared.clone());
        self.publish_at = None;
        let reason: Arc<str> = error.to_string().into();
        if !self.is_unreachable {
            self.is_unreachable = true;
            warn!(reason = %reason, "the engine is unreachable; trying again with growing pauses");
        }
        self.state.send_if_modified(|state| {
            let is_news = state.snapshot.is_some() || state.unreachable.as_ref() != Some(&reason);
            state.snapshot = None;
            state.unreachable = Some(reason);
            is_news
        });
        tokio::select! {
            () = sleep(self.backoff.next()) => {}
            () = self.resync.notified() => {}
        }
    }

    /// Follows one stream of events: subscribe first, list everything, then what events make dirty.
    async fn follow(&mut self) -> Result<End, EngineError> {
        let mut events = self.reader.engine.events().await?;
        self.reader.shared.lock().begin();
        let (resync, again) = (Arc::clone(&self.resync), Arc::clone(&self.again));
        let mut next = Listing::everything(std::mem::take(&mut self.promised));
        let mut listing: Option<BoxFuture<'static, Result<Listed, EngineError>>> = None;
        let mut is_listed = false;
        loop {
            if listing.is_none() && next.is_due() {
                self.promised.extend(next.news());
                listing = Some(std::mem::take(&mut next).run(self.reader.engine.clone()).boxed());
            }
            let try_again = self.inspections.due();
            tokio::select! {
                event = events.next() => self.note(&event?, &mut next),
                listed = some(&mut listing) => {
                    listing = None;
                    is_listed = true;
                    self.listed(listed?);
                }
                ended = self.inspections.next() => self.inspected(ended),
                () = at(self.publish_at) => self.publish(),
                () = at(next.due()), if listing.is_none() => {}
                () = at(try_again) => self.inspect(),
                changed = self.interest.changed() => match changed {
                    Ok(()) if is_listed => {
                        self.inspect();
                        self.publish_at = None;
                        self.publish_soon(PATIENCE);
                    }
                    Ok(()) => {}
                    Err(_) => return Ok(End::Over),
                },
                () = again.notified() => next.ask(),
                () = resync.notified() => {
                    self.promised.extend(next.news());
                    return Ok(End::Resync);
                }
            }
        }
    }

    /// Takes note of an event.
    fn note(&mut self, event: &EngineEvent, next: &mut Listing) {
        self.reader.shared.lock().note(event);
        next.note(event);
        if let EngineEvent::Container(id, action) = event {
            self.inspections.heard(id);
            if matches!(action, Action::Oom | Action::Health) {
                self.news.is_heard = true;
                self.inspect_containers();
                self.publish_soon(PATIENCE);
            }
        }
    }

    /// Takes over what was listed.
    fn listed(&mut self, listed: Listed) {
        {
            let mut known = self.reader.shared.lock();
            if let Some(containers) = listed.containers {
                self.lists.take_containers(listed.began, containers, &mut known);
            }
            if let Some(images) = listed.images {
                self.lists.take_images(listed.began, images, &mut known);
            }
        }
        self.news.extend(std::mem::take(&mut self.promised));
        self.inspect();
        self.publish_soon(PATIENCE);
    }

    /// Takes over the end of an inspection.
    fn inspected(&mut self, ended: Ended) {
        let mut patience = PATIENCE;
        match ended {
            Ended::Container => self.inspect_containers(),
            Ended::Image => patience = CALM_PATIENCE,
            Ended::NoContainer(id) => self.lists.drop_container(&id),
            Ended::NoImage(id) => self.lists.drop_image(&id),
            Ended::Failed(error) => tracing::debug!(%error, "what it is about is unknown; it is tried again"),
        }
        self.publish_soon(patience);
    }

    /// Inspects what is to be inspected.
    fn inspect(&mut self) {
        self.inspect_containers();
        let (used, others) =
            self.lists.images_to_inspect(&self.interest.borrow_and_update(), &self.reader.shared.lock());
        self.inspections.want_images(used, &others);
    }

    fn inspect_containers(&mut self) {
        let containers = self.lists.containers_to_inspect(&self.interest.borrow(), &self.reader.shared.lock());
        self.inspections.want_containers(containers);
    }

    /// Publishes what is known: now if nothing is being inspected, else when `patience` is at its end, or the longer one
    /// that a new interest is worth.
    fn publish_soon(&mut self, patience: Duration) {
        let now = Instant::now();
        let is_answered = || Arc::ptr_eq(&self.state.borrow().interest, &self.interest.borrow());
        let at = if self.inspections.are_settled() {
            now
        } else if is_answered() {
            now + patience
        } else if self.inspections.are_containers_settled() {
            now + PATIENCE
        } else {
            now + FIRST_PATIENCE
        };
        self.publish_at = Some(self.publish_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Publishes a snapshot, if anything about it is new or it was asked for.
    fn publish(&mut self) {
        self.publish_at = None;
        self.backoff.reset();
        if std::mem::take(&mut self.is_unreachable) {
            info!("the engine is back");
        }
        let news = std::mem::take(&mut self.news);
        let (began, interest) = (self.lists.began(), self.interest.borrow());
        let snapshot =
            self.lists.snapshot(&self.reader.shared.lock(), |container| self.inspections.has_failed(container));
        self.state.send_if_modified(|state| {
            // A full read that finds what no event told has happened as well.
            let has_happened = news.is_heard || state.snapshot.as_ref() != Some(&snapshot);
            let is_other_interest = !Arc::ptr_eq(&state.interest, &interest);
            state.interest.clone_from(&interest);
            state.generation = state.generation.wrapping_add(u64::from(has_happened));
            state.snapshot = Some(snapshot);
            state.unreachable = None;
            state.began = began;
            has_happened || is_other_interest || news.is_asked
        });
    }
}

/// What a future that may not be there tells.
async fn some<F: Future + Unpin>(future: &mut Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// The moment, if there is one.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
