//! The databases of all namespaces, followed.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::Notify;

use crate::domain::Namespace;

use super::config::{Namespaces, Server};
use super::connection::OwnedTask;
use super::error::DatabaseError;
use super::follow::follow;
use super::redis_server::{RedisServer, Wanted};
use super::rows::Rows;
use super::tables::{Database, Place};

/// The databases of all namespaces: the rows as last read, and what has changed since.
///
/// Each server is read on its own; one that is down, hangs or never came up holds up its own namespaces only. While
/// nothing changes there is no timer and no command.
#[derive(Debug)]
pub struct Databases {
    pub(super) servers: Vec<Arc<RedisServer>>,
    _followers: Vec<OwnedTask>,
    wake: Arc<Notify>,
    pub(super) rows: Rows,
    /// Something was taken over that nobody was told of yet.
    is_news: bool,
}

impl Databases {
    /// Connects to the databases in the background and stays connected. To be called in a tokio runtime.
    #[must_use]
    pub fn new(config: &Namespaces) -> Self {
        let mut databases = Self::idle(config);
        databases.servers.iter().for_each(|server| server.is_followed());
        databases._followers =
            databases.servers.iter().map(|server| OwnedTask::spawn(follow(Arc::clone(server)))).collect();
        databases
    }

    /// Connects to the databases and reads everything once, without following: for commands. Namespaces that cannot be read
    /// are [`unreadable`](Self::unreadable).
    ///
    /// # Errors
    /// If the host's databases cannot be read.
    pub async fn connect_once(config: &Namespaces) -> Result<Self, DatabaseError> {
        let mut databases = Self::idle(config);
        for (server, read) in
            databases.servers.iter().zip(join_all(databases.servers.iter().map(|server| once(server))).await)
        {
            let is_host = |place: &Place| place.namespace == Namespace::Host;
            match read {
                Err(error) if server.places.iter().any(is_host) => return Err(error),
                Err(error) => server.is_unreachable(&error),
                Ok(()) => {}
            }
        }
        databases.take_over();
        Ok(databases)
    }

    fn idle(config: &Namespaces) -> Self {
        let wake = Arc::new(Notify::new());
        let servers: Vec<_> = servers(config)
            .into_iter()
            .map(|(server, places)| Arc::new(RedisServer::new(server, places, Arc::clone(&wake))))
            .collect();
        let rows = Rows::new(servers.iter().flat_map(|server| &server.places));
        let mut databases = Self { servers, _followers: Vec::new(), wake, rows, is_news: false };
        databases.take_over();
        databases.is_news = false;
        databases
    }

    /// Completes when rows are other ones than before, or other namespaces can be read: [`rows`](Self::rows) and
    /// [`unreadable`](Self::unreadable) are up to date then. May be cancelled.
    pub async fn changed(&mut self) {
        loop {
            self.take_over();
            if self.take_news() {
                return;
            }
            self.wake.notified().await;
        }
    }

    /// Whether rows are other ones than when this, or [`changed`](Self::changed), told of it last.
    pub fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.is_news)
    }

    /// Takes over what was read, of every server.
    pub(super) fn take_over(&mut self) {
        let mut unreadable = BTreeMap::new();
        for server in &self.servers {
            let (arrived, unreachable) = server.collect();
            for snapshot in arrived {
                for (place, snapshot) in server.places.iter().zip(snapshot.places) {
                    self.is_news |= self.rows.apply(place, snapshot);
                }
            }
            if let Some(why) = unreachable {
                unreadable.extend(server.places.iter().map(|place| (place.namespace, why.clone())));
            }
        }
        self.is_news |= self.rows.set_unreadable(unreadable);
    }

    /// The rows as last read.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The namespaces of which a database cannot be read now, or never was, and why, for people. Their rows are as they were
    /// last read.
    #[must_use]
    pub fn unreadable(&self) -> &BTreeMap<Namespace, String> {
        self.rows.unreadable()
    }

    /// Everything is to be read again: the slow resync that catches what notifications have missed.
    pub fn mark_everything(&mut self) {
        self.servers.iter().for_each(|server| server.mark_everything());
    }

    /// Reads again every row that is known, of every server. May be cancelled.
    ///
    /// # Errors
    /// If a server is unreachable or does not answer. The rows of the others have been read.
    pub async fn read_again(&mut self) -> Result<(), DatabaseError> {
        let known = |server: &RedisServer| -> Wanted {
            server.places.iter().enumerate().map(|(index, place)| (index, self.rows.followed_keys(place))).collect()
        };
        let reads = self.servers.iter().map(|server| {
            let wanted = known(server);
            async move { server.read_anew(&wanted).await }
        });
        let outcomes = join_all(reads).await;
        self.take_over();
        outcomes.into_iter().collect()
    }

    /// The server of a namespace's STATE_DB, and the place.
    pub(super) fn server_of(&self, namespace: Namespace) -> Result<(&Arc<RedisServer>, &Place), DatabaseError> {
        let is_it = |place: &&Place| place.namespace == namespace && place.database == Database::State;
        let found = self.servers.iter().find_map(|server| Some((server, server.places.iter().find(is_it)?)));
        found.ok_or(DatabaseError::NoSuchNamespace(namespace))
    }
}

/// Connects and reads everything.
async fn once(server: &RedisServer) -> Result<(), DatabaseError> {
    server.connected(server.open().await?);
    server.read().await
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
