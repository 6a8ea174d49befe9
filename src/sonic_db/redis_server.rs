//! One Redis server: what of it has changed, the connection to it, and what was read and not taken over yet.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, Notify, OwnedMutexGuard};

use super::config::Server;
use super::connection::Connection;
use super::dirty::Dirty;
use super::error::DatabaseError;
use super::notifications;
use super::read::{self, ServerSnapshot};
use super::tables::{Database, INITIALIZED, Place, parse_channel};

/// How often everything is read where Redis does not notify of changes.
const POLL: Duration = Duration::from_secs(10);

/// One Redis server.
#[derive(Debug)]
pub(super) struct RedisServer {
    /// Where it is.
    pub(super) address: Server,
    /// The databases on it that matter.
    pub(super) places: Vec<Place>,
    state: Mutex<State>,
    /// Held while the server is asked anything: what is read arrives in the order in which it was read, and before the
    /// answer to what is asked later.
    asking: AsyncMutex<()>,
    /// Held while rows are being published: the next publication is made of what is known after it, and what a slow server
    /// has not taken yet does not pile up.
    publishing: Arc<AsyncMutex<()>>,
    /// Wakes who waits for news, of any server.
    wake: Arc<Notify>,
    /// Wakes the follower: there may be something to read, and room for it.
    pub(super) stirred: Notify,
    /// Wakes the follower: the connection has failed.
    pub(super) dropped: Notify,
}

#[derive(Debug)]
struct State {
    connection: Option<Connection>,
    /// Counts connections, so that a late failure does not end a newer one.
    generation: u64,
    /// Why it cannot be read; none once it was read over the connection that there is.
    unreachable: Option<String>,
    /// Somebody stays connected to it: only then are its coming and going news.
    is_followed: bool,
    /// The failure was logged, the recovery not yet.
    is_logged: bool,
    /// It does not notify of all changes, which was logged.
    is_silent: bool,
    poll_every: Duration,
    /// Of each place.
    dirty: Vec<Dirty>,
    /// How often what was dirty was taken to be read, and which of these was the last that was read.
    taken: u64,
    read: u64,
    /// What was read and not collected, oldest first.
    arrived: Vec<ServerSnapshot>,
}

/// What was dirty and is being read. Unless it is [`done`](Self::done), it is dirty again: also when the reader was
/// cancelled.
#[derive(Debug)]
struct Taken<'a> {
    server: &'a RedisServer,
    dirty: Vec<Dirty>,
}

/// Keys to be read, by their place's index.
pub(super) type Wanted = Vec<(usize, Vec<String>)>;

impl RedisServer {
    pub(super) fn new(address: Server, places: Vec<Place>, wake: Arc<Notify>) -> Self {
        let state = State {
            connection: None,
            generation: 0,
            unreachable: Some(format!("still connecting to Redis at {address}")),
            is_followed: false,
            is_logged: false,
            is_silent: false,
            poll_every: POLL,
            dirty: places.iter().map(|_| Dirty::everything()).collect(),
            taken: 0,
            read: 0,
            arrived: Vec::new(),
        };
        Self {
            address,
            places,
            state: Mutex::new(state),
            asking: AsyncMutex::new(()),
            publishing: Arc::default(),
            wake,
            stirred: Notify::new(),
            dropped: Notify::new(),
        }
    }

    /// The turn to publish rows, unless others are being published.
    pub(super) fn turn_to_publish(&self) -> Result<OwnedMutexGuard<()>, DatabaseError> {
        let busy = |_| DatabaseError::Busy { server: self.address.to_string() };
        Arc::clone(&self.publishing).try_lock_owned().map_err(busy)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what was read since the last time, and why the server cannot be read now, if so.
    pub(super) fn collect(&self) -> (Vec<ServerSnapshot>, Option<String>) {
        let mut state = self.state();
        let arrived = std::mem::take(&mut state.arrived);
        if !arrived.is_empty() {
            self.stirred.notify_one();
        }
        (arrived, state.unreachable.clone())
    }

    /// Whether the follower has something to read. What is read and not collected yet comes first, so that a burst is
    /// read as slowly as it is taken over.
    pub(super) fn is_due(&self) -> bool {
        let state = self.state();
        state.connection.is_some() && state.arrived.is_empty() && state.dirty.iter().any(|dirty| !dirty.is_clean())
    }

    /// How often to read everything, where the server does not notify.
    pub(super) fn polls_every(&self) -> Option<Duration> {
        let state = self.state();
        (state.is_silent && state.connection.is_some()).then_some(state.poll_every)
    }

    /// Polls faster than the real thing.
    #[cfg(test)]
    pub(super) fn poll_every(&self, pause: Duration) {
        self.state().poll_every = pause;
    }

    /// Marks everything.
    pub(super) fn mark_everything(&self) {
        self.state().dirty.iter_mut().for_each(Dirty::mark_everything);
        self.stirred.notify_one();
    }

    /// Marks the key that a notification is about.
    pub(super) fn notified(&self, channel: &str) {
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
            self.stirred.notify_one();
        }
    }

    /// Reads what is dirty. May be cancelled.
    ///
    /// # Errors
    /// If the server is unreachable or does not answer.
    pub(super) async fn read(&self) -> Result<(), DatabaseError> {
        let _asking = self.asking.lock().await;
        self.read_dirty().await
    }

    /// Reads these keys anew, and what is dirty. What others want to be read at the same time is read along with it. May be
    /// cancelled.
    ///
    /// # Errors
    /// If the server is unreachable or does not answer.
    pub(super) async fn read_anew(&self, wanted: &Wanted) -> Result<(), DatabaseError> {
        let taken_before = self.want(wanted);
        let _asking = self.asking.lock().await;
        if self.state().read > taken_before {
            return Ok(());
        }
        self.read_dirty().await
    }

    /// Marks keys for the next reader. Gives the number of the last one that does not read them.
    fn want(&self, wanted: &Wanted) -> u64 {
        let mut state = self.state();
        for (place, keys) in wanted {
            if let Some(dirty) = state.dirty.get_mut(*place) {
                keys.iter().for_each(|key| dirty.mark(key));
            }
        }
        state.taken
    }

    async fn read_dirty(&self) -> Result<(), DatabaseError> {
        let (connection, generation) = self.connection()?;
        let (taken, number) = self.take();
        if taken.dirty.iter().all(Dirty::is_clean) {
            return Ok(());
        }
        match connection.within_deadline(read::read(&connection, &self.places, &taken.dirty)).await {
            Ok(snapshot) => {
                taken.done();
                self.arrive(snapshot, generation, number);
                Ok(())
            }
            Err(error) => {
                self.failed(generation, &error);
                Err(error)
            }
        }
    }

    /// Takes what is dirty, to read it.
    fn take(&self) -> (Taken<'_>, u64) {
        let mut state = self.state();
        state.taken += 1;
        let dirty = state.dirty.iter_mut().map(std::mem::take).collect();
        (Taken { server: self, dirty }, state.taken)
    }

    fn arrive(&self, snapshot: ServerSnapshot, generation: u64, number: u64) {
        let mut state = self.state();
        if let Some(setting) = &snapshot.notifications {
            self.judge_notifications(&mut state, setting.as_deref());
        }
        state.arrived.push(snapshot);
        state.read = number;
        if state.connection.is_some() && state.generation == generation {
            state.unreachable = None;
        }
        self.worked(&mut state);
        self.wake.notify_one();
    }

    /// Polls a server that does not notify as it must, and stops when it does.
    fn judge_notifications(&self, state: &mut State, setting: Option<&str>) {
        let missing = setting.map_or_else(|| Some("an answer".to_owned()), notifications::missing);
        match (missing, state.is_silent) {
            // Who follows nothing has no use for them.
            (Some(missing), false) if state.is_followed => {
                state.is_silent = true;
                tracing::warn!(
                    server = %self.address,
                    "Redis does not notify of all changes: notify-keyspace-events is \"{}\", lacking {missing}; reading \
                     everything every {} s until it is AKE (redis-cli config set notify-keyspace-events AKE)",
                    setting.unwrap_or_default(),
                    state.poll_every.as_secs()
                );
            }
            (None, true) => {
                state.is_silent = false;
                tracing::info!(server = %self.address, "Redis notifies of changes again");
            }
            _ => {}
        }
    }

    /// One exchange with the server, within the deadline. If the connection fails, it is made anew; an error that Redis
    /// answers (MISCONF, say) is the caller's to retry, and leaves the rows readable.
    ///
    /// # Errors
    /// If the server is unreachable or does not answer, or the exchange's own.
    pub(super) async fn exchange<T, F: Future<Output = Result<T, DatabaseError>>>(
        &self,
        exchange: impl FnOnce(Connection) -> F,
    ) -> Result<T, DatabaseError> {
        let _asking = self.asking.lock().await;
        let (connection, generation) = self.connection()?;
        let result = connection.within_deadline(exchange(connection.clone())).await;
        match &result {
            Ok(_) => self.worked(&mut self.state()),
            Err(error) if error.breaks_connection() => self.failed(generation, error),
            Err(_) => {}
        }
        result
    }

    /// The connection and its number.
    fn connection(&self) -> Result<(Connection, u64), DatabaseError> {
        let state = self.state();
        match &state.connection {
            Some(connection) => Ok((connection.clone(), state.generation)),
            None => Err(DatabaseError::Reconnecting(state.unreachable.clone().unwrap_or_default())),
        }
    }

    /// An exchange went well. Says once that the server is back.
    fn worked(&self, state: &mut State) {
        if std::mem::take(&mut state.is_logged) {
            tracing::info!(server = %self.address, "Redis is back");
        }
    }

    /// An exchange on connection `generation` failed: whatever the reason, connecting anew is the cure.
    pub(super) fn failed(&self, generation: u64, error: &DatabaseError) {
        let mut state = self.state();
        if state.generation == generation && state.connection.is_some() {
            self.set_away(&mut state, error);
            self.dropped.notify_one();
        }
    }

    /// The server cannot be reached.
    pub(super) fn is_unreachable(&self, error: &DatabaseError) {
        self.set_away(&mut self.state(), error);
    }

    /// The server cannot be used. Says so once.
    fn set_away(&self, state: &mut State, error: &DatabaseError) {
        state.connection = None;
        state.unreachable = Some(error.to_string());
        if state.is_followed && !std::mem::replace(&mut state.is_logged, true) {
            tracing::warn!(error = %error, "Redis is unreachable; trying again");
        }
        self.wake.notify_one();
    }

    /// Somebody stays connected from now on.
    pub(super) fn is_followed(&self) {
        self.state().is_followed = true;
    }

    /// There is a connection. Everything may have changed before it.
    pub(super) fn connected(&self, connection: Connection) -> u64 {
        let mut state = self.state();
        state.connection = Some(connection);
        state.generation += 1;
        state.dirty.iter_mut().for_each(Dirty::mark_everything);
        self.stirred.notify_one();
        state.generation
    }

    /// Whether connection `generation` is of use.
    pub(super) fn is_connected(&self, generation: u64) -> bool {
        let state = self.state();
        state.connection.is_some() && state.generation == generation
    }

    /// Whether there ever was a connection.
    pub(super) fn was_connected(&self) -> bool {
        self.state().generation > 0
    }

    /// Opens a connection for commands.
    ///
    /// # Errors
    /// If the server cannot be reached or does not answer.
    pub(super) async fn open(&self) -> Result<Connection, DatabaseError> {
        let ids: Vec<u16> = self.places.iter().map(|place| place.id).collect();
        Connection::open(&self.address, &ids).await
    }
}

impl Taken<'_> {
    /// It was read.
    fn done(mut self) {
        self.dirty.clear();
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if self.dirty.iter().all(Dirty::is_clean) {
            return;
        }
        let mut state = self.server.state();
        for (dirty, taken) in state.dirty.iter_mut().zip(self.dirty.drain(..)) {
            dirty.merge(taken);
        }
        self.server.stirred.notify_one();
    }
}
