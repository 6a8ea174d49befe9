//! A switch to decide on: what is fixed of it while one part is arbitrary, and what must hold of every decision.

use std::collections::BTreeSet;
use std::sync::Arc;

use imgmgrd::domain::{Age, Base, ContainerId, ImageId, Namespace, Reference, StartedAt, Value};
use imgmgrd::planner::invariants::check;
use imgmgrd::planner::{
    Command, Container, ContainerDetails, ContainerStatus, Decision, Image, ImageVersion, KubeletLabels, Memory, Now,
    Policy, Retention, Snapshot, Step, decide,
};
use imgmgrd::sonic_db::{Hash, Rows};

use crate::said::{NAMED, assert_said};

/// The features that `ctr_image_names.json` names, and their images.
const IMAGE_NAMES: [(&str, &str); 3] =
    [("telemetry", "docker-sonic-telemetry"), ("snmp", "docker-snmp"), ("bgp", "docker-fpm-frr")];

/// What is no feature's, with references that are easily mistaken for one's.
const FOREIGN: [&str; 6] = [
    "docker-sonic-telemetry-watchdog:20201231.11",
    "r.example/docker-snmp/cache:20201231.84",
    "docker-database:latest",
    "docker-database:20201231.11",
    "registry:2",
    "r.example/pause:3.9",
];

/// An id that begins with these digits.
fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(prefix: &str, digits: &str) -> T {
    format!("{prefix}{digits:0<64}").parse().expect("an id")
}

pub(crate) fn image_id(digits: &str) -> ImageId {
    id("sha256:", digits)
}

/// What `ctr_image_names.json` says.
pub(crate) fn snapshot() -> Snapshot {
    let names = IMAGE_NAMES.map(|(feature, base)| (feature.parse().expect("a name"), base.parse().expect("a name")));
    Snapshot { config_initialized: true, image_names: names.into(), ..Snapshot::default() }
}

/// The images and containers of a switch in the middle of an upgrade: `telemetry` runs 20201231.84 of kube, its local
/// container is stopped; `snmp` runs locally; others run what is no feature's.
pub(crate) fn fill_engine(snapshot: &mut Snapshot) {
    let images = snapshot.images_mut();
    let mut image = |digits: &str, version: &str, references: &[&str]| {
        let references = references.iter().map(|text| text.parse::<Reference>().expect("a reference"));
        let version = ImageVersion::Read(Value::read(Some(version)));
        let image = Image { references: references.collect(), unreadable_references: 0, version, size: 1000 };
        images.insert(image_id(digits), image);
    };
    image("11", "20201231.11", &["docker-sonic-telemetry:latest", "docker-sonic-telemetry:20201231.11"]);
    image("64", "20201231.64", &["r.example/docker-sonic-telemetry:20201231.64"]);
    image("74", "20201231.74", &["r.example/docker-sonic-telemetry:20201231.74"]);
    image("84", "20201231.84", &["r.example/docker-sonic-telemetry:20201231.84"]);
    image("51", "20201231.11", &["docker-snmp:latest", "docker-snmp:20201231.11"]);
    image("52", "20201231.64", &["r.example/docker-snmp:20201231.64"]);
    for (number, reference) in FOREIGN.iter().enumerate() {
        image(&format!("f{number}"), "20201231.84", &[reference]);
    }
    image("ff", "20201231.84", &[]);
    let containers = snapshot.containers_mut();
    let mut container = |digits: &str, name: &str, image: &str, label: Option<(&str, bool)>, runs: bool| {
        let kubelet = label.map(|(name, is_container)| KubeletLabels { container_name: name.into(), is_container });
        let started_at: StartedAt = "2026-11-21T21:32:29Z".parse().expect("a time");
        let details =
            runs.then_some(ContainerDetails { started_at, version: Value::Absent, unhealthy: false, oom_kills: 0 });
        let status = if runs { ContainerStatus::Running } else { ContainerStatus::Stopped };
        let image = image_id(image);
        containers.insert(
            id::<ContainerId>("", digits),
            Container { name: name.into(), image, created_from: None, kubelet, status, details, exit_code: None },
        );
    };
    container("6d051d98400c", "k8s_telemetry_pod_0", "84", Some(("telemetry", true)), true);
    container("6d051d98400d", "k8s_POD_pod_0", "f5", Some(("POD", false)), true);
    container("aaaaaaaaaaaa", "telemetry", "11", None, false);
    container("bbbbbbbbbbbb", "snmp", "51", None, true);
    container("cccccccccccc", "database", "f2", None, true);
    container("dddddddddddd", "mirror", "f4", None, true);
}

/// The rows of a takeover of `telemetry` that stands.
pub(crate) fn fill_rows(snapshot: &mut Snapshot) {
    let hash = |is_configuration, key: &str, fields: &[(&str, &str)]| Hash {
        is_configuration,
        namespace: Namespace::Host,
        key: key.into(),
        fields: fields.iter().map(|(field, value)| ((*field).into(), (*value).into())).collect(),
    };
    let state = [
        ("current_owner", "kube"),
        ("remote_state", "running"),
        ("container_id", "6d051d98400c"),
        ("container_version", "20201231.84"),
        ("system_state", "up"),
    ];
    Rows::made_of(&[
        hash(true, "FEATURE|telemetry", &[("set_owner", "kube")]),
        hash(false, "FEATURE|telemetry", &state),
    ])
    .fill(snapshot);
}

/// Decides again and again, with everything old, and with what operators may order; judges each decision.
pub(crate) fn judge(snapshot: &Snapshot, memory: &Memory, policy: &Policy) {
    let mut snapshot = snapshot.clone();
    let owned = bases_of_features(&snapshot);
    let (mut memory, mut now) = (memory.clone(), Now::default());
    for command in [None, None, None, Some(Command::Promote), Some(Command::Rollback { from: None })] {
        let features = snapshot.state.keys().map(|row| row.key.clone());
        snapshot.commands =
            command.map(|command| features.map(|feature| (feature, command.clone())).collect()).unwrap_or_default();
        let decision = decide(&snapshot, &memory, policy, &now);
        let broken = check(&snapshot, &decision.memory, policy, &decision.plan);
        assert!(broken.is_empty(), "a promise would be broken: {broken:?}");
        stays_at_home(&decision, &snapshot, &owned);
        is_fit_to_be_said(&decision);
        now = decision.memory.marks().into_iter().map(|mark| (mark, Age::from_seconds(3600))).collect();
        memory = decision.memory;
    }
}

/// The image names that may be a feature's: those of the file, and of what the kubelet runs.
fn bases_of_features(snapshot: &Snapshot) -> BTreeSet<Base> {
    let of_kubelet = snapshot.containers.values().filter(|container| container.kubelet.is_some());
    let of_kubelet = of_kubelet.flat_map(|container| {
        let image = snapshot.images.get(&container.image);
        let references = image.into_iter().flat_map(|image| &image.references).chain(&container.created_from);
        references.map(|reference| reference.repository.base().clone())
    });
    snapshot.image_names.values().cloned().chain(of_kubelet).collect()
}

/// Promise 3: only images in the features' own repositories, and only containers that are named like an instance and do
/// not run.
fn stays_at_home(decision: &Decision, snapshot: &Snapshot, owned: &BTreeSet<Base>) {
    let is_home = |reference: &Reference, base: &Base| reference.repository.base() == base && owned.contains(base);
    let steps = decision.plan.groups.iter();
    let steps = steps.flat_map(|(base, actions)| {
        actions.iter().flat_map(move |action| action.steps.iter().map(move |step| (base, step)))
    });
    for (base, step) in steps {
        let is_allowed = match step {
            Step::Tag { image, reference, .. } => {
                is_home(reference, base)
                    && snapshot.images.get(image).is_some_and(|image| image.references_of(base).next().is_some())
            }
            Step::RemoveReference { reference, .. } => is_home(reference, base),
            Step::RemoveContainer { container, .. } => snapshot
                .containers
                .get(container)
                .is_some_and(|container| container.status == ContainerStatus::Stopped && container.kubelet.is_none()),
            Step::RemoveImage { image } => {
                let references = snapshot.images.get(image).map(|image| &image.references);
                references.is_none_or(|references| references.iter().all(|reference| is_home(reference, base)))
            }
            Step::RecordVersions { row, .. } => snapshot.state.contains_key(row),
        };
        assert!(is_allowed, "not the feature's own: {step}");
    }
}

/// What `status`, `images`, `plan`, the rows, the history and the log make of it.
fn is_fit_to_be_said(decision: &Decision) {
    let say = |text: &dyn std::fmt::Display| assert_said(&text.to_string(), NAMED);
    for (base, actions) in &decision.plan.groups {
        say(base);
        for action in actions {
            say(&action.purpose);
            action.steps.iter().for_each(|step| say(step));
        }
    }
    for (instance, told) in &decision.report.instances {
        say(instance);
        say(&told.reason);
    }
    for group in decision.report.groups.values() {
        group.clean_up_waits.iter().for_each(|reason| say(reason));
        group.command.iter().for_each(|outcome| say(outcome));
        for retention in group.images.values() {
            match retention {
                Retention::Kept(because) => because.iter().for_each(|because| say(because)),
                Retention::Removed(because) => say(because),
            }
        }
    }
}

/// The policy by which everything is due at once.
pub(crate) fn at_once() -> Policy {
    let mut policy = Policy::default();
    policy.global.stable_time = Age::ZERO;
    policy
}

/// Puts a snapshot of the engine in.
pub(crate) fn see(snapshot: &mut Snapshot, lists: &imgmgrd::docker::EngineSnapshot) {
    snapshot.images = Arc::clone(&lists.images);
    snapshot.containers = Arc::clone(&lists.containers);
}
