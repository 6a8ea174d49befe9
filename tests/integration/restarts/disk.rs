//! A state directory that cannot be written.

use std::time::Duration;

use imgmgrd_test_support::{FullDisk, Switch};

use crate::scene::{binary, deploy, install_locally, local_switch, wait_for_stability};

#[test]
fn a_memory_that_cannot_be_saved_holds_everything_without_spinning() {
    let switch = local_switch("telemetry", "docker-sonic-telemetry", "20201231.11", 2);
    let mut agent = switch.agent(binary());
    wait_for_stability(&switch, &mut agent, "telemetry", "local");
    deploy(&switch, "telemetry", "docker-sonic-telemetry", "20201231.84");
    wait_for_stability(&switch, &mut agent, "telemetry", "observing");
    let latest = switch.engine().image_id("docker-sonic-telemetry:latest");
    // No file can be renamed over a folder, not even by root.
    let memory = switch.file("state").join("memory.json");
    drop(std::fs::remove_file(&memory));
    std::fs::create_dir(&memory).expect("a folder in its place");
    agent.wait_until("it to say so", Duration::from_secs(10), || agent.log().contains("cannot be written"));

    let before = agent.cpu_nanoseconds();
    std::thread::sleep(Duration::from_secs(2)); // How much it does in a given time is the question.
    let used = Duration::from_nanos(agent.cpu_nanoseconds() - before);
    assert!(used < Duration::from_millis(300), "{used:?} of CPU in 2 s");
    assert_eq!(switch.engine().image_id("docker-sonic-telemetry:latest"), latest, "nothing is changed");
    assert_eq!(agent.log().matches("cannot be written").count(), 1, "{}", agent.log());

    std::fs::remove_dir(&memory).expect("the folder goes");
    wait_for_stability(&switch, &mut agent, "telemetry", "stable");
}

#[test]
fn what_a_full_disk_kept_from_being_decided_is_decided_once_there_is_room() {
    let switch = Switch::builder().state_disk(1 << 20).start();
    install_locally(&switch, "telemetry", "docker-sonic-telemetry", "20201231.11", 1);
    let mut agent = switch.agent(binary());
    wait_for_stability(&switch, &mut agent, "telemetry", "local");
    deploy(&switch, "telemetry", "docker-sonic-telemetry", "20201231.84");
    wait_for_stability(&switch, &mut agent, "telemetry", "observing");
    agent.kill9();
    let full = FullDisk::fill(&switch.file("state"));
    std::thread::sleep(Duration::from_millis(1100)); // The deadline passes: the first decision of the next one promotes.
    let mut agent = switch.agent(binary());
    agent.wait_until("it to say so", Duration::from_secs(10), || agent.log().contains("cannot be written"));
    // Each change has it reconcile; the pauses between its own tries do not grow with that.
    for version in 1..10 {
        switch.feature("snmp").local_container_reports(&version.to_string());
        std::thread::sleep(Duration::from_millis(150));
    }
    // From now on nothing happens that it could hear of.
    drop(full);
    wait_for_stability(&switch, &mut agent, "telemetry", "stable");
    assert_eq!(agent.log().matches("cannot be written").count(), 1, "{}", agent.log());
}
