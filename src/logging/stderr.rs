//! Lines on stderr: for the journal, for a file or for a terminal.

use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::fstat;
use tracing::Level;

use super::level::{priority, word};
use super::line::Line;
use crate::clock;

/// How a line looks, without the newline at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// `<5>promoted feature=snmp`: systemd makes the number the priority of the journal's entry (sd-daemon(3)), which has
    /// the time by itself.
    Journal,
    /// `2026-11-21 21:32:29Z NOTICE promoted feature=snmp`
    Plain,
    /// The same with the level in colour.
    Coloured,
}

impl Format {
    /// What suits the stderr of this process.
    fn of_stderr() -> Self {
        // https://no-color.org: any value but the empty one.
        let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if is_journal() {
            Self::Journal
        } else if std::io::stderr().is_terminal() && !is_unwanted {
            Self::Coloured
        } else {
            Self::Plain
        }
    }

    pub(super) fn render(self, time: &str, level: Level, line: &Line) -> String {
        let (word, Line { message, fields }) = (word(level), line);
        let paint = match level {
            Level::ERROR => "\x1b[31m",
            Level::WARN => "\x1b[33m",
            Level::INFO => "\x1b[32m",
            _ => "\x1b[2m",
        };
        match self {
            Self::Journal => format!("<{}>{message}{fields}", priority(level)),
            Self::Plain => format!("{time}Z {word:<6} {message}{fields}"),
            Self::Coloured => format!("\x1b[2m{time}Z\x1b[0m {paint}{word:<6}\x1b[0m {message}\x1b[2m{fields}\x1b[0m"),
        }
    }
}

/// Whether systemd connected stderr to the journal: `JOURNAL_STREAM` then holds its device and inode (systemd.exec(5)).
/// A process that inherited the variable but not the stream does not match.
fn is_journal() -> bool {
    let Some(stream) = std::env::var("JOURNAL_STREAM").ok() else { return false };
    fstat(std::io::stderr()).is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// This process's stderr.
#[derive(Debug)]
pub(super) struct Stderr {
    format: Format,
    /// Whether a line waits until there is room for it.
    waits: bool,
}

impl Stderr {
    /// The agent loses a line rather than wait for a journal that is stuck. A person at a terminal is waited for.
    pub(super) fn of_agent() -> Self {
        Self { format: Format::of_stderr(), waits: std::io::stderr().is_terminal() }
    }

    pub(super) fn of_command() -> Self {
        Self { format: Format::of_stderr(), waits: true }
    }

    pub(super) fn write(&self, level: Level, line: &Line) {
        let text = self.format.render(&clock::format(clock::wall()), level, line) + "\n";
        // One thread at a time, so that what there is room for is not filled by another one.
        let mut stderr = std::io::stderr().lock();
        if self.waits || has_room(&stderr) {
            // Nobody is left to tell when stderr is closed.
            drop(stderr.write_all(text.as_bytes()));
        }
    }
}

/// Whether a line can be written without waiting: a pipe that has room has it for 4096 bytes (pipe(7)), which no line is
/// longer than, and a socket for more.
fn has_room(stream: impl AsFd) -> bool {
    let mut polled = PollFd::new(&stream, PollFlags::OUT);
    poll(std::slice::from_mut(&mut polled), Some(&Timespec::default())).is_ok()
        && polled.revents().contains(PollFlags::OUT)
}
