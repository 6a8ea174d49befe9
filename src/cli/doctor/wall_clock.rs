//! The wall clock: stability is counted without it, people's times are not.

use chrono::{DateTime, Datelike as _, Utc};

use super::finding::{Check, Finding};
use crate::clock;

/// No switch that runs this agent was set up before.
const EARLIEST_YEAR: i32 = 2024;

const REMEDY: &str = "none for the agent, which counts waits by the monotonic clock; for right times in rows and logs see \
                    \"show ntp\" and \"show clock\"";

/// Judges the time, given the starts of the running containers by name.
pub(super) fn judge<'a>(now: DateTime<Utc>, starts: impl Iterator<Item = (&'a str, &'a str)>) -> Finding {
    let shown = clock::format(now);
    if now.year() < EARLIEST_YEAR {
        return Finding::note(Check::Clock, format!("it is {shown} UTC: the clock is not set yet"), REMEDY);
    }
    let start = |text: &str| DateTime::parse_from_rfc3339(text).ok();
    let later = starts.filter(|(_, text)| start(text).is_some_and(|start| start > now)).map(|(name, _)| name).next();
    match later {
        Some(name) => Finding::note(
            Check::Clock,
            format!(
                "it is {shown} UTC, before container {name} was started: the clock was set back, or is not set yet"
            ),
            REMEDY,
        ),
        None => Finding::ok(Check::Clock, format!("it is {shown} UTC")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn times() {
        for (now, starts, level, said) in [
            ("2026-11-21T22:00:00Z", &["2026-11-21T21:59:59.9Z", "garbage"][..], Level::Ok, "2026-11-21 22:00:00 UTC"),
            ("2026-11-21T22:00:00Z", &["2026-11-21T21:00:00Z", "2026-11-21T22:00:01Z"], Level::Note, "container 1"),
            ("2023-12-31T23:59:59Z", &[], Level::Note, "not set yet"),
            ("1970-01-01T00:05:00Z", &["2026-11-21T22:00:01Z"], Level::Note, "not set yet"),
            ("2024-01-01T00:00:00Z", &[], Level::Ok, ""),
        ] {
            let names = ["0", "1"];
            let finding = judge(now.parse().unwrap(), names.into_iter().zip(starts.iter().copied()));
            assert!(finding.level == level && finding.found.contains(said), "{finding:?}");
        }
    }
}
