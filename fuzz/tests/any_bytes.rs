//! Every format with its seeds, with seeds that are nearly right, and with bytes that are not.

use std::fs;
use std::path::{Path, PathBuf};

use imgmgrd_fuzz::{FORMATS, Format};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// A place in a seed, as a part of its length, and what is done there.
#[derive(Clone, Debug)]
enum Change {
    Replace(Index, u8),
    Insert(Index, Vec<u8>),
    Cut(Index, Index),
    Repeat(Index, Index),
    /// The bytes from there on are those of another seed.
    Cross(Index, Index),
}

/// What a format is sensitive to, and a few bytes that no format expects.
const TOKENS: [&[u8]; 20] = [
    b"\"",
    b"{",
    b"[",
    b"]",
    b"}",
    b":",
    b",",
    b"/",
    b"@",
    b"|",
    b"\0",
    b"\n",
    b"\x1b[2J",
    b"\xff\xfe",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"-1",
    b"1e400",
    "\u{202e}".as_bytes(),
];

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let bytes = prop_oneof![
        prop::sample::select(&TOKENS[..]).prop_map(<[u8]>::to_vec),
        vec(any::<u8>(), 1..20),
        Just(vec![b'['; 500]),
    ];
    let change = prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        (any::<Index>(), bytes).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Cut(from, to)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Repeat(from, to)),
        (any::<Index>(), any::<Index>()).prop_map(|(seed, at)| Change::Cross(seed, at)),
    ];
    vec(change, 1..6)
}

fn changed(mut bytes: Vec<u8>, changes: &[Change], seeds: &[Vec<u8>]) -> Vec<u8> {
    let range = |bytes: &[u8], one: &Index, other: &Index| {
        let (one, other) = (one.index(bytes.len() + 1), other.index(bytes.len() + 1));
        one.min(other)..one.max(other)
    };
    for change in changes {
        match change {
            Change::Replace(at, byte) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Change::Replace(_, byte) => bytes.push(*byte),
            Change::Insert(at, more) => {
                let at = at.index(bytes.len() + 1);
                bytes.splice(at..at, more.iter().copied());
            }
            Change::Cut(from, to) => drop(bytes.drain(range(&bytes, from, to))),
            Change::Repeat(from, to) => bytes.extend_from_within(range(&bytes, from, to)),
            Change::Cross(seed, at) => {
                let (seed, at) = (seed.get(seeds), at.index(bytes.len() + 1));
                bytes.truncate(at);
                bytes.extend_from_slice(seed.get(at..).unwrap_or_default());
            }
        }
    }
    bytes
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name)
}

/// The files in a folder of seeds.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let files = fs::read_dir(folder(name)).expect("every format has seeds");
    files.map(|file| fs::read(file.expect("a file").path()).expect("it can be read")).collect()
}

/// `PROPTEST_CASES` raises it.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(400);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn try_it((name, function): Format) {
    let seeds = seeds(name);
    assert!(!seeds.is_empty());
    seeds.iter().for_each(|seed| function(seed));
    proptest!(config(), |(index: Index, changes in changes())| {
        function(&changed(index.get(&seeds).clone(), &changes, &seeds));
    });
    proptest!(config(), |(bytes in vec(any::<u8>(), 0..300))| function(&bytes));
}

/// A test for each format, so that they run beside each other and each is named.
macro_rules! tests {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            try_it((stringify!($name), imgmgrd_fuzz::$name));
        })*

        #[test]
        fn every_format_has_a_test_and_a_target() {
            let named = [$(stringify!($name)),*];
            assert_eq!(named, FORMATS.map(|(name, _)| name));
            for name in named {
                let target = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("targets/{name}.rs"));
                let target = fs::read_to_string(target).expect("a target");
                assert!(target.contains(&format!("imgmgrd_fuzz::{name}(bytes)")), "{target}");
            }
            let folders = fs::read_dir(folder("")).expect("the seeds").count();
            assert_eq!(folders, FORMATS.len(), "folders of seeds");
        }
    };
}

tests! {
    control database_config database_global engine history image_names marks memory names packages policy reference
    remote_ctr_config rows settings
}
