//! When nothing changes, nothing is done.

use std::time::{Duration, Instant};

use imgmgrd_test_support::agent::Agent;
use imgmgrd_test_support::rows::{Instance, Namespace};
use imgmgrd_test_support::switch::{IMAGE_NAMES, Switch};

use crate::evidence::{everything, writes};
use crate::scene::{SOON, binary, comes_to_rest, deploy, local_switch, wait_for_stability};

/// Whatever is still under way ends; then, for a while, nothing at all happens.
#[track_caller]
fn assert_silent(switch: &Switch, agent: &Agent) {
    comes_to_rest(agent);
    let redis = switch.redis(Namespace::Host);
    let question = redis.commands_processed();
    let question = redis.commands_processed() - question;
    let (before, log) = (everything(switch), agent.log());
    let (commands, cpu, began) = (redis.commands_processed(), agent.cpu_nanoseconds(), Instant::now());
    while began.elapsed() < Duration::from_secs(3) {
        assert_eq!(children(agent), "", "a process was spawned");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(agent.cpu_nanoseconds(), cpu, "it was never even woken");
    assert_eq!(redis.commands_processed() - commands, question, "Redis was asked");
    assert_eq!(agent.log(), log);
    assert_eq!(everything(switch), before);
}

fn children(agent: &Agent) -> String {
    std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", agent.pid())).unwrap_or_default()
}

#[test]
fn on_an_all_local_switch_each_row_is_written_once_and_then_it_is_silent() {
    let switch = Switch::new();
    for (feature, base) in IMAGE_NAMES {
        switch.rows().config_feature(feature, "local", false, true);
        switch.engine().import_image(&format!("{base}:latest"), Some("20201231.11"), &[], "local");
        switch.feature(feature).local_start("20201231.11");
    }
    switch.start_locally(&Instance::host("telemetry"), "docker-sonic-telemetry", "20201231.11");
    let written = writes(&switch);
    let mut agent = switch.agent(binary());
    for (feature, _) in IMAGE_NAMES {
        wait_for_stability(&switch, &mut agent, feature, "local");
    }
    assert_silent(&switch, &agent);
    let written = writes(&switch) - written;
    let features = u64::try_from(IMAGE_NAMES.len()).expect("a small number");
    assert!(written <= 2 * features, "{written} writes for {features} rows");
    assert_eq!(agent.log().lines().count(), 1, "{}", agent.log());
    // Nor by what does not concern it.
    switch.engine().import_image("docker-other:1", None, &[], "other");
    switch.feature("snmp").set(&[("update_time", "2026-11-21 21:32:29")]);
    let row = switch.feature("snmp").image_row();
    assert_silent(&switch, &agent);
    assert_eq!(switch.feature("snmp").image_row(), row);
}

#[test]
fn after_a_promotion_it_is_silent() {
    let switch = local_switch("telemetry", "docker-sonic-telemetry", "20201231.11", 1);
    let mut agent = switch.agent(binary());
    wait_for_stability(&switch, &mut agent, "telemetry", "local");
    deploy(&switch, "telemetry", "docker-sonic-telemetry", "20201231.84");
    wait_for_stability(&switch, &mut agent, "telemetry", "stable");
    assert_silent(&switch, &agent);
}

#[test]
fn the_log_level_changes_at_run_time() {
    let switch = local_switch("telemetry", "docker-sonic-telemetry", "20201231.11", 1);
    let mut agent = switch.agent(binary());
    wait_for_stability(&switch, &mut agent, "telemetry", "local");
    assert!(!agent.log().contains(" local feature="), "{}", agent.log());
    let restart = |feature: &str, level: &str| {
        switch.rows().log_level(level);
        switch.rows().config_feature(feature, "local", false, true);
        switch.feature(feature).local_start("20201231.11");
        agent.wait_until("its row", SOON, || switch.feature(feature).stability() == "local");
    };
    restart("snmp", "DEBUG");
    assert!(agent.log().contains("local feature=snmp"), "{}", agent.log());
    restart("bgp", "NOTICE");
    restart("lldp", "nonsense");
    let log = agent.log();
    assert!(!log.contains("feature=bgp") && !log.contains("local feature=lldp"), "{log}");
}
