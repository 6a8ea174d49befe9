//! Follows the engine's own events, on a connection of the soak's: each change of an image or container is somebody's,
//! and what happened in the agent's turns is what an agent may do.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::journal::Table;
use crate::shared::{Shared, Who, lock};

/// How soon a stream that has ended is opened again: the engine restarts.
const AGAIN: Duration = Duration::from_millis(20);

/// What an agent's turn may bring about: tags, removals of names, images and containers.
const AGENTS: [(&str, &str); 4] = [("image", "tag"), ("image", "untag"), ("image", "delete"), ("container", "destroy")];

/// What is no change: health checks, and what the soak itself has run in a container.
const NO_CHANGES: [&str; 4] = ["exec_create", "exec_start", "exec_die", "health_status"];

/// What the engine has told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events {
    heard: Arc<Mutex<Vec<Value>>>,
}

impl Events {
    /// Follows them from now on, until the process ends.
    pub(crate) fn follow(engine: &Path) -> Self {
        let events = Self::default();
        let (follower, engine) = (events.clone(), engine.to_owned());
        std::thread::spawn(move || {
            let mut since = SystemTime::now();
            loop {
                follower.listen(&engine, &mut since).ok();
                std::thread::sleep(AGAIN);
            }
        });
        events
    }

    /// Listens until the engine hangs up. What came since the last event is told again.
    fn listen(&self, engine: &PathBuf, since: &mut SystemTime) -> std::io::Result<()> {
        let mut stream = UnixStream::connect(engine)?;
        let seconds = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let since_text = format!("{}.{:09}", seconds.as_secs(), seconds.subsec_nanos());
        write!(stream, "GET /events?since={since_text} HTTP/1.1\r\nHost: docker\r\n\r\n")?;
        // Each event is a line of its own, among those of the transfer coding.
        for line in BufReader::new(stream).lines() {
            let Ok(event) = serde_json::from_str::<Value>(&line?) else { continue };
            if let Some(at) = time(&event) {
                *since = at + Duration::from_nanos(1);
                lock(&self.heard).push(event);
            }
        }
        Ok(())
    }

    /// Judges what has been told since the last time.
    pub(crate) fn judge(&self, shared: &Shared) {
        for event in std::mem::take(&mut *lock(&self.heard)) {
            let word = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            let (kind, action) = (word("Type"), word("Action"));
            let is_change = ["image", "container"].contains(&kind.as_str())
                && !NO_CHANGES.iter().any(|none| action.starts_with(none));
            let Some(at) = time(&event).filter(|_| is_change) else { continue };
            shared.journal.count(Table::Checks, "events of the engine attributed");
            let name = event["Actor"]["Attributes"]["name"].as_str().unwrap_or_default();
            match shared.whose(at) {
                Some(Who::Others | Who::Fault) => {}
                Some(Who::Agent) if AGENTS.contains(&(kind.as_str(), action.as_str())) => {}
                Some(Who::Agent) => {
                    shared.journal.violation(format_args!("by the agent's doing: {kind} {action} {name}"));
                }
                None => shared.journal.violation(format_args!("by nobody's doing: {kind} {action} {name} {event}")),
            }
        }
    }
}

fn time(event: &Value) -> Option<SystemTime> {
    Some(SystemTime::UNIX_EPOCH + Duration::from_nanos(event["timeNano"].as_u64()?))
}
