//! The way to the engine: what is asked for in one go shares its connections, and none is left when the agent rests.
//!
//! On hyper's connections: a new one for each request was a fifth of the time of a promotion with clean-up, and hyper-util's
//! pool closes what idles by a timer that never ends.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::HOST;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, sleep_until};

use super::api_version::{ApiVersion, Negotiated};
use super::host::EngineHost;

/// How long a connection is kept after its last use: longer than a plan takes from one call to the next, and not so long
/// that many outlive an engine's restart. One that does is found closed, and another is made.
const KEPT: Duration = Duration::from_millis(100);

/// The most of an answer that is read ahead: its body is bounded by whoever reads it.
const READ_AHEAD: usize = 16 << 10;

/// An answer of which the body is still to be read.
pub(super) type Answer = Response<Incoming>;

/// A request that was not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] io::Error),
    /// The connection broke, or it is no HTTP that came back.
    #[error(transparent)]
    Http(#[from] hyper::Error),
}

/// Where requests go.
#[derive(Debug)]
pub(super) struct Transport {
    host: EngineHost,
    api: Negotiated,
    kept: Mutex<Kept>,
}

/// The connections that may be used again.
#[derive(Debug)]
struct Kept {
    connections: Vec<Connection>,
    used_at: Instant,
    /// Somebody is going to close them.
    is_tended: bool,
}

/// No request has a body.
type Connection = SendRequest<String>;

/// A stream of bytes of whatever kind: code for one kind only is half as much.
trait EngineStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> EngineStream for S {}

impl Transport {
    /// Connects to nothing yet.
    pub(super) fn new(host: EngineHost) -> Self {
        let kept = Kept { connections: Vec::new(), used_at: Instant::now(), is_tended: false };
        Self { host, api: Negotiated::default(), kept: Mutex::new(kept) }
    }

    /// Where the engine is.
    pub(super) fn host(&self) -> &EngineHost {
        &self.host
    }

    /// The API version that is spoken, once it was negotiated.
    pub(super) fn api(&self) -> Option<ApiVersion> {
        self.api.get()
    }

    /// Whatever answers next may be another engine, on other connections.
    pub(super) fn forget(&self) {
        self.api.forget();
        self.kept().connections.clear();
    }

    /// Negotiates the API version, unless that is done: `GET /_ping` answers with the header `Api-Version` (API reference,
    /// "SystemPing"). It takes the engine a millisecond, where `GET /version` takes ten to twenty: an engine 20.10 runs
    /// `runc --version` for it.
    ///
    /// # Errors
    /// If the engine does not answer.
    pub(super) async fn negotiate(self: &Arc<Self>) -> Result<ApiVersion, NoAnswer> {
        if let Some(api) = self.api.get() {
            return Ok(api);
        }
        let answer = self.send(&Method::GET, "/_ping").await?;
        let version = answer.headers().get("api-version").and_then(|version| version.to_str().ok());
        Ok(self.api.settle(version.and_then(ApiVersion::parse)))
    }

    /// Makes a request in the API version that both sides speak. `path` has what is asked for, and the query.
    ///
    /// # Errors
    /// If the engine cannot be asked, or does not answer.
    pub(super) async fn request(self: &Arc<Self>, method: &Method, path: &str) -> Result<Answer, NoAnswer> {
        let api = self.negotiate().await?;
        self.send(method, &format!("/v{api}{path}")).await
    }

    /// Makes a request whose answer has no end, on a connection of its own.
    ///
    /// # Errors
    /// If the engine cannot be asked, or does not answer.
    pub(super) async fn follow(self: &Arc<Self>, path: &str) -> Result<Answer, NoAnswer> {
        let api = self.negotiate().await?;
        let path = format!("/v{api}{path}");
        Ok(self.connect().await?.send_request(request(&Method::GET, &path)?).await?)
    }

    async fn send(self: &Arc<Self>, method: &Method, path: &str) -> Result<Answer, NoAnswer> {
        while let Some(mut connection) = self.take() {
            match connection.try_send_request(request(method, path)?).await {
                Ok(answer) => return Ok(self.keep(connection, answer)),
                // It was closed by the engine: nothing was sent.
                Err(mut error) => {
                    if error.take_message().is_none() {
                        return Err(error.into_error().into());
                    }
                }
            }
        }
        let mut connection = self.connect().await?;
        let answer = connection.send_request(request(method, path)?).await?;
        Ok(self.keep(connection, answer))
    }

    /// A kept connection of which the last answer was read to its end.
    fn take(&self) -> Option<Connection> {
        let mut kept = self.kept();
        kept.connections.retain(|connection| !connection.is_closed());
        let ready = kept.connections.iter().rposition(Connection::is_ready)?;
        Some(kept.connections.swap_remove(ready))
    }

    async fn connect(&self) -> Result<Connection, NoAnswer> {
        let stream: Box<dyn EngineStream> = match &self.host {
            EngineHost::Unix(path) => Box::new(UnixStream::connect(path).await?),
            EngineHost::Tcp(address) => Box::new(TcpStream::connect(address).await?),
        };
        let (connection, driver) =
            http1::Builder::new().max_buf_size(READ_AHEAD).handshake(TokioIo::new(stream)).await?;
        // How it fails is told to whoever waits for an answer.
        tokio::spawn(async { drop(driver.await) });
        Ok(connection)
    }

    /// Keeps the connection for a while.
    fn keep(self: &Arc<Self>, connection: Connection, answer: Answer) -> Answer {
        let mut kept = self.kept();
        kept.connections.push(connection);
        kept.used_at = Instant::now();
        if !std::mem::replace(&mut kept.is_tended, true) {
            tokio::spawn(Arc::clone(self).tend());
        }
        answer
    }

    /// Closes the connections when none has been used for a while.
    async fn tend(self: Arc<Self>) {
        loop {
            let until = self.kept().used_at + KEPT;
            sleep_until(until).await;
            let mut kept = self.kept();
            if kept.used_at + KEPT <= Instant::now() {
                kept.connections = Vec::new();
                kept.is_tended = false;
                return;
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn request(method: &Method, path: &str) -> io::Result<Request<String>> {
    let request = Request::builder().method(method).uri(path).header(HOST, "docker").body(String::new());
    request.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}
