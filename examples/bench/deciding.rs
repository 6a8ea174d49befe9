//! The decision alone, on a switch far larger than any.

use imgmgrd::domain::{Age, Base, ContainerId, Feature, ImageId, Namespace, Repositories, StartedAt, Value};
use imgmgrd::planner::{
    Container, ContainerDetails, ContainerStatus, FeatureConfiguration, FeatureState, Image, ImageVersion,
    KubeletLabels, Memory, Now, Owner, Policy, RemoteState, RowKey, Snapshot, SystemState, decide,
};
use rustix::time::{ClockId, clock_gettime};

use crate::Bench;
use crate::table::{Table, Unit, median};

const FEATURES: usize = 1_000;
const IMAGES: usize = 10_000;
const ROUNDS: usize = 40;

pub(crate) fn measure(_: &Bench<'_>, table: &mut Table) {
    let snapshot = snapshot(FEATURES, IMAGES);
    let policy = Policy::default();
    let first = decide(&snapshot, &Memory::default(), &policy, &Now::default()).memory;
    let soon: Now = first.marks().into_iter().map(|mark| (mark, Age::from_seconds(60))).collect();
    let (took, decision) = timed(|| decide(&snapshot, &first, &policy, &soon));
    assert!(decision.plan.is_empty(), "everything is being observed");
    let of = "deciding, 1,000 features and 10,000 images: for each image";
    table.line(of, took * 1e3 / IMAGES as f64, Unit::Us, 1.0);
}

/// Milliseconds of CPU, the middle of many rounds, and the result.
fn timed<T>(mut work: impl FnMut() -> T) -> (f64, T) {
    let mut took = Vec::new();
    loop {
        let begun = cpu();
        let result = work();
        took.push((cpu() - begun) * 1e3);
        if took.len() == ROUNDS {
            return (median(&mut took), result);
        }
    }
}

/// Seconds of CPU that this thread has used: what others do meanwhile does not count.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Every feature is owned by kube and taken over, `latest` is the local image, and the rest are kube images.
fn snapshot(features: usize, images: usize) -> Snapshot {
    let mut snapshot = Snapshot { config_initialized: true, ..Snapshot::default() };
    // As the reader of the engine's list does.
    let mut repositories = Repositories::default();
    let versions = images / features;
    for number in 0..features {
        let feature: Feature = parse(&format!("feature{number}"));
        let base: Base = parse(&format!("docker-feature{number}"));
        let key = RowKey { namespace: Namespace::Host, key: feature.clone() };
        let container: ContainerId = parse(&format!("{number:012x}{:052x}", 0));
        snapshot.image_names.insert(feature.clone(), base.clone());
        snapshot.configuration.insert(
            key.clone(),
            FeatureConfiguration {
                set_owner: Value::Is(Owner::Kube),
                has_per_asic_scope: false,
                has_global_scope: true,
            },
        );
        snapshot.state.insert(
            key,
            FeatureState {
                current_owner: Value::Is(Owner::Kube),
                remote_state: Value::Is(RemoteState::Running),
                container_id: Value::Is(parse(&container.short())),
                container_version: Value::Is(parse("20201231.0")),
                system_state: Value::Is(SystemState::Up),
                ..FeatureState::default()
            },
        );
        for version in 0..versions {
            // The last one is the local one.
            let image = image(&base, version, version == versions - 1, &mut repositories);
            snapshot.images_mut().insert(image_id(number, version), image);
        }
        snapshot.containers_mut().insert(container, running(&feature, image_id(number, 0)));
    }
    snapshot
}

fn image(base: &Base, version: usize, is_local: bool, repositories: &mut Repositories) -> Image {
    let tag = format!("20201231.{version}");
    let references = if is_local {
        vec![format!("{base}:latest"), format!("{base}:{tag}")]
    } else {
        let repository = format!("sonick8scue.azurecr.io/{base}");
        vec![format!("{repository}:{tag}"), format!("{repository}@sha256:{version:064x}")]
    };
    Image {
        references: references.iter().map(|text| repositories.reference(text).expect("a valid reference")).collect(),
        unreadable_references: 0,
        version: ImageVersion::Read(Value::Is(parse(&tag))),
        size: 400_000_000,
    }
}

fn running(feature: &Feature, image: ImageId) -> Container {
    Container {
        name: format!("k8s_{feature}").as_str().into(),
        image,
        created_from: None,
        kubelet: Some(KubeletLabels { container_name: feature.as_str().into(), is_container: true }),
        status: ContainerStatus::Running,
        details: Some(ContainerDetails {
            started_at: parse::<StartedAt>("2026-11-21T21:32:29.123456789Z"),
            version: Value::Absent,
            unhealthy: false,
            oom_kills: 0,
        }),
        exit_code: None,
    }
}

fn image_id(feature: usize, version: usize) -> ImageId {
    parse(&format!("sha256:{:064x}", feature * 10_000 + version))
}

fn parse<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("no valid name: {text}"))
}
