//! Between the agent and its servers: proxies on unix sockets that make trouble, and see everything the agent asks for.

pub(crate) mod engine;
pub(crate) mod http;
pub(crate) mod redis;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use fastrand::Rng;

use crate::schedule::Trouble;
use crate::shared::lock;

/// How often a connection through which nothing comes looks whether that is over.
const MOMENT: Duration = Duration::from_millis(5);

/// What is the matter with all connections to a server.
#[derive(Debug)]
pub(crate) struct Line {
    trouble: Mutex<Option<Trouble>>,
    random: Mutex<Rng>,
    open: Mutex<Vec<Weak<UnixStream>>>,
}

impl Line {
    fn new(seed: u64) -> Self {
        Self { trouble: Mutex::default(), random: Mutex::new(Rng::with_seed(seed)), open: Mutex::default() }
    }

    /// Begins trouble, or ends it.
    pub(crate) fn set(&self, trouble: Option<Trouble>) {
        *lock(&self.trouble) = trouble;
        if trouble == Some(Trouble::Dropped) {
            self.drop_all();
        }
    }

    fn drop_all(&self) {
        for stream in lock(&self.open).drain(..).filter_map(|stream| stream.upgrade()) {
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    fn trouble(&self) -> Option<Trouble> {
        *lock(&self.trouble)
    }

    /// Remembers a connection, and forgets those that are closed.
    fn opened(&self, stream: UnixStream) -> Arc<UnixStream> {
        let stream = Arc::new(stream);
        let mut open = lock(&self.open);
        open.retain(|stream| stream.strong_count() > 0);
        open.push(Arc::downgrade(&stream));
        stream
    }

    /// Lets something pass on its way to the agent or from it, as much of it as gets through. None: the connection ends.
    fn pass<'a>(&self, bytes: &'a [u8], is_answer: bool) -> Option<&'a [u8]> {
        loop {
            match self.trouble() {
                None => return Some(bytes),
                Some(Trouble::Silent) => std::thread::sleep(MOMENT),
                Some(Trouble::Dropped) => return None,
                Some(Trouble::Cut) if is_answer => {
                    let length = lock(&self.random).usize(0..=bytes.len().saturating_sub(1));
                    return bytes.get(..length);
                }
                Some(Trouble::Cut) => return Some(bytes),
                Some(Trouble::Slow(most)) => {
                    std::thread::sleep(Duration::from_millis(lock(&self.random).u64(0..=most)));
                    return Some(bytes);
                }
            }
        }
    }

    /// Carries bytes until one side ends; `see` is shown all of them before they are passed on.
    fn carry(&self, mut from: &UnixStream, mut to: &UnixStream, is_answer: bool, mut see: impl FnMut(&[u8])) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let bytes = &buffer[..length];
            see(bytes);
            let Some(passed) = self.pass(bytes, is_answer) else { break };
            if to.write_all(passed).is_err() || passed.len() < length {
                break;
            }
        }
        from.shutdown(Shutdown::Both).ok();
        to.shutdown(Shutdown::Both).ok();
    }
}

/// Listens at `socket` and has each connection handled by a thread of its own, until the process ends.
fn listen(
    socket: &Path,
    seed: u64,
    handle: impl Fn(&Line, &UnixStream) -> std::io::Result<()> + Clone + Send + 'static,
) -> Arc<Line> {
    let line = Arc::new(Line::new(seed));
    std::fs::create_dir_all(socket.parent().expect("a socket is in a folder")).expect("a folder can be made");
    let listener = UnixListener::bind(socket).unwrap_or_else(|error| panic!("cannot listen at {socket:?}: {error}"));
    let shared = Arc::clone(&line);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            if shared.trouble() == Some(Trouble::Dropped) {
                continue;
            }
            let client = shared.opened(client);
            let (line, handle) = (Arc::clone(&shared), handle.clone());
            // An error is an end of the connection, which the agent sees too.
            std::thread::spawn(move || handle(&line, &client).ok());
        }
    });
    line
}
