//! What happens on the engine, and when, by the engine's own clock.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

/// Something that happened on the engine.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// What: `tag`, `untag`, `delete`, `destroy`, ...
    pub(crate) action: String,
    /// The name of the image or container.
    pub(crate) name: String,
    /// When, since 1970.
    pub(crate) at: Duration,
}

/// The events from now on.
pub(crate) fn follow(socket: &Path) -> Receiver<Event> {
    let mut stream = UnixStream::connect(socket).expect("the engine listens");
    // The old protocol: no chunks, the answer ends with the connection.
    stream.write_all(b"GET /events HTTP/1.0\r\nHost: docker\r\n\r\n").expect("the engine reads");
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).expect("the engine answers") > 0, "no answer: {head}");
    }
    let (sender, events) = channel();
    std::thread::spawn(move || {
        for line in reader.lines().map_while(Result::ok) {
            let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let event = Event {
                action: text(&event["Action"]),
                name: text(&event["Actor"]["Attributes"]["name"]),
                at: Duration::from_nanos(event["timeNano"].as_u64().unwrap_or_default()),
            };
            if sender.send(event).is_err() {
                return;
            }
        }
    });
    events
}
