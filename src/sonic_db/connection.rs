//! A connection to one Redis server for commands, and one for notifications.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use redis::aio::{MultiplexedConnection, PubSub, PubSubStream};
use redis::{AsyncConnectionConfig, ErrorKind, Pipeline, RedisConnectionInfo, RedisError, RedisResult, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::allowance::{Allowance, Allowed};

use super::config::{Server, printable_path};
use super::error::DatabaseError;
use super::limits::{DEADLINE, MOST_BYTES};
use super::tables::Channels;

/// A unix or TCP stream: one type, so that the Redis client is compiled for one.
trait RedisStream: AsyncRead + AsyncWrite + Send {}
impl<S: AsyncRead + AsyncWrite + Send> RedisStream for S {}
type AnyStream = Pin<Box<dyn RedisStream>>;

/// A task that ends with its owner.
#[derive(Debug)]
pub(super) struct OwnedTask(JoinHandle<()>);

impl OwnedTask {
    pub(super) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(future))
    }
}

impl Drop for OwnedTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connection for commands. Clones share it.
///
/// It serves all databases of its server: every pipeline begins with SELECT. That is sound because a pipeline is one
/// message, written and answered as a whole, so none can come between another's commands; and because [`open`](Self::open)
/// has seen that each SELECT works.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    commands: MultiplexedConnection,
    server: Arc<str>,
    allowance: Allowance,
    _driver: Arc<OwnedTask>,
}

impl Connection {
    /// Connects, and checks that the server lets us at the databases `ids`.
    pub(super) async fn open(server: &Server, ids: &[u16]) -> Result<Self, DatabaseError> {
        let opening = async {
            let allowance = Allowance::new(MOST_BYTES);
            let stream = Allowed::new(connect(server).await?, allowance.clone());
            // The deadline is this module's own: the client's would be counted anew for each of several round trips.
            let config = AsyncConnectionConfig::new().set_response_timeout(None);
            let (commands, driver) = MultiplexedConnection::new_with_config(&info(), stream, config)
                .await
                .map_err(|source| failed(server, source))?;
            let driver = Arc::new(OwnedTask::spawn(driver));
            let connection = Self { commands, server: server.to_string().into(), allowance, _driver: driver };
            let mut pipeline = Pipeline::new();
            for id in ids {
                pipeline.cmd("SELECT").arg(id);
            }
            for answer in connection.run(pipeline).await? {
                answer.map_err(|source| failed(server, source))?;
            }
            Ok(connection)
        };
        timeout(DEADLINE, opening).await.unwrap_or_else(|_| Err(DatabaseError::Deadline { server: server.to_string() }))
    }

    /// Sends a pipeline and gives the answer to each of its commands: one round trip. For the caller to bound by
    /// [`within_deadline`](Self::within_deadline).
    pub(super) async fn run(&self, mut pipeline: Pipeline) -> Result<Vec<RedisResult<Value>>, DatabaseError> {
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        pipeline.ignore_errors();
        let answers: Vec<RedisResult<Value>> =
            pipeline.query_async(&mut self.commands.clone()).await.map_err(|source| self.failed(source))?;
        if answers.len() == pipeline.len() {
            Ok(answers)
        } else {
            Err(self.failed(unexpected("another number of answers than of commands")))
        }
    }

    /// Bounds what is asked of this server.
    pub(super) async fn within_deadline<T>(
        &self,
        asked: impl Future<Output = Result<T, DatabaseError>>,
    ) -> Result<T, DatabaseError> {
        timeout(DEADLINE, asked)
            .await
            .unwrap_or_else(|_| Err(DatabaseError::Deadline { server: self.server.as_ref().to_owned() }))
    }

    /// An error of this server.
    pub(super) fn failed(&self, source: RedisError) -> DatabaseError {
        let server = self.server.as_ref().to_owned();
        if self.allowance.is_exceeded() {
            DatabaseError::TooLarge { server }
        } else {
            DatabaseError::Failed { server, source }
        }
    }
}

/// Connects for notifications, and subscribes. Nothing is asked any more then: whoever receives a notification renews the
/// allowance for the next.
pub(super) async fn subscribe(
    server: &Server,
    channels: &[Channels],
) -> Result<(PubSubStream, Allowance), DatabaseError> {
    let subscribing = async {
        let allowance = Allowance::new(MOST_BYTES);
        let stream = Allowed::new(connect(server).await?, allowance.clone());
        let failed = |source| failed(server, source);
        let mut subscription = PubSub::new(&info(), stream).await.map_err(failed)?;
        // One channel at a time: the client takes the first of several confirmations for all of them, and what is
        // not confirmed may miss a change between the full snapshot and itself.
        for channels in channels {
            for channel in &channels.exact {
                subscription.subscribe(channel).await.map_err(failed)?;
            }
            for pattern in &channels.patterns {
                subscription.psubscribe(pattern).await.map_err(failed)?;
            }
        }
        Ok((subscription.into_on_message(), allowance))
    };
    timeout(DEADLINE, subscribing).await.unwrap_or_else(|_| Err(DatabaseError::Deadline { server: server.to_string() }))
}

/// Why the notifications ended, when nobody says more.
pub(super) fn closed(server: &Server, allowance: &Allowance) -> DatabaseError {
    if allowance.is_exceeded() {
        DatabaseError::TooLarge { server: server.to_string() }
    } else {
        failed(server, io::Error::from(io::ErrorKind::ConnectionReset).into())
    }
}

/// An answer that is not what the command promises.
pub(super) fn unexpected(what: &'static str) -> RedisError {
    (ErrorKind::UnexpectedReturnType, what).into()
}

fn failed(server: &Server, source: RedisError) -> DatabaseError {
    DatabaseError::Failed { server: server.to_string(), source }
}

/// RESP2 without the client's name: nothing to negotiate, so connecting costs no round trip, and Redis 5 understands it.
fn info() -> RedisConnectionInfo {
    RedisConnectionInfo::default().set_skip_set_lib_name()
}

/// The unix socket, else TCP. If neither works, the socket's error is the one that helps.
async fn connect(server: &Server) -> Result<AnyStream, DatabaseError> {
    let unreachable = |name: String, source| DatabaseError::Unreachable { server: name, source };
    let mut error = None;
    if let Some(path) = &server.socket {
        match UnixStream::connect(path).await {
            Ok(stream) => return Ok(Box::pin(stream)),
            Err(source) => error = Some(unreachable(printable_path(path), source)),
        }
    }
    if let Some((host, port)) = &server.tcp {
        match TcpStream::connect((host.as_str(), *port)).await {
            Ok(stream) => {
                // Small commands, each awaited: Nagle's algorithm would only delay them.
                stream.set_nodelay(true).map_err(|source| unreachable(format!("{host}:{port}"), source))?;
                return Ok(Box::pin(stream));
            }
            Err(source) => error = error.or_else(|| Some(unreachable(format!("{host}:{port}"), source))),
        }
    }
    Err(error.unwrap_or_else(|| unreachable(server.to_string(), io::ErrorKind::NotFound.into())))
}
