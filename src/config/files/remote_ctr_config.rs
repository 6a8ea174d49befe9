//! `remote_ctr.config.json`: what the Python daemon was told, and so what a switch is used to.

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};

use super::{Loaded, Refusals};
use crate::domain::{Age, printable};
use crate::planner::FeaturePolicy;

/// The settings of ctrmgrd that this agent takes over as defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteCtrConfig {
    /// `tag_latest_image_on_wait_seconds`: how long a takeover has to stand.
    pub stable_time: Age,
    /// `tag_latest_image_on_wait_seconds` is beyond a day: the Python daemon leaves the images to this agent.
    pub is_daemon_parked: bool,
    /// `retry_tag_latest_seconds`: the longest pause before a failed promotion is tried again.
    pub promotion_retry: Duration,
    /// `retry_clean_image_seconds`: the longest pause before a failed clean-up is tried again.
    pub clean_up_retry: Duration,
}

impl RemoteCtrConfig {
    /// The longest pause between retries that DESIGN.md allows, and the one where the file says nothing.
    const LONGEST_PAUSE: u32 = 60;
}

impl Default for RemoteCtrConfig {
    fn default() -> Self {
        let pause = Duration::from_secs(u64::from(Self::LONGEST_PAUSE));
        Self {
            stable_time: Age::from_seconds(u64::from(FeaturePolicy::STABLE_TIME)),
            is_daemon_parked: false,
            promotion_retry: pause,
            clean_up_retry: pause,
        }
    }
}

/// Reads `/etc/sonic/remote_ctr.config.json`, which `ctrmgrd.py` of sonic-buildimage lays over its own settings.
/// Keys that are none of this agent's are passed over.
#[must_use]
pub fn read_remote_ctr_config(path: &Path) -> Loaded<RemoteCtrConfig> {
    Loaded::from_object(path, |object, refusals| {
        let defaults = RemoteCtrConfig::default();
        // A wait beyond a day means that the Python daemon's own timer is parked, for this agent to do the work.
        let wait = seconds(&object, "tag_latest_image_on_wait_seconds", refusals);
        let is_daemon_parked = wait.is_some_and(|seconds| seconds > Age::MAX.seconds());
        let stable_time = match wait.filter(|_| !is_daemon_parked) {
            Some(seconds) => Age::from_seconds(u64::from(seconds)),
            None => defaults.stable_time,
        };
        let mut pause = |key, default| match seconds(&object, key, refusals) {
            Some(seconds) => Duration::from_secs(u64::from(seconds.clamp(1, RemoteCtrConfig::LONGEST_PAUSE))),
            None => default,
        };
        RemoteCtrConfig {
            stable_time,
            is_daemon_parked,
            promotion_retry: pause("retry_tag_latest_seconds", defaults.promotion_retry),
            clean_up_retry: pause("retry_clean_image_seconds", defaults.clean_up_retry),
        }
    })
}

/// A number of seconds, rounded up and saturating; none, and a refusal, if it is no such number.
fn seconds(object: &Map<String, Value>, key: &str, refusals: &mut Refusals<'_>) -> Option<u32> {
    let value = object.get(key)?;
    let number = match value {
        Value::Number(number) => number.as_f64(),
        // `f64::from_str` takes "inf" and "nan", too: only what is written in digits is a number of seconds.
        Value::String(text) if text.trim().bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => {
            text.trim().parse().ok()
        }
        _ => None,
    };
    match number.filter(|number| *number >= 0.0) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, which is meant")]
        Some(number) => Some(number.ceil() as u32),
        None => {
            let problem = format!("{} is no number of seconds", printable(&value.to_string()));
            refusals.add(key, &problem, "the default holds");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Absence;
    use super::super::tests::{file, garbage};
    use super::*;

    #[test]
    fn waits_and_pauses() {
        for (value, stable_time, pause, refused) in [
            ("300", 300, 60, 0),
            ("\"300\"", 300, 60, 0),
            ("\" 30 \"", 30, 30, 0),
            ("0", 0, 1, 0),
            ("0.5", 1, 1, 0),
            ("29.5", 30, 30, 0),
            ("86400", 86_400, 60, 0),
            ("86401", 600, 60, 0),
            ("1e300", 600, 60, 0),
            ("\"99999999999999999999\"", 600, 60, 0),
            ("-1", 600, 60, 3),
            ("\"inf\"", 600, 60, 3),
            ("\"ten\"", 600, 60, 3),
            ("\"\"", 600, 60, 3),
            ("null", 600, 60, 3),
            ("[1]", 600, 60, 3),
            ("true", 600, 60, 3),
        ] {
            let (_directory, path) = file(
                format!(
                    r#"{{"tag_latest_image_on_wait_seconds": {value}, "retry_tag_latest_seconds": {value},
                        "retry_clean_image_seconds": {value}, "join_latency_on_boot_seconds": "any", "x": []}}"#
                )
                .as_bytes(),
            );
            let loaded = read_remote_ctr_config(&path);
            assert_eq!(loaded.value.stable_time.seconds(), stable_time, "{value}");
            let is_parked = matches!(value, "86401" | "1e300" | "\"99999999999999999999\"");
            assert_eq!(loaded.value.is_daemon_parked, is_parked, "{value}");
            assert_eq!(loaded.value.promotion_retry.as_secs(), pause, "{value}");
            assert_eq!(loaded.value.clean_up_retry.as_secs(), pause, "{value}");
            assert_eq!(loaded.refused.len(), refused, "{value}");
        }
    }

    #[test]
    fn what_the_file_does_not_say_is_the_default() {
        let (_directory, path) = file(b"{}");
        assert_eq!(read_remote_ctr_config(&path), Loaded::default());
        let missing = read_remote_ctr_config(Path::new("/nonexistent/r.json"));
        assert_eq!(missing.value, RemoteCtrConfig::default());
        for content in garbage() {
            let (_directory, path) = file(&content);
            let loaded = read_remote_ctr_config(&path);
            assert_eq!(loaded.value, RemoteCtrConfig::default());
            assert!(matches!(loaded.absence, Some(Absence::Unreadable(_))));
        }
    }
}
