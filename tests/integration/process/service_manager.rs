//! What systemd is told, by the protocol that it speaks with a service of `Type=notify`.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use imgmgrd_test_support::Signal;
use imgmgrd_test_support::agent::Agent;
use imgmgrd_test_support::switch::Switch;
use serde_json::json;

use crate::evidence::everything;
use crate::scene::{SOON, binary, deploy, local_switch, wait_for_stability};

const FEATURE: &str = "telemetry";
const BASE: &str = "docker-sonic-telemetry";
const LOCAL: &str = "20201231.11";
const NEW: &str = "20201231.84";
const WATCHDOG: Duration = Duration::from_millis(600);

/// The socket of a service manager.
struct Manager(UnixDatagram);

impl Manager {
    /// Listens; the agent that it starts has to give a sign of life within `WATCHDOG`.
    fn start(switch: &Switch, arguments: &[&str], failpoints: &str) -> (Self, Agent) {
        let socket = switch.path().join("notify.sock");
        let manager = Self(UnixDatagram::bind(&socket).expect("a socket"));
        manager.0.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        let environment = [
            ("NOTIFY_SOCKET", socket.to_str().expect("UTF-8")),
            ("WATCHDOG_USEC", &WATCHDOG.as_micros().to_string()),
            ("FAILPOINTS", failpoints),
        ];
        (manager, switch.agent_with(binary(), arguments, &environment))
    }

    /// What was told next, if anything is told.
    fn told(&self) -> Option<String> {
        let mut buffer = [0; 4096];
        let length = self.0.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    /// Waits until something with `text` in it is told; all that was told until then.
    #[track_caller]
    fn until(&self, text: &str) -> Vec<String> {
        let (began, mut told) = (Instant::now(), Vec::new());
        while began.elapsed() < SOON {
            told.extend(self.told());
            if told.last().is_some_and(|last| last.contains(text)) {
                return told;
            }
        }
        panic!("{text:?} was not told: {told:?}");
    }

    /// What is told for as long as the watchdog waits.
    fn in_the_time_of_the_watchdog(&self) -> Vec<String> {
        let began = Instant::now();
        std::iter::from_fn(|| (began.elapsed() < WATCHDOG).then(|| self.told())).flatten().collect()
    }
}

#[test]
fn it_is_ready_when_the_first_report_is_published_and_pings_from_then_on() {
    let mut switch = local_switch(FEATURE, BASE, LOCAL, 60);
    switch.engine_mut().stop();
    let (manager, mut agent) = Manager::start(&switch, &["run"], "");
    let told = manager.until("EXTEND_TIMEOUT_USEC=120000000");
    assert!(told.iter().any(|told| told.contains("STATUS=waiting for Redis and the engine")), "{told:?}");
    let told = manager.in_the_time_of_the_watchdog();
    assert!(!told.iter().any(|told| told.contains("READY")), "nothing was seen yet: {told:?}");

    switch.engine_mut().start_again();
    let told = manager.until("READY=1");
    assert!(told.iter().any(|told| told.contains("STATUS=1 feature: 1 local; images: 1")), "{told:?}");
    assert_eq!(switch.feature(FEATURE).stability(), "local", "what it is ready with is published");
    for _ in 0..3 {
        let told = manager.in_the_time_of_the_watchdog();
        assert!(told.iter().any(|told| told.contains("WATCHDOG=1")), "{told:?}");
    }
    let before = everything(&switch);
    manager.until("WATCHDOG=1");
    assert_eq!(everything(&switch), before, "a sign of life changes nothing");

    switch.engine_mut().stop();
    agent.wait_until("that it is known", SOON, || agent.log().contains("engine"));
    switch.engine_mut().start_again();
    agent.signal(Signal::TERM);
    manager.until("STOPPING=1");
    assert!(agent.wait_exit(Duration::from_secs(1)).success());
}

#[test]
fn a_loop_that_hangs_gives_no_sign_of_life() {
    let switch = local_switch(FEATURE, BASE, LOCAL, 60);
    let (manager, mut agent) = Manager::start(&switch, &["run"], "before-publish=1*off->sleep(3000)");
    wait_for_stability(&switch, &mut agent, FEATURE, "local");
    manager.until("WATCHDOG=1");
    switch.rows().config_feature("snmp", "local", false, true);
    switch.feature("snmp").local_start(LOCAL);
    // One may be on its way.
    drop(manager.in_the_time_of_the_watchdog());
    let told = manager.in_the_time_of_the_watchdog();
    assert!(!told.iter().any(|told| told.contains("WATCHDOG=1")), "{told:?}");
    manager.until("WATCHDOG=1");
}

#[test]
fn sighup_reads_settings_and_files_again() {
    let switch = local_switch(FEATURE, BASE, LOCAL, 60);
    let config = switch.write_file("imgmgrd.toml", "");
    let arguments = ["run", "--config", config.to_str().expect("UTF-8")];
    let (manager, mut agent) = Manager::start(&switch, &arguments, "");
    wait_for_stability(&switch, &mut agent, FEATURE, "local");
    let image = || switch.feature("other").image_row().map(|row| row["image"].clone());
    switch.rows().config_feature("other", "local", false, true);
    switch.feature("other").local_start(LOCAL);
    agent.wait_until("its row", SOON, || image().as_deref() == Some(""));

    switch.write_file("ctr_image_names.json", json!({ "other": "docker-other" }).to_string());
    agent.signal(Signal::HUP);
    manager.until("RELOADING=1");
    manager.until("READY=1");
    agent.wait_until("its image's name", SOON, || image().as_deref() == Some("docker-other"));

    switch.write_file("imgmgrd.toml", "[engine]\nhost = \"tcp://127.0.0.1:1\"\ncolour = 1\n");
    agent.signal(Signal::HUP);
    agent.wait_until("the refusal", SOON, || agent.log().contains("not reloaded"));
    assert!(agent.log().contains("colour"), "{}", agent.log());
    manager.until("READY=1");
    switch.write_file("imgmgrd.toml", "");
    // Whoever is told has to listen: a full socket holds up the one that tells.
    drop(manager);
    switch.rows().policy(&[("stable_time", "")]);
    deploy(&switch, FEATURE, BASE, NEW);
    wait_for_stability(&switch, &mut agent, FEATURE, "observing");
    let shorter = json!({ "tag_latest_image_on_wait_seconds": 1 });
    switch.write_file("remote_ctr.config.json", shorter.to_string());
    agent.signal(Signal::HUP);
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
}
