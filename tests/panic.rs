//! A panic is a bug, wherever it happens: the agent ends by it, so that systemd starts it again and it can be seen.

#![cfg(feature = "failpoints")]
#![allow(clippy::expect_used, clippy::disallowed_methods)]

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use imgmgrd_test_support::{Deployment, Instance, Signal, Switch};

const FEATURE: &str = "telemetry";
const BASE: &str = "docker-sonic-telemetry";

/// In a task that the agent's loop waits for, which could take its end for an order to stop.
#[test]
fn a_task_that_panics_ends_the_agent_by_a_signal() {
    let switch = Switch::new();
    switch.rows().policy(&[("stable_time", "0")]);
    switch.rows().config_feature(FEATURE, "kube", false, true);
    switch.engine().import_image(&format!("{BASE}:latest"), Some("20201231.11"), &[], "local");
    switch.start_locally(&Instance::host(FEATURE), BASE, "20201231.11");
    switch.publish(BASE, "20201231.84", "");
    let container = switch.kubelet().deploy(&Deployment::new(FEATURE, BASE, "20201231.84"));
    switch.engine().stop_container(FEATURE);
    switch.feature(FEATURE).kube_takes_over(container.short_id(), "20201231.84");

    let binary = Path::new(env!("CARGO_BIN_EXE_imgmgrd"));
    let mut agent = switch.agent_with(binary, &["run"], &[("FAILPOINTS", "before-step=panic(on purpose)")]);
    let status = agent.wait_exit(Duration::from_secs(20));
    assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()), "{status}: {}", agent.log());
    assert!(agent.log().contains("on purpose"), "{}", agent.log());
}
