//! Memory and file descriptors of each agent, measured in the calm phases.

use std::fs;

/// What was measured once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Sample {
    /// Proportional set size, in KiB.
    pub(crate) pss: u64,
    /// What of it is memory of its own, and no file that was mapped.
    pub(crate) anonymous: u64,
    /// Open file descriptors.
    pub(crate) files: usize,
    /// Threads.
    pub(crate) threads: u64,
}

impl Sample {
    /// Of a process that runs.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
        let field = |text: &str, name: &str| -> Option<u64> {
            text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
        };
        let rollup = read("smaps_rollup")?;
        Some(Self {
            pss: field(&rollup, "Pss:")?,
            anonymous: field(&rollup, "Pss_Anon:")?,
            files: fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count(),
            threads: field(&read("status")?, "Threads:")?,
        })
    }
}

/// A process, and what was measured of it.
#[derive(Debug)]
pub(crate) struct Life {
    /// Its id.
    pub(crate) pid: u32,
    /// In order.
    pub(crate) samples: Vec<Sample>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    lives: Vec<Life>,
}

/// By so many KiB a process's own memory may grow from the first calm phase that it lives to see to any later one: maps
/// and buffers grow to the most they were ever needed for, once.
const GROWTH: u64 = 512;

impl Samples {
    /// Another process.
    pub(crate) fn started(&mut self, pid: u32) {
        self.lives.push(Life { pid, samples: Vec::new() });
    }

    /// Measures the one that runs; what has grown that must not.
    pub(crate) fn take(&mut self) -> Option<String> {
        let life = self.lives.last_mut()?;
        let sample = Sample::of(life.pid)?;
        life.samples.push(sample);
        let first = life.samples.first()?;
        if sample.anonymous > first.anonymous + GROWTH {
            return Some(format!("memory grew from {first:?} to {sample:?}"));
        }
        // The same connections and files in every calm phase.
        (sample.files > first.files || sample.threads > first.threads)
            .then(|| format!("from {first:?} to {sample:?} in a calm phase"))
    }

    /// Those of which there is more than one measurement: only they can show growth.
    pub(crate) fn long_lives(&self) -> impl Iterator<Item = &Life> {
        self.lives.iter().filter(|life| life.samples.len() > 1)
    }

    /// The ids of all.
    pub(crate) fn processes(&self) -> impl ExactSizeIterator<Item = u32> {
        self.lives.iter().map(|life| life.pid)
    }
}
