//! The files of the state directory.

use std::time::Duration;

use imgmgrd::config::files::RemoteCtrConfig;
use imgmgrd::config::policy::{PolicyReader, PolicyRows};
use imgmgrd::store::{History, HistoryEvent, LastPolicy, StateDirectory, Store};

use crate::scratch::Scratch;
use crate::switch;

/// The boot that the marks are of.
const BOOT: &str = "0b8e1f62-0f6f-4a0d-8a53-5d4c6f2f7e11";
/// How long ago that was.
const SINCE_BOOT: Duration = Duration::from_secs(86_400);

/// `memory.json`: what fallback depends on. A whole decision is made with it.
///
/// # Panics
/// If something is broken.
pub fn memory(bytes: &[u8]) {
    remembered(bytes, include_bytes!("../seeds/marks/observed.json"));
}

/// `marks.json`: what was observed. A whole decision is made with it.
///
/// # Panics
/// If something is broken.
pub fn marks(bytes: &[u8]) {
    remembered(include_bytes!("../seeds/memory/promoted.json"), bytes);
}

fn remembered(memory: &[u8], marks: &[u8]) {
    let (scratch, directory) = directory("memory.json", memory);
    scratch.file("marks.json", marks);
    let (mut store, known, stamps) = Store::load(directory.clone(), BOOT, SINCE_BOOT);
    assert!(stamps.iter().all(|(mark, stamp)| known.marks().contains(mark) && *stamp <= SINCE_BOOT));
    let mut snapshot = switch::snapshot();
    switch::fill_engine(&mut snapshot);
    switch::fill_rows(&mut snapshot);
    switch::judge(&snapshot, &known, &switch::at_once());

    // What is understood is written as it was read.
    store.save(&known).expect("it can be written");
    store.save_marks(&known, &stamps).expect("and the marks");
    drop(store);
    let (_, again, its_stamps) = Store::load(directory, BOOT, SINCE_BOOT);
    assert_eq!((again, its_stamps), (known, stamps));
}

/// `policy.json`: the last good policy. What is not good in it is passed over.
///
/// # Panics
/// If something is broken.
pub fn policy(bytes: &[u8]) {
    let (_scratch, directory) = directory("policy.json", bytes);
    let remembered = LastPolicy::load(directory);
    let mut reader = PolicyReader::new(&RemoteCtrConfig::default()).remembering(remembered.good());
    let good = reader.good();
    let policy = reader.read(&PolicyRows::default());
    assert!(reader.refusals().is_empty() && policy.features.is_empty(), "rows that are gone are forgotten");
    assert!(good.global.keys().chain(good.features.values().flat_map(|row| row.keys())).all(|field| field.len() <= 13));
}

/// `history.json`: stays within its bounds, and goes on growing at its end.
///
/// # Panics
/// If something is broken.
pub fn history(bytes: &[u8]) {
    let (_scratch, directory) = directory("history.json", bytes);
    let mut history = History::load(directory.clone());
    let newest = |history: &History| history.entries("snmp").next_back().map_or(0, |entry| entry.n);
    let before = newest(&history);
    let event = HistoryEvent { event: "promoted".to_owned(), detail: "x".repeat(5000), ..HistoryEvent::default() };
    let added = history.add("snmp", "2026-11-21 21:32:29".to_owned(), event, None);
    assert!(added > before || before == u64::MAX, "numbers only grow: {added} after {before}");
    history.save().expect("it can be written");
    let again = History::load(directory);
    assert!(again.instances().eq(history.instances()));
    for instance in again.instances() {
        assert!(again.entries(instance).count() <= History::KEPT);
        assert!(again.entries(instance).eq(history.entries(instance)));
    }
}

/// An open state directory with a file in it.
fn directory(name: &str, content: &[u8]) -> (Scratch, StateDirectory) {
    let scratch = Scratch::new();
    scratch.file(name, content);
    let directory = StateDirectory::open(scratch.path()).expect("a state directory");
    (scratch, directory)
}
