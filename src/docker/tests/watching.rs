//! How a snapshot stays current.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::fixture::{Rig, SOON, interest, kube_spec, reference, until, until_snapshot};
use crate::clock;
use crate::docker::{GroupRequest, Interest, Reader, State, watch};
use crate::planner::ContainerStatus;

#[tokio::test]
async fn events_bring_the_snapshot_up_to_date() {
    let rig = Rig::new();
    let (_interest, receiver) = watch::channel(Arc::new(interest(&["snmp"], &["docker-snmp"])));
    let watcher = watch(Reader::new(rig.engine.clone()), receiver);
    let mut state = watcher.state();
    until_snapshot(&mut state, "read", |snapshot| snapshot.images.is_empty()).await;

    let image = rig.image("docker-snmp:1");
    until_snapshot(&mut state, "loaded", |snapshot| {
        snapshot.images.get(&image).is_some_and(|image| image.declared_version().is_some())
    })
    .await;
    let container = rig.kube("snmp", &image);
    let seen = until_snapshot(&mut state, "started", |snapshot| {
        snapshot.containers.get(&container).is_some_and(|container| container.details.is_some())
    })
    .await;
    rig.dockerd.restart_container(&container.to_string());
    let start = |snapshot: &crate::docker::EngineSnapshot| {
        snapshot.containers.get(&container)?.details.as_ref().map(|details| details.started_at.clone())
    };
    until_snapshot(&mut state, "restarted", |snapshot| start(snapshot).is_some() && start(snapshot) != start(&seen))
        .await;
    rig.dockerd.kill_container(&container.to_string());
    until_snapshot(&mut state, "killed", |snapshot| {
        snapshot.containers[&container].status == ContainerStatus::Stopped
            && snapshot.containers[&container].details.is_none()
    })
    .await;
    rig.dockerd.tag(&image.to_string(), "docker-snmp:latest");
    until_snapshot(&mut state, "tagged", |snapshot| snapshot.images[&image].references.len() == 2).await;
    rig.dockerd.remove_container(&container.to_string());
    rig.dockerd.untag("docker-snmp:latest");
    rig.dockerd.untag("docker-snmp:1");
    until_snapshot(&mut state, "gone", |snapshot| snapshot.images.is_empty() && snapshot.containers.is_empty()).await;
}

#[tokio::test]
async fn the_end_of_a_container_is_seen_though_nobody_asked_for_it() {
    let rig = Rig::new();
    let (_interest, receiver) = watch::channel(Arc::new(interest(&["snmp"], &["docker-snmp"])));
    let watcher = watch(Reader::new(rig.engine.clone()), receiver);
    let mut state = watcher.state();
    let image = rig.image("docker-snmp:1");
    let container = rig.run(&imgmgrd_test_support::ContainerSpec::new("snmp", &image.to_string()));
    for status in [ContainerStatus::Running, ContainerStatus::Stopped].iter().cycle().take(12) {
        until_snapshot(&mut state, "as it is", |snapshot| {
            snapshot.containers.get(&container).is_some_and(|container| container.status == *status)
        })
        .await;
        match status {
            ContainerStatus::Running => rig.dockerd.kill_container(&container.to_string()),
            _ => rig.dockerd.start_container(&container.to_string()),
        }
    }
}

#[tokio::test]
async fn nothing_is_published_while_nothing_happens() {
    let rig = Rig::new();
    let image = rig.image("docker-snmp:1");
    // A health check that goes on and on is no news: exec events are not listened to.
    rig.run(&kube_spec("snmp", &image).health(&["/bin/busybox", "true"], Duration::from_millis(100)));
    let (_interest, receiver) = watch::channel(Arc::new(interest(&["snmp"], &["docker-snmp"])));
    let watcher = watch(Reader::new(rig.engine.clone()), receiver);
    let mut state = watcher.state();
    until(&mut state, "read", |state| state.snapshot.is_some()).await;
    // The first check turns "starting" to "healthy", which is an event.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = state.borrow_and_update().clone();
    assert!(timeout(Duration::from_secs(1), state.changed()).await.is_err(), "news: {before:?} {:?}", state.borrow());
    // A resync that finds what was known is no news either.
    watcher.resync();
    assert!(timeout(Duration::from_secs(1), state.changed()).await.is_err(), "news: {before:?} {:?}", state.borrow());
    // And the new stream of events works.
    rig.dockerd.tag(&image.to_string(), "docker-snmp:2");
    let after = until(&mut state, "tagged", |state| state.generation != before.generation).await;
    assert!(after.snapshot != before.snapshot);
}

#[tokio::test]
async fn a_burst_is_a_few_reads() {
    let rig = Rig::new();
    let image = rig.image("docker-snmp:1");
    let (_interest, receiver) = watch::channel(Arc::new(interest(&[], &["docker-snmp"])));
    let watcher = watch(Reader::new(rig.engine.clone()), receiver);
    let mut state = watcher.state();
    let before = until(&mut state, "read", |state| state.snapshot.is_some()).await.generation;
    // The watching task does not run meanwhile: these calls block.
    for version in 2..102 {
        rig.dockerd.tag(&image.to_string(), &format!("docker-snmp:{version}"));
    }
    let after = until(&mut state, "all there", |state| {
        state.snapshot.as_ref().is_some_and(|snapshot| snapshot.images[&image].references.len() == 101)
    })
    .await;
    assert!(after.generation - before <= 5, "{} reads", after.generation - before);
}

#[tokio::test]
async fn an_interest_is_answered_when_it_changes() {
    let rig = Rig::new();
    let image = rig.image("docker-snmp:1");
    let container = rig.kube("snmp", &image);
    let (sender, receiver) = watch::channel(Arc::<Interest>::default());
    let watcher = watch(Reader::new(rig.engine.clone()), receiver);
    let mut state = watcher.state();
    let first = until(&mut state, "read", |state| state.snapshot.is_some()).await;
    assert_eq!(first.snapshot.unwrap().containers[&container].details, None);
    let wanted = interest(&["snmp"], &[]);
    sender.send_replace(Arc::new(wanted.clone()));
    let answer = until(&mut state, "answered", |state| *state.interest == wanted).await;
    assert!(answer.snapshot.unwrap().containers[&container].details.is_some());
    // An interest in nothing that is there is answered, too.
    let wanted = interest(&["snmp", "bgp"], &[]);
    sender.send_replace(Arc::new(wanted.clone()));
    until(&mut state, "answered", |state: &State| *state.interest == wanted).await;
}

#[tokio::test]
async fn kills_for_lack_of_memory_are_counted() {
    let rig = Rig::new();
    let image = rig.image("docker-snmp:1");
    let (_interest, receiver) = watch::channel(Arc::new(interest(&["snmp"], &[])));
    let watcher = watch(Reader::new(rig.engine.clone()), receiver);
    let mut state = watcher.state();
    until(&mut state, "read", |state| state.snapshot.is_some()).await;
    // Its first process survives: only the children that use too much memory are killed.
    let hungry = "trap 'exit 0' TERM; sleep 0.3; for i in 1 2; do \
        /bin/busybox sh -c 'x=0123456789abcdef; while :; do x=$x$x; done'; done; while :; do /bin/busybox sleep 1; done";
    let container = rig.run(&kube_spec("snmp", &image).memory(16 << 20).script(hungry));
    let kills = |state: &State| {
        let details = state.snapshot.as_ref()?.containers.get(&container)?.details.as_ref()?;
        Some(details.oom_kills)
    };
    until(&mut state, "killed twice", |state| kills(state).is_some_and(|kills| kills >= 2)).await;
    let request = GroupRequest { containers: [container].into(), ..GroupRequest::default() };
    let fresh = watcher.reader().read_group(request).await.unwrap();
    assert!(fresh.containers[&container].details.as_ref().is_some_and(|details| details.oom_kills >= 2));
}

#[tokio::test]
async fn a_snapshot_that_was_asked_for_shows_what_was_done_before() {
    let rig = Rig::new();
    let (_interest, receiver) = watch::channel(Arc::<Interest>::default());
    let watcher = watch(Reader::new(rig.engine.clone()), receiver);
    let mut state = watcher.state();
    until(&mut state, "read", |state| state.snapshot.is_some()).await;
    let image = rig.image("docker-snmp:1");
    let done = clock::since_boot();
    watcher.look_again();
    let seen = until(&mut state, "read again", |state| state.began >= done).await;
    assert_eq!(seen.snapshot.unwrap().images[&image].references, [reference("docker-snmp:1")].into());
    // It comes though there is no news in it.
    state.mark_unchanged();
    watcher.look_again();
    timeout(SOON, state.changed()).await.expect("it comes").unwrap();
}
