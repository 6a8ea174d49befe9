//! The state directory belongs to the agent's user, and root's commands use it: nothing that this user can put there has
//! them change, give away or tell another file.

use std::os::unix::fs::{MetadataExt as _, chown, symlink};
use std::path::PathBuf;

use imgmgrd_test_support::switch::Switch;

use crate::scene::{binary, deploy, local_switch};

/// Any user that is not root.
const SOMEBODY: u32 = 65_534;
const SECRET: &str = "{\"secret\": \"only root may know\"}";

/// A switch without an agent whose state directory is another user's, and a file of root's.
fn switch_of_somebody() -> (Switch, PathBuf) {
    let switch = local_switch("telemetry", "docker-sonic-telemetry", "20201231.11", 600);
    deploy(&switch, "telemetry", "docker-sonic-telemetry", "20201231.84");
    let secret = switch.write_file("secret.json", SECRET);
    std::fs::create_dir_all(switch.file("state")).expect("a folder");
    chown(switch.file("state"), Some(SOMEBODY), Some(SOMEBODY)).expect("it can be given");
    (switch, secret)
}

#[test]
fn links_there_are_not_followed_by_roots_commands() {
    let (switch, secret) = switch_of_somebody();
    for name in ["memory.json", "marks.json", "policy.json", "history.json"] {
        for end in ["", ".tmp", ".corrupt"] {
            symlink(&secret, switch.file(&format!("state/{name}{end}"))).expect("a link");
        }
    }
    symlink(&secret, switch.file("state/control.sock")).expect("a link");
    for arguments in [&["status"][..], &["history"], &["promote", "telemetry"], &["run", "--once"]] {
        let output = switch.command(binary(), arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!out.contains("secret\"") && !err.contains("only root"), "{out}{err}");
        assert!(output.status.success(), "{arguments:?}: {err}");
    }
    assert_eq!(std::fs::read_to_string(&secret).expect("it is there"), SECRET);
    assert_eq!(std::fs::metadata(&secret).expect("it is there").uid(), 0, "it is still root's");
    let memory = std::fs::symlink_metadata(switch.file("state/memory.json")).expect("it was written");
    assert!(memory.is_file() && memory.uid() == SOMEBODY, "the agent can read what root's command left");
}

#[test]
fn a_lock_that_is_a_link_is_refused() {
    let (switch, secret) = switch_of_somebody();
    symlink(&secret, switch.file("state/lock")).expect("a link");
    for arguments in [&["promote", "telemetry"][..], &["run", "--once"], &["run"]] {
        let output = switch.command(binary(), arguments);
        assert!(!output.status.success(), "{arguments:?}");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(err.contains("the state directory cannot be used"), "{err}");
    }
    assert_eq!(std::fs::read_to_string(&secret).expect("it is there"), SECRET);
    assert_eq!(std::fs::metadata(&secret).expect("it is there").uid(), 0, "it is still root's");
}
