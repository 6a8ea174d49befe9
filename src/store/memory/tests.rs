use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::*;
use crate::domain::{Base, ImageId, Instance, Namespace, Value};
use crate::planner::{Arrival, Ending, Failure, GroupMemory, InstanceMemory, Owner, Promotion, Proven, Takeover};

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
        rolled_back_from: vec![Proven { version: "3".parse().unwrap(), image: image(6) }],
    };
    let group = GroupMemory {
        intention: Some(promotion(1)),
        approved: promotion(1).takeovers,
        promoted: Some(promotion(2)),
        finished: true,
        previous: vec![Proven { version: "1".parse().unwrap(), image: image(3) }],
        rolled_back: [image(4)].into(),
        images: [(image(1), Arrival::During), (image(2), Arrival::Before)].into(),
        superseded: [image(5)].into(),
        reported: [(image(5), ["5.kube".parse().unwrap()].into())].into(),
        error: Some("no\nluck".to_owned()),
    };
    memory.groups.insert(base(), group);
    memory
}

fn base() -> Base {
    "docker-fpm-frr".parse().unwrap()
}

fn mark(n: u8) -> Mark {
    Mark::Image { base: base(), image: image(n) }
}

/// How long ago the boot was when a test loads.
const UPTIME: Duration = Duration::from_secs(2_000_000);
const SECOND: Duration = Duration::from_secs(1);

fn load(path: &Path, boot_id: &str) -> (Store, Memory, Stamps) {
    Store::load(StateDirectory::open(path).unwrap(), boot_id, UPTIME)
}

/// All marks of a memory, made then.
fn stamps(memory: &Memory, at: Duration) -> Stamps {
    memory.marks().into_iter().map(|mark| (mark, at)).collect()
}

/// Saves everything. Whether `memory.json` and `marks.json` were written.
fn save(store: &mut Store, memory: &Memory, stamps: &Stamps) -> (bool, bool) {
    (store.save(memory).unwrap(), store.save_marks(memory, stamps).unwrap())
}

/// Leaves the files of a memory with something in every field.
fn left(path: &Path, at: Duration) {
    save(&mut load(path, "boot").0, &full(), &stamps(&full(), at));
}

/// Inode and time of change of a file.
fn trace(path: &Path, name: &str) -> Option<(u64, i64, i64)> {
    fs::metadata(path.join(name)).ok().map(|m| (m.ino(), m.mtime(), m.mtime_nsec()))
}

#[test]
fn what_is_saved_is_loaded_with_every_field() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, memory, none) = load(directory.path(), "boot");
    assert_eq!((memory, none), (Memory::default(), Stamps::new()));
    let stamps = stamps(&full(), SECOND);
    assert_eq!(save(&mut store, &full(), &stamps), (true, true));
    drop(store);
    let (_, memory, loaded) = load(directory.path(), "boot");
    assert_eq!((memory, &loaded), (full(), &stamps));
    let four_seconds = full().marks().into_iter().map(|mark| (mark, Age::from_seconds(4)));
    assert_eq!(ages(&loaded, 5 * SECOND), four_seconds.collect());
}

#[test]
fn nothing_is_written_when_nothing_changed_and_only_what_did() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let (mut store, ..) = load(path, "boot");
    save(&mut store, &Memory::default(), &Stamps::new());
    assert_eq!((trace(path, MEMORY), trace(path, MARKS)), (None, None));
    let stamps = stamps(&full(), SECOND);
    save(&mut store, &full(), &stamps);
    let before = (trace(path, MEMORY), trace(path, MARKS));
    assert_eq!(save(&mut store, &full(), &stamps), (false, false));
    drop(store);
    let (mut store, ..) = load(path, "boot");
    save(&mut store, &full(), &stamps);
    assert_eq!((trace(path, MEMORY), trace(path, MARKS)), before);

    // Only observed: an image arrives.
    let mut memory = full();
    memory.groups.get_mut(&base()).unwrap().images.insert(image(7), Arrival::During);
    assert_eq!(save(&mut store, &memory, &stamps), (false, true));
    assert_eq!(trace(path, MEMORY), before.0);
    // Only what fallback depends on.
    memory.groups.get_mut(&base()).unwrap().rolled_back.clear();
    assert_eq!(save(&mut store, &memory, &stamps), (true, false));
}

#[test]
fn stamps_are_rounded_up_so_that_nothing_comes_of_age_early() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, ..) = load(directory.path(), "boot");
    save(&mut store, &full(), &stamps(&full(), Duration::from_micros(10_900_001)));
    drop(store);
    assert_eq!(load(directory.path(), "boot").2, stamps(&full(), Duration::from_millis(10_901)));
}

#[test]
fn after_a_reboot_takeovers_are_gone_and_images_old() {
    let directory = tempfile::tempdir().unwrap();
    left(directory.path(), 1000 * SECOND);
    let (mut store, mut memory, none) = load(directory.path(), "another");
    assert_eq!((&memory, &none), (&full().after_reboot(), &Stamps::new()));
    assert_eq!(ages(&none, SECOND).image(&base(), &image(1)), Age::MAX);
    // They stay old though they are saved again, and though something new comes.
    assert!(save(&mut store, &memory, &none).1);
    memory.groups.get_mut(&base()).unwrap().images.insert(image(7), Arrival::During);
    save(&mut store, &memory, &Stamps::from([(mark(7), 2 * SECOND)]));
    drop(store);
    let (_, _, stamps) = load(directory.path(), "another");
    assert_eq!(ages(&stamps, 3 * SECOND).image(&base(), &image(1)), Age::MAX);
    assert_eq!(ages(&stamps, 3 * SECOND).image(&base(), &image(7)).seconds(), 1);
}

#[test]
fn killed_between_the_files_what_fallback_depends_on_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    left(path, SECOND);
    fs::remove_file(path.join(MARKS)).unwrap();
    fs::write(path.join("memory.json.tmp"), "{\"for").unwrap();
    let (_, memory, stamps) = load(path, "boot");
    assert_eq!(durable(&memory), durable(&full()));
    assert!(memory.instances.is_empty() && memory.marks().is_empty() && stamps.is_empty());
    assert!(!path.join("memory.json.tmp").exists());
}

#[test]
fn corrupt_files_are_moved_aside_one_by_one() {
    for bad in ["", "{", "null", r#"{"format":2,"groups":{}}"#, r#"{"groups":{}}"#, r#"{"format":1}"#] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        left(path, SECOND);
        fs::write(path.join(MEMORY), bad).unwrap();
        let (mut store, memory, _) = load(path, "boot");
        assert_eq!(durable(&memory), Durable::default(), "{bad}");
        assert_eq!(memory.instances, full().instances);
        assert!(path.join("memory.json.corrupt").exists());
        // It is written again with the next promotion.
        assert!(store.save(&full()).unwrap());
        drop(store);
        fs::write(path.join(MARKS), bad).unwrap();
        assert_eq!(durable(&load(path, "boot").1), durable(&full()));
    }
}

#[test]
fn a_write_that_failed_is_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let stamps = stamps(&full(), SECOND);
    let (mut store, ..) = load(path, "boot");
    fs::create_dir(path.join(MARKS)).unwrap();
    assert!(store.save(&full()).unwrap());
    assert!(store.save_marks(&full(), &stamps).is_err());
    fs::remove_dir(path.join(MARKS)).unwrap();
    assert_eq!(save(&mut store, &full(), &stamps), (false, true));

    fs::remove_file(path.join(MEMORY)).unwrap();
    fs::create_dir(path.join(MEMORY)).unwrap();
    assert!(store.save(&Memory::default()).is_err());
    fs::remove_dir(path.join(MEMORY)).unwrap();
    // Also what was there before: it is not known any more what is.
    assert!(store.save(&full()).unwrap());
}

#[test]
fn a_stamp_from_the_future_is_brought_back() {
    let directory = tempfile::tempdir().unwrap();
    left(directory.path(), 2 * UPTIME);
    let (mut store, memory, loaded) = load(directory.path(), "boot");
    assert_eq!(loaded, stamps(&full(), UPTIME));
    assert!(store.save_marks(&memory, &loaded).unwrap());
}

#[test]
fn a_command_reads_and_cannot_write() {
    let directory = tempfile::tempdir().unwrap();
    let agent = load(directory.path(), "boot");
    let (mut store, ..) = Store::load(StateDirectory::read_only(directory.path()), "boot", UPTIME);
    assert!(store.save(&full()).is_err());
    drop(agent);
    let missing = StateDirectory::read_only(Path::new("/nonexistent/x"));
    assert_eq!(Store::load(missing, "boot", UPTIME).1, Memory::default());
}

#[test]
fn a_directory_that_is_gone_is_made_again_with_all_that_was_in_it() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("state");
    let (mut store, ..) = load(&path, "boot");
    let stamps = stamps(&full(), SECOND);
    save(&mut store, &full(), &stamps);
    fs::remove_dir_all(&path).unwrap();
    assert_eq!(save(&mut store, &full(), &stamps), (true, true), "though nothing changed");
    assert_eq!(save(&mut store, &full(), &stamps), (false, false));
    assert!(StateDirectory::open(&path).is_err(), "the lock is held anew");
    drop(store);
    assert_eq!(load(&path, "boot").1, full());
}

#[test]
fn a_directory_that_another_agent_has_made_meanwhile_is_its_own() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("state");
    let (mut store, ..) = load(&path, "boot");
    fs::remove_dir_all(&path).unwrap();
    let other = load(&path, "boot");
    let error = store.save(&full()).unwrap_err().to_string();
    assert!(error.contains("another imgmgrd"), "{error}");
    drop(other);
    assert!(store.save(&full()).unwrap());
}

/// The files as another version would leave them: something more at every level, and something that is not understood.
fn of_another_version(path: &Path) -> [serde_json::Value; 2] {
    left(path, SECOND);
    let read = |name| serde_json::from_slice::<serde_json::Value>(&fs::read(path.join(name)).unwrap()).unwrap();
    let [mut memory, mut marks] = [MEMORY, MARKS].map(read);
    memory["new"] = serde_json::json!({"of": "the file"});
    memory["units"]["docker-fpm-frr"]["regressed"] = serde_json::json!([1, {"x": 2.50}]);
    memory["units"]["docker-snmp"] = serde_json::json!({"promoted": "in another way", "rolled_back": null});
    memory["units"]["no name!"] = serde_json::json!({});
    memory["units"]["docker-lldp"] = 5.into();
    marks["new"] = true.into();
    marks["units"]["docker-fpm-frr"]["mood"] = "good".into();
    marks["instances"][0][1]["failures"] = 3.into();
    let unknown = serde_json::json!([{"feature": "lldp", "namespace": ""}, {"set_owner": "nobody's"}]);
    marks["instances"].as_array_mut().unwrap().push(unknown);
    marks["stamps"].as_array_mut().unwrap().push(serde_json::json!([{"Sunrise": "soon"}, 7]));
    fs::write(path.join(MEMORY), memory.to_string()).unwrap();
    fs::write(path.join(MARKS), marks.to_string()).unwrap();
    [memory, marks]
}

#[test]
fn what_another_version_wrote_hides_nothing_and_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let [mut expected, mut expected_marks] = of_another_version(path);
    let (mut store, mut memory, stamps) = load(path, "boot");
    assert_eq!(memory, full(), "what is understood holds");
    assert_eq!(save(&mut store, &memory, &stamps), (false, false), "nothing is written for that");

    let group = memory.groups.get_mut(&base()).unwrap();
    (group.rolled_back, group.error) = ([image(8)].into(), None);
    memory.instances.get_mut(&instance("bgp", Namespace::Host)).unwrap().set_owner = None;
    assert_eq!(save(&mut store, &memory, &stamps), (true, true));
    expected["units"]["docker-fpm-frr"]["rolled_back"] = serde_json::json!([image(8).to_string()]);
    expected_marks["units"]["docker-fpm-frr"]["error"] = serde_json::Value::Null;
    expected_marks["instances"][0][1]["set_owner"] = serde_json::Value::Null;
    let read = |name| serde_json::from_slice::<serde_json::Value>(&fs::read(path.join(name)).unwrap()).unwrap();
    let by_key = |mut marks: serde_json::Value| {
        marks["instances"].as_array_mut().unwrap().sort_by_key(ToString::to_string);
        for group in marks["units"].as_object_mut().unwrap().values_mut() {
            // What is missing is what it would be.
            group.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        }
        for instance in marks["instances"].as_array_mut().unwrap() {
            instance[1].as_object_mut().unwrap().retain(|_, value| !value.is_null());
        }
        marks
    };
    let groups = |mut memory: serde_json::Value| {
        let fields = memory["units"]["docker-snmp"].as_object_mut().unwrap();
        fields.retain(|field, _| ["promoted", "rolled_back"].contains(&field.as_str()));
        memory
    };
    assert_eq!(groups(read(MEMORY)), expected);
    assert_eq!(by_key(read(MARKS)), by_key(expected_marks));
    assert!(!path.join("memory.json.corrupt").exists());
}

#[test]
fn what_was_not_understood_gives_way_to_what_happens() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    of_another_version(path);
    let (mut store, mut memory, stamps) = load(path, "boot");
    let group = full().groups.remove(&base()).unwrap();
    memory.groups.insert("docker-snmp".parse().unwrap(), group.clone());
    memory.groups.insert("docker-lldp".parse().unwrap(), group);
    save(&mut store, &memory, &stamps);
    drop(store);
    assert_eq!(load(path, "boot").1, memory);
}

#[test]
fn versions_of_images_are_remembered_over_reboots() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let (mut store, ..) = load(path, "boot");
    assert!(store.versions().is_empty());
    let versions = BTreeMap::from([
        (image(1), Value::Absent),
        (image(2), Value::read(Some("20201231.84"))),
        (image(3), Value::read(Some(&"x".repeat(200)))),
    ]);
    assert!(store.remember_versions(&versions).unwrap());
    assert!(!store.remember_versions(&versions).unwrap());
    drop(store);
    let (mut store, ..) = load(path, "another");
    assert_eq!(store.versions(), versions);
    assert!(!store.remember_versions(&versions).unwrap(), "the same after a restart");
    let fewer = BTreeMap::from([(image(2), versions[&image(2)].clone())]);
    assert!(store.remember_versions(&fewer).unwrap());
    assert_eq!(store.versions(), fewer, "bounded to what is on the disk");
}
