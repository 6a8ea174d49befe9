//! An `imgmgrd run` on a switch.

use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;

use crate::process::Process;
use crate::wait::{Answer, wait_until_or};

/// A running agent; dropping it ends it.
#[derive(Debug)]
pub struct Agent {
    process: Process,
    log_start: usize,
}

impl Agent {
    pub(crate) fn start(binary: &Path, args: &[String], environment: &[(String, String)], log: &Path) -> Self {
        let log_start = std::fs::read(log).map_or(0, |bytes| bytes.len());
        Self { process: Process::start(binary, args, environment, log), log_start }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What this agent has logged (not its predecessors).
    pub fn log(&self) -> String {
        self.process.log().get(self.log_start..).unwrap_or_default().to_owned()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.status().is_none()
    }

    /// SIGKILL: the crash.
    pub fn kill9(mut self) {
        self.process.kill();
    }

    /// SIGTERM: how it ended and how long that took.
    pub fn terminate(mut self) -> (ExitStatus, Duration) {
        self.process.terminate()
    }

    /// Waits for an end of its own, for example at a failpoint.
    #[track_caller]
    pub fn wait_exit(&mut self, timeout: Duration) -> ExitStatus {
        self.process.wait(timeout)
    }

    /// Sends it any signal: STOP and CONT make it hang and go on.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Whether a signal has stopped it, of whoever sent it.
    pub fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        // The name before the state may hold anything, a parenthesis too.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    }

    /// Waits until `condition` holds and returns its value; the panic shows the log.
    #[track_caller]
    pub fn wait_until<A: Answer>(&self, what: &str, timeout: Duration, condition: impl FnMut() -> A) -> A::Value {
        wait_until_or(what, timeout, condition, || format!("the agent's log:\n{}", self.log()))
    }

    /// Ticks of CPU time used so far, in user and kernel mode (`/proc/PID/stat`; 100 a second).
    pub fn cpu_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("the agent runs");
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
    }

    /// Nanoseconds of CPU time used so far (`/proc/PID/schedstat`), the finer figure.
    pub fn cpu_nanoseconds(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/schedstat", self.pid())).unwrap_or_default();
        stat.split_whitespace().next().and_then(|time| time.parse().ok()).unwrap_or_default()
    }

    /// Proportional set size in KiB (`/proc/PID/smaps_rollup`).
    pub fn pss_kib(&self) -> u64 {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid())).expect("the agent runs");
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).expect("smaps_rollup has Pss")
    }

    /// The most memory that it has taken so far, in KiB (`VmHWM` of `/proc/PID/status`).
    pub fn peak_memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the agent runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the status has VmHWM");
        peak.trim().trim_end_matches(" kB").parse().expect("VmHWM is a number")
    }
}
