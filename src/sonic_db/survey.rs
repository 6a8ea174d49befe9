//! Each Redis server on its own, asked once: one that is unreachable does not hide what the others say.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use futures_util::future::join_all;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::config::{Namespaces, Server};
use super::connection::Connection;
use super::databases::servers;
use super::dirty::Dirty;
use super::error::DatabaseError;
use super::limits::DEADLINE;
use super::notifications;
use super::read::{self, ServerSnapshot};
use super::rows::Rows;
use super::tables::Place;
use crate::domain::Namespace;

/// What a Redis server had to say.
#[derive(Debug)]
pub struct ServerSurvey {
    /// The server.
    pub server: Server,
    /// The namespaces with a database on it.
    pub namespaces: BTreeSet<Namespace>,
    /// Its answer.
    pub answer: Result<ServerAnswer, DatabaseError>,
}

/// What a Redis server answered.
#[derive(Debug)]
pub struct ServerAnswer {
    /// How it was reached.
    pub reached: Reached,
    /// The namespaces whose CONFIG_DB on it is being loaded.
    pub loading: BTreeSet<Namespace>,
    /// What `notify-keyspace-events` is; none if it does not tell.
    pub notifications: Option<String>,
    /// What that lacks of what the agent needs, if anything.
    pub lacks: Option<String>,
}

/// How a Redis server was reached.
#[derive(Debug)]
pub enum Reached {
    /// By its unix socket.
    Socket,
    /// By TCP, and why not by its unix socket, if it has one.
    Tcp(Option<(PathBuf, io::Error)>),
}

/// Asks every server once, all at the same time, each within the deadlines of this module; and the rows of those that
/// answered.
pub async fn survey(config: &Namespaces) -> (Vec<ServerSurvey>, Rows) {
    let asked = servers(config).into_iter().map(|(server, places)| async move {
        let answer = ask(&server, &places).await;
        (server, places, answer)
    });
    let answers = join_all(asked).await;
    // Only of servers that answered: a place without rows would say that there are none.
    let answered = answers.iter().filter(|(_, _, answer)| answer.is_ok());
    let mut rows = Rows::new(answered.flat_map(|(_, places, _)| places));
    let surveys = answers.into_iter().map(|(server, places, answer)| {
        let namespaces = places.iter().map(|place| place.namespace).collect();
        let answer = answer.map(|(reached, snapshot)| take(reached, snapshot, &places, &mut rows));
        ServerSurvey { server, namespaces, answer }
    });
    let surveys = surveys.collect();
    (surveys, rows)
}

async fn ask(server: &Server, places: &[Place]) -> Result<(Reached, ServerSnapshot), DatabaseError> {
    // Tried by itself first: a connection for commands does not say which way it took.
    let reached = match &server.socket {
        None => Reached::Tcp(None),
        Some(path) => match timeout(DEADLINE, UnixStream::connect(path)).await {
            Ok(Ok(_)) => Reached::Socket,
            Ok(Err(error)) => Reached::Tcp(Some((path.clone(), error))),
            Err(_) => return Err(DatabaseError::Deadline { server: server.to_string() }),
        },
    };
    let ids: Vec<u16> = places.iter().map(|place| place.id).collect();
    let connection = Connection::open(server, &ids).await?;
    let everything: Vec<Dirty> = places.iter().map(|_| Dirty::everything()).collect();
    let snapshot = connection.within_deadline(read::read(&connection, places, &everything)).await?;
    Ok((reached, snapshot))
}

fn take(reached: Reached, snapshot: ServerSnapshot, places: &[Place], rows: &mut Rows) -> ServerAnswer {
    let notifications = snapshot.notifications.flatten();
    let lacks = notifications.as_deref().and_then(notifications::missing);
    let mut loading = BTreeSet::new();
    for (place, snapshot) in places.iter().zip(snapshot.places) {
        if snapshot.initialized == Some(false) {
            loading.insert(place.namespace);
        }
        rows.apply(place, snapshot);
    }
    ServerAnswer { reached, loading, notifications, lacks }
}
