//! The story itself, scene by scene.

use std::time::Duration;

use imgmgrd_test_support::rows::Instance;
use imgmgrd_test_support::{Image, KubeContainer, Switch, wait_until};

use crate::narrator::{Narrator, Who};
use crate::stage::{Feature, Stage};
use crate::stop::Stop;

/// Features of SONiC's init_cfg.json, with the names of their images. The names are short, so that `imgmgrd status` fits 80
/// columns.
pub(crate) const FEATURES: [Feature; 13] = [
    Feature { name: "bgp", base: "docker-fpm-frr" },
    Feature { name: "eventd", base: "docker-eventd" },
    Feature { name: "gnmi", base: "docker-sonic-gnmi" },
    Feature { name: "lldp", base: "docker-lldp" },
    Feature { name: "nat", base: "docker-nat" },
    Feature { name: "pmon", base: "docker-platform-monitor" },
    Feature { name: "radv", base: "docker-router-advertiser" },
    Feature { name: "sflow", base: "docker-sflow" },
    SNMP,
    Feature { name: "swss", base: "docker-orchagent" },
    Feature { name: "syncd", base: "docker-syncd-vs" },
    Feature { name: "teamd", base: "docker-teamd" },
    TELEMETRY,
];
/// The two that Kubernetes is to own.
pub(crate) const TELEMETRY: Feature = Feature { name: "telemetry", base: "docker-sonic-telemetry" };
pub(crate) const SNMP: Feature = Feature { name: "snmp", base: "docker-snmp" };

/// The version that the switch was installed with, and those that Kubernetes deploys.
pub(crate) const INSTALLED: &str = "20240510.1";
pub(crate) const SECOND: &str = "20240510.2";
pub(crate) const THIRD: &str = "20240510.3";
pub(crate) const FOURTH: &str = "20240510.4";

/// What the images of Kubernetes have beyond the shared layer: what clean-up gives back.
const IMAGE_SIZE: usize = 3 << 20;

/// How long the agent observes a takeover here; ten minutes on a switch.
const STABLE_TIME: &str = "5";

/// How long the bad version runs before it crashes.
const CRASH_AFTER: &str = "2";

/// Sets the stage: servers, images, containers and rows.
pub(crate) fn open(narrator: &Narrator) -> Result<(Switch, Vec<Feature>), Stop> {
    narrator.heading("A SONiC switch, made of a private Redis, Docker engine and registry in a temporary folder");
    let switch = Switch::new();
    narrator
        .says(Who::Switch, &format!("redis-server, dockerd and docker-registry run in {}", switch.path().display()));
    switch.rows().policy(&[("stable_time", STABLE_TIME)]);
    switch.rows().kubernetes_master(false);
    switch.rows().kubernetes_connected(true);

    let images: Vec<(Image, Vec<String>)> = FEATURES.iter().map(|feature| installed(*feature)).collect();
    switch.engine().load_all(&images);
    for feature in FEATURES {
        let owner = if [TELEMETRY.name, SNMP.name].contains(&feature.name) { "kube" } else { "local" };
        switch.rows().config_feature(feature.name, owner, false, true);
    }
    // systemd starts them at the same time, too.
    std::thread::scope(|scope| {
        for feature in FEATURES {
            let switch = &switch;
            scope.spawn(move || switch.start_locally(&Instance::host(feature.name), feature.base, INSTALLED));
        }
    });
    narrator.says(
        Who::Switch,
        &format!("systemd has started {} features from their local images, all {INSTALLED}", FEATURES.len()),
    );
    narrator.says(Who::Switch, "config feature owner: telemetry and snmp are to be owned by kube");
    publish(&switch);
    Ok((switch, FEATURES.to_vec()))
}

/// As an installation leaves it: `latest` and the version's own tag.
fn installed(feature: Feature) -> (Image, Vec<String>) {
    let image = Image::new(Some(INSTALLED)).salt(feature.name);
    (image, vec![format!("{}:latest", feature.base), format!("{}:{INSTALLED}", feature.base)])
}

/// Fills the registry.
fn publish(switch: &Switch) {
    for (feature, versions) in [(TELEMETRY, &[INSTALLED, SECOND, THIRD, FOURTH][..]), (SNMP, &[SECOND])] {
        for version in versions {
            publish_version(switch, feature, version, false);
        }
    }
    publish_version(switch, SNMP, THIRD, true);
}

/// Puts a version into the registry; a bad one crashes soon after its start.
pub(crate) fn publish_version(switch: &Switch, feature: Feature, version: &str, is_bad: bool) {
    let image = Image::new(Some(version)).salt(feature.base).size(IMAGE_SIZE);
    let script = format!("/bin/busybox sleep {CRASH_AFTER}; exit 139");
    let image = if is_bad { image.command(&["/bin/busybox", "sh", "-c", &script]) } else { image };
    switch.registry().publish(feature.base, version, &image);
}

/// A pod of a feature, as the story leaves it.
#[derive(Debug)]
pub(crate) struct Pod {
    /// The feature.
    pub(crate) feature: Feature,
    /// The version that was deployed.
    pub(crate) version: String,
    /// Its container.
    pub(crate) container: KubeContainer,
}

/// Plays all scenes; what Kubernetes runs at the end.
pub(crate) fn tell(stage: &mut Stage<'_>) -> Result<Vec<Pod>, Stop> {
    all_local(stage)?;
    let dry_run = dry_run(stage)?;
    let [telemetry, snmp] = first_upgrade(stage, &dry_run)?;
    let (telemetry, bad) = second_upgrade(stage, &telemetry, &snmp)?;
    third_upgrade_and_rollback(stage, &telemetry, &bad)
}

fn all_local(stage: &mut Stage<'_>) -> Result<(), Stop> {
    stage.scene("1. imgmgrd starts. Nothing is to be done: it publishes one row per feature and is silent");
    stage.start_agent();
    stage.wait("every feature to have its row", |stage| {
        FEATURES.iter().all(|feature| stage.stability(*feature) == "local")
    })?;
    stage.says(Who::Switch, "STATE_DB has CONTAINER_IMAGE|bgp ... CONTAINER_IMAGE|telemetry, all stability=local");
    Ok(())
}

fn dry_run(stage: &mut Stage<'_>) -> Result<KubeContainer, Stop> {
    stage.scene("2. Kubernetes deploys the version of telemetry that runs locally: a dry run");
    let container = stage.deploy(TELEMETRY, INSTALLED)?;
    stage.says(
        Who::Switch,
        "the container sees its own version running and idles; its image stays on the disk beside the local one",
    );
    stage.pause(Duration::from_secs(1))?;
    Ok(container)
}

fn first_upgrade(stage: &mut Stage<'_>, dry_run: &KubeContainer) -> Result<[KubeContainer; 2], Stop> {
    stage.scene(&format!(
        "3. Kubernetes upgrades telemetry and snmp to {SECOND}. After {STABLE_TIME} s (ten minutes on a switch) \
         they have proven stable"
    ));
    show_images(stage, TELEMETRY, "before");
    let local = stage.switch.engine().image_id(&format!("{}:latest", TELEMETRY.base));
    stage.remove(TELEMETRY, dry_run, INSTALLED);
    let mut containers = Vec::new();
    for feature in [TELEMETRY, SNMP] {
        let container = stage.deploy(feature, SECOND)?;
        take_over(stage, feature, &container, SECOND);
        containers.push(container);
    }
    stage.await_stability(TELEMETRY, "stable")?;
    stage.await_stability(SNMP, "stable")?;
    settle(stage)?;
    show_images(stage, TELEMETRY, "after");
    let fallback = stage.switch.registry().repository(TELEMETRY.base) + ":" + INSTALLED;
    if stage.switch.engine().image_id(&fallback) != local {
        return Err(Stop::wrong(format!("{fallback} is not the local image that actually ran")));
    }
    stage.narrator.aside(&format!(
        "latest is {SECOND} now: a reboot without Kubernetes would start it. The local image of {INSTALLED}, which \
         actually ran, is kept under the registry's name for a rollback; the one that only idled is gone."
    ));
    <[KubeContainer; 2]>::try_from(containers).map_err(|_| Stop::wrong("two containers were deployed"))
}

fn second_upgrade(
    stage: &mut Stage<'_>,
    telemetry: &KubeContainer,
    snmp: &KubeContainer,
) -> Result<(KubeContainer, KubeContainer), Stop> {
    stage.scene(&format!("4. A second upgrade, to {THIRD}. The one of snmp is bad: it crashes"));
    let good = replace(stage, TELEMETRY, (telemetry, SECOND), THIRD)?;
    let bad = replace(stage, SNMP, (snmp, SECOND), THIRD)?;
    stage.await_stability(SNMP, "failed")?;
    stage.says(Who::Switch, "docker-snmp:latest still is the good version; the service goes down");
    stage.switch.feature(SNMP.name).goes_away();
    stage.await_stability(TELEMETRY, "stable")?;
    settle(stage)?;
    show_images(stage, TELEMETRY, "after");
    stage.narrator.aside(&format!("{THIRD} and, for a rollback, {SECOND} stay; {INSTALLED} is old and gone."));
    Ok((good, bad))
}

fn third_upgrade_and_rollback(
    stage: &mut Stage<'_>,
    telemetry: &KubeContainer,
    bad: &KubeContainer,
) -> Result<Vec<Pod>, Stop> {
    stage.scene(&format!("5. Kubernetes rolls snmp back to {SECOND}, and upgrades telemetry to {FOURTH}"));
    stage.remove(SNMP, bad, THIRD);
    let container = stage.deploy(SNMP, SECOND)?;
    take_over(stage, SNMP, &container, SECOND);
    let newest = replace(stage, TELEMETRY, (telemetry, THIRD), FOURTH)?;
    stage.await_stability(SNMP, "stable")?;
    stage.await_stability(TELEMETRY, "stable")?;
    settle(stage)?;
    show_images(stage, TELEMETRY, "after");
    show_images(stage, SNMP, "after");
    let pod = |feature, version: &str, container| Pod { feature, version: version.to_owned(), container };
    Ok(vec![pod(SNMP, SECOND, container), pod(TELEMETRY, FOURTH, newest)])
}

/// The kubelet replaces a feature's container by another version's.
fn replace(
    stage: &mut Stage<'_>,
    feature: Feature,
    (old, old_version): (&KubeContainer, &str),
    version: &str,
) -> Result<KubeContainer, Stop> {
    stage.remove(feature, old, old_version);
    stage.switch.feature(feature.name).goes_away();
    let container = stage.deploy(feature, version)?;
    take_over(stage, feature, &container, version);
    Ok(container)
}

/// A kube container takes over as SONiC's scripts let it: it asks, systemd stops what runs locally, it goes on.
pub(crate) fn take_over(stage: &mut Stage<'_>, feature: Feature, container: &KubeContainer, version: &str) {
    let engine = stage.switch.engine();
    if engine.is_running(feature.name) {
        engine.stop_container(feature.name);
        stage.says(Who::Switch, &format!("systemd stops the local container {}", feature.name));
    }
    stage.switch.feature(feature.name).kube_takes_over(container.short_id(), version);
    let row = format!(
        "FEATURE|{}: current_owner=kube container_id={} container_version={version} remote_state=running",
        feature.name,
        container.short_id()
    );
    stage.says(Who::Switch, &row);
}

/// Waits until the agent has nothing left to do.
fn settle(stage: &mut Stage<'_>) -> Result<(), Stop> {
    stage.pause(Duration::from_millis(700))
}

/// What is on the disk of a feature.
fn show_images(stage: &Stage<'_>, feature: Feature, when: &str) {
    let images = wait_until("the engine to list its images", Duration::from_secs(5), || {
        Some(stage.switch.engine().images()).filter(|images| !images.is_empty())
    });
    stage.narrator.aside(&format!("images of {} {when}:", feature.name));
    for (reference, id) in &images {
        let repository = reference.rsplit_once(':').map_or(reference.as_str(), |(repository, _)| repository);
        if repository.rsplit('/').next() == Some(feature.base) {
            let id = id.trim_start_matches("sha256:").get(..12).unwrap_or(id);
            stage.narrator.item(id, reference);
        }
    }
}
