//! The control socket: how a command reaches the agent that runs, so that two never act at once.
//!
//! One request, one reply, each a line of JSON. The socket is in the state directory and only its owner may use it: who
//! can reach it could act alone if no agent ran.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Mode;
use rustix::process::umask;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::commands::{Reply, Request};
use crate::store::{StateDirectory, remove_if_there};

/// The socket's name in the state directory.
const SOCKET: &str = "control.sock";

/// The longest request or reply: a switch with a thousand features has 100 KiB to say.
const LONGEST: u64 = 1 << 20;

/// How long to wait after a client could not be let in.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a client may take to say what it wants, and to be told.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a request may take, steps included: one that removes nothing is done in milliseconds by a healthy engine.
const DEADLINE: Duration = Duration::from_secs(60);

/// A request, and where its reply goes.
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) reply: oneshot::Sender<Reply>,
}

/// The socket, which is removed when this is dropped.
pub(super) struct Control {
    directory: StateDirectory,
    /// How often the directory had been made again when the socket was made.
    renewals: u64,
    sender: mpsc::Sender<Asked>,
    requests: mpsc::Receiver<Asked>,
    /// The one task that listens.
    listening: JoinSet<()>,
}

impl Control {
    /// Listens in a state directory that is locked: a socket that is there is a killed predecessor's.
    pub(super) fn listen(directory: StateDirectory) -> Self {
        // One at a time: the second waits for the first.
        let (sender, requests) = mpsc::channel(1);
        let (renewals, listening) = (directory.renewals(), JoinSet::new());
        let mut control = Self { directory, renewals, sender, requests, listening };
        control.make_socket();
        control
    }

    /// The next request. A socket that has gone with its directory is made again first.
    pub(super) async fn next(&mut self) -> Option<Asked> {
        let renewals = self.directory.renewals();
        if std::mem::replace(&mut self.renewals, renewals) != renewals {
            self.make_socket();
        }
        self.requests.recv().await
    }

    fn make_socket(&mut self) {
        self.listening = JoinSet::new();
        match bind(&self.path()) {
            Ok(listener) => drop(self.listening.spawn(accept(listener, self.sender.clone()))),
            Err(error) => {
                tracing::warn!(%error, "no control socket: promote and rollback need the agent to be stopped");
            }
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join(SOCKET)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // If it stays, the next agent removes it.
        drop(std::fs::remove_file(self.path()));
    }
}

/// Makes the socket, for its owner alone.
fn bind(path: &Path) -> io::Result<UnixListener> {
    remove_if_there(path)?;
    // Not by its name afterwards: where another user may write, that may by then be a link to something else.
    let mask = umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    umask(mask);
    listener
}

async fn accept(listener: UnixListener, requests: mpsc::Sender<Asked>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Too many open files, say: that passes.
                tracing::debug!(%error, "a command could not be listened to");
                sleep(PAUSE).await;
                continue;
            }
        };
        let requests = requests.clone();
        tokio::spawn(async move {
            if let Err(error) = serve(stream, &requests).await {
                tracing::debug!(%error, "a request could not be answered");
            }
        });
    }
}

async fn serve(mut stream: UnixStream, requests: &mpsc::Sender<Asked>) -> io::Result<()> {
    let line = timeout(PATIENCE, read_line(&mut stream)).await??;
    let reply = match Request::read(&line) {
        Ok(request) => {
            let (reply, answer) = oneshot::channel();
            let stopped = || Reply::Refused("the agent is stopping".to_owned());
            match requests.send(Asked { request, reply }).await {
                Ok(()) => answer.await.unwrap_or_else(|_| stopped()),
                Err(_) => stopped(),
            }
        }
        Err(reason) => Reply::Refused(reason),
    };
    timeout(PATIENCE, write_line(&mut stream, &reply)).await?
}

/// Asks the agent that holds `directory`.
///
/// # Errors
/// If it does not answer.
pub(super) async fn ask(directory: &Path, request: &Request) -> io::Result<Reply> {
    let asking = async {
        let mut stream = UnixStream::connect(directory.join(SOCKET)).await?;
        write_line(&mut stream, request).await?;
        let line = read_line(&mut stream).await?;
        serde_json::from_slice(&line).map_err(io::Error::other)
    };
    timeout(DEADLINE, asking).await?
}

async fn read_line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    BufReader::new(stream).take(LONGEST).read_until(b'\n', &mut line).await?;
    Ok(line)
}

async fn write_line<T: serde::Serialize>(stream: &mut UnixStream, message: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line).await
}
