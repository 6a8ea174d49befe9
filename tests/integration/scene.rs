//! What many tests begin with.

use std::path::Path;
use std::time::Duration;

use imgmgrd_test_support::agent::Agent;
use imgmgrd_test_support::kubelet::{Deployment, KubeContainer};
use imgmgrd_test_support::rows::Instance;
use imgmgrd_test_support::switch::Switch;
use imgmgrd_test_support::wait::wait_equal;

/// How long anything may take that is not a wait of the agent's own.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The agent under test.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_imgmgrd"))
}

/// A switch on which `feature` runs locally from `base:latest` of `version`, to be owned by kube, with this policy.
pub(crate) fn local_switch(feature: &str, base: &str, version: &str, stable_time: u32) -> Switch {
    let switch = Switch::new();
    install_locally(&switch, feature, base, version, stable_time);
    switch
}

/// Installs `feature` on a switch, as [`local_switch`] has it.
pub(crate) fn install_locally(switch: &Switch, feature: &str, base: &str, version: &str, stable_time: u32) {
    switch.rows().policy(&[("stable_time", &stable_time.to_string())]);
    switch.rows().config_feature(feature, "local", false, true);
    switch.engine().import_image(&format!("{base}:latest"), Some(version), &[], "local");
    switch.start_locally(&Instance::host(feature), base, version);
}

/// The kubelet deploys `version` of a feature, and it takes over.
pub(crate) fn deploy(switch: &Switch, feature: &str, base: &str, version: &str) -> KubeContainer {
    switch.publish(base, version, "");
    let container = switch.kubelet().deploy(&Deployment::new(feature, base, version));
    take_over(switch, feature, version, &container);
    container
}

/// A container takes over from systemd, as SONiC's scripts do it.
pub(crate) fn take_over(switch: &Switch, feature: &str, version: &str, container: &KubeContainer) {
    let rows = switch.feature(feature);
    rows.set_owner("kube");
    if switch.engine().is_running(feature) {
        switch.engine().stop_container(feature);
    }
    rows.kube_takes_over(container.short_id(), version);
}

/// Waits until the agent does nothing any more.
#[track_caller]
pub(crate) fn comes_to_rest(agent: &Agent) {
    let mut cpu = 0;
    agent.wait_until("it comes to rest", SOON, || {
        let before = std::mem::replace(&mut cpu, agent.cpu_nanoseconds());
        std::thread::sleep(Duration::from_millis(200));
        before == agent.cpu_nanoseconds()
    });
}

/// Waits until the agent publishes this stability.
pub(crate) fn wait_for_stability(switch: &Switch, agent: &mut Agent, feature: &str, stability: &str) {
    wait_equal(&format!("{feature} to be {stability}"), SOON, &stability.to_owned(), || {
        assert!(agent.is_running(), "the agent ended:\n{}", agent.log());
        switch.feature(feature).stability()
    });
}

/// Runs a command: its exit code, and all that it says.
pub(crate) fn command(switch: &Switch, words: &[&str]) -> (Option<i32>, String) {
    let output = switch.command(binary(), words);
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.code(), said)
}
