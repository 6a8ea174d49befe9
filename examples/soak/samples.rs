//! Memory and file descriptors of each agent, measured in the calm phases.

use std::fs;

/// What was measured once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Sample {
    /// Memory of its own, and no file that was mapped; in KiB.
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

/// By so many KiB a process's own memory may grow once it has lived through a few rounds.
const GROWTH: u64 = 512;

/// The calm phase from which on it is held against that: maps and buffers grow to the most they are needed for once, and
/// the first phases have not seen faults of every kind.
const SETTLED: usize = 3;

impl Life {
    /// What was measured when the process had grown to what it needs, if it has lived for so long.
    pub(crate) fn settled(&self) -> Option<&Sample> {
        self.samples.get(SETTLED)
    }
}

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
        if let Some(settled) = life.settled().filter(|settled| sample.anonymous > settled.anonymous + GROWTH) {
            return Some(format!("memory grew from {settled:?} to {sample:?}"));
        }
        let first = life.samples.first()?;
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
