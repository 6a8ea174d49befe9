//! Hashes in Redis.

use imgmgrd::config::files::RemoteCtrConfig;
use imgmgrd::config::policy::{PolicyReader, PolicyRows};
use imgmgrd::domain::Namespace;
use imgmgrd::logging::LogLevel;
use imgmgrd::sonic_db::{Hash, Rows};

use crate::said::{NAMED, assert_said};
use crate::switch;

/// What separates hashes, and within one its key, fields and values.
const HASH: u8 = 0x1e;
const PART: u8 = 0x1f;

/// The rows of all tables, written as `4FEATURE|snmp`, fields and values, separated by U+001F; several of them by
/// U+001E. What begins with `4` is in CONFIG_DB, with `6` in STATE_DB, with `a` and `b` in those of an ASIC.
///
/// A whole decision is made on them: on a switch where `telemetry` has been taken over by kube, unless they say otherwise.
///
/// # Panics
/// If something is broken.
pub fn rows(bytes: &[u8]) {
    let hashes: Vec<Hash> = bytes.split(|byte| *byte == HASH).filter_map(hash).collect();
    let rows = Rows::made_of(&hashes);

    let mut snapshot = switch::snapshot();
    switch::fill_engine(&mut snapshot);
    rows.fill(&mut snapshot);
    let mut reader = PolicyReader::new(&RemoteCtrConfig {
        stable_time: switch::at_once().global.stable_time,
        ..RemoteCtrConfig::default()
    });
    let policy = reader.read(&PolicyRows::from_keys(rows.policy()));
    for refusal in reader.refusals() {
        assert_said(&refusal.to_string(), 3 * NAMED);
    }
    let again = PolicyReader::default().remembering(&reader.good()).good();
    assert_eq!(again, reader.good(), "what is remembered of a policy is read as it was written");
    if let Some(Err(error)) = rows.log_level().map(str::parse::<LogLevel>) {
        assert_said(&error.to_string(), NAMED);
    }
    switch::judge(&snapshot, &imgmgrd::planner::Memory::default(), &policy);
}

fn hash(bytes: &[u8]) -> Option<Hash> {
    let (database, rest) = bytes.split_first()?;
    let (is_configuration, namespace) = match database {
        b'4' => (true, Namespace::Host),
        b'6' => (false, Namespace::Host),
        b'a' => (true, Namespace::Asic(0)),
        b'b' => (false, Namespace::Asic(0)),
        _ => return None,
    };
    let mut parts = rest.split(|byte| *byte == PART).map(<[u8]>::to_vec);
    let key = parts.next()?;
    let mut fields = Vec::new();
    while let (Some(field), Some(value)) = (parts.next(), parts.next()) {
        fields.push((field, value));
    }
    Some(Hash { is_configuration, namespace, key, fields })
}
