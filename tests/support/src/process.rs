//! A child process that never outlives the test that started it.

use std::fs::OpenOptions;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::try_wait_until;

/// How long a process has to end after SIGTERM before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running (or ended) child process; dropping it ends it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts `program` with its output appended to the file `log`. The kernel sends it SIGTERM should the
    /// starting thread end first, however that happens.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub fn start(program: &Path, args: &[String], environment: &[(String, String)], log: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(log).expect("a log file can be opened");
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "TERM", "--"])
            .arg(program)
            .args(args)
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .env_remove("DOCKER_HOST")
            // Ctrl-C on the terminal is for the program that started it, which takes it down in order.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a file handle can be cloned"))
            .stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start setpriv for {program:?}: {error}"));
        let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
        Self { name, child, log: log.to_owned(), status: None }
    }

    /// The program's name, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has printed.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// How it ended, or `None` while it runs.
    pub fn status(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("a child can be waited for");
        }
        self.status
    }

    /// Sends a signal, if it still runs.
    pub fn signal(&mut self, signal: Signal) {
        if self.status().is_none() {
            let pid = Pid::from_child(&self.child);
            kill_process(pid, signal).unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.name));
        }
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it still runs after `timeout`.
    #[track_caller]
    pub fn wait(&mut self, timeout: Duration) -> ExitStatus {
        match try_wait_until(timeout, || self.status()) {
            Ok(status) => status,
            Err(_) => panic!("{} did not end within {timeout:?}; it printed:\n{}", self.name, self.log()),
        }
    }

    /// SIGTERM, then SIGKILL if it takes longer than five seconds; how it ended and how long that took.
    pub fn terminate(&mut self) -> (ExitStatus, Duration) {
        let start = Instant::now();
        self.signal(Signal::TERM);
        self.signal(Signal::CONT);
        let status = try_wait_until(PATIENCE, || self.status()).unwrap_or_else(|_| self.kill());
        (status, start.elapsed())
    }

    /// SIGKILL, and its end.
    pub fn kill(&mut self) -> ExitStatus {
        self.signal(Signal::KILL);
        self.wait(PATIENCE)
    }

    /// Waits until `ready` holds.
    ///
    /// # Panics
    /// With its output, when it ends first or takes longer than `timeout`.
    #[track_caller]
    pub fn wait_ready(&mut self, timeout: Duration, mut ready: impl FnMut() -> bool) {
        let outcome = try_wait_until(timeout, || match self.status() {
            Some(status) => Some(Err(status)),
            None => ready().then_some(Ok(())),
        });
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(status)) => {
                panic!("{} ended with {status} (signal {:?}):\n{}", self.name, status.signal(), self.log())
            }
            Err(_) => panic!("{} not ready within {timeout:?}:\n{}", self.name, self.log()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.terminate();
        } else if self.status.is_none() {
            // A second panic would abort: no call that can.
            let pid = Pid::from_child(&self.child);
            for signal in [Signal::CONT, Signal::TERM] {
                if kill_process(pid, signal).is_err() {
                    return;
                }
            }
            let ended = try_wait_until(PATIENCE, || matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)));
            if ended.is_err() && self.child.kill().is_ok() {
                self.child.wait().ok();
            }
        }
    }
}
