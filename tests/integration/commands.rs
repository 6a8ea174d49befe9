//! `status`, `images` and `plan`: what they say, that they change nothing, and how they fail.

mod answers;
mod doctor;
mod errors;
mod plan;
mod plugins;
mod promote_rollback;
mod schemas;
mod techsupport;

use std::process::Output;

use imgmgrd_test_support::agent::Agent;
use imgmgrd_test_support::kubelet::KubeContainer;
use imgmgrd_test_support::rows::Instance;
use imgmgrd_test_support::schema::assert_valid;
use imgmgrd_test_support::switch::Switch;
use serde_json::Value;

use crate::scene::{binary, deploy, wait_for_stability};

const OLD: &str = "20201231.11";
const NEW: &str = "20201231.84";
const OTHER: &str = "20201231.90";

/// A switch with a promoted feature (telemetry), an observed one (snmp) and two local ones (bgp, lldp).
struct Mixed {
    switch: Switch,
    telemetry: KubeContainer,
    snmp: KubeContainer,
    agent: Option<Agent>,
}

impl Mixed {
    fn new() -> Self {
        let switch = Switch::new();
        switch.rows().policy(&[("stable_time", "600")]);
        switch.rows().feature_policy("telemetry", &[("stable_time", "0")]);
        for (feature, base) in [
            ("telemetry", "docker-sonic-telemetry"),
            ("snmp", "docker-snmp"),
            ("bgp", "docker-fpm-frr"),
            ("lldp", "docker-lldp"),
        ] {
            switch.rows().config_feature(feature, "local", false, true);
            switch.engine().import_image(&format!("{base}:latest"), Some(OLD), &[], base);
            switch.start_locally(&Instance::host(feature), base, OLD);
        }
        let mut agent = switch.agent(binary());
        wait_for_stability(&switch, &mut agent, "lldp", "local");
        let telemetry = deploy(&switch, "telemetry", "docker-sonic-telemetry", NEW);
        let snmp = deploy(&switch, "snmp", "docker-snmp", OTHER);
        wait_for_stability(&switch, &mut agent, "telemetry", "stable");
        wait_for_stability(&switch, &mut agent, "snmp", "observing");
        Self { switch, telemetry, snmp, agent: Some(agent) }
    }

    fn stop_agent(&mut self) {
        if let Some(agent) = self.agent.take() {
            assert!(agent.terminate().0.success());
        }
    }
}

/// A command's answer.
#[track_caller]
fn answer(switch: &Switch, args: &[&str]) -> String {
    let output = switch.command(binary(), args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*stderr), (Some(0), ""), "{args:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A command's answer for programs: a list.
#[track_caller]
fn json(switch: &Switch, args: &[&str]) -> Vec<Value> {
    let text = answer(switch, &[args, &["--json"]].concat());
    let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_valid(&format!("command/{}.json", args[0]), &value);
    value.as_array().expect("a list").clone()
}

#[track_caller]
fn assert_refused(output: &Output, code: i32, said: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(output.stdout.is_empty(), "an error is no answer");
    for words in said {
        assert!(stderr.contains(words), "\"{words}\" is missing: {stderr}");
    }
}
