//! Between the agent and Redis: carries everything, and sees what the agent writes.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use super::{Line, listen};
use crate::judge;
use crate::shared::Shared;

/// Starts one at `socket` before the Redis at `redis`.
pub(crate) fn start(socket: &Path, redis: &Path, shared: &Arc<Shared>, seed: u64) -> Arc<Line> {
    let (redis, shared) = (redis.to_owned(), Arc::clone(shared));
    listen(socket, seed, move |line, client| serve(line, client, &redis, &shared))
}

fn serve(line: &Line, client: &UnixStream, redis: &Path, shared: &Shared) -> io::Result<()> {
    let server = line.opened(UnixStream::connect(redis)?);
    std::thread::scope(|scope| {
        scope.spawn(|| line.carry(&server, client, true, |_| {}));
        let mut commands = Commands::default();
        line.carry(client, &server, false, |bytes| {
            shared.asked();
            for command in commands.read(bytes) {
                judge::command(shared, &command);
            }
        });
    });
    Ok(())
}

/// Takes a stream of commands apart: each an array of bulk strings, as all clients send them.
#[derive(Debug, Default)]
struct Commands {
    bytes: Vec<u8>,
}

impl Commands {
    /// The commands that are whole now.
    fn read(&mut self, bytes: &[u8]) -> Vec<Vec<String>> {
        self.bytes.extend_from_slice(bytes);
        let mut commands = Vec::new();
        while let Some((command, length)) = command(&self.bytes) {
            commands.push(command);
            self.bytes.drain(..length);
        }
        commands
    }
}

/// The first command and its length.
fn command(bytes: &[u8]) -> Option<(Vec<String>, usize)> {
    let (count, mut at) = header(bytes, 0, b'*')?;
    let mut words = Vec::new();
    for _ in 0..count {
        let (length, begin) = header(bytes, at, b'$')?;
        words.push(String::from_utf8_lossy(bytes.get(begin..begin + length)?).into_owned());
        at = begin + length + 2;
    }
    (at <= bytes.len()).then_some((words, at))
}

/// The number after `kind` at `at`, and where the line after it begins.
fn header(bytes: &[u8], at: usize, kind: u8) -> Option<(usize, usize)> {
    let line = bytes.get(at..)?;
    let end = line.windows(2).position(|pair| pair == b"\r\n")?;
    if line.first() != Some(&kind) {
        return None;
    }
    let number = std::str::from_utf8(&line[1..end]).ok()?.parse().ok()?;
    Some((number, at + end + 2))
}
