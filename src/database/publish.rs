//! The rows that are the agent's own: `CONTAINER_IMAGE` and `CONTAINER_IMAGE_HISTORY` in STATE_DB.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use redis::{Pipeline, RedisResult, Value};

use crate::domain::{Feature, IteratorExt as _, Namespace};

use super::connection::unexpected;
use super::databases::Databases;
use super::error::DatabaseError;
use super::follow::Link;
use super::rows::{Fields, Rows};
use super::tables::{Place, Table};
use super::write::exchange;

/// How many history rows of a feature stay (section 5 of DESIGN.md).
const HISTORY: usize = 20;

/// The fields of a row that the agent writes.
pub type NewRow = BTreeMap<&'static str, String>;

/// A change to the rows that are the agent's own, in a namespace's STATE_DB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowChange {
    /// `CONTAINER_IMAGE|<feature>` is to be this.
    Publish {
        /// The namespace.
        namespace: Namespace,
        /// The feature.
        feature: Feature,
        /// All its fields.
        row: NewRow,
    },
    /// `CONTAINER_IMAGE|<feature>` is to be gone.
    Unpublish {
        /// The namespace.
        namespace: Namespace,
        /// The feature.
        feature: Feature,
    },
    /// `CONTAINER_IMAGE_HISTORY|<feature>|<number>` is to be this; of the feature's, the newest 20 stay.
    Record {
        /// The namespace.
        namespace: Namespace,
        /// The feature.
        feature: Feature,
        /// Its number, higher than those before it: see [`Rows::newest_history`].
        number: u64,
        /// All its fields.
        row: NewRow,
    },
}

impl RowChange {
    fn namespace(&self) -> Namespace {
        match self {
            Self::Publish { namespace, .. } | Self::Unpublish { namespace, .. } | Self::Record { namespace, .. } => {
                *namespace
            }
        }
    }
}

impl Databases {
    /// Writes the agent's own rows: all changes in one round trip per server, of each row only the fields that differ,
    /// nothing if nothing does.
    ///
    /// # Errors
    /// If a server is away or does not answer. What was to be written there may be tried again.
    pub async fn publish(&mut self, changes: Vec<RowChange>) -> Result<(), DatabaseError> {
        let mut batches: BTreeMap<usize, Batch> = BTreeMap::new();
        let mut outcome = Ok(());
        for change in changes {
            match self.link_of(change.namespace()) {
                Ok((index, place)) => batches.entry(index).or_default().add(&self.rows, &place, change),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        let links = self.links.clone();
        let batches = batches
            .into_iter()
            .filter(|(_, batch)| !batch.writes.is_empty())
            .filter_map(|(index, batch)| links.get(index).map(|link| (link, batch)));
        for result in join_all(batches.map(|(link, batch)| write(link, batch))).await {
            match result {
                Ok(batch) => batch.writes.into_iter().for_each(|write| write.remember(&mut self.rows)),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome
    }
}

/// Everything that is to be written to one server.
#[derive(Debug, Default)]
struct Batch {
    writes: Vec<Write>,
}

/// One row that is to be written.
#[derive(Debug)]
struct Write {
    namespace: Namespace,
    feature: Feature,
    id: u16,
    key: String,
    what: What,
}

#[derive(Debug)]
enum What {
    Image {
        row: NewRow,
        /// Its fields that differ.
        changed: Vec<&'static str>,
        /// How many of them are new to the row.
        added: usize,
        /// Fields of the row that are to go.
        dropped: Vec<String>,
    },
    NoImage,
    History {
        row: NewRow,
        /// The keys of the rows that are too many.
        old: Vec<String>,
        /// The numbers of those that are there then.
        numbers: BTreeSet<u64>,
    },
}

impl Batch {
    /// Adds a change, unless it changes nothing.
    fn add(&mut self, rows: &Rows, place: &Place, change: RowChange) {
        let namespace = place.namespace;
        let (feature, key, what) = match change {
            RowChange::Publish { feature, row, .. } => {
                let none = Fields::new();
                let known = rows.image(namespace, feature.as_str()).unwrap_or(&none);
                let changed: Vec<_> = row
                    .iter()
                    .filter(|(field, value)| known.get(**field) != Some(value))
                    .map(|(field, _)| *field)
                    .collect();
                let added = changed.iter().filter(|field| !known.contains_key(**field)).count();
                let dropped: Vec<_> = known.keys().filter(|field| !row.contains_key(field.as_str())).cloned().collect();
                if changed.is_empty() && dropped.is_empty() {
                    return;
                }
                let key = place.key_of(Table::Image, feature.as_str());
                (feature, key, What::Image { row, changed, added, dropped })
            }
            RowChange::Unpublish { feature, .. } => {
                if rows.image(namespace, feature.as_str()).is_none() {
                    return;
                }
                let key = place.key_of(Table::Image, feature.as_str());
                (feature, key, What::NoImage)
            }
            RowChange::Record { feature, number, row, .. } => {
                let key_of = |number| place.key_of(Table::History, &place.history_key(feature.as_str(), number));
                // Several may be recorded at once: what this batch already records counts.
                let is_same = |write: &&Write| write.namespace == namespace && write.feature == feature;
                let pending = self.writes.iter().rev().filter(is_same).find_map(|write| match &write.what {
                    What::History { numbers, .. } => Some(numbers),
                    What::Image { .. } | What::NoImage => None,
                });
                let known = pending.unwrap_or_else(|| rows.history(namespace, feature.as_str()));
                let mut numbers = known.clone();
                numbers.insert(number);
                let mut old = Vec::new();
                while numbers.len() > HISTORY {
                    old.extend(numbers.pop_first().map(key_of));
                }
                let key = key_of(number);
                (feature, key, What::History { row, old, numbers })
            }
        };
        self.writes.push(Write { namespace, feature, id: place.id, key, what });
    }
}

impl Write {
    /// Adds the commands, all of which answer with a number. Gives how many they are.
    fn command(&self, pipeline: &mut Pipeline) -> usize {
        match &self.what {
            What::Image { row, changed, dropped, .. } => {
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
            What::NoImage => {
                pipeline.cmd("DEL").arg(&self.key);
                1
            }
            What::History { row, old, .. } => {
                replace(pipeline, &self.key, row);
                if !old.is_empty() {
                    pipeline.cmd("DEL").arg(old);
                }
                2 + usize::from(!old.is_empty())
            }
        }
    }

    /// Whether the answers show that the row was what it was thought to be: `Ok(false)` if somebody has removed or
    /// changed it meanwhile, or put something else there.
    fn was_expected(&self, mut answers: impl Iterator<Item = RedisResult<Value>>) -> RedisResult<bool> {
        let What::Image { changed, added, dropped, .. } = &self.what else {
            return answers.try_fold(true, |_, answer| answer.map(|_| true));
        };
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

    /// Takes over what was written.
    fn remember(self, rows: &mut Rows) {
        let feature = self.feature.as_str();
        match self.what {
            What::Image { row, .. } => {
                let fields = row.into_iter().map(|(field, value)| (field.to_owned(), value)).ordered();
                rows.set_image(self.namespace, feature, Some(fields));
            }
            What::NoImage => rows.set_image(self.namespace, feature, None),
            What::History { numbers, .. } => rows.set_history(self.namespace, feature, numbers),
        }
    }
}

/// Writes a batch as one transaction; a second one writes anew, as a whole, those rows that were not what was thought.
async fn write(link: &Link, batch: Batch) -> Result<Batch, DatabaseError> {
    exchange(link, |connection| async move {
        let mut pipeline = Pipeline::new();
        pipeline.atomic();
        let mut selected = None;
        let counts: Vec<(usize, usize)> = batch
            .writes
            .iter()
            .map(|write| {
                let selects = select(&mut pipeline, &mut selected, write.id);
                (selects, write.command(&mut pipeline))
            })
            .collect();
        let mut answers = connection.run(pipeline).await?.into_iter();
        let mut repairs = Pipeline::new();
        repairs.atomic();
        let mut selected = None;
        for (write, (selects, commands)) in batch.writes.iter().zip(counts) {
            answers
                .by_ref()
                .take(selects)
                .try_for_each(|answer| answer.map(|_| ()))
                .map_err(|e| connection.failed(e))?;
            let own: Vec<_> = answers.by_ref().take(commands).collect();
            if !write.was_expected(own.into_iter()).map_err(|error| connection.failed(error))? {
                if let What::Image { row, .. } = &write.what {
                    select(&mut repairs, &mut selected, write.id);
                    replace(&mut repairs, &write.key, row);
                }
            }
        }
        for answer in connection.run(repairs).await? {
            answer.map_err(|error| connection.failed(error))?;
        }
        Ok(batch)
    })
    .await
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
