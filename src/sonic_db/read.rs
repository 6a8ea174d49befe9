//! Reads what has changed, or everything, from one Redis server.
//!
//! What has changed is one round trip over both databases, between two checks of whether CONFIG_DB is loaded. No transaction:
//! Redis refuses one when its memory is full, though it lets anybody read. Everything takes one more before it, for the
//! names of the rows. Names are found by KEYS, not SCAN: it is atomic and one round trip, takes some 10 ms on a database
//! of 50,000 keys, is what SONiC's own scripts use everywhere, and here runs once per connection and resync.

use std::collections::{BTreeMap, BTreeSet};

use redis::{Pipeline, RedisResult, Value};

use super::connection::{Connection, unexpected};
use super::dirty::Dirty;
use super::error::DatabaseError;
use super::tables::{Database, Fields, INITIALIZED, Place, RowName, Table};

/// A field's value beyond this is cut. No valid value is nearly as long, and what is left of one stays invalid.
const MOST_BYTES: usize = 4096;

/// The most rows of one place that are read; a real one has some hundred. Who writes more to Redis is not to fill the memory
/// with it: the others count as absent, which is never a reason to delete anything.
pub(super) const MOST_ROWS: usize = 2048;

/// The most keys that are refused at once, each of which is said.
const MOST_REFUSED: usize = 256;

/// Why a row is refused that is one too many.
pub(super) const TOO_MANY: &str = "there are more rows than any switch has";

/// What was read of one place.
#[derive(Debug, Default)]
pub(super) struct PlaceSnapshot {
    /// Whether these are all rows; else they are those that may have changed.
    pub(super) is_whole: bool,
    /// For CONFIG_DB: whether it is loaded.
    pub(super) initialized: Option<bool>,
    /// The rows; `None` for a row that is not there.
    pub(super) rows: Vec<(RowName, Option<Fields>)>,
    /// In a whole snapshot, the numbers of the history rows of each key.
    pub(super) history: BTreeMap<String, BTreeSet<u64>>,
    /// Keys that are refused, and why.
    pub(super) refused: Vec<(String, &'static str)>,
}

/// What was read of one server.
#[derive(Debug)]
pub(super) struct ServerSnapshot {
    /// In the order of the places.
    pub(super) places: Vec<PlaceSnapshot>,
    /// What `notify-keyspace-events` is, where it was asked: with everything of any place. `None` if Redis won't tell.
    pub(super) notifications: Option<Option<String>>,
}

/// Reads what is dirty of each place.
pub(super) async fn read(
    connection: &Connection,
    places: &[Place],
    dirty: &[Dirty],
) -> Result<ServerSnapshot, DatabaseError> {
    let failed = |source| connection.failed(source);
    let mut snapshot: Vec<PlaceSnapshot> = dirty
        .iter()
        .map(|dirty| PlaceSnapshot { is_whole: dirty.is_everything(), ..PlaceSnapshot::default() })
        .collect();
    let notifications = list(connection, places, &mut snapshot).await?;
    for ((place, dirty), snapshot) in places.iter().zip(dirty).zip(&mut snapshot) {
        for key in dirty.keys() {
            snapshot.want(place, key);
        }
    }

    let mut pipeline = Pipeline::new();
    for (place, snapshot) in places.iter().zip(&snapshot) {
        if place.database == Database::Config {
            // With every reading: absent rows mean nothing while CONFIG_DB is being loaded.
            pipeline.cmd("SELECT").arg(place.id).cmd("GET").arg(INITIALIZED);
        } else if !snapshot.rows.is_empty() {
            pipeline.cmd("SELECT").arg(place.id);
        }
        for (row, _) in &snapshot.rows {
            pipeline.cmd("HGETALL").arg(place.key(row));
        }
        if place.database == Database::Config && !snapshot.rows.is_empty() {
            pipeline.cmd("GET").arg(INITIALIZED);
        }
    }
    let mut answers = connection.run(pipeline).await?.into_iter();
    let mut next = || answers.next().unwrap_or_else(|| Err(unexpected("an answer is missing")));
    for (place, snapshot) in places.iter().zip(&mut snapshot) {
        if place.database == Database::Config {
            next().map_err(failed)?;
            snapshot.initialized = Some(is_one(next()).map_err(failed)?);
        } else if !snapshot.rows.is_empty() {
            next().map_err(failed)?;
        }
        for (row, fields) in &mut snapshot.rows {
            match fields_of(next(), row.table) {
                Ok(found) => *fields = found,
                Err(error) if error.code() == Some("WRONGTYPE") => {
                    snapshot.refused.push((place.key(row), "it is no hash"));
                }
                Err(error) => return Err(failed(error)),
            }
        }
        if place.database == Database::Config && !snapshot.rows.is_empty() {
            // `config reload` may have begun in between.
            let is_loaded = is_one(next()).map_err(failed)?;
            snapshot.initialized = snapshot.initialized.map(|was_loaded| was_loaded && is_loaded);
        }
    }
    Ok(ServerSnapshot { places: snapshot, notifications })
}

/// Finds the names of all rows of the places of which everything is wanted.
async fn list(
    connection: &Connection,
    places: &[Place],
    snapshot: &mut [PlaceSnapshot],
) -> Result<Option<Option<String>>, DatabaseError> {
    if !snapshot.iter().any(|snapshot| snapshot.is_whole) {
        return Ok(None);
    }
    let failed = |source| connection.failed(source);
    let mut pipeline = Pipeline::new();
    pipeline.cmd("CONFIG").arg("GET").arg("notify-keyspace-events");
    for (place, _) in places.iter().zip(&*snapshot).filter(|(_, snapshot)| snapshot.is_whole) {
        pipeline.cmd("SELECT").arg(place.id);
        for pattern in place.key_patterns() {
            pipeline.cmd("KEYS").arg(pattern);
        }
    }
    let mut answers = connection.run(pipeline).await?.into_iter();
    let mut next = || answers.next().unwrap_or_else(|| Err(unexpected("an answer is missing")));
    // An error here is an answer: CONFIG may be renamed or forbidden.
    let notifications = next().ok().and_then(|answer| texts(answer).ok()?.into_iter().nth(1));
    for (place, snapshot) in places.iter().zip(snapshot).filter(|(_, snapshot)| snapshot.is_whole) {
        next().map_err(failed)?;
        for row in place.single_rows() {
            snapshot.rows.push((row, None));
        }
        for _ in place.key_patterns() {
            for key in next().and_then(texts).map_err(failed)? {
                snapshot.want(place, &key);
            }
        }
    }
    Ok(Some(notifications))
}

impl PlaceSnapshot {
    /// Plans to read the row of a key, if it is one that matters.
    pub(super) fn want(&mut self, place: &Place, key: &str) {
        match place.parse(key) {
            None => {}
            Some(Err(why)) => self.refuse(key, why),
            Some(Ok(row)) if row.table == Table::History => {
                if let Some((key, number)) = place.parse_history_key(&row.key) {
                    self.history.entry(key.to_owned()).or_default().insert(number);
                }
            }
            Some(Ok(_)) if self.rows.len() >= MOST_ROWS => self.refuse(key, TOO_MANY),
            Some(Ok(row)) => self.rows.push((row, None)),
        }
    }

    fn refuse(&mut self, key: &str, why: &'static str) {
        if self.refused.len() < MOST_REFUSED {
            self.refused.push((key.to_owned(), why));
        }
    }
}

/// Whether a key holds `1`.
fn is_one(answer: RedisResult<Value>) -> RedisResult<bool> {
    match answer {
        Ok(Value::BulkString(bytes)) => Ok(bytes == b"1"),
        Ok(_) => Ok(false),
        Err(error) if error.code() == Some("WRONGTYPE") => Ok(false),
        Err(error) => Err(error),
    }
}

/// The fields of a row; none if there is no such row, for Redis has no empty hashes.
pub(super) fn fields_of(answer: RedisResult<Value>, table: Table) -> RedisResult<Option<Fields>> {
    let items = items(answer?)?;
    let is_there = !items.is_empty();
    let mut items = items.into_iter();
    let mut fields = Fields::new();
    while let (Some(field), Some(value)) = (items.next(), items.next()) {
        let field = text(field)?;
        if table.keeps(&field) {
            fields.insert(field, text(value)?);
        }
    }
    Ok(is_there.then_some(fields))
}

fn items(answer: Value) -> RedisResult<Vec<Value>> {
    match answer {
        Value::Array(items) => Ok(items),
        _ => Err(unexpected("no list")),
    }
}

pub(super) fn texts(answer: Value) -> RedisResult<Vec<String>> {
    items(answer)?.into_iter().map(text).collect()
}

fn text(value: Value) -> RedisResult<String> {
    match value {
        Value::BulkString(bytes) => Ok(text_of(bytes)),
        _ => Err(unexpected("no string")),
    }
}

/// Bytes as text. What is not UTF-8 gets a replacement character, which is in no grammar of this domain: such a value is
/// refused where it is read.
pub(super) fn text_of(mut bytes: Vec<u8>) -> String {
    bytes.truncate(MOST_BYTES);
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
