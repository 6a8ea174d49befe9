//! What the kernel says about a process.

use std::fs::read_to_string;

/// A process's figures at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// CPU time, in nanoseconds.
    pub(crate) cpu: u64,
    /// CPU time in ticks of 10 ms, as the kernel accounts it.
    pub(crate) ticks: u64,
    /// How often it has gone to sleep by itself, and so was woken.
    pub(crate) wakeups: u64,
    /// How many threads it has.
    pub(crate) threads: u64,
    /// Memory, in KiB: its share, what is resident, and the most that ever was.
    pub(crate) pss: u64,
    pub(crate) rss: u64,
    pub(crate) peak: u64,
}

impl Figures {
    /// Of process `pid`, all of whose work is done by its one thread.
    pub(crate) fn of(pid: u32) -> Self {
        let read = |name: &str| read_to_string(format!("/proc/{pid}/{name}")).expect("the agent runs");
        let (status, rollup, stat) = (read("status"), read("smaps_rollup"), read("stat"));
        let cpu = read("schedstat").split_whitespace().next().and_then(|time| time.parse().ok());
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        Self {
            cpu: cpu.expect("schedstat is a number"),
            ticks: after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum(),
            wakeups: field(&status, "voluntary_ctxt_switches:"),
            threads: field(&status, "Threads:"),
            pss: field(&rollup, "Pss:"),
            rss: field(&status, "VmRSS:"),
            peak: field(&status, "VmHWM:"),
        }
    }
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
