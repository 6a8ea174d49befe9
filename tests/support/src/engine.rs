//! A real dockerd with all it needs in one folder. Spoken to by plain HTTP, without the agent's client: a
//! second opinion on what the agent did.

mod client;

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use crate::process::Process;
use crate::wait::wait_until;
use crate::workdir::sweep;

pub use client::EngineClient;

const READY: Duration = Duration::from_secs(30);

/// An engine; dropping it ends it with its containers, and unmounts and unlinks what it made.
#[derive(Debug)]
pub struct Engine {
    folder: PathBuf,
    socket: PathBuf,
    client: EngineClient,
    process: Option<Process>,
}

impl Engine {
    /// Starts one in `folder`. Takes root.
    pub fn start(folder: &Path) -> Self {
        let mut engine = Self::launch(folder);
        engine.wait_ready();
        engine
    }

    /// Starts one without waiting for it.
    pub(crate) fn launch(folder: &Path) -> Self {
        assert!(rustix::process::geteuid().is_root(), "a private dockerd takes root: run as root or with sudo");
        std::fs::create_dir_all(folder).expect("a folder can be made");
        let socket = folder.join("docker.sock");
        assert!(socket.as_os_str().len() < 80, "too long for the sockets of dockerd and containerd: {socket:?}");
        let client = EngineClient::new(&socket, &folder.join("dockerd.log"));
        let mut engine = Self { folder: folder.to_owned(), client, socket, process: None };
        std::fs::write(folder.join("daemon.json"), "{}").expect("a file can be written");
        engine.spawn();
        engine
    }

    fn spawn(&mut self) {
        let path = |name: &str| self.folder.join(name).display().to_string();
        // A dockerd that was killed leaves its pid file behind, and refuses to start on one.
        std::fs::remove_file(self.folder.join("pid")).ok();
        let args = [
            format!("--host={}", self.host()),
            format!("--data-root={}", path("data")),
            format!("--exec-root={}", path("exec")),
            format!("--pidfile={}", path("pid")),
            // None at all, not even a missing one, of the machine's own.
            format!("--config-file={}", path("daemon.json")),
            "--bridge=none".to_owned(),
            "--iptables=false".to_owned(),
            "--shutdown-timeout=2".to_owned(),
        ];
        self.process = Some(Process::start(Path::new("dockerd"), &args, &[], &self.folder.join("dockerd.log")));
    }

    pub(crate) fn wait_ready(&mut self) {
        let client = self.client.clone();
        let process = self.process.as_mut().expect("the engine was started");
        process.wait_ready(READY, || client.is_ready());
    }

    /// Its address: `unix://...`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Stops it as systemd does; its containers end with it, its data stays.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.terminate();
        }
    }

    /// Starts it again after [`stop`](Self::stop), on the same data.
    pub fn start_again(&mut self) {
        if self.process.is_none() {
            self.spawn();
            self.wait_ready();
        }
    }

    /// Stops it and starts it again on the same data; only containers that restart always run again.
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Makes it hang: clients connect and get no answer. Containers go on.
    pub fn pause(&mut self) {
        self.process.as_mut().expect("the engine runs").signal(Signal::STOP);
    }

    /// Ends [`pause`](Self::pause).
    pub fn resume(&mut self) {
        self.process.as_mut().expect("the engine runs").signal(Signal::CONT);
    }

    /// Whether its containers live through its next restarts, as `live-restore` in daemon.json has it.
    pub fn live_restore(&mut self, live: bool) {
        let content = format!("{{\"live-restore\":{live}}}");
        std::fs::write(self.folder.join("daemon.json"), content).expect("a file can be written");
        self.process.as_mut().expect("the engine runs").signal(Signal::HUP);
        wait_until("the engine to read its configuration", READY, || {
            self.try_get("/info").is_ok_and(|info| info["LiveRestoreEnabled"] == live)
        });
    }
}

/// An engine is asked through its client.
impl Deref for Engine {
    type Target = EngineClient;

    fn deref(&self) -> &EngineClient {
        &self.client
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            if process.status().is_none() {
                process.signal(Signal::CONT);
                // With no container left, nothing is lost by the fast end (the orderly one takes a second), and
                // containerd dies with its dockerd. Else the engine ends them itself.
                if self.kill_containers() && !std::thread::panicking() {
                    process.kill();
                }
            }
            drop(process);
        }
        sweep(&self.folder);
        std::fs::remove_dir_all(&self.folder).ok();
    }
}
