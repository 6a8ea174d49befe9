//! A real redis-server on a unix socket, as SONiC runs it, without persistence.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use crate::process::Process;

/// What SONiC sets; the agent relies on it.
pub const NOTIFICATIONS: &str = "AKE";

const READY: Duration = Duration::from_secs(10);

/// A redis-server; dropping it ends it.
#[derive(Debug)]
pub struct RedisServer {
    folder: PathBuf,
    socket: PathBuf,
    port: u16,
    notifications: String,
    process: Option<Process>,
}

impl RedisServer {
    /// Starts one with its socket `redis.sock` in `folder`, on no TCP port.
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, NOTIFICATIONS, false)
    }

    /// Starts one with other `notify-keyspace-events` (`""` for none), and on a loopback TCP port too if `tcp`.
    pub fn start_with(folder: &Path, notifications: &str, tcp: bool) -> Self {
        std::fs::create_dir_all(folder).expect("a folder can be made");
        let mut server = Self {
            folder: folder.to_owned(),
            socket: folder.join("redis.sock"),
            port: if tcp { free_port() } else { 0 },
            notifications: notifications.to_owned(),
            process: None,
        };
        server.launch();
        server
    }

    /// Where its unix socket is.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its TCP port on 127.0.0.1; 0 means none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Stops it: what was in it is gone.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.terminate();
        }
    }

    /// Starts it again after [`stop`](Self::stop), empty.
    pub fn launch(&mut self) {
        if self.process.is_some() {
            return;
        }
        let words = [
            ["--port", &self.port.to_string()],
            ["--bind", "127.0.0.1"],
            ["--unixsocket", &self.socket.display().to_string()],
            ["--save", ""],
            ["--appendonly", "no"],
            ["--dir", &self.folder.display().to_string()],
            ["--notify-keyspace-events", &self.notifications],
        ];
        let args: Vec<String> = words.iter().flatten().map(|word| (*word).to_owned()).collect();
        let mut process = Process::start(Path::new("redis-server"), &args, &[], &self.folder.join("redis.log"));
        process.wait_ready(READY, || self.try_connect(0).is_some());
        self.process = Some(process);
    }

    /// Stops it and starts it again, empty.
    pub fn restart_empty(&mut self) {
        self.stop();
        self.launch();
    }

    /// Makes it hang: clients connect and get no answer.
    pub fn pause(&mut self) {
        self.process.as_mut().expect("redis runs").signal(Signal::STOP);
    }

    /// Ends [`pause`](Self::pause).
    pub fn resume(&mut self) {
        self.process.as_mut().expect("redis runs").signal(Signal::CONT);
    }

    /// Changes `notify-keyspace-events` while it runs.
    pub fn set_notifications(&mut self, notifications: &str) {
        notifications.clone_into(&mut self.notifications);
        let mut config = redis::cmd("CONFIG");
        config.arg("SET").arg("notify-keyspace-events").arg(notifications);
        config.exec(&mut self.connection(0)).expect("notify-keyspace-events can be set");
    }

    /// How many commands it has processed: to prove that nobody sent any. The question itself counts as a few,
    /// always the same number.
    pub fn commands_processed(&self) -> u64 {
        let info: String = redis::cmd("INFO").arg("stats").query(&mut self.connection(0)).expect("redis answers INFO");
        let line = info.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
        line.and_then(|count| count.trim().parse().ok()).expect("INFO has total_commands_processed")
    }

    /// A connection to a database.
    ///
    /// # Panics
    /// When the server does not run.
    pub fn connection(&self, database: i64) -> redis::Connection {
        self.try_connect(database).unwrap_or_else(|| panic!("no redis at {:?}", self.socket))
    }

    fn try_connect(&self, database: i64) -> Option<redis::Connection> {
        let url = format!("redis+unix://{}?db={database}", self.socket.display());
        redis::Client::open(url).expect("a valid redis URL").get_connection().ok()
    }
}

/// A TCP port on 127.0.0.1 that was free a moment ago. Below the range that the kernel gives to outgoing connections,
/// so that only another server could take it meanwhile.
pub(crate) fn free_port() -> u16 {
    loop {
        let random = RandomState::new().build_hasher().finish();
        let port = 20_000 + u16::try_from(random % 12_000).unwrap_or(0);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
