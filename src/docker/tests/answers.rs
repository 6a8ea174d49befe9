//! Answers that a real engine does not give on demand, from one that only plays.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::thread::JoinHandle;

use imgmgrd_test_support::workdir::Workdir;

use crate::docker::{Engine, EngineError, EngineHost};

/// What comes of playing: how many connections were made, and the last request's first line.
struct Played {
    connections: usize,
    line: String,
}

/// Answers the first contact with an API version and the calls after it with `answers`, and ends when the last connection is
/// closed. With `close` each connection is closed after one answer, which says so.
fn play_all(version: &str, answers: Vec<String>, close: bool) -> (Workdir, Engine, JoinHandle<Played>) {
    let folder = Workdir::new();
    let path = folder.path().join("docker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let ping = format!("HTTP/1.1 200 OK\r\nApi-Version: {version}\r\nContent-Length: 2\r\n\r\nOK");
    let playing = std::thread::spawn(move || {
        let mut played = Played { connections: 0, line: String::new() };
        let mut answers = std::iter::once(ping).chain(answers).peekable();
        while answers.peek().is_some() {
            let (mut connection, _) = listener.accept().unwrap();
            played.connections += 1;
            let mut request = [0; 4096];
            while let length @ 1.. = connection.read(&mut request).unwrap() {
                played.line = String::from_utf8_lossy(&request[..length]).lines().next().unwrap_or_default().to_owned();
                let answer = answers.next().unwrap();
                if close {
                    let closing = answer.replacen("\r\n", "\r\nConnection: close\r\n", 1);
                    // Who has read enough hangs up.
                    drop(connection.write_all(closing.as_bytes()));
                    break;
                }
                connection.write_all(answer.as_bytes()).unwrap();
            }
        }
        played
    });
    let engine = Engine::new(EngineHost::Unix(path));
    (folder, engine, playing)
}

/// Answers one call after the first contact, and hangs up.
fn play(version: &str, answer: String) -> (Workdir, Engine, JoinHandle<Played>) {
    play_all(version, vec![answer], true)
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
        let line = playing.join().unwrap().line;
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
    assert!(matches!(error, EngineError::Refused { status: 500, .. }) && !error.is_unreachable());
    assert_eq!(error.to_string(), "inspecting image docker-snmp:1: the engine refused with status 500: no way");
}

#[tokio::test]
async fn what_the_engine_says_is_cut_and_put_on_one_line() {
    let long = "x\\n\\u001b[2J".repeat(1000);
    for (status, body) in [(500, format!("{{\"message\":\"{long}\"}}")), (200, format!("\"{long}\""))] {
        let (_folder, engine, _playing) = play("1.41", answer(status, &body));
        let error = engine.inspect_image("docker-snmp:1").await.unwrap_err().to_string();
        assert!(error.len() < 700 && !error.contains(char::is_control), "{error}");
    }
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

#[tokio::test]
async fn an_answer_without_measure_is_not_read_to_its_end() {
    let (_folder, engine, _playing) = play("1.41", answer(200, &" ".repeat(9 << 20)));
    let error = engine.inspect_image("docker-snmp:1").await.unwrap_err();
    assert!(matches!(error, EngineError::Unexpected { .. }), "{error:?}");
    assert!(error.to_string().ends_with("it is longer than any switch's"), "{error}");
}

#[tokio::test]
async fn calls_in_a_row_share_a_connection_that_is_closed_when_they_end() {
    let (_folder, engine, playing) = play_all("1.41", vec![answer(200, "[]"); 5], false);
    for _ in 0..5 {
        assert!(engine.list_containers().await.unwrap().is_empty());
    }
    // The player sees the end of its connection.
    let played = tokio::task::spawn_blocking(|| playing.join().unwrap()).await.unwrap();
    assert_eq!(played.connections, 1);
}

#[tokio::test]
async fn a_connection_that_the_engine_closes_is_replaced() {
    let (_folder, engine, playing) = play_all("1.41", vec![answer(200, "[]"); 5], true);
    for _ in 0..5 {
        assert!(engine.list_images().await.unwrap().is_empty());
    }
    assert_eq!(playing.join().unwrap().connections, 6);
}
