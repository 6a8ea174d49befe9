//! A great many looks, each of which finds something new: neither memory nor open files may grow with them.
//!
//! `LOOKS=1000000 cargo test --release --lib a_great_many_looks` makes a million.

use std::path::Path;
use std::process::Command;

use super::super::*;
use crate::decide::{
    Container, ContainerDetails, ContainerStatus, FeatureConfiguration, FeatureState, Image, ImageVersion,
    KubeletLabels, Observation, Owner, RemoteState, SystemState,
};
use crate::domain::{Age, Feature, ImageId, Namespace, Value};
use crate::settings::Overrides;

const FEATURE: &str = "telemetry";
const BASE: &str = "docker-sonic-telemetry";

/// What happens between two looks of a round, each of which is the life of one version.
const ACTS: [fn(&mut Observation, usize); 5] = [arrives, takes_over, is_tagged, is_recorded, goes_away];

/// KiB that are resident more than at the start may be the allocator's.
const MOST_GROWTH: u64 = 512;

/// In a process of its own: other tests use memory, too.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test that starts itself anew; the agent spawns no process")]
fn a_great_many_looks_cost_no_memory() {
    let looks = std::env::var("LOOKS").unwrap_or_else(|_| "10000".to_owned());
    let name = concat!(module_path!(), "::so_many_looks");
    let name = name.split_once("::").map_or(name, |(_, name)| name);
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args(["--ignored", "--exact", name, "--nocapture"]).env("LOOKS", looks).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{told}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    print!("{told}");
}

#[tokio::test]
#[ignore = "the test above runs it"]
async fn so_many_looks() {
    let looks: usize = std::env::var("LOOKS").unwrap().parse().unwrap();
    // What is synced there is in memory: it is not the disk that this is about.
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let mut core = core(folder.path());
    let rounds = looks / ACTS.len();
    let mut before = (0, 0);
    for round in 0..rounds {
        if round == rounds / 5 {
            before = used();
        }
        for act in ACTS {
            act(core.observer.observation_mut(), round);
            let decided = core.look(&BTreeSet::new()).unwrap();
            core.save_marks();
            // Nobody listens: what is to be told is put together all the same.
            assert!(core.publish(&decided, &BTreeSet::new()).await.is_err());
            core.unpublished.clear();
        }
    }
    let unit = &core.store.memory().units[&BASE.parse().unwrap()];
    assert_eq!(unit.promoted.as_ref().map(|promoted| promoted.image), Some(image(rounds - 1)), "each was promoted");
    let after = used();
    println!("{looks} looks: {} KiB and {} files, {} and {} after a fifth", after.0, after.1, before.0, before.1);
    assert!(after.0 <= before.0 + MOST_GROWTH, "memory grows");
    assert_eq!(after.1, before.1, "files stay open");
}

/// Resident memory, KiB, and open files.
fn used() -> (u64, usize) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse().ok());
    (resident.unwrap(), std::fs::read_dir("/proc/self/fd").unwrap().count())
}

/// An agent without servers, whose policy asks for no wait.
fn core(folder: &Path) -> Core {
    let file = folder.join("database_config.json");
    let nowhere = folder.join("redis.sock");
    let config = serde_json::json!({
        "INSTANCES": { "redis": { "hostname": "127.0.0.1", "port": 1, "unix_socket_path": nowhere } },
        "DATABASES": {
            "CONFIG_DB": { "id": 4, "separator": "|", "instance": "redis" },
            "STATE_DB": { "id": 6, "separator": "|", "instance": "redis" },
        },
    });
    std::fs::write(&file, config.to_string()).unwrap();
    let config = crate::database::read_config(&file, Path::new("/nonexistent")).unwrap();
    let settings = Settings::from_sources(&Overrides::default(), Path::new("/nonexistent"), []).unwrap();
    let directory = StateDirectory::open(folder).unwrap();
    let logging = Arc::new(Logging::of_command().unwrap());
    let mut core = Core::new(&settings, directory, Databases::new(&config), logging).unwrap();
    core.policy.global.stable_time = Age::ZERO;
    let observation = core.observer.observation_mut();
    *observation = Observation { config_initialized: true, ..Observation::default() };
    observation.image_names.insert(feature(), BASE.parse().unwrap());
    let configuration =
        FeatureConfiguration { set_owner: Value::Is(Owner::Kube), has_per_asic_scope: false, has_global_scope: true };
    observation.configuration.insert(row(), configuration);
    core
}

fn feature() -> Feature {
    FEATURE.parse().unwrap()
}

fn row() -> RowKey {
    RowKey { namespace: Namespace::Host, key: feature() }
}

fn image(round: usize) -> ImageId {
    format!("sha256:{round:064x}").parse().unwrap()
}

fn version(round: usize) -> Version {
    format!("20201231.{round}").parse().unwrap()
}

fn kube_image(round: usize, names: &[String]) -> Image {
    let version = version(round);
    let kube = format!("sonick8scue.azurecr.io/{BASE}:{version}");
    let references = names.iter().chain([&kube]).map(|name| name.parse().unwrap()).collect::<Vec<_>>();
    Image {
        references: references.into_iter().collect(),
        unreadable_references: 0,
        version: ImageVersion::Read(Value::Is(version)),
        size: 400_000_000,
    }
}

/// The image is pulled; what is older than the last version was cleaned up.
fn arrives(observation: &mut Observation, round: usize) {
    observation.images_mut().retain(|id, _| round < 3 || *id >= image(round - 3));
    observation.images_mut().insert(image(round), kube_image(round, &[]));
    let state = observation.state.entry(row()).or_default();
    state.container_version = Value::Is(version(round));
    state.remote_state = Value::Is(RemoteState::Pending);
    state.system_state = Value::Is(SystemState::Up);
}

fn takes_over(observation: &mut Observation, round: usize) {
    let id: crate::domain::ContainerId = format!("{round:064x}").parse().unwrap();
    let container = Container {
        name: "k8s_telemetry".into(),
        image: image(round),
        created_from: None,
        kubelet: Some(KubeletLabels { container_name: FEATURE.into(), is_container: true }),
        status: ContainerStatus::Running,
        details: Some(ContainerDetails {
            started_at: format!("2026-11-21T21:32:29.{round:09}Z").parse().unwrap(),
            version: Value::Absent,
            unhealthy: false,
            oom_kills: 0,
        }),
    };
    observation.containers_mut().clear();
    observation.containers_mut().insert(id, container);
    let state = observation.state.entry(row()).or_default();
    state.current_owner = Value::Is(Owner::Kube);
    state.remote_state = Value::Is(RemoteState::Running);
    // A short id is the beginning of a long one.
    state.container_id = Value::Is(format!("{round:064x}").parse().unwrap());
}

/// What the plan asks for is done.
fn is_tagged(observation: &mut Observation, round: usize) {
    if round > 0 {
        observation.images_mut().insert(image(round - 1), kube_image(round - 1, &[]));
    }
    observation.images_mut().insert(image(round), kube_image(round, &[format!("{BASE}:latest")]));
}

fn is_recorded(observation: &mut Observation, round: usize) {
    let state = observation.state.entry(row()).or_default();
    state.last_version = std::mem::replace(&mut state.stable_version, Value::Is(version(round)));
}

fn goes_away(observation: &mut Observation, _: usize) {
    for container in observation.containers_mut().values_mut() {
        (container.status, container.details) = (ContainerStatus::Stopped, None);
    }
    let state = observation.state.entry(row()).or_default();
    *state = FeatureState {
        remote_state: Value::Is(RemoteState::Stopped),
        system_state: Value::Is(SystemState::Down),
        current_owner: Value::Is(Owner::None),
        stable_version: state.stable_version.clone(),
        last_version: state.last_version.clone(),
        ..FeatureState::default()
    };
}
