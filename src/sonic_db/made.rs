//! Rows made of hashes instead of read from a server, for the crate in `fuzz/`: what comes after Redis's protocol is the
//! same as for rows that were read.

use redis::Value;

use super::config::{DatabaseAddress, Server};
use super::read::{PlaceSnapshot, fields_of, texts};
use super::rows::Rows;
use super::tables::{Database, Place};
use crate::domain::Namespace;

/// A key of a database that holds a hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hash {
    /// Whether it is in CONFIG_DB; else in STATE_DB.
    pub is_configuration: bool,
    /// The database's namespace.
    pub namespace: Namespace,
    /// The whole key.
    pub key: Vec<u8>,
    /// Its fields and their values.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Rows {
    /// The rows that are read of the host's and one ASIC's databases when they hold these hashes. CONFIG_DB is loaded.
    #[must_use]
    pub fn made_of(hashes: &[Hash]) -> Self {
        let nowhere = Server { socket: None, tcp: None };
        let address = DatabaseAddress { server: nowhere, id: 0, separator: "|".to_owned() };
        let place = |namespace, database| Place::new(namespace, database, &address);
        let places = [Namespace::Host, Namespace::Asic(0)]
            .into_iter()
            .flat_map(|namespace| [Database::Config, Database::State].map(|database| place(namespace, database)));
        let places: Vec<Place> = places.collect();
        let mut rows = Self::new(places.iter());
        for place in &places {
            rows.apply(place, snapshot(place, hashes));
        }
        rows
    }
}

/// What would be read of a place.
fn snapshot(place: &Place, hashes: &[Hash]) -> PlaceSnapshot {
    let is_here = |hash: &&Hash| {
        hash.is_configuration == (place.database == Database::Config) && hash.namespace == place.namespace
    };
    let is_loaded = (place.database == Database::Config).then_some(true);
    let mut snapshot = PlaceSnapshot { is_whole: true, initialized: is_loaded, ..PlaceSnapshot::default() };
    for hash in hashes.iter().filter(is_here) {
        let key = Value::Array(vec![Value::BulkString(hash.key.clone())]);
        for key in texts(key).unwrap_or_default() {
            let known = snapshot.rows.len();
            snapshot.want(place, &key);
            for (row, fields) in snapshot.rows.iter_mut().skip(known) {
                let answer = hash.fields.iter().flat_map(|(field, value)| [field, value]);
                let answer = Value::Array(answer.map(|bytes| Value::BulkString(bytes.clone())).collect());
                *fields = fields_of(Ok(answer), row.table).unwrap_or_default();
            }
        }
    }
    snapshot
}
