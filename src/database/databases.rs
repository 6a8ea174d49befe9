//! The databases of all namespaces, followed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::config::{Namespaces, Server};
use super::connection::OwnedTask;
use super::error::DatabaseError;
use super::follow::Link;
use super::notifications;
use super::read::{self, Pictures};
use super::rows::Rows;
use super::tables::{Database, Place};

/// How often everything is read where Redis does not notify of changes.
const POLL: Duration = Duration::from_secs(10);

/// The databases of all namespaces: the rows as last read, and what has changed since.
///
/// While nothing changes there is no timer and no command.
#[derive(Debug)]
pub struct Databases {
    pub(super) links: Vec<Arc<Link>>,
    _followers: Vec<OwnedTask>,
    wake: Arc<Notify>,
    pub(super) rows: Rows,
    /// When to read everything, where a server does not notify.
    poll_at: Option<Instant>,
    poll_every: Duration,
    /// Which servers do not notify, and so were warned about.
    silent: Vec<bool>,
    /// How often a place was read as a whole.
    full_reads: u64,
}

impl Databases {
    /// Connects to the databases in the background and stays connected. To be called in a tokio runtime.
    #[must_use]
    pub fn new(config: &Namespaces) -> Self {
        let mut databases = Self::idle(config);
        databases._followers = databases.links.iter().map(|link| OwnedTask::spawn(Arc::clone(link).follow())).collect();
        databases
    }

    /// Connects to the databases and reads everything once, without following: for commands.
    ///
    /// # Errors
    /// If a server cannot be reached or does not answer.
    pub async fn connect_once(config: &Namespaces) -> Result<Self, DatabaseError> {
        let mut databases = Self::idle(config);
        let connections = join_all(databases.links.iter().map(|link| link.open())).await;
        for (link, connection) in databases.links.iter().zip(connections) {
            link.connected(connection?);
        }
        databases.read_links().await?;
        Ok(databases)
    }

    fn idle(config: &Namespaces) -> Self {
        let wake = Arc::new(Notify::new());
        let links: Vec<_> = servers(config)
            .into_iter()
            .map(|(server, places)| Arc::new(Link::new(server, places, Arc::clone(&wake))))
            .collect();
        let rows = Rows::new(links.iter().flat_map(|link| &link.places));
        let silent = links.iter().map(|_| false).collect();
        Self { links, _followers: Vec::new(), wake, rows, poll_at: None, poll_every: POLL, silent, full_reads: 0 }
    }

    /// Completes when something may have changed, or a server has gone away or come back. To be followed by
    /// [`read`](Self::read). May be cancelled.
    pub async fn changed(&mut self) {
        loop {
            if self.links.iter().any(|link| link.is_due()) {
                return;
            }
            match self.poll_at {
                None => self.wake.notified().await,
                Some(at) => tokio::select! {
                    () = self.wake.notified() => {}
                    () = tokio::time::sleep_until(at) => {
                        self.poll_at = Some(Instant::now() + self.poll_every);
                        for (link, _) in self.links.iter().zip(&self.silent).filter(|(_, silent)| **silent) {
                            link.mark_everything();
                        }
                    }
                },
            }
        }
    }

    /// Reads what may have changed: one round trip per server, all at the same time, none if nothing has. May be
    /// cancelled.
    ///
    /// # Errors
    /// If a server is away or does not answer. The rows of the others have been read; those of this one are as before.
    pub async fn read(&mut self) -> Result<(), DatabaseError> {
        self.read_links().await
    }

    /// Reads again what is to be acted on: every row that is known, and what may have changed; one round trip per server.
    /// May be cancelled.
    ///
    /// # Errors
    /// If a server is away or does not answer: nothing is to be acted on then.
    pub async fn read_again(&mut self) -> Result<(), DatabaseError> {
        for link in &self.links {
            for (index, place) in link.places.iter().enumerate() {
                link.mark(index, &self.rows.followed_keys(place));
            }
        }
        self.read_links().await
    }

    async fn read_links(&mut self) -> Result<(), DatabaseError> {
        let looks = join_all(self.links.iter().map(|link| look(link))).await;
        let links = self.links.clone();
        let mut outcome = Ok(());
        for (index, (link, look)) in links.iter().zip(looks).enumerate() {
            match look {
                Ok(None) => {}
                Ok(Some(pictures)) => self.apply(index, link, pictures),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome
    }

    fn apply(&mut self, index: usize, link: &Link, pictures: Pictures) {
        for (place, picture) in link.places.iter().zip(pictures.places) {
            self.full_reads += u64::from(picture.is_whole);
            self.rows.apply(place, picture);
        }
        if let Some(setting) = pictures.notifications {
            self.judge_notifications(index, link, setting.as_deref());
        }
    }

    /// Polls a server that does not notify as it must, and stops when it does.
    fn judge_notifications(&mut self, index: usize, link: &Link, setting: Option<&str>) {
        let missing = setting.map_or_else(|| Some("an answer".to_owned()), notifications::missing);
        let Some(silent) = self.silent.get_mut(index) else { return };
        match (missing, *silent) {
            // A command follows nothing: it is not its business to say so.
            (Some(missing), false) if !self._followers.is_empty() => {
                *silent = true;
                tracing::warn!(
                    server = %link.server,
                    "Redis does not notify of all changes: notify-keyspace-events is \"{}\", lacking {missing}; reading \
                     everything every {} s until it is AKE (redis-cli config set notify-keyspace-events AKE)",
                    setting.unwrap_or_default(),
                    self.poll_every.as_secs()
                );
            }
            (None, true) => {
                *silent = false;
                tracing::info!(server = %link.server, "Redis notifies of changes again");
            }
            _ => {}
        }
        let is_any_silent = self.silent.iter().any(|silent| *silent);
        self.poll_at = is_any_silent.then(|| self.poll_at.unwrap_or_else(|| Instant::now() + self.poll_every));
    }

    /// The rows as last read.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Grows with every full read, as after each connection: what is published may be gone since the last.
    #[must_use]
    pub fn full_reads(&self) -> u64 {
        self.full_reads
    }

    /// Why a server is not available now, for people.
    #[must_use]
    pub fn away(&self) -> Option<String> {
        self.links.iter().find_map(|link| link.away())
    }

    /// Everything is to be read again: the slow resync that catches what notifications have missed.
    pub fn mark_everything(&mut self) {
        self.links.iter().for_each(|link| link.mark_everything());
    }

    /// Polls faster than the real thing.
    #[cfg(test)]
    pub(super) fn poll_every(&mut self, pause: Duration) {
        self.poll_every = pause;
    }
}

/// Reads what may have changed from one server.
async fn look(link: &Link) -> Result<Option<Pictures>, DatabaseError> {
    let taken = link.take();
    let (connection, generation) = link.connection()?;
    if taken.is_clean() {
        return Ok(None);
    }
    let reading = read::read(&connection, &link.places, taken.dirty());
    match connection.within_deadline(reading).await {
        Ok(pictures) => {
            taken.done();
            link.worked();
            Ok(Some(pictures))
        }
        Err(error) => {
            link.failed(generation, &error);
            // Known from now on.
            link.take_notice();
            Err(error)
        }
    }
}

/// The servers, each with the places on it: namespaces that share one share its connections.
pub(super) fn servers(config: &Namespaces) -> BTreeMap<Server, Vec<Place>> {
    let mut servers: BTreeMap<Server, Vec<Place>> = BTreeMap::new();
    for (namespace, databases) in config {
        for (database, address) in [(Database::Config, &databases.config), (Database::State, &databases.state)] {
            servers.entry(address.server.clone()).or_default().push(Place::new(*namespace, database, address));
        }
    }
    servers
}
