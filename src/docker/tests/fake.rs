//! An engine that only plays: what a real one answers when something on it is broken.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use imgmgrd_test_support::workdir::Workdir;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::docker::{Engine, EngineHost};

/// What is answered to a request.
pub(super) enum Reply {
    /// This.
    Json(u16, Value),
    /// These pieces, which are made as they are sent.
    Pieces(Box<dyn Iterator<Item = String> + Send>),
    /// This, after a while.
    Late(Duration, Value),
    /// Nothing, ever.
    Hang,
    /// Events, as [`Fake::event`] makes them.
    Events,
}

/// What is asked for, without the API's version, and what is answered.
type Answer = dyn Fn(&str) -> Reply + Send + Sync;

/// An engine whose answers a test makes up. What it says nothing of is empty, or is not there.
pub(super) struct Fake {
    pub(super) engine: Engine,
    asked: Arc<Mutex<Vec<String>>>,
    events: broadcast::Sender<String>,
    task: JoinHandle<()>,
    _folder: Workdir,
}

impl Fake {
    pub(super) fn new(answer: impl Fn(&str) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let folder = Workdir::new();
        let path = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (events, _) = broadcast::channel(1000);
        let (log, sender) = (Arc::clone(&asked), events.clone());
        let answer: Arc<Answer> = Arc::new(move |asked| answer(asked).unwrap_or_else(|| nothing(asked)));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answer), Arc::clone(&log), sender.clone()));
            }
        });
        Self { engine: Engine::new(EngineHost::Unix(path)), asked, events, task, _folder: folder }
    }

    /// Tells of something.
    pub(super) fn event(&self, kind: &str, action: &str, id: &str) {
        self.say(json!({ "Type": kind, "Action": action, "Actor": { "ID": id } }).to_string());
    }

    /// Says something in the stream of events.
    pub(super) fn say(&self, text: String) {
        self.events.send(text + "\n").expect("somebody listens");
    }

    /// How often something that begins like this was asked for.
    pub(super) fn times(&self, begin: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| asked.starts_with(begin)).count()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn nothing(asked: &str) -> Reply {
    match asked.split('?').next() {
        Some("/_ping") => Reply::Json(200, json!("OK")),
        Some("/events") => Reply::Events,
        Some("/containers/json" | "/images/json") => Reply::Json(200, json!([])),
        _ => Reply::Json(404, json!({ "message": "no such thing" })),
    }
}

/// Answers the requests of one connection, one after the other. It ends when the other side hangs up.
async fn serve(
    mut stream: UnixStream,
    answer: Arc<Answer>,
    log: Arc<Mutex<Vec<String>>>,
    events: broadcast::Sender<String>,
) {
    let mut request = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut request).await {
        if !request.ends_with(b"\r\n\r\n") {
            continue;
        }
        let head = String::from_utf8(std::mem::take(&mut request)).unwrap();
        let path = head.split(' ').nth(1).unwrap();
        let asked = path.strip_prefix("/v1.53").unwrap_or(path);
        log.lock().unwrap().push(asked.to_owned());
        if send(&mut stream, answer(asked), &events).await.is_err() {
            return;
        }
    }
}

async fn send(stream: &mut UnixStream, mut reply: Reply, events: &broadcast::Sender<String>) -> std::io::Result<()> {
    if let Reply::Late(after, body) = reply {
        sleep(after).await;
        reply = Reply::Json(200, body);
    }
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    match reply {
        Reply::Json(status, body) => {
            let body = body.to_string();
            let head =
                format!("HTTP/1.1 {status} Whatever\r\nApi-Version: 1.99\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).await
        }
        Reply::Pieces(pieces) => {
            stream.write_all(CHUNKED).await?;
            for piece in pieces {
                stream.write_all(chunk(&piece).as_bytes()).await?;
            }
            stream.write_all(b"0\r\n\r\n").await
        }
        Reply::Late(..) | Reply::Hang => std::future::pending().await,
        Reply::Events => {
            let mut events = events.subscribe();
            stream.write_all(CHUNKED).await?;
            while let Ok(event) = events.recv().await {
                stream.write_all(chunk(&event).as_bytes()).await?;
            }
            Ok(())
        }
    }
}

/// The id of container or image number `n`.
pub(super) fn digits(n: u32) -> String {
    format!("{n:064x}")
}

/// A container as it is listed, which is one of the kubelet's, runs and was made from the image of the same number.
pub(super) fn listed_container(n: u32, feature: &str) -> Value {
    json!({
        "Id": digits(n),
        "Names": [format!("/k8s_{feature}")],
        "Image": format!("sha256:{}", digits(n)),
        "ImageID": format!("sha256:{}", digits(n)),
        "Labels": { "io.kubernetes.container.name": feature, "io.kubernetes.docker.type": "container" },
        "State": "running",
        "Ports": [],
    })
}

/// The same container as an inspection shows it.
pub(super) fn inspected_container(n: u32, feature: &str) -> Value {
    json!({
        "Id": digits(n),
        "Name": format!("/k8s_{feature}"),
        "Image": format!("sha256:{}", digits(n)),
        "Config": {
            "Image": format!("sha256:{}", digits(n)),
            "Labels": { "io.kubernetes.container.name": feature, "io.kubernetes.docker.type": "container" },
        },
        "State": { "Status": "running", "StartedAt": "2026-11-21T21:59:00.5Z", "OOMKilled": false },
    })
}

/// An image as it is listed.
pub(super) fn listed_image(n: u32, reference: &str) -> Value {
    json!({ "Id": format!("sha256:{}", digits(n)), "RepoTags": [reference], "RepoDigests": [], "Size": 7 })
}

/// An image as an inspection shows it.
pub(super) fn inspected_image(n: u32, version: &str) -> Value {
    json!({ "Id": format!("sha256:{}", digits(n)), "Config": { "Env": ["PATH=/", format!("IMAGE_VERSION={version}")] } })
}
