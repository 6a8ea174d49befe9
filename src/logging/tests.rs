use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use imgmgrd_test_support::wait_until;
use tracing::Level;

use super::stderr::Format;
use super::*;

/// The lines as stderr would show them.
fn capture(level: LogLevel, say: impl FnOnce(&Logging)) -> Vec<String> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let (threshold, kept) = (Threshold::new(level.filter()), lines.clone());
    let write = move |event: &Event<'_>| {
        let line = Format::Plain.render("2026-11-21 21:32:29", *event.metadata().level(), &Line::of(event));
        kept.lock().unwrap().push(line);
    };
    let subscriber = Lines { threshold: threshold.clone(), write };
    tracing::subscriber::with_default(subscriber, || say(&Logging { threshold }));
    Arc::try_unwrap(lines).unwrap().into_inner().unwrap()
}

#[test]
fn the_words_of_sonic() {
    for (word, level, filter) in [
        ("EMERG", LogLevel::Emerg, LevelFilter::ERROR),
        ("alert", LogLevel::Alert, LevelFilter::ERROR),
        ("Crit", LogLevel::Crit, LevelFilter::ERROR),
        ("ERROR", LogLevel::Error, LevelFilter::ERROR),
        ("WARN", LogLevel::Warn, LevelFilter::WARN),
        ("NOTICE", LogLevel::Notice, LevelFilter::INFO),
        ("info", LogLevel::Info, LevelFilter::DEBUG),
        ("DEBUG", LogLevel::Debug, LevelFilter::TRACE),
    ] {
        assert_eq!(word.parse::<LogLevel>().unwrap(), level);
        assert_eq!(level.filter(), filter);
    }
    assert_eq!(LogLevel::default(), LogLevel::Notice);
    let error = "loud\n".parse::<LogLevel>().unwrap_err().to_string();
    assert_eq!(error, "\"loud\\n\" is no log level: EMERG, ALERT, CRIT, ERROR, WARN, NOTICE, INFO or DEBUG");
}

#[test]
fn a_line_holds_message_and_fields_and_no_value_can_forge_another() {
    let evil = "x\n2026-11-21 21:32:29Z ERROR forged\x1b[2J";
    let lines = capture(LogLevel::Notice, |_| {
        tracing::info!(feature = "snmp", version = %"20201231.84", n = 3, reason = "two words", "promoted");
        tracing::warn!(value = %evil, debug = ?evil, text = evil, "{evil}");
    });
    let first = "2026-11-21 21:32:29Z NOTICE promoted feature=snmp version=20201231.84 n=3 reason=\"two words\"";
    assert_eq!(lines[0], first);
    assert_eq!(lines.len(), 2);
    for line in &lines {
        assert!(!line.contains(['\n', '\x1b']), "{line}");
    }
}

#[test]
fn the_level_changes_at_run_time_and_other_crates_stay_quiet() {
    let lines = capture(LogLevel::Notice, |logging| {
        let say = |n: u32| {
            tracing::debug!(n, "detail");
            tracing::error!(n, "error");
            tracing::info!(target: "bollard::docker", n, "other");
            tracing::warn!(target: "redis", n, "other");
        };
        say(1);
        logging.set_level(LogLevel::Info);
        say(2);
        logging.set_level(LogLevel::Crit);
        say(3);
    });
    let shown: Vec<_> = lines.iter().map(|line| line[21..].trim_end()).collect();
    assert_eq!(
        shown,
        [
            "ERROR  error n=1",
            "WARN   redis: other n=1",
            "INFO   detail n=2",
            "ERROR  error n=2",
            "WARN   redis: other n=2",
            "ERROR  error n=3",
        ]
    );
}

#[test]
fn one_line_for_the_journal_for_a_file_and_for_a_terminal() {
    let line = Line { message: "promoted".to_owned(), fields: " n=1".to_owned() };
    for (format, level, expected) in [
        (Format::Journal, Level::ERROR, "<3>promoted n=1"),
        (Format::Journal, Level::WARN, "<4>promoted n=1"),
        (Format::Journal, Level::INFO, "<5>promoted n=1"),
        (Format::Journal, Level::DEBUG, "<6>promoted n=1"),
        (Format::Journal, Level::TRACE, "<7>promoted n=1"),
        (Format::Plain, Level::INFO, "TZ NOTICE promoted n=1"),
        (Format::Coloured, Level::INFO, "\x1b[2mTZ\x1b[0m \x1b[32mNOTICE\x1b[0m promoted\x1b[2m n=1\x1b[0m"),
    ] {
        assert_eq!(format.render("T", level, &line), expected);
    }
}

/// A pipe takes a line of up to 4096 bytes at once or not at all.
#[test]
fn no_line_is_longer_than_a_pipe_takes_at_once() {
    let (long, quotes) = ("x".repeat(1 << 20), "\"".repeat(1 << 20));
    let lines = capture(LogLevel::Notice, |_| {
        tracing::info!(feature = "snmp", a = long, b = quotes, c = quotes, d = long, e = long, "{long}");
    });
    let overhead = "\x1b[2m\x1b[0m \x1b[32m\x1b[0m \x1b[2m\x1b[0m\n".len();
    assert!(lines[0].len() + overhead <= 4096, "{}", lines[0].len());
    assert!(lines[0].contains("... feature=snmp a=xxx") && lines[0].ends_with("..."), "{}", lines[0]);
}

/// How many lines an agent says to a stderr that nobody reads.
const LINES: usize = 10_000;

#[test]
#[ignore = "the test below runs it"]
fn more_lines_than_there_is_room_for() {
    drop(Logging::of_agent().unwrap());
    (0..LINES).for_each(|n| tracing::info!(n, "{}", "x".repeat(700)));
}

/// What arrives of all that an agent says while nobody reads: on a pipe, or on a socket, of which the other end is given.
#[expect(clippy::disallowed_methods, reason = "a test that starts itself anew; the agent spawns no process")]
fn what_arrives(stderr: Stdio, journal_stream: &str, socket: Option<UnixStream>) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "logging::tests::more_lines_than_there_is_room_for"])
        .env("JOURNAL_STREAM", journal_stream)
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .unwrap();
    // If it waits for the reader after all, it ends when that is closed.
    wait_until("it has said all", Duration::from_secs(30), || child.try_wait().unwrap().is_some());
    assert!(child.wait().unwrap().success());
    let mut said = String::new();
    match socket {
        Some(mut socket) => socket.read_to_string(&mut said).unwrap(),
        None => child.stderr.unwrap().read_to_string(&mut said).unwrap(),
    };
    said.lines().map(str::to_owned).collect()
}

#[test]
fn a_reader_that_is_stuck_loses_lines_and_stops_nobody() {
    let said = what_arrives(Stdio::piped(), "", None);
    // What arrives is whole, from the first on.
    assert!((10..LINES).contains(&said.len()), "{}", said.len());
    assert!(said.iter().enumerate().all(|(n, line)| line.ends_with(&format!("Z NOTICE {} n={n}", "x".repeat(700)))));

    // systemd gives the agent a socket of the journal's.
    let (journal, stderr) = UnixStream::pair().unwrap();
    let stat = rustix::fs::fstat(&stderr).unwrap();
    let stream = format!("{}:{}", stat.st_dev, stat.st_ino);
    let said = what_arrives(OwnedFd::from(stderr).into(), &stream, Some(journal));
    assert!((10..LINES).contains(&said.len()), "{}", said.len());
    assert!(said.iter().enumerate().all(|(n, line)| *line == format!("<5>{} n={n}", "x".repeat(700))));
}
