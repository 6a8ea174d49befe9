//! The decision alone: on a switch far larger than any, with 200 features and 5,000 images, and how it grows with both.

use std::path::Path;
use std::time::Duration;

use criterion::Criterion;
use imgmgrd::decide::promises::check;
use imgmgrd::decide::{
    Container, ContainerDetails, ContainerStatus, FeatureConfiguration, FeatureState, Image, ImageVersion,
    KubeletLabels, Memory, Now, Observation, Owner, Policy, RemoteState, RowKey, SystemState, decide,
};
use imgmgrd::domain::{Age, Base, ContainerId, Feature, ImageId, Namespace, Repositories, StartedAt, Value};
use imgmgrd_test_support::workdir::Workdir;
use rustix::time::{ClockId, clock_gettime};

use crate::Bench;
use crate::table::{Table, Unit, median};

const FEATURES: usize = 200;
const IMAGES: usize = 5_000;
const ROUNDS: usize = 40;

/// Sizes of switches, features and images, that grow in both.
const BOTH: [(usize, usize); 5] = [(10, 100), (30, 300), (100, 1_000), (300, 3_000), (1_000, 10_000)];

/// Sizes that grow in the images of each feature alone.
const IMAGES_ONLY: [(usize, usize); 5] = [(10, 100), (10, 300), (10, 1_000), (10, 3_000), (10, 10_000)];

pub(crate) fn measure(_: &Bench<'_>, table: &mut Table) {
    let observation = observation(FEATURES, IMAGES);
    let policy = Policy::default();
    let first = decide(&observation, &Memory::default(), &policy, &Now::default()).memory;
    let now = |seconds| -> Now { first.marks().into_iter().map(|mark| (mark, Age::from_seconds(seconds))).collect() };

    let soon = now(60);
    let (observed, decision) = timed(|| decide(&observation, &first, &policy, &soon));
    assert!(decision.plan.is_empty(), "everything is being observed");
    let of = "deciding over 200 features and 5,000 images";
    table.line(format!("{of}, all observed"), observed, Unit::Ms, Some(5.0));
    table.line("  for each image", observed * 1e3 / IMAGES as f64, Unit::Us, Some(1.0));

    let late = now(900);
    let (planned, decision) = timed(|| decide(&observation, &first, &policy, &late));
    let told = decision.report.instances.values().next();
    assert_eq!(decision.plan.units.len(), FEATURES, "every feature has something to do: {told:?}");
    let steps: usize = decision.plan.units.values().flatten().map(|action| action.steps.len()).sum();
    table.line(format!("{of}, all promoted at once, {steps} steps"), planned, Unit::Ms, None);
    let (checked, violations) = timed(|| check(&observation, &decision.memory, &policy, &decision.plan));
    assert!(violations.is_empty(), "no plan breaks a promise: {violations:?}");
    table.line("  the second opinion on all these steps", checked, Unit::Ms, None);
}

/// How it grows, measured by criterion.
pub(crate) fn growth(bench: &Bench<'_>, table: &mut Table) {
    let folder = Workdir::new();
    let mut criterion = Criterion::default()
        .without_plots()
        .output_directory(folder.path())
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(bench.effort.growth);
    let mut grown = |name: &str, sizes: &[(usize, usize)]| -> Vec<(f64, f64)> {
        let mut group = criterion.benchmark_group(name);
        let measured = sizes.iter().map(|&(features, images)| {
            let observation = observation(features, images);
            let policy = Policy::default();
            let memory = decide(&observation, &Memory::default(), &policy, &Now::default()).memory;
            let now: Now = memory.marks().into_iter().map(|mark| (mark, Age::from_seconds(60))).collect();
            group.bench_function(images.to_string(), |bencher| {
                bencher.iter(|| decide(&observation, &memory, &policy, &now));
            });
            let estimates = folder.path().join(name).join(images.to_string()).join("new/estimates.json");
            (images as f64, median_nanoseconds(&estimates) / 1e6)
        });
        measured.collect()
    };
    let (both, images_only) = (grown("features and images", &BOTH), grown("images", &IMAGES_ONLY));
    for (curve, what) in [(&both, "features and images"), (&images_only, "images of ten features")] {
        let micros = |&(images, milliseconds): &(f64, f64)| milliseconds * 1e3 / images;
        let (first, last) = (curve.first().map_or(f64::NAN, micros), curve.last().map_or(f64::NAN, micros));
        table.line(format!("deciding, {what} growing: each of 10,000 images"), last, Unit::Us, Some(1.0));
        table.line("  against each of 100", last / first, Unit::Times, Some(2.0));
    }
    table.curve("deciding, 10 images for each feature", both);
    table.curve("deciding, 10 features", images_only);
}

/// The median that criterion wrote down.
fn median_nanoseconds(estimates: &Path) -> f64 {
    let text = std::fs::read_to_string(estimates).expect("criterion writes its estimates");
    let estimates: serde_json::Value = serde_json::from_str(&text).expect("they are JSON");
    estimates["median"]["point_estimate"].as_f64().expect("a number")
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
fn observation(features: usize, images: usize) -> Observation {
    let mut observation = Observation { config_initialized: true, ..Observation::default() };
    // As the reader of the engine's list does.
    let mut repositories = Repositories::default();
    let versions = images / features;
    for number in 0..features {
        let feature: Feature = parse(&format!("feature{number}"));
        let base: Base = parse(&format!("docker-feature{number}"));
        let key = RowKey { namespace: Namespace::Host, key: feature.clone() };
        let container: ContainerId = parse(&format!("{number:012x}{:052x}", 0));
        observation.image_names.insert(feature.clone(), base.clone());
        observation.configuration.insert(
            key.clone(),
            FeatureConfiguration {
                set_owner: Value::Is(Owner::Kube),
                has_per_asic_scope: false,
                has_global_scope: true,
            },
        );
        observation.state.insert(
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
            observation.images_mut().insert(image_id(number, version), image);
        }
        observation.containers_mut().insert(container, running(&feature, image_id(number, 0)));
    }
    observation
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
    }
}

fn image_id(feature: usize, version: usize) -> ImageId {
    parse(&format!("sha256:{:064x}", feature * 10_000 + version))
}

fn parse<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("no valid name: {text}"))
}
