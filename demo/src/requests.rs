//! How the commands in the demo's shell reach the demo: `imgmgrd-demo ask SOCKET deploy snmp 20240510.5`.
//!
//! One connection is one request: its words, each ended by a NUL; then comes what there is to tell, and at the end a NUL
//! and the exit code.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// How long somebody may take to say or to take something.
const PATIENCE: Duration = Duration::from_secs(5);

/// The side of the commands: asks, and prints what is told.
pub(crate) fn ask(socket: &Path, words: &[String]) -> ExitCode {
    match converse(socket, words) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("demo: the switch does not answer at {}: {error}", socket.display());
            ExitCode::FAILURE
        }
    }
}

fn converse(socket: &Path, words: &[String]) -> io::Result<u8> {
    let mut stream = UnixStream::connect(socket)?;
    for word in words {
        stream.write_all(word.as_bytes())?;
        stream.write_all(&[0])?;
    }
    stream.shutdown(Shutdown::Write)?;
    let mut out = io::stdout();
    let mut end = Vec::new();
    let mut bytes = [0; 4096];
    loop {
        let count = stream.read(&mut bytes)?;
        let read = bytes.get(..count).unwrap_or_default();
        if read.is_empty() {
            // Without a code it ended in the middle.
            return end
                .trim_ascii()
                .split_first()
                .and_then(|(_, code)| std::str::from_utf8(code).ok()?.parse().ok())
                .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        let text = if end.is_empty() { read.split(|byte| *byte == 0).next().unwrap_or_default() } else { &[] };
        out.write_all(text)?;
        out.flush()?;
        end.extend_from_slice(read.get(text.len()..).unwrap_or_default());
    }
}

/// The demo's side.
#[derive(Debug)]
pub(crate) struct Requests(UnixListener);

impl Requests {
    /// Listens.
    pub(crate) fn listen(socket: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(socket)?;
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }

    /// The next request, if there is one: its words, and where to answer it.
    pub(crate) fn next(&self) -> Option<(Vec<String>, UnixStream)> {
        let (mut stream, _) = self.0.accept().ok()?;
        stream.set_nonblocking(false).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.set_write_timeout(Some(PATIENCE)).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some((text.split_terminator('\0').map(str::to_owned).collect(), stream))
    }
}

/// Ends an answer.
pub(crate) fn finish(mut stream: &UnixStream, code: u8) {
    // Whoever does not wait for it does not miss it.
    write!(stream, "\0{code}").ok();
}
