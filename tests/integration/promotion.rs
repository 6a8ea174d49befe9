//! Promotion, from a takeover to the local latest.

use crate::scene::{binary, deploy, local_switch, wait_for_stability};

#[test]
fn a_stable_version_becomes_latest_and_the_stale_container_goes() {
    let switch = local_switch("telemetry", "docker-sonic-telemetry", "20201231.11", 1);
    let mut agent = switch.agent(binary());
    wait_for_stability(&switch, &mut agent, "telemetry", "local");
    let container = deploy(&switch, "telemetry", "docker-sonic-telemetry", "20201231.84");
    wait_for_stability(&switch, &mut agent, "telemetry", "stable");
    assert_eq!(switch.engine().image_id("docker-sonic-telemetry:latest"), Some(container.image_id.clone()));
    assert!(switch.engine().container("telemetry").is_none(), "the stale container is gone");
    let row = switch.feature("telemetry").feature_row().expect("the row");
    assert_eq!(row["container_stable_version"], "20201231.84");
    println!(
        "{:?}\n{:?}\n{}",
        switch.feature("telemetry").image_row(),
        switch.feature("telemetry").history(),
        agent.log()
    );
    println!("{:?}", switch.engine().images());
}
