//! An engine that is not there, is slow, refuses, or comes back.

use std::sync::Arc;
use std::time::Duration;

use imgmgrd_test_support::Engine as Dockerd;
use imgmgrd_test_support::workdir::Workdir;
use tokio::sync::watch;
use tokio::time::Instant;

use super::fixture::{Rig, interest, until};
use crate::docker::{Engine, EngineError, EngineHost, GroupRequest, Interest, Reader, State, watch};

fn is_there(state: &State) -> bool {
    state.snapshot.is_some() && state.unreachable.is_none()
}

fn is_unreachable(state: &State) -> bool {
    state.snapshot.is_none() && state.unreachable.is_some()
}

#[tokio::test]
async fn no_socket_and_nobody_listening() {
    let folder = Workdir::new();
    let missing = Engine::new(EngineHost::Unix(folder.path().join("no.sock")));
    let error = missing.version().await.unwrap_err();
    assert!(matches!(error, EngineError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().ends_with("is the engine running? systemctl status docker"), "{error}");

    let path = folder.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let error = Engine::new(EngineHost::Unix(path)).version().await.unwrap_err();
    assert!(matches!(error, EngineError::Unreachable { .. }), "{error:?}");
    let error = Engine::new("tcp://127.0.0.1:1".parse().unwrap()).version().await.unwrap_err();
    assert!(matches!(error, EngineError::Unreachable { .. }), "{error:?}");
}

#[test]
fn no_permission() {
    // Tests run as root, whom no socket refuses: the system's words for it are as good.
    let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let error = EngineError::io("looking".to_owned(), &EngineHost::DEFAULT.parse().unwrap(), &denied);
    assert!(matches!(error, EngineError::PermissionDenied { .. }) && error.is_unreachable());
    assert!(error.to_string().ends_with("run as root or as a member of the group \"docker\""), "{error}");
}

#[tokio::test]
async fn the_version_is_negotiated() {
    let rig = Rig::new();
    let version = rig.engine.version().await.unwrap();
    assert!(!version.version.is_empty() && !version.storage_driver.is_empty(), "{version:?}");
    let newest = "1.53";
    assert!(version.negotiated == version.api_version || version.negotiated == newest, "{version:?}");
}

#[tokio::test]
async fn an_engine_that_restarts_is_followed_again() {
    let mut rig = Rig::new();
    let image = rig.image("docker-snmp:1");
    let (_interest, receiver) = watch::channel(Arc::new(interest(&["snmp"], &["docker-snmp"])));
    let watcher = watch(Reader::new(rig.engine.clone()), receiver);
    let mut state = watcher.state();
    let before = until(&mut state, "read", is_there).await;
    rig.dockerd.stop();
    let unreachable = until(&mut state, "unreachable", is_unreachable).await;
    assert!(unreachable.unreachable.unwrap().contains("systemctl status docker"));
    rig.dockerd.start_again();
    let since = Instant::now();
    let after = until(&mut state, "back", is_there).await;
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    assert!(after.generation > before.generation);
    // The new stream works.
    rig.dockerd.tag(&image.to_string(), "docker-snmp:2");
    until(&mut state, "tagged", |state| {
        state.snapshot.as_ref().is_some_and(|snapshot| snapshot.images[&image].references.len() == 2)
    })
    .await;
}

#[tokio::test]
async fn an_engine_that_appears_later_is_found() {
    let folder = Workdir::new();
    let path = folder.folder("d");
    let engine = Engine::new(EngineHost::Unix(path.join("docker.sock")));
    let (_interest, receiver) = watch::channel(Arc::<Interest>::default());
    let watcher = watch(Reader::new(engine), receiver);
    let mut state = watcher.state();
    until(&mut state, "unreachable", is_unreachable).await;
    let _dockerd = Dockerd::start(&path);
    watcher.resync();
    let since = Instant::now();
    until(&mut state, "there", is_there).await;
    assert!(since.elapsed() < Duration::from_secs(1), "a resync ends the pause: {:?}", since.elapsed());
}

#[tokio::test]
async fn an_engine_that_hangs_ends_in_a_deadline() {
    let mut rig = Rig::new();
    let (_interest, receiver) = watch::channel(Arc::<Interest>::default());
    let watcher = watch(Reader::new(rig.engine.clone()), receiver);
    let mut state = watcher.state();
    until(&mut state, "read", is_there).await;
    rig.dockerd.pause();
    watcher.resync();
    // It stops when the system comes to it, and may answer until then.
    let (error, since) = loop {
        let since = Instant::now();
        let request = GroupRequest { all_containers: true, ..GroupRequest::default() };
        if let Err(error) = watcher.reader().read_group(request).await {
            break (error, since);
        }
    };
    assert!(matches!(error, EngineError::TimedOut { .. }), "{error:?}");
    assert!((9..12).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    let unreachable = until(&mut state, "unreachable", is_unreachable).await;
    assert!(unreachable.unreachable.unwrap().contains("did not answer"), "{:?}", state.borrow());
    rig.dockerd.resume();
    watcher.resync();
    until(&mut state, "back", is_there).await;
}
