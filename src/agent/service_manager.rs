//! What systemd is told: that the agent is ready, what it is doing, and that it is alive (sd_notify(3)).
//!
//! Without systemd, as on a terminal or in most tests, nobody is told and nothing wakes up for it.

use std::collections::BTreeMap;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Instant;

use crate::planner::Report;

/// What is left of the start's time is told again this often until the first report is published, however long Redis or
/// the engine are unreachable: the start fails when the loop hangs, not when it waits.
const START_PING: Duration = Duration::from_secs(30);
/// How much time each of these gives. It is longer than anything that the loop waits for.
const START_TIME: Duration = Duration::from_secs(120);

/// The manager of the service.
pub(super) struct ServiceManager {
    is_there: bool,
    is_ready: bool,
    /// How long the manager waits for a sign of life, once the service is ready.
    watchdog: Option<Duration>,
    ping_at: Option<Instant>,
    status: String,
}

impl ServiceManager {
    /// The manager that started this process, if one did.
    pub(super) fn new() -> Self {
        let is_there = std::env::var_os("NOTIFY_SOCKET").is_some();
        let (watchdog, ping_at) = (sd_notify::watchdog_enabled(), is_there.then(Instant::now));
        let mut manager = Self { is_there, is_ready: false, watchdog, ping_at, status: String::new() };
        manager.status("waiting for Redis and the engine");
        manager
    }

    /// No manager: for a command.
    pub(super) fn nobody() -> Self {
        Self { is_there: false, is_ready: false, watchdog: None, ping_at: None, status: String::new() }
    }

    /// When the next sign of life is due.
    pub(super) fn ping_at(&self) -> Option<Instant> {
        self.ping_at
    }

    /// Gives a sign of life. Only the loop calls this, between two things that it does.
    pub(super) fn ping(&mut self) {
        let (state, pause) = match (self.is_ready, self.watchdog) {
            // Half the time, as sd_watchdog_enabled(3) advises: one that is late is no catastrophe.
            (true, Some(watchdog)) => (NotifyState::Watchdog, Some(watchdog / 2)),
            (true, None) => return self.ping_at = None,
            (false, _) => (NotifyState::ExtendTimeoutUsec(microseconds(START_TIME)), Some(START_PING)),
        };
        self.tell(&[state]);
        self.ping_at = pause.map(|pause| Instant::now() + pause);
    }

    /// A report was published: the service is ready, if it was not, and this is its status.
    pub(super) fn published(&mut self, report: &Report, is_engine_there: bool) {
        if !self.is_there {
            return;
        }
        let unreachable = if is_engine_there { "" } else { "; the engine cannot be reached" };
        self.status(&format!("{}{unreachable}", summary(report)));
        if !std::mem::replace(&mut self.is_ready, true) {
            self.tell(&[NotifyState::Ready]);
            self.ping();
        }
    }

    /// What it is doing, in a line for `systemctl status`.
    fn status(&mut self, status: &str) {
        if self.is_there && self.status != status {
            status.clone_into(&mut self.status);
            self.tell(&[NotifyState::Status(status)]);
        }
    }

    /// The configuration is being read again.
    pub(super) fn reloading(&self) {
        // Since systemd 253 the time has to come with it.
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            self.tell(&[NotifyState::Reloading, now]);
        }
    }

    /// The configuration was read again.
    pub(super) fn reloaded(&self) {
        if self.is_ready {
            self.tell(&[NotifyState::Ready]);
        }
    }

    /// The agent was told to stop.
    pub(super) fn stopping(&self) {
        self.tell(&[NotifyState::Stopping]);
    }

    fn tell(&self, state: &[NotifyState<'_>]) {
        if let Err(error) = sd_notify::notify(state) {
            tracing::debug!(%error, "systemd cannot be told");
        }
    }
}

/// How many features stand how: `13 features: 11 local, 2 stable; 26 images`.
fn summary(report: &Report) -> String {
    let mut counts = BTreeMap::new();
    for instance in report.instances.values() {
        *counts.entry(instance.stability).or_insert(0_usize) += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(stability, count)| format!("{count} {stability}")).collect();
    let images: usize = report.groups.values().map(|group| group.images.len()).sum();
    match report.instances.len() {
        0 => "no features".to_owned(),
        1 => format!("1 feature: {}; images: {images}", counts.join(", ")),
        many => format!("{many} features: {}; images: {images}", counts.join(", ")),
    }
}

fn microseconds(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}
