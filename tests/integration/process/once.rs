//! `run --once`: one round for scripts, with an exit code.

use std::process::Output;

use imgmgrd_test_support::rows::Namespace;
use imgmgrd_test_support::switch::Switch;

use crate::evidence::{everything, writes};
use crate::scene::{binary, deploy, local_switch};

const FEATURE: &str = "telemetry";
const BASE: &str = "docker-sonic-telemetry";

fn once(switch: &Switch) -> Output {
    switch.command(binary(), &["run", "--once"])
}

#[track_caller]
fn assert_failed(output: &Output, because: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(because.iter().all(|words| stderr.contains(words)), "{because:?} in {stderr}");
}

#[test]
fn a_whole_cycle_promotes_and_the_next_has_nothing_to_do() {
    let switch = local_switch(FEATURE, BASE, "20201231.11", 0);
    assert_eq!(once(&switch).status.code(), Some(0));
    assert_eq!(switch.feature(FEATURE).stability(), "local");
    let container = deploy(&switch, FEATURE, BASE, "20201231.84");
    let output = once(&switch);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(switch.feature(FEATURE).stability(), "stable");
    assert_eq!(switch.engine().image_id(&format!("{BASE}:latest")), Some(container.image_id));
    assert!(switch.engine().container(FEATURE).is_none(), "the stale container is gone");
    let row = switch.feature(FEATURE).feature_row().expect("the row");
    assert_eq!(row["container_stable_version"], "20201231.84");
    let history = switch.feature(FEATURE).history();
    assert!(history.iter().any(|(_, row)| row["event"] == "promoted"), "{history:?}");

    let (before, written) = (everything(&switch), writes(&switch));
    assert_eq!(once(&switch).status.code(), Some(0));
    assert_eq!((everything(&switch), writes(&switch)), (before, written));
}

#[test]
fn one_that_is_still_observed_is_done_for_now() {
    let switch = local_switch(FEATURE, BASE, "20201231.11", 60);
    deploy(&switch, FEATURE, BASE, "20201231.84");
    assert_eq!(once(&switch).status.code(), Some(0));
    assert_eq!(switch.feature(FEATURE).stability(), "observing");
}

#[test]
fn without_the_engine_or_redis_it_says_which_and_fails() {
    let mut switch = Switch::new();
    switch.engine_mut().stop();
    let socket = switch.engine().socket().display().to_string();
    assert_failed(&once(&switch), &[&socket, "systemctl status docker"]);
    switch.redis_mut(Namespace::Host).stop();
    let socket = switch.redis(Namespace::Host).socket().display().to_string();
    assert_failed(&once(&switch), &[&socket, "systemctl status database"]);
}

#[test]
fn what_failed_is_said_and_the_code_tells() {
    let switch = local_switch(FEATURE, BASE, "20201231.11", 0);
    deploy(&switch, FEATURE, BASE, "20201231.84");
    let mut agent = switch.agent_with(binary(), &["run", "--once"], &[("FAILPOINTS", "before-step=return(fail)")]);
    let status = agent.wait_exit(crate::scene::SOON);
    assert_eq!(status.code(), Some(1));
    assert!(agent.log().contains("could not promote 20201231.84"), "{}", agent.log());
    assert_eq!(once(&switch).status.code(), Some(0), "the next one does it");
    assert_eq!(switch.feature(FEATURE).stability(), "stable");
}
