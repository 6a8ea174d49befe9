//! The soak, shorter than `make soak` plays it: it breaks no promise, repeats itself, and leaves nothing behind.

// Helpers of tests are test code as well, which clippy tells by `#[test]` only.
#![allow(clippy::expect_used, clippy::disallowed_methods)]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use imgmgrd_test_support::Signal;
use imgmgrd_test_support::workdir::{mounts_below, processes_below};
use rustix::process::{Pid, kill_process};

/// The soak itself, which is built with the tests.
fn soak(arguments: &[&str]) -> Command {
    let test = std::env::current_exe().expect("a test knows where it is");
    let target: PathBuf = test.ancestors().nth(2).expect("it is in target/PROFILE/deps").to_owned();
    let example = target.join("examples/soak");
    assert!(example.is_file(), "{example:?} is not built: cargo build --example soak");
    let mut command = Command::new(example);
    command.args(arguments).args(["--binary", env!("CARGO_BIN_EXE_imgmgrd")]);
    command.stdin(Stdio::null());
    command
}

#[test]
fn a_short_one_breaks_no_promise() {
    let output = soak(&["--seed", "2", "--minutes", "0.7", "--quiet"]).output().expect("it can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.lines().any(|line| line.split_whitespace().eq(["VIOLATIONS", "0"])), "{text}");
    // It was one: faults were made, and the agent promoted and cleaned up under them.
    let count = |what: &str| -> u64 {
        let counts = text.lines().filter_map(|line| line.trim().rsplit_once(' '));
        counts.filter(|(name, _)| name.trim() == what).find_map(|(_, count)| count.parse().ok()).unwrap_or(0)
    };
    let least = [
        ("FAULTS", 3),
        ("promoted", 3),
        ("names removed", 1),
        ("changes of the agent's judged", 10),
        ("faults alone that held up nobody else", 1),
    ];
    for (what, least) in least {
        assert!(count(what) >= least, "{what}: {}\n{text}", count(what));
    }
}

#[test]
fn a_seed_says_what_happens_and_when() {
    let schedule = |seed: &str| {
        let output = soak(&["--seed", seed, "--schedule", "40"]).output().expect("it can be started");
        assert!(output.status.success());
        String::from_utf8(output.stdout).expect("text")
    };
    let first = schedule("44");
    assert_eq!(first, schedule("44"));
    assert_ne!(first, schedule("45"));
    // Ten minutes have something of everything.
    for what in
        ["Kill(", "KillAtChange", "StopAgent", "live: true", "live: false", "HangEngine", "Engine(Cut", "Redis(Silent"]
    {
        assert!(first.contains(what), "{what}");
    }
    let alone =
        ["Stuck(Inspect", "Stuck(Removal", "OneRedis(Silent", "OneRedis(Dropped", "StateDiskFull(120000) alone"];
    for what in alone {
        assert!(first.contains(what), "{what}");
    }
    for what in ["EmptyRedis", "ReloadConfig", "EngineDiskFull", "StateDiskFull", "StepClock", "Rollback", "RowTrap"] {
        assert!(first.contains(what), "{what}");
    }
}

#[test]
fn interrupted_it_leaves_nothing_behind() {
    let mut child = soak(&["--seed", "3", "--minutes", "5"]).stdout(Stdio::piped()).spawn().expect("it can be started");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let first = lines.next().expect("a line");
    let folder = first.split_whitespace().next_back().map(Path::new).expect("the switch's folder");
    assert!(folder.is_dir(), "{first}");
    let started = lines.find(|line| line.contains("starts the agent")).expect("an agent");
    let agent = started.split_whitespace().next_back().expect("its process").to_owned();
    // In the middle of a round, with the agent at work.
    lines.find(|line| line.contains("POST /images/")).expect("a promotion");
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    let begun = Instant::now();
    lines.for_each(drop);
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130), "after {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(processes_below(folder), []);
    assert!(mounts_below(folder).is_empty(), "{:?}", mounts_below(folder));
    assert!(!folder.exists(), "{folder:?}");
    let shared = format!("/dev/shm/faketime_shm_{agent}");
    assert!(!Path::new(&shared).exists(), "{shared}");
}
