//! Everything once, on real parts, and afterwards nothing is left.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use imgmgrd_test_support::workdir::{mounts_below, processes_below};
use imgmgrd_test_support::{
    ContainerSpec, Deployment, EngineProxy, Image, Instance, Namespace, STATE_DB, Switch, wait_equal, wait_until,
};

const SOON: Duration = Duration::from_secs(20);

#[track_caller]
fn assert_nothing_left(folder: &Path) {
    assert_eq!(processes_below(folder), []);
    assert!(mounts_below(folder).is_empty(), "{:?}", mounts_below(folder));
    assert!(!folder.exists());
}

#[test]
fn a_switch_lives_and_leaves_nothing_behind() {
    let switch = Switch::builder().tcp().start();
    let folder = switch.path().to_owned();
    let (engine, feature) = (switch.engine(), switch.feature("telemetry"));

    switch.rows().config_feature("telemetry", "local", false, true);
    let local = engine.import_image("docker-sonic-telemetry:latest", Some("20201231.11"), &[("k", "v")], "");
    switch.start_locally(&Instance::host("telemetry"), "docker-sonic-telemetry", "20201231.11");
    assert!(engine.is_running("telemetry"));
    assert_eq!(feature.feature_row().unwrap()["container_stable_version"], "20201231.11");

    let digest = switch.publish("docker-sonic-telemetry", "20201231.84", "");
    let pod = switch.kubelet().deploy(&Deployment::new("telemetry", "docker-sonic-telemetry", "20201231.84"));
    assert_eq!(pod.image_id, Image::new(Some("20201231.84")).id(), "the same image has the same id everywhere");
    assert_eq!(pod.id.len(), 64);
    let repository = switch.registry().repository("docker-sonic-telemetry");
    let references = engine.references(&pod.image_id);
    assert!(references.contains(&format!("{repository}:20201231.84")), "{references:?}");
    assert!(references.contains(&format!("{repository}@{digest}")), "{references:?}");
    let inspect = engine.container(&pod.name).unwrap();
    assert_eq!(inspect["Config"]["Labels"]["io.kubernetes.container.name"], "telemetry");
    assert!(inspect["Config"]["Env"].to_string().contains("IMAGE_VERSION=20201231.84"));

    engine.stop_container("telemetry");
    feature.set_owner("kube");
    feature.kube_takes_over(&pod.id, "20201231.84");
    let row = feature.feature_row().unwrap();
    assert_eq!((row["container_id"].as_str(), row["remote_state"].as_str()), (pod.short_id(), "running"));
    assert_eq!(switch.rows().get(STATE_DB, "KUBE_LABELS|SET").unwrap()["telemetry_enabled"], "true");

    engine.remove_container("telemetry");
    engine.tag(&pod.image_id, "docker-sonic-telemetry:latest");
    assert_eq!(engine.references(&local).len(), 0);
    assert!(engine.image_ids().contains(&local), "an image without a reference is still there");
    assert_eq!(engine.try_untag(&local), Ok(()));
    assert_eq!(engine.image_id(&local), None);
    feature.goes_away();
    feature.nobody_takes_over();
    assert_eq!(feature.feature_row().unwrap()["remote_state"], "none");
    assert_eq!((feature.stability(), feature.history()), (String::new(), vec![]));

    drop(switch);
    assert_nothing_left(&folder);
}

#[test]
fn containers_restart_crash_sicken_and_run_out_of_memory() {
    let switch = Switch::new();
    let folder = switch.path().to_owned();
    let engine = switch.engine();
    engine.import_image("docker-x:latest", None, &[], "");
    let spec = |name: &str| ContainerSpec::new(name, "docker-x:latest");

    engine.run_container(&spec("crashing").restart_always());
    let started = || engine.container("crashing").unwrap()["State"]["StartedAt"].clone();
    let before = started();
    engine.crash_container("crashing");
    wait_until("a crashed container is started again", SOON, || engine.is_running("crashing") && started() != before);

    engine.run_container(&spec("unhealthy").healthy_while_file(Duration::from_millis(100)));
    let health = || engine.container("unhealthy").unwrap()["State"]["Health"]["Status"].clone();
    wait_equal("no file, not healthy", SOON, "unhealthy", health);
    assert_eq!(engine.exec("unhealthy", &["/bin/busybox", "touch", "/healthy"]), 0);
    wait_equal("a file, healthy", SOON, "healthy", health);

    engine.run_container(&spec("greedy").out_of_memory());
    let oom = || engine.container("greedy").unwrap()["State"]["OOMKilled"] == true;
    wait_until("the kernel kills what uses too much", SOON, oom);

    engine.create_container(&spec("never-run"));
    assert!(!engine.is_running("never-run"));
    assert_eq!(engine.try_untag("docker-x:latest").unwrap_err().0, 409);
    engine.restart_container("unhealthy");
    engine.kill_container("unhealthy");
    assert_eq!(engine.container_names().len(), 4);
    // Some still run.
    drop(switch);
    assert_nothing_left(&folder);
}

#[test]
fn servers_restart_and_hang() {
    let mut switch = Switch::builder().asics(2).notifications("").start();
    let folder = switch.path().to_owned();
    let global = std::fs::read_to_string(folder.join("redis/sonic-db/database_global.json")).unwrap();
    assert!(
        global.contains(r#"{"include":"../../redis1/sonic-db/database_config.json","namespace":"asic1"}"#),
        "{global}"
    );

    switch.instance(&Instance::asic(1, "bgp")).local_start("1");
    switch.instance(&Instance::asic_in_host_row(0, "bgp")).local_start("1");
    assert_eq!(switch.rows_of(Namespace::Asic(1)).get(STATE_DB, "FEATURE|bgp").unwrap()["container_id"], "bgp1");
    assert_eq!(switch.rows().get(STATE_DB, "FEATURE|bgp0").unwrap()["container_id"], "bgp0");
    switch.redis_mut(Namespace::Host).set_notifications("AKE");
    switch.redis_mut(Namespace::Host).restart_empty();
    assert_eq!(switch.rows().get(STATE_DB, "FEATURE|bgp0"), None);

    let id = switch.engine().import_image("docker-x:1", Some("1"), &[], "");
    switch.engine().run_container(&ContainerSpec::new("always", "docker-x:1").restart_always());
    switch.engine().run_container(&ContainerSpec::new("once", "docker-x:1"));
    switch.engine_mut().restart();
    assert_eq!(switch.engine().image_id("docker-x:1"), Some(id));
    wait_until("it runs again", SOON, || switch.engine().is_running("always"));
    assert!(!switch.engine().is_running("once"));

    // Hanging servers do not keep the switch from ending.
    switch.redis_mut(Namespace::Asic(0)).pause();
    switch.engine_mut().pause();
    drop(switch);
    assert_nothing_left(&folder);
}

#[test]
fn an_image_pulled_by_digest_has_no_tag() {
    let switch = Switch::new();
    switch.publish("docker-fpm-frr", "1", "");
    let pod = switch
        .kubelet()
        .deploy(&Deployment::new("bgp", "docker-fpm-frr", "1").by_digest().created_from_digest().without_sandbox());
    let references = switch.engine().references(&pod.image_id);
    assert!(references.iter().all(|reference| reference.contains("@sha256:")), "{references:?}");
    assert_eq!(references.len(), 1);
    switch.kubelet().remove(&pod);
}

#[test]
fn a_command_finds_the_switch() {
    let switch = Switch::new();
    let output =
        switch.command(Path::new("/bin/sh"), &["-c", "test -S ${IMGMGRD__ENGINE__HOST#unix://} && echo found"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "found\n");
    let agent = switch.agent_with(Path::new("/bin/sh"), &["-c", "echo up $X; exec sleep 60"], &[("X", "y")]);
    agent.wait_until("it logs", SOON, || agent.log() == "up y\n");
    let (status, _) = agent.terminate();
    assert!(!status.success());
}

/// A client that goes through the proxy, as the agent does.
fn through(proxy: &EngineProxy, request: &str) -> String {
    let socket = proxy.host();
    let mut stream = UnixStream::connect(socket.trim_start_matches("unix://")).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nHost: engine\r\nContent-Length: 0\r\n\r\n").unwrap();
    let mut answer = [0; 4096];
    let length = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

#[test]
fn single_calls_hang_fail_and_are_answered_otherwise() {
    let switch = Switch::new();
    let folder = switch.path().to_owned();
    let engine = switch.engine();
    engine.import_image("docker-x:1", Some("1"), &[], "");
    let proxy = switch.engine_proxy();
    let list = || through(&proxy, "GET /v1.41/images/json");
    assert!(list().contains("docker-x:1"));

    proxy.refuse_once("GET /images/json", 404);
    assert!(list().starts_with("HTTP/1.1 404 "));
    assert!(list().starts_with("HTTP/1.1 200 "));
    proxy.rewrite("GET /images/json", |images| images[0]["RepoTags"] = "none".into());
    assert!(list().contains(r#""RepoTags":"none""#));
    assert_eq!(proxy.calls("GET /images/").len(), 4);

    proxy.hold("DELETE /images/docker-x");
    std::thread::scope(|scope| {
        let removal = scope.spawn(|| through(&proxy, "DELETE /v1.41/images/docker-x%3A1?force=false"));
        wait_until("it has come", SOON, || !proxy.calls("DELETE /images/docker-x:1?force=false").is_empty());
        assert!(engine.image_id("docker-x:1").is_some() && !removal.is_finished());
        assert!(list().contains("none"), "others go through");
        proxy.heal();
        assert!(removal.join().unwrap().starts_with("HTTP/1.1 200 "));
    });
    assert_eq!(engine.image_id("docker-x:1"), None);
    assert!(list().ends_with("[]\n") || list().ends_with("[]"), "{}", list());

    // What is held when it ends, ends with it.
    proxy.hold("GET /images/json");
    let before = proxy.calls("GET /images/json").len();
    std::thread::scope(|scope| {
        let mut stream = UnixStream::connect(proxy.host().trim_start_matches("unix://")).unwrap();
        write!(stream, "GET /images/json HTTP/1.1\r\nHost: engine\r\n\r\n").unwrap();
        let held = scope.spawn(move || stream.read(&mut [0; 16]).unwrap());
        wait_until("it has come", SOON, || proxy.calls("GET /images/json").len() > before);
        drop(proxy);
        assert_eq!(held.join().unwrap(), 0);
    });
    drop(switch);
    assert_nothing_left(&folder);
}
