//! How commands fail: on stderr, naming the thing and the remedy, with a code.

use std::path::Path;
use std::process::Command;

use imgmgrd_test_support::rows::Namespace;
use imgmgrd_test_support::switch::Switch;

use super::assert_refused;
use crate::process::nobodys_copy;
use crate::scene::{binary, local_switch};

const COMMANDS: [&str; 3] = ["status", "images", "plan"];

#[test]
fn an_unknown_feature_is_told_from_those_there_are() {
    let switch = local_switch("telemetry", "docker-sonic-telemetry", "20201231.11", 1);
    for command in COMMANDS {
        for feature in ["telemetri", "$(reboot)", "../x", "\x1b[31mred"] {
            let output = switch.command(binary(), &[command, feature]);
            assert_refused(&output, 1, &["no feature", "there are: telemetry"]);
            assert!(!String::from_utf8_lossy(&output.stderr).contains('\x1b'), "{output:?}");
        }
    }
}

#[test]
fn without_redis_or_the_engine_it_says_which_and_what_to_do() {
    let mut switch = Switch::new();
    let (engine, redis) =
        (switch.engine().socket().display().to_string(), switch.redis(Namespace::Host).socket().display().to_string());
    switch.engine_mut().stop();
    for command in COMMANDS {
        assert_refused(&switch.command(binary(), &[command]), 1, &[&engine, "systemctl status docker"]);
    }
    switch.redis_mut(Namespace::Host).stop();
    for command in COMMANDS {
        assert_refused(&switch.command(binary(), &[command]), 1, &[&redis, "systemctl status database"]);
    }
    let config = switch.file("redis/sonic-db/database_config.json");
    std::fs::remove_file(&config).expect("a file can be removed");
    for command in COMMANDS {
        assert_refused(&switch.command(binary(), &[command]), 1, &[&config.display().to_string()]);
    }
}

#[test]
fn without_permission_it_says_for_what() {
    use std::os::unix::fs::PermissionsExt;
    let switch = Switch::new();
    let copy = nobodys_copy(&switch);
    let allow = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("modes can be set");
    };
    let as_nobody = |command: &str| {
        let mut process = Command::new("setpriv");
        process.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--", &copy, command]);
        process.env_remove("DOCKER_HOST").envs(switch.environment()).output().expect("setpriv runs")
    };
    let socket = switch.redis(Namespace::Host).socket();
    allow(socket, 0o700);
    for command in COMMANDS {
        let socket = socket.display().to_string();
        assert_refused(&as_nobody(command), 1, &[&socket, "run this as root"]);
    }
    allow(socket, 0o777);
    for command in COMMANDS {
        let socket = switch.engine().socket().display().to_string();
        assert_refused(&as_nobody(command), 1, &[&socket, "no permission", "group \"docker\""]);
    }
}

#[test]
fn wrong_usage_has_a_code_of_its_own() {
    let switch = Switch::new();
    for args in [&["statsu"][..], &["status", "--jsno"], &["status", "a", "b"], &["run", "--twice"], &[]] {
        assert_eq!(switch.command(binary(), args).status.code(), Some(2), "{args:?}");
    }
    for args in [&["--help"][..], &["--version"], &["status", "--help"]] {
        assert_eq!(switch.command(binary(), args).status.code(), Some(0), "{args:?}");
    }
}
