//! The files of earlier releases, as they wrote them, in `tests/fixtures/state`. A file is added with each release that
//! writes another; none is ever changed.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::domain::Age;
use crate::planner::{Mark, Owner};

const BOOT: &str = "0b8e1f62-0f6f-4a0d-8a53-5d4c6f2f7e11";
const SINCE_BOOT: Duration = Duration::from_secs(100);

/// A state directory with the files of a release.
fn of_release(release: &str) -> (tempfile::TempDir, StateDirectory) {
    let folder = tempfile::tempdir().unwrap();
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/state").join(release);
    for file in std::fs::read_dir(files).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    let directory = StateDirectory::open(folder.path()).unwrap();
    (folder, directory)
}

#[test]
fn what_the_first_release_remembered_holds() {
    let (folder, directory) = of_release("v1");
    let image = |n: u8| format!("sha256:{}", format!("{n:02x}").repeat(32)).parse().unwrap();
    let (mut store, memory, stamps) = Store::load(directory.clone(), BOOT, SINCE_BOOT);
    let group = &memory.groups[&"docker-fpm-frr".parse().unwrap()];
    assert_eq!(group.intention.as_ref().unwrap().image, image(1));
    assert_eq!(group.promoted.as_ref().unwrap().image, image(2));
    assert_eq!((group.previous[0].image, group.rolled_back.clone()), (image(3), [image(4)].into()));
    assert!(group.finished && group.approved.len() == 1 && group.superseded.contains(&image(5)));
    assert_eq!((group.images.len(), group.error.as_deref()), (2, Some("no\nluck")));
    assert_eq!(memory.instances.len(), 2);
    for remembered in memory.instances.values() {
        assert_eq!(remembered.set_owner, Some(Owner::Kube));
        assert!(remembered.takeover.is_some() && remembered.failed.is_some());
    }
    assert_eq!(stamps.len(), 4);
    let base = "docker-fpm-frr".parse().unwrap();
    assert_eq!(stamps[&Mark::Image { base, image: image(2) }], Duration::from_millis(10_500));
    let base = "docker-fpm-frr".parse().unwrap();
    assert_eq!(ages(&stamps, SINCE_BOOT).image(&base, &image(2)), Age::from_seconds(89));
    // Read and written again, it is the same.
    std::fs::remove_file(folder.path().join("lock")).unwrap();
    assert!(store.save(&memory).unwrap() && store.save_marks(&memory, &stamps).unwrap());
    drop(store);
    let (_, again, its_stamps) = Store::load(directory.clone(), BOOT, SINCE_BOOT);
    assert_eq!((again, its_stamps), (memory, stamps));

    let mut history = History::load(directory.clone());
    let told: Vec<_> = history.entries("bgp0").map(|entry| (entry.n, entry.count, entry.event.event.clone())).collect();
    assert_eq!(told, [(44, 1, "failed".to_owned()), (45, 1, "promoted".to_owned())]);
    let again = history.entries("bgp0").next().unwrap().event.clone();
    assert_eq!(history.add("bgp0", "2026-11-21 21:33:00".to_owned(), again, None), 46);
    assert_eq!(history.entries("bgp0").map(|entry| (entry.n, entry.count)).collect::<Vec<_>>(), [(45, 1), (46, 2)]);

    let policy = LastPolicy::load(directory);
    assert_eq!(policy.good().global["stable_time"], "60");
    assert_eq!(policy.good().features["snmp"]["pin"], "20240510.RC1");
    let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().contains("corrupt")));
}
