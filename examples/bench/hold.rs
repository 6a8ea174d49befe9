//! Between the agent and the engine: holds back the requests that it is told to, and carries everything else.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Which requests: their method, and what their path contains.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// `GET`, `DELETE`.
    pub(crate) method: &'static str,
    /// `/images/`
    pub(crate) path: String,
}

/// A proxy before an engine, until the process ends.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    engine: PathBuf,
    wanted: Arc<Mutex<Option<Wanted>>>,
    held: Arc<AtomicUsize>,
}

impl Proxy {
    /// Listens at `socket`.
    pub(crate) fn start(socket: &Path, engine: &Path) -> Self {
        let proxy = Self { engine: engine.to_owned(), wanted: Arc::default(), held: Arc::default() };
        let listener = UnixListener::bind(socket).expect("a socket can be made");
        let server = proxy.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = server.clone();
                // An error is an end of the connection, which the agent sees too.
                std::thread::spawn(move || server.serve(&client).ok());
            }
        });
        proxy
    }

    /// From now on these get no answer, and no others are held. Those that are held already stay so.
    pub(crate) fn hold(&self, wanted: Option<Wanted>) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = wanted;
        self.held.store(0, Ordering::Relaxed);
    }

    /// How many are held since [`hold`](Self::hold).
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// One request for each connection: the engine is told to end it after its answer.
    fn serve(&self, mut client: &UnixStream) -> io::Result<()> {
        let mut reader = BufReader::new(client);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if wanted.is_some_and(|Wanted { method, path }| head.starts_with(method) && target(&head).contains(&path)) {
            self.held.fetch_add(1, Ordering::Relaxed);
            // Until the agent hangs up.
            return client.read_to_end(&mut Vec::new()).map(drop);
        }
        let mut engine = UnixStream::connect(&self.engine)?;
        engine.write_all(head.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes())?;
        std::thread::scope(|scope| {
            let hung_up = &engine;
            scope.spawn(move || {
                while matches!((&mut &*client).read(&mut [0; 64]), Ok(1..)) {}
                hung_up.shutdown(Shutdown::Both).ok();
            });
            let carried = io::copy(&mut &engine, &mut client);
            client.shutdown(Shutdown::Both).ok();
            carried
        })?;
        Ok(())
    }
}

fn target(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}
