//! What `show techsupport` gets: the plugin in generate_dump's folder, run the way generate_dump runs it.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use imgmgrd_test_support::rows::Namespace;
use imgmgrd_test_support::switch::Switch;
use serde_json::Value;

use super::{Mixed, NEW, OLD};
use crate::evidence::everything;
use crate::scene::binary;

const PLUGINS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/techsupport");

/// The commands, in their order.
const ASKED: [&str; 7] = [
    "imgmgrd --version",
    "imgmgrd doctor",
    "imgmgrd status",
    "imgmgrd plan",
    "imgmgrd images",
    "imgmgrd history",
    "show feature image-policy --json",
];

/// A folder with the commands of the switch: the agent's binary, and SONiC's `show` with the plugins.
fn commands(switch: &Switch) -> PathBuf {
    let folder = switch.file("bin");
    std::fs::create_dir(&folder).expect("a folder");
    symlink(binary(), folder.join("imgmgrd")).expect("a link");
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "/usr/bin/python3".to_owned());
    let sonic = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/sonic.py");
    let socket = switch.redis(Namespace::Host).socket().display();
    script(&folder.join("show"), &format!("exec {python} -B {sonic} {socket} show \"$@\""));
    folder
}

fn script(path: &Path, line: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{line}\n")).expect("a file");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("modes can be set");
}

/// What is in the dump: generate_dump finds the plugins of its folder, and keeps the output of each, packed.
#[track_caller]
fn dumped(switch: &Switch, commands: &Path, argument: &str) -> String {
    let found = Command::new("find").args([PLUGINS, "-type", "f", "-executable"]).output().expect("find runs");
    let found = String::from_utf8(found.stdout).expect("UTF-8");
    let plugin = found.trim_end();
    assert_eq!(Path::new(plugin).file_name().and_then(|name| name.to_str()), Some("imgmgrd"), "one plugin: {found}");
    let file = switch.file("imgmgrd.gz");
    // Its own failure would be hidden by the pipe.
    let line = format!("set -o pipefail; {plugin} {argument} 2>&1 | gzip -c > '{}'", file.display());
    let mut command = Command::new("timeout");
    command
        .args(["--foreground", "5m", "bash", "-c", &line])
        .envs(switch.environment())
        .env_remove("DOCKER_HOST")
        .env("PATH", format!("{}:/usr/bin:/bin", commands.display()))
        .env("TMPDIR", switch.path());
    let output = command.output().expect("bash runs");
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{output:?}");
    let text = Command::new("gzip").args(["-dc"]).arg(file).output().expect("gzip runs").stdout;
    String::from_utf8(text).expect("UTF-8")
}

/// The answers, by command.
#[track_caller]
fn answers(dump: &str) -> Vec<(&str, &str)> {
    let answers: Vec<(&str, &str)> = dump.split("\n===== ").skip(1).filter_map(|part| part.split_once('\n')).collect();
    let asked: Vec<&str> = answers.iter().map(|(command, _)| *command).collect();
    assert_eq!(asked, ASKED, "{dump}");
    answers
}

#[test]
fn everything_that_imgmgrd_knows_and_nothing_is_changed() {
    let mut mixed = Mixed::new();
    // It goes on publishing times otherwise.
    mixed.stop_agent();
    let switch = &mixed.switch;
    let before = everything(switch);
    let dump = dumped(switch, &commands(switch), "");
    let [version, doctor, status, plan, images, history, policy] = answers(&dump)[..] else { panic!("seven: {dump}") };
    for ((command, answer), words) in [
        (version, &[env!("CARGO_PKG_VERSION")][..]),
        (doctor, &["redis", "engine", "state_dir"]),
        (status, &["telemetry", "stable", NEW, "snmp", "observing"]),
        (plan, &["snmp"]),
        (images, &["docker-sonic-telemetry:latest", OLD, "promoted version"]),
        (history, &["telemetry", "promoted"]),
    ] {
        for word in words {
            assert!(answer.contains(word), "{command}: \"{word}\" is missing: {answer}");
        }
        assert!(!answer.contains('\x1b'), "{command}: no colours in a file: {answer}");
    }
    let policy: Value = serde_json::from_str(policy.1).unwrap_or_else(|error| panic!("{error}: {}", policy.1));
    assert_eq!(policy["telemetry"]["stable_time"]["value"], "0");
    assert_eq!(policy["snmp"]["stable_time"]["value"], "600");
    assert!(!dump.contains("not asked") && !dump.contains("no answer"), "{dump}");
    assert_eq!(everything(switch), before);
}

#[test]
fn with_nothing_running_it_says_so_and_succeeds() {
    let mut switch = Switch::new();
    let commands = commands(&switch);
    let (redis, engine) = (switch.redis(Namespace::Host).socket().to_owned(), switch.engine().socket().to_owned());
    switch.engine_mut().stop();
    let dump = dumped(&switch, &commands, "");
    let engine = engine.display().to_string();
    for (command, answer) in &answers(&dump)[1..5] {
        assert!(answer.contains(&engine), "{command}: {answer}");
    }
    switch.redis_mut(Namespace::Host).stop();
    let dump = dumped(&switch, &commands, "");
    let redis = redis.display().to_string();
    for (command, answer) in &answers(&dump)[1..5] {
        assert!(answer.contains(&redis) && answer.contains("exit code 1"), "{command}: {answer}");
    }
    let (command, answer) = answers(&dump)[6];
    assert!(answer.contains("exit code"), "{command}: {answer}");
}

#[test]
fn what_hangs_or_is_not_there_costs_no_more_than_its_time() {
    let switch = Switch::new();
    let commands = commands(&switch);
    std::fs::remove_file(commands.join("imgmgrd")).expect("a file can be removed");
    script(&commands.join("imgmgrd"), "trap '' TERM; sleep 1000");
    std::fs::remove_file(commands.join("show")).expect("a file can be removed");
    let begun = Instant::now();
    let dump = dumped(&switch, &commands, "2");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let answers = answers(&dump);
    assert!(answers[0].1.contains("no answer in time"), "{dump}");
    for (command, answer) in &answers[1..] {
        assert!(answer.contains("not asked: the commands before took more than 2 s"), "{command}: {answer}");
    }

    // SONiC's own command is the one that a broken Python takes away.
    std::fs::remove_file(commands.join("imgmgrd")).expect("a file can be removed");
    symlink(binary(), commands.join("imgmgrd")).expect("a link");
    let dump = dumped(&switch, &commands, "");
    assert!(dump.contains("not asked: there is no command show\n"), "{dump}");
}
