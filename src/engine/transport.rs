//! The way to the engine: what is asked for in one go shares its connections, and none is left when the agent rests.
//!
//! On hyper's connections: the client library's own transports make a new one for each request, which was a fifth of the
//! time of a promotion with clean-up, and hyper-util's pool, on which they are built, closes what idles by a timer that
//! never ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bollard::errors::Error;
use bollard::{BollardRequest, body_full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, sleep_until};

use super::api_version::{ApiVersion, Negotiated};
use super::host::Host;
use crate::allowance::{Allowance, Allowed};

/// How long a connection is kept after its last use: longer than a plan takes from one call to the next, and not so long
/// that many outlive an engine's restart. One that does is found closed, and another is made.
const KEPT: Duration = Duration::from_millis(100);

/// The most bytes of an answer: five thousand images take half of it.
const MOST_BYTES: usize = 8 << 20;

/// Where requests go.
#[derive(Debug)]
pub(super) struct Transport {
    host: Host,
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

type Connection = SendRequest<<BollardRequest as HasBody>::Body>;

/// Names the client library's type of a request's body, for which it has no name itself.
trait HasBody {
    type Body;
}

impl<B> HasBody for Request<B> {
    type Body = B;
}

/// A stream of bytes of whatever kind: code for one kind only is half as much.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Transport {
    /// Connects to nothing yet.
    pub(super) fn new(host: Host) -> Self {
        let kept = Kept { connections: Vec::new(), used_at: Instant::now(), is_tended: false };
        Self { host, api: Negotiated::default(), kept: Mutex::new(kept) }
    }

    /// Where the engine is.
    pub(super) fn host(&self) -> &Host {
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
    pub(super) async fn negotiate(self: &Arc<Self>) -> Result<(), Error> {
        if self.api.get().is_some() {
            return Ok(());
        }
        let mut ping = Request::new(body_full(Bytes::new()));
        *ping.uri_mut() = Uri::from_static("/_ping");
        let answer = self.send(ping).await?;
        let version = answer.headers().get("api-version").and_then(|version| version.to_str().ok());
        self.api.settle(version.and_then(ApiVersion::parse));
        Ok(())
    }

    /// Makes a request of the client library.
    ///
    /// # Errors
    /// If the engine cannot be asked, or does not answer.
    pub(super) async fn request(self: Arc<Self>, mut request: BollardRequest) -> Result<Response<Incoming>, Error> {
        if let Some(uri) = self.versioned(request.uri()) {
            *request.uri_mut() = uri;
        }
        self.send(request).await
    }

    /// The path with the API version in front, as the API's reference asks for ("Versioning"), and without the host.
    ///
    /// bollard 0.21 itself forms `/v1.53` and then replaces it by joining the absolute path to it (src/uri.rs,
    /// `Uri::parse`), so that every engine would answer in its own newest version.
    fn versioned(&self, uri: &Uri) -> Option<Uri> {
        let path = uri.path_and_query()?;
        let is_versioned =
            path.path().strip_prefix("/v").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        match self.api() {
            Some(api) if !is_versioned => format!("/v{api}{path}").parse().ok(),
            _ => path.as_str().parse().ok(),
        }
    }

    async fn send(self: &Arc<Self>, mut request: BollardRequest) -> Result<Response<Incoming>, Error> {
        request.headers_mut().insert(HOST, HeaderValue::from_static("docker"));
        if request.uri().path().ends_with("/events") {
            // An answer without an end.
            return Ok(self.connect(usize::MAX).await?.send_request(request).await?);
        }
        while let Some(mut connection) = self.take() {
            match connection.try_send_request(request).await {
                Ok(answer) => return Ok(self.keep(connection, answer)),
                // It was closed by the engine: nothing was sent.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(Error::from(error.into_error())),
                },
            }
        }
        let mut connection = self.connect(MOST_BYTES).await?;
        let answer = connection.send_request(request).await?;
        Ok(self.keep(connection, answer))
    }

    /// A kept connection of which the last answer was read to its end.
    fn take(&self) -> Option<Connection> {
        let mut kept = self.kept();
        kept.connections.retain(|connection| !connection.is_closed());
        let ready = kept.connections.iter().rposition(Connection::is_ready)?;
        Some(kept.connections.swap_remove(ready))
    }

    /// A connection that ends when an answer is longer than `most_bytes`.
    async fn connect(&self, most_bytes: usize) -> Result<Connection, Error> {
        let stream: Box<dyn Stream> = match &self.host {
            Host::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Host::Tcp(address) => Box::new(TcpStream::connect(address).await?),
        };
        let (connection, driver) =
            http1::handshake(TokioIo::new(Allowed::new(stream, Allowance::new(most_bytes)))).await?;
        // How it fails is told to whoever waits for an answer.
        tokio::spawn(async { drop(driver.await) });
        Ok(connection)
    }

    /// Keeps the connection for a while.
    fn keep(self: &Arc<Self>, connection: Connection, answer: Response<Incoming>) -> Response<Incoming> {
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
