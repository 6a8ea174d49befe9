use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::*;
use crate::decide::{Arrival, Ending, Failure, InstanceMemory, Owner, Promotion, Proven, Takeover, UnitMemory};
use crate::domain::{Base, ImageId, Instance, Namespace};

fn image(n: u8) -> ImageId {
    format!("sha256:{}", format!("{n:02x}").repeat(32)).parse().unwrap()
}

fn instance(feature: &str, namespace: Namespace) -> Instance {
    Instance { feature: feature.parse().unwrap(), namespace }
}

fn takeover(n: u8) -> Takeover {
    Takeover {
        container: format!("{n:02x}").repeat(32).parse().unwrap(),
        started_at: "2026-11-21T21:32:29.123456789Z".parse().unwrap(),
        oom_kills: 0,
        image: image(n),
        version: "20201231.84".parse().unwrap(),
    }
}

/// A memory with something in every field.
fn full() -> Memory {
    let mut memory = Memory::default();
    for (n, namespace) in [(1, Namespace::Host), (2, Namespace::Asic(0))] {
        let failed = Failure { version: "1".parse().unwrap(), image: image(9), ending: Ending::RemoteState(None) };
        let remembered =
            InstanceMemory { set_owner: Some(Owner::Kube), takeover: Some(takeover(n)), failed: Some(failed) };
        memory.instances.insert(instance("bgp", namespace), remembered);
    }
    let promotion = |n| Promotion {
        image: image(n),
        version: "2".parse().unwrap(),
        takeovers: [(instance("bgp", Namespace::Asic(0)), takeover(n).key())].into(),
    };
    let unit = UnitMemory {
        intention: Some(promotion(1)),
        approved: promotion(1).takeovers,
        promoted: Some(promotion(2)),
        finished: true,
        previous: vec![Proven { version: "1".parse().unwrap(), image: image(3) }],
        rolled_back: Some(image(4)),
        images: [(image(1), Arrival::During), (image(2), Arrival::Before)].into(),
        superseded: [image(5)].into(),
        error: Some("no\nluck".to_owned()),
    };
    memory.units.insert(base(), unit);
    memory
}

#[test]
fn what_was_prepared_is_not_written_again_and_what_came_otherwise_is() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = load(directory.path(), "boot");
    let written = || std::fs::read(directory.path().join("memory.json")).unwrap_or_default();
    store.prepare(full()).unwrap();
    assert_eq!(store.memory(), &Memory::default(), "nothing is remembered yet");
    let prepared = written();
    store.prepare(full()).unwrap();
    assert!(!store.save(full(), SECOND).unwrap(), "it is on the disk already");
    assert_eq!(written(), prepared);

    let mut other = full();
    other.units.get_mut(&base()).unwrap().intention = None;
    store.prepare(other).unwrap();
    assert_ne!(written(), prepared);
    assert!(store.save(full(), SECOND).unwrap(), "nothing came of what was prepared");
    assert_eq!(written(), prepared);
}

fn base() -> Base {
    "docker-fpm-frr".parse().unwrap()
}

fn mark(n: u8) -> Mark {
    Mark::Image { base: base(), image: image(n) }
}

fn load(path: &Path, boot_id: &str) -> Store {
    Store::load(StateDirectory::open(path).unwrap(), boot_id)
}

const SECOND: Duration = Duration::from_secs(1);

/// Saves everything. Whether `memory.json` and `marks.json` were written.
fn save(store: &mut Store, memory: Memory, since_boot: Duration) -> (bool, bool) {
    (store.save(memory, since_boot).unwrap(), store.save_marks().unwrap())
}

/// Inode and time of change of a file.
fn trace(path: &Path, name: &str) -> Option<(u64, i64, i64)> {
    fs::metadata(path.join(name)).ok().map(|m| (m.ino(), m.mtime(), m.mtime_nsec()))
}

#[test]
fn what_is_saved_is_loaded_with_every_field() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = load(directory.path(), "boot");
    assert_eq!(store.memory(), &Memory::default());
    assert_eq!(save(&mut store, full(), SECOND), (true, true));
    let now = store.now(5 * SECOND);
    drop(store);
    let store = load(directory.path(), "boot");
    assert_eq!(store.memory(), &full());
    assert_eq!(store.now(5 * SECOND), now);
    let four_seconds = full().marks().into_iter().map(|mark| (mark, Age::from_seconds(4)));
    assert_eq!(now, four_seconds.collect());
}

#[test]
fn nothing_is_written_when_nothing_changed_and_only_what_did() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let mut store = load(path, "boot");
    save(&mut store, Memory::default(), SECOND);
    assert_eq!((trace(path, MEMORY), trace(path, MARKS)), (None, None));
    save(&mut store, full(), SECOND);
    let before = (trace(path, MEMORY), trace(path, MARKS));
    assert_eq!(save(&mut store, full(), 9 * SECOND), (false, false));
    drop(store);
    let mut store = load(path, "boot");
    save(&mut store, full(), 10 * SECOND);
    assert_eq!((trace(path, MEMORY), trace(path, MARKS)), before);

    // Only observed: an image arrives.
    let mut memory = full();
    memory.units.get_mut(&base()).unwrap().images.insert(image(7), Arrival::During);
    assert_eq!(save(&mut store, memory.clone(), 11 * SECOND), (false, true));
    assert_eq!(trace(path, MEMORY), before.0);
    // Only what fallback depends on.
    memory.units.get_mut(&base()).unwrap().rolled_back = None;
    assert_eq!(save(&mut store, memory, 12 * SECOND), (true, false));
}

#[test]
fn marks_are_stamped_once_and_forgotten_when_they_vanish() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = load(directory.path(), "boot");
    save(&mut store, full(), 10 * SECOND);
    let mut memory = full();
    let images = |memory: &mut Memory| std::mem::take(&mut memory.units.get_mut(&base()).unwrap().images);
    let all = images(&mut memory);
    memory.units.get_mut(&base()).unwrap().images.insert(image(7), Arrival::During);
    save(&mut store, memory.clone(), 20 * SECOND);
    assert_eq!((store.stamp(&mark(1)), store.stamp(&mark(7))), (None, Some(20 * SECOND)));
    memory.units.get_mut(&base()).unwrap().images.extend(all);
    save(&mut store, memory, 30 * SECOND);
    assert_eq!((store.stamp(&mark(1)), store.stamp(&mark(7))), (Some(30 * SECOND), Some(20 * SECOND)));
}

#[test]
fn ages_are_whole_seconds_since_the_exact_stamp() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = load(directory.path(), "boot");
    save(&mut store, full(), Duration::from_micros(10_900_001));
    let stamp = Duration::from_millis(10_901);
    for again in [false, true] {
        if again {
            drop(store);
            store = load(directory.path(), "boot");
        }
        assert_eq!(store.stamp(&mark(1)), Some(stamp));
        for (after, age) in [(0, 0), (999, 0), (1000, 1), (599_999, 599), (600_000, 600), (u64::MAX / 2, 86_400)] {
            let now = store.now(stamp + Duration::from_millis(after));
            assert_eq!(now.image(&base(), &image(1)).seconds(), age, "{after}");
        }
        assert_eq!(store.now(Duration::ZERO).image(&base(), &image(1)), Age::ZERO);
    }
}

#[test]
fn after_a_reboot_takeovers_are_gone_and_images_old() {
    let directory = tempfile::tempdir().unwrap();
    save(&mut load(directory.path(), "boot"), full(), 1000 * SECOND);
    let mut store = load(directory.path(), "another");
    assert_eq!(store.memory(), &full().after_reboot());
    assert_eq!(store.stamp(&mark(1)), None);
    assert_eq!(store.now(SECOND).image(&base(), &image(1)), Age::MAX);
    // They stay old though they are saved again, and though something new comes.
    let mut memory = store.memory().clone();
    assert!(save(&mut store, memory.clone(), SECOND).1);
    memory.units.get_mut(&base()).unwrap().images.insert(image(7), Arrival::During);
    save(&mut store, memory, 2 * SECOND);
    drop(store);
    let store = load(directory.path(), "another");
    assert_eq!(store.now(3 * SECOND).image(&base(), &image(1)), Age::MAX);
    assert_eq!(store.now(3 * SECOND).image(&base(), &image(7)).seconds(), 1);
}

#[test]
fn killed_between_the_files_what_fallback_depends_on_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    save(&mut load(path, "boot"), full(), SECOND);
    fs::remove_file(path.join(MARKS)).unwrap();
    fs::write(path.join("memory.json.tmp"), "{\"for").unwrap();
    let store = load(path, "boot");
    assert_eq!(Durable::of(store.memory()), Durable::of(&full()));
    assert!(store.memory().instances.is_empty() && store.memory().marks().is_empty());
    assert!(!path.join("memory.json.tmp").exists());
}

#[test]
fn corrupt_files_are_moved_aside_one_by_one() {
    for bad in ["", "{", "null", r#"{"format":2,"units":{}}"#, r#"{"format":1,"units":{},"x":1}"#, r#"{"format":1}"#] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        save(&mut load(path, "boot"), full(), SECOND);
        fs::write(path.join(MEMORY), bad).unwrap();
        let mut store = load(path, "boot");
        assert_eq!(Durable::of(store.memory()), Durable::default(), "{bad}");
        assert_eq!(store.memory().instances, full().instances);
        assert!(path.join("memory.json.corrupt").exists());
        // It is written again with the next promotion.
        assert!(store.save(full(), 2 * SECOND).unwrap());
        drop(store);
        fs::write(path.join(MARKS), bad).unwrap();
        assert_eq!(Durable::of(load(path, "boot").memory()), Durable::of(&full()));
    }
}

#[test]
fn a_write_that_failed_is_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let mut store = load(path, "boot");
    fs::create_dir(path.join(MARKS)).unwrap();
    assert!(store.save(full(), SECOND).unwrap());
    assert!(store.save_marks().is_err());
    fs::remove_dir(path.join(MARKS)).unwrap();
    assert_eq!(save(&mut store, full(), SECOND), (false, true));

    fs::remove_file(path.join(MEMORY)).unwrap();
    fs::create_dir(path.join(MEMORY)).unwrap();
    assert!(store.save(Memory::default(), SECOND).is_err());
    fs::remove_dir(path.join(MEMORY)).unwrap();
    assert!(store.save(Memory::default(), SECOND).unwrap());
}

#[test]
fn a_stamp_from_the_future_is_brought_back() {
    let directory = tempfile::tempdir().unwrap();
    save(&mut load(directory.path(), "boot"), full(), 1_000_000 * SECOND);
    let mut store = load(directory.path(), "boot");
    assert!(save(&mut store, full(), SECOND).1);
    assert_eq!(store.now(5 * SECOND).image(&base(), &image(1)).seconds(), 4);
}

#[test]
fn a_command_reads_and_cannot_write() {
    let directory = tempfile::tempdir().unwrap();
    let agent = load(directory.path(), "boot");
    let mut store = Store::load(StateDirectory::read_only(directory.path()), "boot");
    assert!(store.save(full(), SECOND).is_err());
    drop(agent);
    let missing = Store::load(StateDirectory::read_only(Path::new("/nonexistent/x")), "boot");
    assert_eq!(missing.memory(), &Memory::default());
}
