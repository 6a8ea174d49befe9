use std::sync::{Arc, Mutex};

use super::*;

/// The lines as stderr would show them.
fn capture(level: LogLevel, say: impl FnOnce(&Logging)) -> Vec<String> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let (threshold, kept) = (Threshold::new(level.filter()), lines.clone());
    let write = move |event: &Event<'_>| {
        let line = terminal_line("2026-11-21 21:32:29", *event.metadata().level(), &Line::of(event), false);
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
    let first = "2026-11-21 21:32:29Z NOTICE promoted feature=snmp version=20201231.84 n=3 reason=\"two words\"\n";
    assert_eq!(lines[0], first);
    assert_eq!(lines.len(), 2);
    for line in &lines {
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(line.ends_with('\n') && !line.contains('\x1b'), "{line}");
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
fn colour_is_only_around_what_was_escaped() {
    let line = Line { message: "promoted".to_owned(), fields: " n=1".to_owned(), pairs: Vec::new() };
    let text = terminal_line("T", Level::INFO, &line, true);
    assert_eq!(text, "\x1b[2mTZ\x1b[0m \x1b[32mNOTICE\x1b[0m promoted\x1b[2m n=1\x1b[0m\n");
}
