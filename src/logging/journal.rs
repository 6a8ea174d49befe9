//! systemd's journal, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL).
//!
//! The crate tracing-journald puts only the bare message in `MESSAGE`, which is all that SONiC's rsyslog gets to see,
//! sends blockingly, and keeps to a socket that is dead once journald was restarted. Sending a datagram is little work.

use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use rustix::fs::fstat;
use tracing::Level;

use super::level::priority;
use super::line::Line;

const SOCKET: &str = "/run/systemd/journal/socket";

/// A way to the journal.
#[derive(Debug)]
pub(super) struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// Whether systemd connected this process's stderr to the journal: `JOURNAL_STREAM` then holds its device and
    /// inode (systemd.exec(5)). A process that inherited the variable but not the stream does not match.
    pub(super) fn is_stderr() -> bool {
        let Some(stream) = std::env::var("JOURNAL_STREAM").ok() else { return false };
        fstat(std::io::stderr()).is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
    }

    /// The journal's socket, if there is one.
    pub(super) fn connect() -> Option<Self> {
        Self::at(Path::new(SOCKET))
    }

    fn at(path: &Path) -> Option<Self> {
        if !std::fs::metadata(path).ok()?.file_type().is_socket() {
            return None;
        }
        let socket = UnixDatagram::unbound().ok()?;
        // A journal that is stuck must not stop the agent.
        socket.set_nonblocking(true).ok()?;
        Some(Self { socket, path: path.to_owned() })
    }

    /// Sends a line. The address is given each time, so that a restarted journald is found again.
    pub(super) fn send(&self, level: Level, target: &str, line: &Line) {
        drop(self.socket.send_to(entry(level, target, line).as_bytes(), &self.path));
    }
}

/// An entry: a field a line. No text holds a newline: [`Line`] escapes them.
fn entry(level: Level, target: &str, line: &Line) -> String {
    let mut entry =
        format!("PRIORITY={}\nSYSLOG_IDENTIFIER=imgmgrd\nTARGET={target}\nMESSAGE={}\n", priority(level), line.text());
    // Prefixed, so that no field of ours is taken for one of the journal's own.
    for (name, value) in &line.pairs {
        let name: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
        entry.push_str("IMGMGRD_");
        entry.push_str(&name);
        entry.push('=');
        entry.push_str(value);
        entry.push('\n');
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_datagram_of_fields() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        assert!(Journal::at(&path).is_none());
        let server = UnixDatagram::bind(&path).unwrap();
        let journal = Journal::at(&path).unwrap();
        let line = Line {
            message: "promoted".to_owned(),
            fields: " feature=snmp".to_owned(),
            pairs: vec![("feature", "snmp".to_owned())],
        };
        let receive = |server: &UnixDatagram| {
            let mut buffer = [0; 1024];
            let length = server.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        let expected = "PRIORITY=5\nSYSLOG_IDENTIFIER=imgmgrd\nTARGET=imgmgrd::x\nMESSAGE=promoted feature=snmp\n\
                        IMGMGRD_FEATURE=snmp\n";
        journal.send(Level::INFO, "imgmgrd::x", &line);
        assert_eq!(receive(&server), expected);

        // journald is restarted: what is said meanwhile is lost, nothing hangs, and then it is found again.
        drop(server);
        std::fs::remove_file(&path).unwrap();
        journal.send(Level::INFO, "imgmgrd::x", &line);
        let server = UnixDatagram::bind(&path).unwrap();
        journal.send(Level::INFO, "imgmgrd::x", &line);
        assert_eq!(receive(&server), expected);

        // It is stuck: lines are dropped.
        for _ in 0..10_000 {
            journal.send(Level::INFO, "imgmgrd::x", &line);
        }
    }
}
