//! Keeps one Redis server connected and marks what its notifications say has changed.
//!
//! Notifications only mark: they carry no data, get lost, and come once per command, also for values that stay the same.
//! Subscribed first, then everything is read, so that no change falls between.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::PubSubStream;
use tokio::sync::Notify;

use crate::allowance::Allowance;
use crate::backoff::Backoff;
use crate::clock;

use super::config::Server;
use super::connection::{self, Connection};
use super::dirty::Dirty;
use super::error::DatabaseError;
use super::tables::{Channels, Database, INITIALIZED, Place, parse_channel};

/// A Redis that was restarted is back within a second: so many tries before the pauses grow.
const QUICK_TRIES: u32 = 5;
/// A connection that lasted this long was a good one: the next loss begins with quick tries again.
const STEADY: Duration = Duration::from_secs(10);

/// One Redis server: what of it is dirty, and the connection to read it with.
#[derive(Debug)]
pub(super) struct Link {
    /// Where it is.
    pub(super) server: Server,
    /// The databases on it that matter.
    pub(super) places: Vec<Place>,
    state: Mutex<State>,
    /// Wakes who waits for changes, of any server.
    wake: Arc<Notify>,
    /// Wakes the follower: the connection has failed.
    dropped: Notify,
}

#[derive(Debug)]
struct State {
    connection: Option<Connection>,
    /// Counts connections, so that a late failure does not end a newer one.
    generation: u64,
    /// Why there is no connection.
    away: Option<String>,
    /// The failure was logged, the recovery not yet.
    logged: bool,
    /// Availability changed since the last look.
    moved: bool,
    /// Of each place.
    dirty: Vec<Dirty>,
}

/// What was dirty and is being read. Unless it is [`done`](Self::done), it is dirty again: also when the reader was
/// cancelled.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    link: &'a Link,
    dirty: Vec<Dirty>,
}

impl Link {
    pub(super) fn new(server: Server, places: Vec<Place>, wake: Arc<Notify>) -> Self {
        let dirty = places.iter().map(|_| everything()).collect();
        let state = State { connection: None, generation: 0, away: None, logged: false, moved: false, dirty };
        Self { server, places, state: Mutex::new(state), wake, dropped: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is something to read, or availability has changed.
    pub(super) fn is_due(&self) -> bool {
        let state = self.state();
        state.moved || (state.connection.is_some() && state.dirty.iter().any(|dirty| !dirty.is_clean()))
    }

    /// Why it is not available now.
    pub(super) fn away(&self) -> Option<String> {
        let state = self.state();
        let connecting = || format!("still connecting to Redis at {}", self.server);
        state.connection.is_none().then(|| state.away.clone().unwrap_or_else(connecting))
    }

    /// The connection and its number, for one exchange.
    pub(super) fn connection(&self) -> Result<(Connection, u64), DatabaseError> {
        let state = self.state();
        match &state.connection {
            Some(connection) => Ok((connection.clone(), state.generation)),
            None => {
                drop(state);
                Err(DatabaseError::Away(self.away().unwrap_or_default()))
            }
        }
    }

    /// Takes what is dirty, to read it.
    pub(super) fn take(&self) -> Taken<'_> {
        let mut state = self.state();
        state.moved = false;
        Taken { link: self, dirty: state.dirty.iter_mut().map(std::mem::take).collect() }
    }

    /// Whoever reads has seen that availability changed.
    pub(super) fn take_notice(&self) {
        self.state().moved = false;
    }

    /// Marks everything.
    pub(super) fn mark_everything(&self) {
        self.state().dirty.iter_mut().for_each(Dirty::mark_everything);
        self.wake.notify_one();
    }

    /// Marks keys of a place, for the reader itself: wakes nobody.
    pub(super) fn mark(&self, place: usize, keys: &[String]) {
        if let Some(dirty) = self.state().dirty.get_mut(place) {
            keys.iter().for_each(|key| dirty.mark(key));
        }
    }

    /// An exchange went well. Says once that the server is back.
    pub(super) fn worked(&self) {
        if std::mem::take(&mut self.state().logged) {
            tracing::info!(server = %self.server, "Redis is back");
        }
    }

    /// An exchange on connection `generation` failed: whatever the reason, connecting anew is the cure. Says once
    /// that the server is away.
    pub(super) fn failed(&self, generation: u64, error: &DatabaseError) {
        {
            let mut state = self.state();
            if state.generation != generation || state.connection.is_none() {
                return;
            }
            self.set_away(&mut state, error);
        }
        self.dropped.notify_one();
    }

    fn set_away(&self, state: &mut State, error: &DatabaseError) {
        state.connection = None;
        let why = error.to_string();
        // Each of many tries that fail alike is no news.
        state.moved |= state.away.as_ref() != Some(&why);
        state.away = Some(why);
        if !std::mem::replace(&mut state.logged, true) {
            tracing::warn!(error = %error, "Redis is away; trying again");
        }
        self.wake.notify_one();
    }

    /// There is a connection. Everything may have changed before it.
    pub(super) fn connected(&self, connection: Connection) -> u64 {
        let mut state = self.state();
        state.connection = Some(connection);
        state.generation += 1;
        state.away = None;
        state.dirty.iter_mut().for_each(Dirty::mark_everything);
        self.wake.notify_one();
        state.generation
    }

    /// Opens the connection for commands.
    pub(super) async fn open(&self) -> Result<Connection, DatabaseError> {
        let ids: Vec<u16> = self.places.iter().map(|place| place.id).collect();
        Connection::open(&self.server, &ids).await
    }

    /// Stays connected, for ever.
    pub(super) async fn follow(self: Arc<Self>) {
        let mut backoff = Backoff::new();
        let mut quick = QUICK_TRIES;
        loop {
            let begun = clock::since_boot();
            self.follow_once().await;
            if clock::since_boot().saturating_sub(begun) >= STEADY && self.state().generation > 0 {
                backoff.reset();
                quick = QUICK_TRIES;
            }
            let pause = if quick > 0 {
                quick -= 1;
                Duration::from_millis(fastrand::u64(100..300))
            } else {
                backoff.next()
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Connects, and listens until that ends.
    async fn follow_once(&self) {
        let channels: Vec<Channels> = self.places.iter().map(Place::channels).collect();
        let connecting = async {
            let (stream, allowance) = connection::subscribe(&self.server, &channels).await?;
            Ok((stream, allowance, self.open().await?))
        };
        match connecting.await {
            Ok((stream, allowance, connection)) => {
                let generation = self.connected(connection);
                self.listen(stream, &allowance, generation).await;
                self.failed(generation, &connection::closed(&self.server, &allowance));
            }
            Err(error) => self.set_away(&mut self.state(), &error),
        }
    }

    /// Marks what is notified, until the notifications end or the connection for commands has failed.
    async fn listen(&self, mut stream: PubSubStream, allowance: &Allowance, generation: u64) {
        loop {
            tokio::select! {
                biased;
                message = stream.next() => match message {
                    Some(message) => {
                        allowance.renew();
                        self.notified(message.get_channel_name());
                    }
                    None => return,
                },
                () = self.dropped.notified() => {
                    let state = self.state();
                    if state.connection.is_none() || state.generation != generation {
                        return;
                    }
                }
            }
        }
    }

    /// Marks the key that a notification is about.
    fn notified(&self, channel: &str) {
        let Some((id, key)) = parse_channel(channel) else { return };
        let mut state = self.state();
        let was_clean = state.dirty.iter().all(Dirty::is_clean);
        for (place, dirty) in self.places.iter().zip(&mut state.dirty).filter(|(place, _)| place.id == id) {
            if place.database == Database::Config && key == INITIALIZED {
                // `config reload` empties CONFIG_DB by FLUSHDB, of which nothing is notified, and sets this last.
                dirty.mark_everything();
            } else {
                dirty.mark(key);
            }
        }
        if was_clean {
            self.wake.notify_one();
        }
    }
}

impl Taken<'_> {
    /// What is to be read of each place.
    pub(super) fn dirty(&self) -> &[Dirty] {
        &self.dirty
    }

    /// Whether there is nothing to read.
    pub(super) fn is_clean(&self) -> bool {
        self.dirty.iter().all(Dirty::is_clean)
    }

    /// It was read.
    pub(super) fn done(mut self) {
        self.dirty.clear();
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut state = self.link.state();
        for (dirty, taken) in state.dirty.iter_mut().zip(self.dirty.drain(..)) {
            dirty.merge(taken);
        }
        // Who waits looks at what is dirty before waiting: nobody is to be woken.
    }
}

fn everything() -> Dirty {
    let mut dirty = Dirty::default();
    dirty.mark_everything();
    dirty
}
