//! Answers that a real engine does not give on demand, from one that only plays.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::thread::JoinHandle;

use imgmgrd_test_support::workdir::Workdir;

use crate::engine::{Engine, EngineError};

/// Answers the first contact with an API version and the call after it with `answer`; ends with that call's first line.
fn play(version: &str, answer: String) -> (Workdir, Engine, JoinHandle<String>) {
    let folder = Workdir::new();
    let path = folder.path().join("docker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let ping = format!("HTTP/1.1 200 OK\r\nApi-Version: {version}\r\nContent-Length: 2\r\n\r\nOK");
    let playing = std::thread::spawn(move || {
        let mut line = String::new();
        for answer in [ping, answer] {
            let (mut connection, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let length = connection.read(&mut request).unwrap();
            line = String::from_utf8_lossy(&request[..length]).lines().next().unwrap_or_default().to_owned();
            connection.write_all(answer.as_bytes()).unwrap();
        }
        line
    });
    let engine = Engine::connect(path.to_str().unwrap()).unwrap();
    (folder, engine, playing)
}

fn answer(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn calls_are_made_in_the_version_that_both_speak() {
    for (server, spoken) in [("1.41", "/v1.41/"), ("1.24", "/v1.24/"), ("1.99", "/v1.53/")] {
        let (_folder, engine, playing) = play(server, answer(200, "[]"));
        assert!(engine.list_containers().await.unwrap().is_empty());
        let line = playing.join().unwrap();
        assert!(line.starts_with(&format!("GET {spoken}containers/json?all=true")), "{line}");
    }
}

#[tokio::test]
async fn failures_are_told_apart_by_their_status() {
    let refused = |status: u16| async move {
        let (_folder, engine, _playing) = play("1.41", answer(status, r#"{"message":"no\nway"}"#));
        engine.inspect_image("docker-snmp:1").await.unwrap_err()
    };
    assert!(matches!(refused(404).await, EngineError::NotFound { .. }));
    assert!(matches!(refused(409).await, EngineError::Conflict { .. }));
    let error = refused(500).await;
    assert!(matches!(error, EngineError::Refused { status: 500, .. }) && !error.is_away());
    assert_eq!(error.to_string(), "looking at image docker-snmp:1: the engine refused with status 500: no way");
}

#[tokio::test]
async fn answers_that_end_early_or_make_no_sense() {
    let (_folder, engine, _playing) = play("1.41", String::new());
    assert!(matches!(engine.list_images().await, Err(EngineError::Unreachable { .. })));
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[".to_owned();
    let (_folder, engine, _playing) = play("1.41", cut);
    assert!(matches!(engine.list_images().await, Err(EngineError::Unreachable { .. })));
    let (_folder, engine, _playing) = play("1.41", answer(200, "{}"));
    assert!(matches!(engine.list_images().await, Err(EngineError::Unexpected { .. })));
}
