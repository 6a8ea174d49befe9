//! `doctor`: what it finds on switches that are well and that are not, and that it finds everything whatever is away.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use imgmgrd_test_support::container::ContainerSpec;
use imgmgrd_test_support::kubelet::Deployment;
use imgmgrd_test_support::rows::{Instance, Namespace};
use imgmgrd_test_support::schema::{assert_valid, complaints};
use imgmgrd_test_support::switch::Switch;
use serde_json::{Value, json};

use super::{NEW, OLD, assert_refused};
use crate::evidence::{everything, writes};
use crate::process::nobodys_copy;
use crate::scene::{binary, deploy, local_switch, wait_for_stability};

const FEATURE: &str = "telemetry";
const BASE: &str = "docker-sonic-telemetry";
const PARKED: u32 = 86_401;

/// A switch's own root, on which nothing runs: what runs on the machine of the test is nobody's business.
fn root(switch: &Switch) -> String {
    switch.write_file("root/proc/cmdline", "quiet\n");
    switch.path().join("root").display().to_string()
}

/// A process on that root.
fn process(switch: &Switch, number: u32, name: &str, arguments: &[&str]) {
    switch.write_file(&format!("root/proc/{number}/comm"), format!("{name}\n"));
    switch.write_file(&format!("root/proc/{number}/cmdline"), arguments.join("\0"));
}

fn parked(wait: u32) -> Value {
    json!({ "tag_latest_image_on_wait_seconds": wait })
}

fn feature_switch() -> Switch {
    let switch = local_switch(FEATURE, BASE, OLD, 600);
    switch.write_file("remote_ctr.config.json", parked(PARKED).to_string());
    switch.write_file("root/var/lib/kubelet/config.yaml", "imageGCHighThresholdPercent: 100\n");
    switch
}

/// What it finds, and with which code it ends.
struct Found {
    code: Option<i32>,
    findings: Vec<Value>,
}

impl Found {
    #[track_caller]
    fn of(output: &Output) -> Self {
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        let findings: Vec<Value> = serde_json::from_slice(&output.stdout).expect("a list");
        assert_valid("command/doctor.json", &Value::from(findings.clone()));
        for finding in &findings {
            let is_ok = finding["level"] == "ok";
            assert_eq!(finding.get("remedy").is_none(), is_ok, "{finding}");
            assert!(finding["found"].as_str().is_some_and(|found| !found.is_empty()), "{finding}");
        }
        Self { code: output.status.code(), findings }
    }

    #[track_caller]
    fn on(switch: &Switch) -> Self {
        Self::of(&switch.command(binary(), &["doctor", "--json", "--root", &root(switch)]))
    }

    fn levels(&self, check: &str) -> Vec<&str> {
        let of_check = self.findings.iter().filter(|finding| finding["check"] == check);
        of_check.map(|finding| finding["level"].as_str().expect("a level")).collect()
    }

    /// One of the findings of a check has this level and says all of this.
    #[track_caller]
    fn assert(&self, check: &str, level: &str, said: &[&str]) {
        let fits = |finding: &&Value| {
            let text = format!("{} {}", finding["found"], finding["remedy"]);
            finding["check"] == check && finding["level"] == level && said.iter().all(|words| text.contains(words))
        };
        assert!(self.findings.iter().any(|finding| fits(&finding)), "{check} {level} {said:?}: {:#?}", self.findings);
    }

    /// The checks with a finding of this level.
    fn at(&self, level: &str) -> Vec<&str> {
        let at_level = self.findings.iter().filter(|finding| finding["level"] == level);
        at_level.map(|finding| finding["check"].as_str().expect("a check")).collect()
    }
}

/// Every check there is.
const CHECKS: [&str; 17] = [
    "redis",
    "config_db",
    "notifications",
    "engine",
    "image_store",
    "state_dir",
    "image_names",
    "packages",
    "clock",
    "disk",
    "ram_disk",
    "ctrmgrd",
    "collectors",
    "kubelet",
    "started_from",
    "container_id",
    "reports_local",
];

#[test]
fn a_healthy_switch_is_fit_and_stays_as_it_is() {
    let switch = feature_switch();
    deploy(&switch, FEATURE, BASE, NEW);
    let root = root(&switch);
    let (before, written) = (everything(&switch), writes(&switch));
    let found = Found::on(&switch);
    let text = switch.command(binary(), &["doctor", "--root", &root]);
    assert_eq!((everything(&switch), writes(&switch)), (before, written));
    assert!(!switch.file("state/lock").exists());

    assert_eq!(found.code, Some(0), "{:#?}", found.findings);
    assert_eq!((found.at("error"), found.at("note")), (vec![], vec![]), "{:#?}", found.findings);
    // How full the machine's disk is, and what it is, is not the switch's doing.
    let warnings = found.at("warning");
    assert!(warnings.iter().all(|check| matches!(*check, "disk" | "ram_disk" | "state_dir")), "{:#?}", found.findings);
    for check in CHECKS {
        assert!(!found.levels(check).is_empty(), "{check}: {:#?}", found.findings);
    }
    assert!(found.findings.iter().all(|finding| CHECKS.iter().any(|check| finding["check"] == *check)));
    let mut other = Value::from(found.findings.clone());
    other[0]["check"] = json!("weather");
    assert_ne!(complaints("command/doctor.json", &other), [""; 0], "a schema that takes anything");
    let socket = switch.redis(Namespace::Host).socket().display().to_string();
    found.assert("redis", "ok", &["host", &socket, "unix socket"]);
    found.assert("notifications", "ok", &["AKE"]);
    found.assert("engine", "ok", &["API 1."]);
    found.assert("image_store", "ok", &[&switch.path().join("docker/data").display().to_string()]);
    found.assert("ctrmgrd", "ok", &["parked"]);
    assert!(found.findings.iter().any(|finding| finding.to_string().contains("the 2 images of features take at most")));

    let text = String::from_utf8(text.stdout).expect("UTF-8");
    assert!(text.starts_with(" LEVEL") && text.contains("REMEDY") && !text.contains('\x1b'), "{text}");
    assert!(text.contains("\nFit to run imgmgrd: 0 errors, "), "{text}");
    assert_eq!(text.lines().count(), found.findings.len() + 3, "{text}");
}

#[test]
fn without_redis_the_engine_is_still_examined_and_the_other_way_round() {
    let mut switch = feature_switch();
    let redis = switch.redis(Namespace::Host).socket().display().to_string();
    let engine = switch.engine().socket().display().to_string();
    switch.redis_mut(Namespace::Host).stop();
    let found = Found::on(&switch);
    assert_eq!((found.code, found.at("error")), (Some(1), vec!["redis"]), "{:#?}", found.findings);
    found.assert("redis", "error", &[&redis, "systemctl status database"]);
    found.assert("notifications", "note", &["not checked", "redis"]);
    assert_eq!((found.levels("engine"), found.levels("kubelet")), (vec!["ok"], vec!["ok"]));

    switch.redis_mut(Namespace::Host).launch();
    switch.rows().config_initialized(true);
    switch.engine_mut().stop();
    let found = Found::on(&switch);
    assert_eq!((found.code, found.at("error")), (Some(1), vec!["engine"]), "{:#?}", found.findings);
    found.assert("engine", "error", &[&engine, "systemctl status docker"]);
    found.assert("disk", "note", &["not checked", "engine"]);
    assert_eq!((found.levels("redis"), found.levels("container_id")), (vec!["ok"], vec!["ok"]));

    std::fs::remove_file(switch.file("redis/sonic-db/database_config.json")).expect("a file can be removed");
    let found = Found::on(&switch);
    assert_eq!((found.code, found.at("error")), (Some(1), vec!["redis", "engine"]), "{:#?}", found.findings);
    found.assert("redis", "error", &["database_config.json", "systemctl status database"]);
    for check in CHECKS {
        assert!(!found.levels(check).is_empty(), "{check}: {:#?}", found.findings);
    }
    let text = switch.command(binary(), &["doctor"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("\nNot fit to run imgmgrd: 2 errors, "), "{text:?}");
    assert_eq!(text.status.code(), Some(1));
}

#[test]
fn what_hangs_is_given_up_and_the_rest_is_found() {
    let mut switch = feature_switch();
    switch.redis_mut(Namespace::Host).pause();
    switch.engine_mut().pause();
    let found = Found::on(&switch);
    switch.engine_mut().resume();
    switch.redis_mut(Namespace::Host).resume();
    assert_eq!((found.code, found.at("error")), (Some(1), vec!["redis", "engine"]), "{:#?}", found.findings);
    found.assert("redis", "error", &["does not answer in time"]);
    found.assert("engine", "error", &["did not answer within"]);
    assert_eq!((found.levels("ctrmgrd"), found.levels("kubelet")), (vec!["ok"], vec!["ok"]));
}

#[test]
fn notifications_that_do_not_suffice_and_a_configuration_that_is_being_loaded() {
    let switch = Switch::builder().notifications("KE").still_loading().tcp().start();
    let found = Found::on(&switch);
    assert_eq!(found.code, Some(0), "{:#?}", found.findings);
    found.assert("notifications", "warning", &["KE", "lacking hg$", "redis-cli config set notify-keyspace-events AKE"]);
    found.assert("config_db", "warning", &["host", "being loaded"]);
    // The socket is gone, TCP works.
    std::fs::remove_file(switch.redis(Namespace::Host).socket()).expect("a socket can be removed");
    let port = format!("127.0.0.1:{}", switch.redis(Namespace::Host).port());
    Found::on(&switch).assert("redis", "note", &[&port, "not at the unix socket"]);
}

#[test]
fn every_namespace_has_a_finding() {
    let mut switch = Switch::with_asics(2);
    switch.redis_mut(Namespace::Asic(1)).stop();
    let found = Found::on(&switch);
    assert_eq!((found.code, found.levels("redis")), (Some(1), vec!["ok", "ok", "error"]), "{:#?}", found.findings);
    found.assert("redis", "ok", &["asic0"]);
    found.assert("redis", "error", &["asic1"]);
}

#[test]
fn without_permission_it_says_for_what() {
    let switch = feature_switch();
    let (copy, root) = (nobodys_copy(&switch), root(&switch));
    let redis = switch.redis(Namespace::Host).socket();
    let allow = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("modes can be set");
    };
    allow(redis, 0o700);
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--",
        &copy,
        "doctor",
        "--json",
        "--root",
        &root,
    ]);
    let output = command.env_remove("DOCKER_HOST").envs(switch.environment()).output().expect("setpriv runs");
    let found = Found::of(&output);
    assert_eq!((found.code, found.at("error")), (Some(1), vec!["redis", "engine", "state_dir"]));
    found.assert("redis", "error", &[&redis.display().to_string(), "run this as root"]);
    found.assert(
        "engine",
        "error",
        &[&switch.engine().socket().display().to_string(), "no permission", "group docker"],
    );
    found.assert("state_dir", "error", &[&switch.file("state").display().to_string(), "as root"]);
}

#[test]
fn the_agent_that_holds_the_lock_is_named() {
    let switch = feature_switch();
    let mut agent = switch.agent(binary());
    wait_for_stability(&switch, &mut agent, FEATURE, "local");
    let found = || Found::of(&switch.command(binary(), &["doctor", "--json"]));
    found().assert("state_dir", "ok", &[&format!("process {}", agent.pid())]);
    agent.kill9();
    // The lock file of the agent that was killed is still there; nobody holds it.
    assert!(switch.file("state/lock").exists());
    assert!(!found().findings.iter().any(|finding| finding.to_string().contains("the agent runs as")));
}

#[test]
fn a_second_manager() {
    let switch = feature_switch();
    process(&switch, 7, "python3", &["/usr/bin/python3", "/usr/bin/ctrmgrd.py"]);
    Found::on(&switch).assert("ctrmgrd", "ok", &["parked"]);
    switch.write_file("remote_ctr.config.json", parked(PARKED - 1).to_string());
    Found::on(&switch).assert("ctrmgrd", "warning", &["ctrmgrd.py runs", "86400"]);
    std::fs::remove_dir_all(switch.file("root/proc/7")).expect("a folder can be removed");
    Found::on(&switch).assert("ctrmgrd", "note", &["ctrmgrd.py does not run", "park"]);

    process(&switch, 8, "docuum", &["/usr/local/bin/docuum", "--threshold", "5GB"]);
    switch.engine().import_image("containrrr/watchtower:latest", None, &[], "watchtower");
    switch.engine().run_container(&ContainerSpec::new("tower", "containrrr/watchtower:latest"));
    process(&switch, 9, "kubelet", &["/usr/bin/kubelet", "--config=/var/lib/kubelet/config.yaml"]);
    let found = Found::on(&switch);
    found.assert("collectors", "warning", &["docuum runs as a process", "disable it"]);
    found.assert("collectors", "warning", &["watchtower runs in container tower"]);
    found.assert("kubelet", "ok", &["alone"]);
    switch.write_file("root/var/lib/kubelet/config.yaml", "imageGCHighThresholdPercent: 90\n");
    let found = Found::on(&switch);
    found.assert(
        "kubelet",
        "warning",
        &["90%", "80%", "imageGCHighThresholdPercent: 100", "systemctl restart kubelet"],
    );
    assert_eq!(found.code, Some(0), "warnings are no errors: {:#?}", found.findings);
}

#[test]
fn rows_that_do_not_name_the_kube_container() {
    let switch = feature_switch();
    let container = deploy(&switch, FEATURE, BASE, NEW);
    assert_eq!(Found::on(&switch).levels("container_id"), ["ok"]);
    switch.feature(FEATURE).set(&[("container_id", "")]);
    Found::on(&switch).assert("container_id", "warning", &[FEATURE, "is empty", "unified_cgroup_hierarchy=0"]);
    switch.feature(FEATURE).set(&[("container_id", container.short_id())]);
    assert_eq!(Found::on(&switch).levels("container_id"), ["ok"]);
}

#[test]
fn kube_containers_beside_a_local_one() {
    let switch = feature_switch();
    switch.feature(FEATURE).set_owner("kube");
    assert_eq!(Found::on(&switch).levels("reports_local"), ["ok"]);
    for (version, level, said) in [(OLD, "note", "a dry run"), (NEW, "warning", "docker logs")] {
        switch.publish(BASE, version, version);
        let container = switch.kubelet().deploy(&Deployment::new(FEATURE, BASE, version));
        Found::on(&switch).assert("reports_local", level, &[FEATURE, container.short_id(), said]);
        switch.kubelet().remove(&container);
    }
}

#[test]
fn features_that_do_not_start_from_latest_or_have_no_image_name() {
    let switch = feature_switch();
    assert_eq!(Found::on(&switch).levels("started_from"), ["ok"]);
    let id = switch.engine().import_image("docker-snmp:1", Some("1"), &[], "snmp");
    switch.engine().import_image("docker-lldp:1", Some("1"), &[], "lldp");
    switch.engine().run_container(&ContainerSpec::new("snmp", &id));
    switch.engine().run_container(&ContainerSpec::new("lldp", "docker-lldp:1"));
    for feature in ["snmp", "lldp"] {
        switch.rows().config_feature(feature, "local", false, true);
        switch.feature(feature).local_start("1");
    }
    switch.rows().config_feature("macsec", "kube", false, true);
    let found = Found::on(&switch);
    found.assert("started_from", "warning", &["snmp", &id[7..19], "docker-snmp:latest"]);
    found.assert("started_from", "warning", &["lldp", "docker-lldp:1"]);
    assert_eq!(found.levels("started_from").len(), 2, "telemetry starts from latest: {:#?}", found.findings);
    found.assert("image_names", "warning", &["macsec", "ctr_image_names.json"]);

    let package = json!({ "installed": true, "built-in": false, "image-id": id });
    switch.write_file("packages.json", json!({ "snmp": package }).to_string());
    switch.write_file("ctr_image_names.json", r#"{"telemetry": "docker-sonic-telemetry", "x": 7}"#);
    let found = Found::on(&switch);
    found.assert("packages", "note", &["snmp", &id[7..19]]);
    found.assert("image_names", "warning", &["\\\"x\\\""]);
    assert_eq!(found.levels("started_from"), ["ok"], "a package is meant to: {:#?}", found.findings);
}

#[test]
fn images_and_memory_that_a_reboot_resets() {
    let switch = feature_switch();
    let root = root(&switch);
    switch.write_file("root/proc/cmdline", "quiet docker_inram=on\n");
    let state = ["--state-dir", "/dev/shm/imgmgrd-doctor-test"];
    let output = switch.command(binary(), &[&["doctor", "--json", "--root", &root][..], &state].concat());
    let found = Found::of(&output);
    found.assert("ram_disk", "warning", &["docker_inram=on", "reboot"]);
    found.assert("state_dir", "ok", &["can be made"]);
    found.assert("state_dir", "warning", &["a tmpfs", "--state-dir"]);
    assert!(!Path::new(state[1]).exists(), "nothing is made");
}

#[test]
fn instances_are_known_by_their_own_names() {
    let switch = Switch::with_asics(1);
    switch.rows().config_feature("bgp", "local", true, false);
    switch.engine().import_image("docker-fpm-frr:7", Some("7"), &[], "");
    switch.engine().run_container(&ContainerSpec::new("bgp0", "docker-fpm-frr:7"));
    switch.instance(&Instance::asic(0, "bgp")).local_start("7");
    Found::on(&switch).assert("started_from", "warning", &["bgp0", "docker-fpm-frr:7"]);
}

#[test]
fn wrong_usage_and_wrong_settings_are_no_findings() {
    let switch = Switch::new();
    assert_eq!(switch.command(binary(), &["doctor", "telemetry"]).status.code(), Some(2));
    assert_refused(&switch.command(binary(), &["doctor", "--engine-host", "x"]), 1, &["engine.host"]);
    let help = switch.command(binary(), &["doctor", "--help"]);
    assert!(!String::from_utf8_lossy(&help.stdout).contains("--root"), "{help:?}");
}
