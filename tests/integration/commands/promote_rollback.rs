//! `promote`, `rollback` and `history`: with an agent that runs and without one.

use std::process::Output;

use imgmgrd_test_support::Signal;
use imgmgrd_test_support::agent::Agent;
use imgmgrd_test_support::kubelet::KubeContainer;
use imgmgrd_test_support::rows::Instance;
use imgmgrd_test_support::switch::Switch;
use imgmgrd_test_support::wait::wait_equal;
use serde_json::Value;

use super::{NEW, OLD, OTHER, answer};
use crate::evidence::everything;
use crate::scene::{SOON, binary, deploy, local_switch, wait_for_stability};

pub(super) const FEATURE: &str = "telemetry";
pub(super) const BASE: &str = "docker-sonic-telemetry";

/// Telemetry is observed for ten minutes.
pub(super) fn observing() -> (Switch, Agent, KubeContainer) {
    let switch = local_switch(FEATURE, BASE, OLD, 600);
    let mut agent = switch.agent(binary());
    wait_for_stability(&switch, &mut agent, FEATURE, "local");
    let container = deploy(&switch, FEATURE, BASE, NEW);
    wait_for_stability(&switch, &mut agent, FEATURE, "observing");
    (switch, agent, container)
}

/// Telemetry was promoted as `NEW`, then as `OTHER`.
pub(super) fn promoted_twice() -> (Switch, Agent, [KubeContainer; 2]) {
    let (switch, mut agent, first) = observing();
    answer(&switch, &["promote", FEATURE]);
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
    switch.kubelet().remove(&first);
    switch.feature(FEATURE).goes_away();
    let second = deploy(&switch, FEATURE, BASE, OTHER);
    wait_for_stability(&switch, &mut agent, FEATURE, "observing");
    answer(&switch, &["promote", FEATURE]);
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
    assert_eq!(latest(&switch), Some(second.image_id.clone()));
    (switch, agent, [first, second])
}

pub(super) fn latest(switch: &Switch) -> Option<String> {
    switch.engine().image_id(&format!("{BASE}:latest"))
}

fn row(switch: &Switch, field: &str) -> String {
    switch.feature(FEATURE).feature_row().expect("the row")[field].clone()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a command says that could not be carried out.
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn a_promotion_does_not_wait_when_a_person_says_that_it_is_good() {
    let (switch, mut agent, container) = observing();
    assert_eq!(answer(&switch, &["promote", FEATURE]), format!("{FEATURE}: latest is {NEW}\n"));
    assert_eq!(latest(&switch), Some(container.image_id));
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
    assert_eq!(row(&switch, "container_stable_version"), NEW);
    // It is so already.
    let again: Value = serde_json::from_str(&answer(&switch, &["promote", "--all", "--json"])).expect("JSON");
    assert_eq!(
        (&again[0]["instance"], &again[0]["done"], &again[0]["version"]),
        (&FEATURE.into(), &true.into(), &NEW.into())
    );
    let history = answer(&switch, &["history", FEATURE]);
    assert!(history.contains("promoted") && history.contains(NEW), "{history}");
    assert!(history.contains("docker-sonic-telemetry:latest is this image, by an operator"), "{history}");
    assert!(agent.is_running());
}

#[test]
fn without_an_agent_the_command_does_it_and_the_agent_finds_it_done() {
    let (switch, agent, container) = observing();
    assert!(agent.terminate().0.success());
    assert_eq!(answer(&switch, &["promote", FEATURE]), format!("{FEATURE}: latest is {NEW}\n"));
    assert_eq!(latest(&switch), Some(container.image_id));
    let mut agent = switch.agent(binary());
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
    assert!(!agent.log().contains("promote "), "there was nothing left to do: {}", agent.log());
}

#[test]
fn one_that_comes_while_the_agent_does_just_that_is_answered() {
    let (switch, agent, container) = observing();
    agent.terminate();
    let mut agent = switch.agent_with(binary(), &["run"], &[("FAILPOINTS", "before-step=sleep(1000)")]);
    wait_for_stability(&switch, &mut agent, FEATURE, "observing");
    switch.rows().policy(&[("stable_time", "0")]);
    wait_equal("the first step", SOON, &Some(container.image_id), || latest(&switch));
    assert_eq!(answer(&switch, &["promote", FEATURE]), format!("{FEATURE}: latest is {NEW}\n"));
    assert_eq!(answer(&switch, &["promote", FEATURE]), format!("{FEATURE}: latest is {NEW}\n"));
}

#[test]
fn one_for_all_is_answered_when_it_is_done_for_all() {
    let switch = local_switch(FEATURE, BASE, OLD, 600);
    switch.rows().config_feature("snmp", "local", false, true);
    switch.engine().import_image("docker-snmp:latest", Some(OLD), &[], "snmp");
    switch.start_locally(&Instance::host("snmp"), "docker-snmp", OLD);
    let faults = ("FAILPOINTS", "before-step=1*return(fail)->sleep(500)");
    let mut agent = switch.agent_with(binary(), &["run"], &[faults]);
    wait_for_stability(&switch, &mut agent, FEATURE, "local");
    let container = deploy(&switch, FEATURE, BASE, NEW);
    deploy(&switch, "snmp", "docker-snmp", NEW);
    for feature in [FEATURE, "snmp"] {
        wait_for_stability(&switch, &mut agent, feature, "observing");
    }
    // It waits for its retry when all are asked for.
    let said = refused(&switch.command(binary(), &["promote", FEATURE]));
    assert!(said.contains("could not promote"), "{said}");
    let said = answer(&switch, &["promote", "--all"]);
    assert_eq!(latest(&switch), Some(container.image_id), "{said}");
}

#[test]
fn one_that_the_engine_keeps_waiting_is_refused_and_not_done_behind_anybodys_back() {
    let (mut switch, _agent, container) = observing();
    let before = latest(&switch);
    switch.engine_mut().pause();
    let said = refused(&switch.command(binary(), &["promote", FEATURE]));
    assert!(said.contains("not yet: the engine cannot be read"), "{said}");
    switch.engine_mut().resume();
    let promote = || switch.command(binary(), &["promote", FEATURE]).status.code() == Some(0);
    assert_eq!(latest(&switch), before);
    wait_equal("the promotion", SOON, &true, promote);
    assert_eq!(latest(&switch), Some(container.image_id));
}

#[test]
fn a_refusal_is_as_sure_as_a_deed() {
    let (mut switch, _agent, _) = observing();
    switch.rows().kubernetes_master(true);
    let promote = || refused(&switch.command(binary(), &["promote", FEATURE]));
    wait_equal("the refusal", SOON, &true, || promote().contains("Kubernetes is disabled"));
    switch.engine_mut().pause();
    let said = refused(&switch.command(binary(), &["promote", FEATURE]));
    assert!(said.contains("not yet: the engine cannot be read"), "{said}");
    switch.engine_mut().resume();
}

#[test]
fn one_that_is_under_way_when_the_agent_stops_is_told_so() {
    let (mut switch, mut agent, _) = observing();
    switch.engine_mut().pause();
    let connections = |pid: u32| std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    let before = connections(agent.pid());
    let said = std::thread::scope(|scope| {
        let command = scope.spawn(|| switch.command(binary(), &["promote", FEATURE]));
        agent.wait_until("the request", SOON, || connections(agent.pid()) > before);
        agent.signal(Signal::TERM);
        assert!(agent.wait_exit(SOON).success());
        refused(&command.join().expect("an answer"))
    });
    assert!(said.contains("the agent is stopping"), "{said}");
    switch.engine_mut().resume();
}

#[test]
fn every_other_check_stays_and_the_answer_says_which() {
    let (switch, _agent, _) = observing();
    let before = latest(&switch);
    switch.rows().kubernetes_master(true);
    let said = refused(&switch.command(binary(), &["promote", FEATURE]));
    assert!(said.contains("Kubernetes is disabled"), "{said}");
    assert_eq!(latest(&switch), before);
    let said = refused(&switch.command(binary(), &["promote", "nosuch"]));
    assert!(said.contains("no feature \"nosuch\"") && said.contains(FEATURE), "{said}");
    let said = refused(&switch.command(binary(), &["rollback", "$(reboot)"]));
    assert!(said.contains("is no feature's name"), "{said}");
}

#[test]
fn a_rollback_holds_what_it_left_over_restarts_until_another_version_takes_over() {
    let (switch, mut agent, [first, second]) = promoted_twice();
    assert_eq!(answer(&switch, &["rollback", FEATURE]), format!("{FEATURE}: latest is {NEW}\n"));
    assert_eq!(latest(&switch), Some(first.image_id.clone()));
    wait_for_stability(&switch, &mut agent, FEATURE, "held");
    assert_eq!(row(&switch, "container_stable_version"), NEW);
    assert!(switch.feature(FEATURE).published("reason").contains(OTHER), "the version that is held is named");
    // Killed, started again, and the pod was made anew.
    agent.kill9();
    switch.rows().policy(&[("stable_time", "0")]);
    switch.kubelet().remove(&second);
    switch.feature(FEATURE).goes_away();
    let mut agent = switch.agent(binary());
    deploy(&switch, FEATURE, BASE, OTHER);
    wait_for_stability(&switch, &mut agent, FEATURE, "held");
    assert_eq!(latest(&switch), Some(first.image_id));
    let history = answer(&switch, &["history", FEATURE]);
    assert!(history.contains("rolled back"), "{history}");
    // A person promotes it after all.
    answer(&switch, &["promote", FEATURE]);
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
    assert_eq!(latest(&switch), Some(second.image_id));
}

#[test]
fn a_rollback_without_an_agent() {
    let (switch, agent, [first, _]) = promoted_twice();
    assert!(agent.terminate().0.success());
    answer(&switch, &["rollback", FEATURE]);
    assert_eq!(latest(&switch), Some(first.image_id));
    let mut agent = switch.agent(binary());
    wait_for_stability(&switch, &mut agent, FEATURE, "held");
}

#[test]
fn without_a_last_version_nothing_is_changed() {
    let (switch, mut agent, _) = observing();
    answer(&switch, &["promote", FEATURE]);
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
    let before = everything(&switch);
    let said = refused(&switch.command(binary(), &["rollback", FEATURE]));
    assert!(said.contains("not on the disk") || said.contains("no other version"), "{said}");
    assert_eq!(everything(&switch), before);
}

#[test]
fn what_a_killed_agent_leaves_is_in_nobodys_way() {
    let (switch, agent, container) = observing();
    agent.kill9();
    assert!(switch.file("state").join("control.sock").exists(), "it could not be removed");
    answer(&switch, &["promote", FEATURE]);
    assert_eq!(latest(&switch), Some(container.image_id));
    let agent = switch.agent(binary());
    agent.wait_until("its start", SOON, || agent.log().contains("started"));
    agent.terminate();
    assert!(!switch.file("state").join("control.sock").exists(), "removed with the agent");
}

#[test]
fn a_history_needs_neither_redis_nor_an_engine_and_knows_its_features() {
    let (mut switch, agent, _) = promoted_twice();
    agent.terminate();
    assert_eq!(answer(&switch, &["history", "--json", FEATURE]).matches("\"promoted\"").count(), 2);
    let said = refused(&switch.command(binary(), &["history", "nosuch"]));
    assert!(said.contains("no feature \"nosuch\""), "{said}");
    switch.start_locally(&Instance::host("snmp"), BASE, OLD);
    assert_eq!(answer(&switch, &["history", "snmp"]), "Nothing has happened yet.\n");
    switch.engine_mut().pause();
    assert!(answer(&switch, &["history"]).contains("promoted"));
    switch.engine_mut().resume();
}
