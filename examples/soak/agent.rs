//! Keeps the agent running, as systemd does, with a wall clock of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use imgmgrd_test_support::{Agent, Signal, Switch};

use crate::samples::Samples;
use crate::shared::{KillAt, Shared, lock};

/// Debian's libfaketime: the wall clock of one process alone can be stepped with it.
const FAKETIME: [&str; 2] =
    ["/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1"];

/// How soon an agent is started again that refused to.
const REFUSED: Duration = Duration::from_millis(100);

/// Where it is.
pub(crate) fn faketime() -> Option<&'static Path> {
    FAKETIME.into_iter().map(Path::new).find(|path| path.exists())
}

/// The agent, or the time at which it is to be started again.
pub(crate) struct Supervisor {
    binary: PathBuf,
    servers: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    clock: PathBuf,
    shared: Arc<Shared>,
    agent: Option<Agent>,
    start_at: Instant,
    /// How long after its death it is started again.
    restart: Duration,
    offset: i64,
    /// The logs of those that are gone.
    former_logs: String,
    /// What was measured of each.
    pub(crate) samples: Samples,
}

impl Supervisor {
    /// Starts it with the first tick.
    pub(crate) fn new(
        binary: &Path,
        servers: Vec<(String, String)>,
        library: &Path,
        switch: &Switch,
        shared: &Arc<Shared>,
    ) -> Self {
        let clock = switch.file("clock");
        let words = [
            ("LD_PRELOAD", library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        let mut environment = servers.clone();
        environment.extend(words.map(|(name, value)| (name.to_owned(), value)));
        Self {
            binary: binary.to_owned(),
            servers,
            environment,
            clock,
            shared: Arc::clone(shared),
            agent: None,
            start_at: Instant::now(),
            restart: Duration::ZERO,
            offset: 0,
            former_logs: String::new(),
            samples: Samples::default(),
        }
    }

    /// Starts it if it is time, and notices a death.
    ///
    /// While a command acts in its place, because it was away, it refuses to start and is started again.
    pub(crate) fn keep_running(&mut self, switch: &Switch, is_replaced: bool) {
        if let Some(agent) = &mut self.agent {
            if agent.is_running() {
                return;
            }
            let is_doomed = self.shared.is_doomed.swap(false, Ordering::Relaxed);
            if is_replaced && agent.log().contains("another imgmgrd") {
                self.restart = REFUSED;
            } else if !is_doomed {
                let log = agent.log();
                let tail: Vec<&str> = log.lines().rev().take(5).collect();
                self.shared.journal.violation(format_args!("the agent ended by itself: {tail:?}"));
            }
            self.bury();
        }
        if Instant::now() >= self.start_at {
            self.start(switch);
        }
    }

    fn start(&mut self, switch: &Switch) {
        // It may find a wrong time: it counts by no wall clock, also not from what happened before it was started.
        self.set_clock(self.offset);
        let environment: Vec<(&str, &str)> =
            self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let agent = switch.agent_with(&self.binary, &["run"], &environment);
        *lock(&self.shared.agent) = Some(agent.pid());
        self.shared.record().hinder();
        self.shared.journal.says("systemd", format_args!("starts the agent, process {}", agent.pid()));
        self.samples.started(agent.pid());
        self.agent = Some(agent);
    }

    /// What is left of one that is gone.
    fn bury(&mut self) {
        if let Some(agent) = self.agent.take() {
            lock(&self.shared.agent).take();
            self.former_logs.push_str(&agent.log());
        }
        self.start_at = Instant::now() + std::mem::take(&mut self.restart);
    }

    /// SIGKILL; it is started again later.
    pub(crate) fn kill(&mut self, restart: Duration) {
        self.disarm();
        if let Some(agent) = &mut self.agent {
            self.shared.is_doomed.store(true, Ordering::Relaxed);
            self.restart = restart;
            agent.signal(Signal::KILL);
            agent.wait_exit(Duration::from_secs(10));
        }
    }

    /// SIGKILL with its next change; it is started again so long after it.
    pub(crate) fn arm(&mut self, when: KillAt, restart: Duration) {
        self.restart = restart;
        *lock(&self.shared.kill_at) = Some(when);
    }

    /// It is not to be killed any more.
    pub(crate) fn disarm(&mut self) {
        lock(&self.shared.kill_at).take();
    }

    /// SIGSTOP and SIGCONT.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if let Some(agent) = &mut self.agent {
            agent.signal(signal);
        }
    }

    /// Steps its wall clock.
    pub(crate) fn step_clock(&mut self, seconds: i64) {
        self.set_clock(self.offset + seconds);
    }

    fn set_clock(&mut self, offset: i64) {
        self.offset = offset;
        // Renamed into place: it is read at any time.
        let new = self.clock.with_extension("new");
        std::fs::write(&new, format!("{offset:+}\n")).expect("the clock can be written");
        std::fs::rename(&new, &self.clock).expect("a file can be renamed");
    }

    /// The program.
    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    /// Where it finds its servers: behind the proxies.
    pub(crate) fn servers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.servers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Everything that all of them have logged.
    pub(crate) fn log(&self) -> String {
        format!("{}{}", self.former_logs, self.agent.as_ref().map(Agent::log).unwrap_or_default())
    }

    /// Ends it in order.
    pub(crate) fn end(&mut self) {
        if let Some(agent) = self.agent.take() {
            let log = agent.log();
            let (status, took) = agent.terminate();
            if !status.success() || took > Duration::from_secs(3) {
                self.shared.journal.violation(format_args!("SIGTERM: {status} after {took:?}"));
            }
            self.former_logs.push_str(&log);
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.agent.take());
        // What libfaketime leaves of processes that could not tidy up themselves.
        for pid in self.samples.processes() {
            for name in ["faketime_shm_", "sem.faketime_sem_"] {
                std::fs::remove_file(format!("/dev/shm/{name}{pid}")).ok();
            }
        }
    }
}
