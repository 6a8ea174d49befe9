use super::*;

fn event(version: &str) -> HistoryEvent {
    let image_id = format!("sha256:{version}");
    HistoryEvent { event: "promoted".to_owned(), version: version.to_owned(), image_id, ..HistoryEvent::default() }
}

fn failure(exit_code: i64) -> HistoryEvent {
    HistoryEvent {
        event: "failed".to_owned(),
        reason: Some("exited".to_owned()),
        exit_code: Some(exit_code),
        ..event("2")
    }
}

fn load(path: &std::path::Path) -> History {
    History::load(StateDirectory::open(path).unwrap())
}

fn time(n: u64) -> String {
    format!("2026-11-21 21:32:{n:02}")
}

fn numbers(history: &History, instance: &str) -> Vec<u64> {
    history.entries(instance).map(|entry| entry.n).collect()
}

#[test]
fn the_newest_twenty_stay_and_numbers_only_grow() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let mut history = load(directory.path());
        for n in round * 15 + 1..=round * 15 + 15 {
            assert_eq!(history.add("bgp0", time(n), event(&n.to_string()), None), n);
        }
        history.add("telemetry", time(round), event(&round.to_string()), None);
        assert!(history.save().unwrap());
        assert!(!history.save().unwrap());
    }
    let history = load(directory.path());
    assert_eq!(numbers(&history, "bgp0"), (26..=45).collect::<Vec<_>>());
    assert_eq!(numbers(&history, "telemetry"), [1, 2, 3]);
    assert_eq!(history.instances().collect::<Vec<_>>(), ["bgp0", "telemetry"]);
    assert_eq!(history.entries("none").count(), 0);
}

#[test]
fn what_repeats_is_counted_under_a_new_number() {
    let directory = tempfile::tempdir().unwrap();
    let mut history = load(directory.path());
    for (n, exit_code) in [(1, 1), (2, 1), (3, 137), (4, 1)] {
        let container_id = Some(format!("{n:064}"));
        let detail = format!("exited after {n} s");
        let event = HistoryEvent { container_id, detail, ..failure(exit_code) };
        assert_eq!(history.add("a", time(n), event, None), n);
        history.save().unwrap();
        drop(history);
        history = load(directory.path());
    }
    let told: Vec<_> = history
        .entries("a")
        .map(|entry| (entry.n, entry.count, entry.first_time.clone(), entry.event.exit_code))
        .collect();
    assert_eq!(told, [(3, 1, None, Some(137)), (4, 3, Some(time(1)), Some(1))]);
    assert_eq!(history.entries("a").next_back().unwrap().event.detail, "exited after 4 s", "the last one's");
    // Without a code, the text is the reason.
    let held = |why: &str| HistoryEvent { event: "held".to_owned(), detail: why.to_owned(), ..event("2") };
    for (n, why) in [(1, "policy"), (2, "disabled"), (3, "policy")] {
        assert_eq!(history.add("b", time(n), held(why), None), n);
    }
    assert_eq!(numbers(&history, "b"), [2, 3]);
    // Another image, another reason or another word is another event.
    let other = HistoryEvent { image_id: "sha256:3".to_owned(), ..failure(1) };
    let reason = HistoryEvent { reason: Some("killed".to_owned()), ..failure(1) };
    let word = HistoryEvent { event: "regressed".to_owned(), ..failure(1) };
    for (n, event) in [(5, other), (6, reason), (7, word)] {
        history.add("a", time(n), event, None);
    }
    assert_eq!(numbers(&history, "a"), [3, 4, 5, 6, 7]);
}

#[test]
fn numbers_go_on_where_state_db_is_though_the_file_was_lost() {
    let directory = tempfile::tempdir().unwrap();
    let mut history = load(directory.path());
    assert_eq!(history.add("a", time(1), event("1"), Some(25)), 26);
    assert_eq!(history.add("a", time(2), event("2"), Some(26)), 27);
    assert_eq!(history.add("a", time(3), event("3"), None), 28, "STATE_DB is empty after a reboot");
    assert_eq!(history.instances["a"].first, 26);
    history.save().unwrap();
    drop(history);
    assert_eq!(load(directory.path()).instances["a"].first, 26);
    // A number beyond all measure is not the agent's.
    assert_eq!(load(directory.path()).add("a", time(4), event("4"), Some(u64::MAX)), 29);
}

#[test]
fn long_details_are_cut_and_names_are_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let mut history = load(directory.path());
    history.add("a", time(1), HistoryEvent { detail: "é".repeat(10_000), ..event("1") }, None);
    assert!(history.entries("a").all(|entry| entry.event.detail.len() <= History::DETAIL));
    for n in 0..2000 {
        history.add(&format!("x{n}"), time(10), event("1"), None);
    }
    assert_eq!(history.instances().count(), History::INSTANCES);
    assert_eq!(history.entries("a").count(), 0);
}

#[test]
fn a_corrupt_file_is_moved_aside() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(HISTORY), "{\"format\":1").unwrap();
    assert_eq!(load(directory.path()).instances().count(), 0);
    assert!(directory.path().join("history.json.corrupt").exists());
}

#[test]
fn what_another_version_wrote_is_kept() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join(HISTORY);
    let entry = |n: u64| {
        serde_json::json!({
            "n": n, "time": time(n), "event": "promoted", "version": "1", "image_id": "", "detail": "", "by": "magic",
        })
    };
    let written = serde_json::json!({
        "format": 1, "why": ["because"],
        "instances": {
            "a": {"last": 2, "entries": [entry(1), entry(2)], "mood": "good"},
            "b": {"last": "many", "entries": {}},
        },
    });
    std::fs::write(&path, written.to_string()).unwrap();
    let mut history = load(temporary.path());
    assert_eq!(numbers(&history, "a"), [1, 2]);
    assert_eq!(history.entries("b").count(), 0);
    assert!(!temporary.path().join("history.json.corrupt").exists());
    history.add("a", time(3), event("7"), None);
    history.save().unwrap();
    let mut now: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let entries = now["instances"]["a"]["entries"].as_array_mut().unwrap();
    assert_eq!(entries.pop().unwrap()["n"], 3);
    now["instances"]["a"]["last"] = 2.into();
    assert_eq!(now, written);
}
