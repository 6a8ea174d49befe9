//! What the agent refuses to run with, each with a message that says what to do.

use std::path::Path;
use std::process::{Command, Output};

use imgmgrd_test_support::switch::Switch;

use crate::scene::{SOON, binary, local_switch, wait_for_stability};

const FEATURE: &str = "telemetry";

/// The agent, with the switch's environment and more of it.
fn run(switch: &Switch, program: &Path, args: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(program);
    command.args(args).env_remove("DOCKER_HOST").envs(switch.environment()).envs(environment.iter().copied());
    command.output().expect("the program runs")
}

#[track_caller]
fn assert_refused(output: &Output, code: i32, said: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    for words in said {
        assert!(stderr.contains(words), "\"{words}\" is missing: {stderr}");
    }
    assert!(!stderr.contains("panicked") && !stderr.contains("Error {"), "{stderr}");
}

#[test]
fn a_second_agent_on_the_same_state() {
    let switch = local_switch(FEATURE, "docker-sonic-telemetry", "20201231.11", 1);
    let mut agent = switch.agent(binary());
    wait_for_stability(&switch, &mut agent, FEATURE, "local");
    let state = switch.file("state").display().to_string();
    let first = format!("process {}", agent.pid());
    for args in [&["run"][..], &["run", "--once"]] {
        assert_refused(&run(&switch, binary(), args, &[]), 1, &[&state, "another imgmgrd", &first]);
    }
    assert!(agent.is_running());
}

#[test]
fn settings_that_are_none() {
    let switch = Switch::new();
    let file = |content: &str| switch.write_file("imgmgrd.toml", content).display().to_string();
    let unknown = file("[engine]\nhots = \"unix:///x\"\n");
    assert_refused(&run(&switch, binary(), &["--config", &unknown, "run"], &[]), 1, &[&unknown, "hots"]);
    let missing = switch.file("none.toml").display().to_string();
    assert_refused(&run(&switch, binary(), &["--config", &missing, "run"], &[]), 1, &[&missing, "does not exist"]);
    let broken = file("[engine\n");
    assert_refused(&run(&switch, binary(), &["--config", &broken, "status"], &[]), 1, &[&broken]);
    let variable = ("IMGMGRD__ENGINE__HOTS", "unix:///x");
    assert_refused(
        &run(&switch, binary(), &["run"], &[variable]),
        1,
        &["IMGMGRD__ENGINE__HOTS", "IMGMGRD__ENGINE__HOST"],
    );
    let host = ("IMGMGRD__ENGINE__HOST", "ssh://there");
    assert_refused(&run(&switch, binary(), &["run"], &[host]), 1, &["engine.host", "ssh://there", "unix:///PATH"]);
}

#[test]
fn an_engine_that_cannot_be_one_is_refused_with_the_settings() {
    let switch = Switch::new();
    for host in
        ["tcp://127.0.0.1", "tcp://127.0.0.1:99999", "tcp://127.0.0.1:2375?tls=no", "unix://docker.sock", "http://"]
    {
        let environment = ("IMGMGRD__ENGINE__HOST", host);
        for args in [&["run"][..], &["status"]] {
            assert_refused(&run(&switch, binary(), args, &[environment]), 1, &["engine.host", host, "tcp://HOST:PORT"]);
        }
    }
    assert!(!switch.file("state/lock").exists(), "nothing was begun");
}

#[test]
fn settings_come_from_the_file_the_environment_and_the_command_line_in_this_order() {
    let switch = Switch::new();
    let config = switch.write_file("imgmgrd.toml", "[engine]\nhost = \"unix:///from/file\"\n").display().to_string();
    let without_host = |extra: &[&str], environment: &[(&str, &str)]| {
        let mut command = Command::new(binary());
        command.args(["--config", &config]).args(extra).arg("status").env_remove("DOCKER_HOST");
        command.envs(switch.environment()).env_remove("IMGMGRD__ENGINE__HOST").envs(environment.iter().copied());
        command.output().expect("the program runs")
    };
    let variable = ("IMGMGRD__ENGINE__HOST", "unix:///from/environment");
    assert_refused(&without_host(&[], &[]), 1, &["/from/file"]);
    assert_refused(&without_host(&[], &[variable]), 1, &["/from/environment"]);
    assert_refused(&without_host(&["--engine-host", "unix:///from/line"], &[variable]), 1, &["/from/line"]);
}

#[test]
fn a_state_directory_that_cannot_be_used() {
    let switch = Switch::new();
    let file = switch.write_file("taken", "").display().to_string();
    let at = |path: &str| run(&switch, binary(), &["--state-dir", path, "run"], &[]);
    assert_refused(&at(&file), 1, &[&file, "remove what is in its place"]);
    // Root may write anywhere; somebody else may not.
    let state = switch.file("state").display().to_string();
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--", &nobodys_copy(&switch), "run"];
    assert_refused(&run(&switch, Path::new("setpriv"), &nobody, &[]), 1, &[&state, "run as root"]);
}

#[test]
fn a_disk_that_becomes_unwritable_stops_promotions_not_the_agent() {
    let switch = local_switch(FEATURE, "docker-sonic-telemetry", "20201231.11", 1);
    let mut agent = switch.agent(binary());
    wait_for_stability(&switch, &mut agent, FEATURE, "local");
    // The name of the file that is to be written is taken by a folder.
    let state = switch.file("state");
    std::fs::create_dir(state.join("memory.json.tmp")).expect("a folder can be made");
    let latest = || switch.engine().image_id("docker-sonic-telemetry:latest");
    let before = latest();
    crate::scene::deploy(&switch, FEATURE, "docker-sonic-telemetry", "20201231.84");
    agent.wait_until("it says so", SOON, || agent.log().contains("the state directory cannot be written"));
    assert_eq!(latest(), before);
    std::fs::remove_dir(state.join("memory.json.tmp")).expect("a folder can be removed");
    switch.feature(FEATURE).set(&[("update_time", "2026-11-21 21:32:29")]);
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
    assert_eq!(agent.log().matches("the state directory cannot be written").count(), 1, "{}", agent.log());
}

/// A copy of the binary that everybody may run: the build's own folder may be closed to others.
pub(crate) fn nobodys_copy(switch: &Switch) -> String {
    use std::os::unix::fs::PermissionsExt;
    let copy = switch.write_file("imgmgrd", std::fs::read(binary()).expect("the binary can be read"));
    for (path, mode) in [(switch.path(), 0o755), (copy.as_path(), 0o755)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("modes can be set");
    }
    copy.display().to_string()
}
