//! What a snapshot shows.

use imgmgrd_test_support::{ContainerSpec, Image as TestImage, Registry};

use super::fixture::{Rig, id, interest, kube_spec, reference};
use crate::docker::Interest;
use crate::domain::Value;
use crate::planner::{ContainerStatus, ImageVersion};

#[tokio::test]
async fn only_what_is_interesting_is_inspected() {
    let rig = Rig::new();
    let snmp = rig.image("r.example:5000/docker-snmp:20240510.RC1");
    let other = rig.image("docker-lldp:1");
    let container = rig.kube("snmp", &snmp);
    let other_kube = rig.kube("lldp", &other);

    let nothing = rig.read(&Interest::default()).await;
    assert_eq!(nothing.images[&snmp].version, ImageVersion::NotRead);
    assert_eq!(nothing.images[&snmp].references, [reference("r.example:5000/docker-snmp:20240510.RC1")].into());
    assert!(nothing.images[&snmp].size > 100_000);
    assert_eq!(nothing.containers[&container].details, None);
    assert_eq!(nothing.containers[&container].status, ContainerStatus::Running);
    assert_eq!(nothing.containers[&container].created_from, None, "created from an id");

    let snapshot = rig.read(&interest(&["snmp"], &[])).await;
    let details = snapshot.containers[&container].details.clone().expect("inspected");
    assert!(!details.unhealthy && details.oom_kills == 0, "{details:?}");
    assert_eq!(snapshot.containers[&container].kubelet.as_ref().map(|labels| &*labels.container_name), Some("snmp"));
    // The image of an interesting container is interesting.
    assert_eq!(snapshot.images[&snmp].version, ImageVersion::Read(Value::Is("20240510.RC1".parse().unwrap())));
    assert_eq!(snapshot.images[&other].version, ImageVersion::NotRead);
    assert_eq!(snapshot.containers[&other_kube].details, None);

    let prefix = Interest { containers: [other_kube.short()].into(), ..Interest::default() };
    assert!(rig.read(&prefix).await.containers[&other_kube].details.is_some());
    let everything = Interest { everything: true, ..Interest::default() };
    let everything = rig.read(&everything).await;
    assert!(everything.containers.values().all(|container| container.details.is_some()));
    assert!(everything.images.values().all(|image| image.declared_version().is_some()));
}

#[tokio::test]
async fn images_without_a_name_are_seen() {
    let rig = Rig::new();
    let first = rig.image("docker-snmp:1");
    let second = rig.image("docker-snmp:2");
    rig.dockerd.tag(&second.to_string(), "docker-snmp:1");
    let snapshot = rig.read(&Interest { images: [first].into(), ..Interest::default() }).await;
    let nameless = &snapshot.images[&first];
    assert!(nameless.references.is_empty() && nameless.unreadable_references == 0, "{nameless:?}");
    assert_eq!(nameless.declared_version().map(ToString::to_string).as_deref(), Some("1"));
    assert_eq!(snapshot.images[&second].references.len(), 2);
}

#[tokio::test]
async fn tags_and_digests_and_what_containers_were_created_from() {
    let rig = Rig::new();
    let registry = Registry::start(&rig.folder.folder("r"));
    let digest = registry.publish("docker-snmp", "1", &TestImage::new(Some("1")));
    let by_digest = format!("{}@{digest}", registry.repository("docker-snmp"));
    let image = id(&rig.dockerd.pull(&by_digest));
    let local = rig.image("docker-snmp:latest");
    let pulled = rig.stopped("pulled", &by_digest);
    let short = rig.stopped("short", &image.to_string()["sha256:".len()..][..12]);
    let tagged = rig.stopped("snmp", "docker-snmp:latest");
    let snapshot = rig.read(&interest(&[], &["docker-snmp"])).await;
    assert_eq!(snapshot.images[&image].references, [reference(&by_digest)].into());
    assert_eq!(snapshot.images[&image].declared_version().map(ToString::to_string).as_deref(), Some("1"));
    assert_eq!(snapshot.containers[&pulled].created_from, Some(reference(&by_digest)));
    assert_eq!(snapshot.containers[&short].created_from, None);
    assert_eq!(snapshot.containers[&tagged].created_from, Some(reference("docker-snmp:latest")));
    assert_eq!(&*snapshot.containers[&tagged].name, "snmp");
    assert_eq!(snapshot.containers[&tagged].image, local);
    assert_eq!(snapshot.containers[&tagged].status, ContainerStatus::Stopped);
}

#[tokio::test]
async fn paused_restarting_and_unhealthy() {
    let rig = Rig::new();
    let image = rig.image("docker-snmp:1");
    let interval = std::time::Duration::from_millis(100);
    let unhealthy = rig.run(&kube_spec("snmp", &image).health(&["/bin/busybox", "false"], interval));
    let looping = rig.run(&ContainerSpec::new("looping", "docker-snmp:1").script("exit 1").restart_always());
    let wanted = Interest { everything: true, ..Interest::default() };
    let started = tokio::time::Instant::now();
    loop {
        let snapshot = rig.read(&wanted).await;
        let is_unhealthy = snapshot.containers[&unhealthy].details.as_ref().is_some_and(|details| details.unhealthy);
        if is_unhealthy && snapshot.containers[&looping].status == ContainerStatus::Restarting {
            assert_eq!(snapshot.containers[&looping].details, None);
            break;
        }
        assert!(started.elapsed() < super::fixture::SOON, "{snapshot:?}");
        tokio::time::sleep(interval).await;
    }
}
