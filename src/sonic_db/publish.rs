//! The rows that are the agent's own: `CONTAINER_IMAGE` and `CONTAINER_IMAGE_HISTORY` in STATE_DB.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use redis::{Pipeline, RedisResult, Value};
use tokio::sync::OwnedMutexGuard;

use crate::domain::{Feature, Namespace};

use super::config::Server;
use super::connection::{Connection, unexpected};
use super::databases::Databases;
use super::error::DatabaseError;
use super::redis_server::RedisServer;
use super::rows::Rows;
use super::tables::{Fields, Place, Table};

/// How many history rows of a feature stay (section 5 of DESIGN.md).
const HISTORY: usize = 20;

/// The fields of a row that the agent writes.
pub type NewRow = BTreeMap<&'static str, String>;

/// A change to the rows that are the agent's own, in a namespace's STATE_DB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowChange {
    /// `CONTAINER_IMAGE|<feature>` is to be this.
    Publish {
        /// The namespace whose STATE_DB holds the row.
        namespace: Namespace,
        /// The feature whose row it is.
        feature: Feature,
        /// All its fields.
        row: NewRow,
    },
    /// `CONTAINER_IMAGE|<feature>` is to be gone.
    Unpublish {
        /// The namespace whose STATE_DB holds the row.
        namespace: Namespace,
        /// The feature whose row it is.
        feature: Feature,
    },
    /// `CONTAINER_IMAGE_HISTORY|<feature>|<number>` is to be this; of those that are there, the newest 20 stay.
    Record {
        /// The namespace whose STATE_DB holds the row.
        namespace: Namespace,
        /// The feature whose row it is.
        feature: Feature,
        /// Its number, higher than those before it: see [`Rows::newest_history`].
        number: u64,
        /// All its fields.
        row: NewRow,
    },
    /// `CONTAINER_IMAGE_HISTORY|<feature>|<number>` is to be gone: another entry has taken its place.
    Forget {
        /// The namespace whose STATE_DB holds the row.
        namespace: Namespace,
        /// The feature whose row it is.
        feature: Feature,
        /// The number `n` in the key of the history row.
        number: u64,
    },
}

impl RowChange {
    /// In which namespace's STATE_DB.
    #[must_use]
    pub fn namespace(&self) -> Namespace {
        match self {
            Self::Publish { namespace, .. }
            | Self::Unpublish { namespace, .. }
            | Self::Record { namespace, .. }
            | Self::Forget { namespace, .. } => *namespace,
        }
    }
}

/// What became of changes that were to be published. What is not mentioned was so already.
#[derive(Debug, Default)]
#[must_use = "what was written is to be applied"]
pub struct Published {
    /// The changes that were made, among them the history rows that went because there are newer ones.
    pub written: Vec<RowChange>,
    /// Those that were not, as far as is known.
    pub not_written: Vec<NotWritten>,
}

/// A change that was not made.
#[derive(Clone, Debug)]
pub struct NotWritten {
    /// The change.
    pub change: RowChange,
    /// Why: the server is unreachable, did not answer, or refused it.
    pub error: Arc<DatabaseError>,
}

impl Databases {
    /// Writes the agent's own rows: all changes in one round trip per server, of each row only the fields that differ,
    /// nothing if nothing does. What was not written may be tried again.
    pub fn publish(&self, changes: Vec<RowChange>) -> impl Future<Output = Published> + Send + 'static + use<> {
        let (servers, mut published) = self.batches(changes);
        async move {
            for part in
                join_all(servers.into_iter().map(|(server, batch)| async move { write(&server, batch).await })).await
            {
                published.add(part);
            }
            published
        }
    }

    /// The same for each server on its own, so that nobody waits for one that hangs.
    pub fn publish_each(
        &self,
        changes: Vec<RowChange>,
    ) -> Vec<impl Future<Output = Published> + Send + 'static + use<>> {
        let (servers, mut homeless) = self.batches(changes);
        let first = (!homeless.not_written.is_empty()).then(|| std::mem::take(&mut homeless)).into_iter();
        let parts = servers.into_iter().map(|(server, batch)| (None, Some((server, batch))));
        let parts = first.map(|published| (Some(published), None)).chain(parts);
        parts
            .map(|(published, server)| async move {
                match server {
                    Some((server, batch)) => write(&server, batch).await,
                    None => published.unwrap_or_default(),
                }
            })
            .collect()
    }

    /// Takes over what was written.
    pub fn apply_published(&mut self, published: &Published) {
        // What was read before it was written comes before it.
        self.take_over();
        for change in &published.written {
            let namespace = change.namespace();
            match change {
                RowChange::Publish { feature, row, .. } => {
                    let fields = row.iter().map(|(field, value)| ((*field).to_owned(), value.clone())).collect();
                    self.rows.set_image(namespace, feature.as_str(), Some(fields));
                }
                RowChange::Unpublish { feature, .. } => self.rows.set_image(namespace, feature.as_str(), None),
                RowChange::Record { feature, number, .. } => {
                    self.rows.set_history(namespace, feature.as_str(), *number, true);
                }
                RowChange::Forget { feature, number, .. } => {
                    self.rows.set_history(namespace, feature.as_str(), *number, false);
                }
            }
        }
    }

    /// What is to be written to each server, and what has no server.
    fn batches(&self, changes: Vec<RowChange>) -> (Vec<(Arc<RedisServer>, Batch)>, Published) {
        let mut batches: BTreeMap<&Server, (Arc<RedisServer>, Batch)> = BTreeMap::new();
        let mut published = Published::default();
        for change in changes {
            match self.server_of(change.namespace()) {
                Ok((server, place)) => {
                    let new = || (Arc::clone(server), Batch::default());
                    batches.entry(&server.address).or_insert_with(new).1.add(&self.rows, place, change);
                }
                Err(error) => published.not_written.push(NotWritten { change, error: Arc::new(error) }),
            }
        }
        let mut ready = Vec::new();
        for (server, mut batch) in batches.into_values().filter(|(_, batch)| !batch.writes.is_empty()) {
            match server.turn_to_publish() {
                Ok(turn) => {
                    batch.turn = Some(turn);
                    ready.push((server, batch));
                }
                Err(error) => published.add(Published::nothing(batch, error)),
            }
        }
        (ready, published)
    }
}

impl Published {
    fn add(&mut self, other: Self) {
        self.written.extend(other.written);
        self.not_written.extend(other.not_written);
    }

    /// Nothing of a batch was written, as far as is known.
    fn nothing(batch: Batch, error: DatabaseError) -> Self {
        let error = Arc::new(error);
        let not_written = |write: Write| NotWritten { change: write.change, error: Arc::clone(&error) };
        Self { written: Vec::new(), not_written: batch.writes.into_iter().map(not_written).collect() }
    }
}

/// Everything that is to be written to one server.
#[derive(Debug, Default)]
struct Batch {
    /// Held until the rows are written.
    turn: Option<OwnedMutexGuard<()>>,
    writes: Vec<Write>,
    /// The numbers of the history rows that are there then, of each feature to which something happened.
    histories: BTreeMap<(Namespace, Feature), BTreeSet<u64>>,
}

/// One row that is to be written.
#[derive(Debug)]
struct Write {
    change: RowChange,
    /// The number of its database.
    id: u16,
    key: String,
    /// What of a `CONTAINER_IMAGE` row is to be written.
    difference: Difference,
}

/// What a `CONTAINER_IMAGE` row is to be written for.
#[derive(Debug, Default)]
struct Difference {
    /// The fields that differ.
    changed: Vec<&'static str>,
    /// How many of them are new to the row.
    added: usize,
    /// Fields of the row that are to go.
    dropped: Vec<String>,
}

impl Difference {
    fn between(known: Option<&Fields>, row: &NewRow) -> Self {
        let none = Fields::new();
        let known = known.unwrap_or(&none);
        let differs = |(field, value): &(&&'static str, &String)| known.get(**field) != Some(*value);
        let changed: Vec<_> = row.iter().filter(differs).map(|(field, _)| *field).collect();
        let added = changed.iter().filter(|field| !known.contains_key(**field)).count();
        let dropped = known.keys().filter(|field| !row.contains_key(field.as_str())).cloned().collect();
        Self { changed, added, dropped }
    }

    fn is_none(&self) -> bool {
        self.changed.is_empty() && self.dropped.is_empty()
    }
}

impl Batch {
    /// Adds a change, unless it changes nothing.
    fn add(&mut self, rows: &Rows, place: &Place, change: RowChange) {
        let (id, namespace) = (place.id, place.namespace);
        let history_key =
            |feature: &Feature, number| place.key_of(Table::History, &place.history_key(feature.as_str(), number));
        match &change {
            RowChange::Publish { feature, row, .. } => {
                let difference = Difference::between(rows.image(namespace, feature.as_str()), row);
                if !difference.is_none() {
                    let key = place.key_of(Table::Image, feature.as_str());
                    self.writes.push(Write { change, id, key, difference });
                }
            }
            RowChange::Unpublish { feature, .. } => {
                if rows.image(namespace, feature.as_str()).is_some() {
                    let key = place.key_of(Table::Image, feature.as_str());
                    self.writes.push(Write { change, id, key, difference: Difference::default() });
                }
            }
            RowChange::Record { feature, number, .. } => {
                let (feature, key) = (feature.clone(), history_key(feature, *number));
                let numbers = self.history(rows, namespace, &feature);
                numbers.insert(*number);
                let surplus = numbers.len().saturating_sub(HISTORY);
                let surplus: Vec<u64> = numbers.iter().copied().take(surplus).collect();
                self.writes.push(Write { change, id, key, difference: Difference::default() });
                for number in surplus {
                    self.add(rows, place, RowChange::Forget { namespace, feature: feature.clone(), number });
                }
            }
            RowChange::Forget { feature, number, .. } => {
                let key = history_key(feature, *number);
                if self.history(rows, namespace, feature).remove(number) {
                    self.writes.push(Write { change, id, key, difference: Difference::default() });
                }
            }
        }
    }

    /// The numbers of a feature's history rows once what was added so far is written.
    fn history(&mut self, rows: &Rows, namespace: Namespace, feature: &Feature) -> &mut BTreeSet<u64> {
        let known = || rows.history(namespace, feature.as_str()).clone();
        self.histories.entry((namespace, feature.clone())).or_insert_with(known)
    }
}

impl Write {
    /// Adds the commands. Gives how many they are.
    fn command(&self, pipeline: &mut Pipeline) -> usize {
        match &self.change {
            RowChange::Publish { row, .. } => {
                let Difference { changed, dropped, .. } = &self.difference;
                if !changed.is_empty() {
                    pipeline.cmd("HSET").arg(&self.key);
                    for (field, value) in row.iter().filter(|(field, _)| changed.contains(field)) {
                        pipeline.arg(*field).arg(value);
                    }
                }
                if !dropped.is_empty() {
                    pipeline.cmd("HDEL").arg(&self.key).arg(dropped);
                }
                usize::from(!changed.is_empty()) + usize::from(!dropped.is_empty())
            }
            RowChange::Unpublish { .. } | RowChange::Forget { .. } => {
                pipeline.cmd("DEL").arg(&self.key);
                1
            }
            RowChange::Record { row, .. } => {
                replace(pipeline, &self.key, row);
                2
            }
        }
    }

    /// Whether the answers show that the row was what it was thought to be: `Ok(false)` if somebody has removed or
    /// changed it meanwhile, or put something else there. An error is Redis's own: the row was not written.
    fn was_expected(&self, mut answers: impl Iterator<Item = RedisResult<Value>>) -> RedisResult<bool> {
        let RowChange::Publish { .. } = &self.change else {
            return answers.try_fold(true, |_, answer| answer.map(|_| true));
        };
        let Difference { changed, added, dropped } = &self.difference;
        let counts = [(!changed.is_empty(), *added), (!dropped.is_empty(), dropped.len())];
        for (_, expected) in counts.into_iter().filter(|(is_sent, _)| *is_sent) {
            match answers.next().unwrap_or_else(|| Err(unexpected("an answer is missing"))) {
                Ok(Value::Int(count)) if usize::try_from(count) == Ok(expected) => {}
                Ok(_) => return Ok(false),
                Err(error) if error.code() == Some("WRONGTYPE") => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// Writes a batch to its server.
async fn write(server: &RedisServer, batch: Batch) -> Published {
    let written = server.exchange(|connection| write_rows(connection, &batch.writes)).await;
    match written {
        Err(error) => Published::nothing(batch, error),
        Ok(outcomes) => {
            let mut published = Published::default();
            for (write, outcome) in batch.writes.into_iter().zip(outcomes) {
                match outcome {
                    Ok(()) => published.written.push(write.change),
                    Err(error) => {
                        published.not_written.push(NotWritten { change: write.change, error: Arc::new(error) });
                    }
                }
            }
            published
        }
    }
}

/// Writes rows in one round trip; a second one writes anew, as a whole, those that were not what was thought. Gives what
/// became of each. Not as a transaction: what Redis refuses of one row is no reason to refuse another, and where its memory
/// is full, rows can still be removed.
async fn write_rows(connection: Connection, writes: &[Write]) -> Result<Vec<Result<(), DatabaseError>>, DatabaseError> {
    let mut pipeline = Pipeline::new();
    let mut selected = None;
    let commands = |write: &Write| (select(&mut pipeline, &mut selected, write.id), write.command(&mut pipeline));
    let counts: Vec<(usize, usize)> = writes.iter().map(commands).collect();
    let mut answers = connection.run(pipeline).await?.into_iter();

    let mut repairs = Pipeline::new();
    let mut selected = None;
    let mut outcomes = Vec::with_capacity(writes.len());
    for (write, (selects, commands)) in writes.iter().zip(counts) {
        answers.by_ref().take(selects).try_for_each(|answer| answer.map(drop)).map_err(|e| connection.failed(e))?;
        let own: Vec<_> = answers.by_ref().take(commands).collect();
        let is_as_expected = write.was_expected(own.into_iter());
        let repair = match (&is_as_expected, &write.change) {
            (Ok(false), RowChange::Publish { row, .. }) => {
                let selects = select(&mut repairs, &mut selected, write.id);
                replace(&mut repairs, &write.key, row);
                Some(selects + 2)
            }
            _ => None,
        };
        outcomes.push((is_as_expected.map(drop), repair));
    }
    let mut answers = connection.run(repairs).await?.into_iter();
    let outcomes = outcomes.into_iter().map(|(outcome, repair)| {
        let repaired = answers.by_ref().take(repair.unwrap_or(0)).try_for_each(|answer| answer.map(drop));
        outcome.and(repaired).map_err(|error| connection.failed(error))
    });
    Ok(outcomes.collect())
}

/// Adds the SELECT of a database, unless it is selected. Gives how many commands that took.
fn select(pipeline: &mut Pipeline, selected: &mut Option<u16>, id: u16) -> usize {
    if selected.replace(id) == Some(id) {
        return 0;
    }
    pipeline.cmd("SELECT").arg(id);
    1
}

/// Adds the commands that make a row exactly this, whatever was there.
fn replace(pipeline: &mut Pipeline, key: &str, row: &NewRow) {
    pipeline.cmd("DEL").arg(key);
    pipeline.cmd("HSET").arg(key);
    for (field, value) in row {
        pipeline.arg(*field).arg(value);
    }
}
