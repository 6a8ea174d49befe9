//! What the kernel says about a process.

use std::fs::{read_dir, read_to_string};
use std::time::{Duration, Instant};

/// A process that has used no CPU for so long sleeps: it waits for nothing that takes longer.
const REST: Duration = Duration::from_millis(500);

/// A process's figures at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// CPU time of all its threads, in nanoseconds.
    pub(crate) cpu: u64,
    /// How often its threads have gone to sleep by themselves, and so were woken.
    pub(crate) wakeups: u64,
    /// Memory that no other process shares and that no file backs, in KiB: what only this process's end gives back.
    pub(crate) anonymous: u64,
    /// Resident memory, in KiB.
    pub(crate) rss: u64,
}

impl Figures {
    /// Of process `pid`.
    pub(crate) fn of(pid: u32) -> Self {
        let read = |name: &str| read_to_string(format!("/proc/{pid}/{name}")).expect("the agent runs");
        let threads = |name: &str| -> Vec<String> {
            let tasks = read_dir(format!("/proc/{pid}/task")).expect("the agent runs").flatten();
            // A thread may end in between.
            tasks.filter_map(|task| read_to_string(task.path().join(name)).ok()).collect()
        };
        Self {
            cpu: cpu(pid),
            wakeups: threads("status").iter().map(|status| field(status, "voluntary_ctxt_switches:")).sum(),
            anonymous: field(&read("smaps_rollup"), "Anonymous:"),
            rss: field(&read("status"), "VmRSS:"),
        }
    }
}

/// CPU time of all threads of process `pid`, in nanoseconds.
pub(crate) fn cpu(pid: u32) -> u64 {
    let tasks = read_dir(format!("/proc/{pid}/task")).expect("the agent runs").flatten();
    let times = tasks.filter_map(|task| {
        let stat = read_to_string(task.path().join("schedstat")).ok()?;
        stat.split_whitespace().next()?.parse::<u64>().ok()
    });
    times.sum()
}

/// Waits until process `pid` sleeps; when it was last seen at work.
pub(crate) fn asleep(pid: u32) -> Instant {
    let (mut used, mut at_work) = (cpu(pid), Instant::now());
    while at_work.elapsed() < REST {
        std::thread::sleep(Duration::from_millis(1));
        let now = cpu(pid);
        if now != used {
            (used, at_work) = (now, Instant::now());
        }
    }
    at_work
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).expect("the field is there")
}

/// KiB as MiB.
pub(crate) fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// Nanoseconds as milliseconds.
pub(crate) fn ms(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}
