//! The rows as they were last read.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Namespace, printable};

use super::read::{MOST_ROWS, PlaceSnapshot, TOO_MANY};
use super::tables::{Database, Fields, Place, RowName, Table};

/// How many refused keys are remembered, so that each is logged once.
const MOST_REFUSED: usize = 256;

/// The rows that matter, of all namespaces, as they were last read.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    places: BTreeMap<(Namespace, Database), PlaceRows>,
    refused: BTreeSet<(Namespace, String)>,
    /// The namespaces of which a server cannot be read, and why.
    unreachable: BTreeMap<Namespace, String>,
    /// These, and those whose CONFIG_DB is being loaded.
    unreadable: BTreeMap<Namespace, String>,
}

/// The rows of one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct PlaceRows {
    initialized: bool,
    rows: BTreeMap<RowName, Fields>,
    history: BTreeMap<String, BTreeSet<u64>>,
}

impl Rows {
    /// No rows yet, of these places.
    pub(super) fn new<'a>(places: impl Iterator<Item = &'a Place>) -> Self {
        let places = places.map(|place| ((place.namespace, place.database), PlaceRows::default())).collect();
        let mut rows = Self { places, ..Self::default() };
        rows.find_unreadable();
        rows
    }

    /// Whether the host's CONFIG_DB is loaded. While it is being loaded, absent rows mean nothing. An ASIC's whose CONFIG_DB
    /// is being loaded is [`unreadable`](Self::unreadable): it holds up itself only.
    #[must_use]
    pub fn config_initialized(&self) -> bool {
        self.is_loaded(Namespace::Host)
    }

    fn is_loaded(&self, namespace: Namespace) -> bool {
        self.places.get(&(namespace, Database::Config)).is_some_and(|place| place.initialized)
    }

    /// The namespaces whose rows say nothing now, and why, for people: a database cannot be read, or never was, or is an
    /// ASIC's CONFIG_DB that is being loaded.
    #[must_use]
    pub fn unreadable(&self) -> &BTreeMap<Namespace, String> {
        &self.unreadable
    }

    /// These namespaces cannot be read now. Whether others can than before.
    pub(super) fn set_unreadable(&mut self, unreachable: BTreeMap<Namespace, String>) -> bool {
        self.unreachable = unreachable;
        let before = std::mem::take(&mut self.unreadable);
        self.find_unreadable();
        self.unreadable != before
    }

    fn find_unreadable(&mut self) {
        let is_loading = |namespace: &Namespace| *namespace != Namespace::Host && !self.is_loaded(*namespace);
        let loading = self.namespaces().filter(is_loading);
        let loading = loading.map(|namespace| (namespace, format!("the CONFIG_DB of {namespace} is being loaded")));
        let mut unreadable: BTreeMap<Namespace, String> = loading.collect();
        unreadable.extend(self.unreachable.clone());
        self.unreadable = unreadable;
    }

    /// The namespaces of which rows are read.
    pub fn namespaces(&self) -> impl Iterator<Item = Namespace> {
        self.places.keys().filter(|(_, database)| *database == Database::Config).map(|(namespace, _)| *namespace)
    }

    /// The rows of the operator's policy: `CONTAINER_IMAGE|GLOBAL` and `CONTAINER_IMAGE_FEATURE|<feature>`, by key.
    #[must_use]
    pub fn policy(&self) -> BTreeMap<String, Fields> {
        let of = |table| self.table(Database::Config, table).map(move |(_, key, fields)| (table, key, fields));
        of(Table::GlobalPolicy)
            .chain(of(Table::FeaturePolicy))
            .map(|(table, key, fields)| (format!("{}|{key}", table.name()), fields.clone()))
            .collect()
    }

    /// `LOGLEVEL` of `LOGGER|imgmgrd`.
    #[must_use]
    pub fn log_level(&self) -> Option<&str> {
        self.host(Database::Config, Table::Logger)?.get("LOGLEVEL").map(String::as_str)
    }

    /// The `CONTAINER_IMAGE` rows in a namespace's STATE_DB, as last read or written: the feature and the fields.
    pub fn published(&self, namespace: Namespace) -> impl Iterator<Item = (&str, &Fields)> {
        self.table(Database::State, Table::Image)
            .filter(move |(found, _, _)| *found == namespace)
            .map(|(_, key, fields)| (key, fields))
    }

    /// The highest number of a feature's `CONTAINER_IMAGE_HISTORY` rows in a namespace's STATE_DB.
    #[must_use]
    pub fn newest_history(&self, namespace: Namespace, feature: &str) -> Option<u64> {
        self.history(namespace, feature).last().copied()
    }

    /// The numbers of a feature's `CONTAINER_IMAGE_HISTORY` rows in a namespace's STATE_DB, as last read or written.
    #[must_use]
    pub fn history(&self, namespace: Namespace, feature: &str) -> &BTreeSet<u64> {
        static NONE: BTreeSet<u64> = BTreeSet::new();
        let place = self.places.get(&(namespace, Database::State));
        place.and_then(|place| place.history.get(feature)).unwrap_or(&NONE)
    }

    /// All rows of a table.
    pub(super) fn table(&self, database: Database, table: Table) -> impl Iterator<Item = (Namespace, &str, &Fields)> {
        self.places.iter().filter(move |((_, found), _)| *found == database).flat_map(move |((namespace, _), place)| {
            place
                .rows
                .iter()
                .filter(move |(row, _)| row.table == table)
                .map(|(row, fields)| (*namespace, row.key.as_str(), fields))
        })
    }

    /// The one row of a table of which the host has one.
    pub(super) fn host(&self, database: Database, table: Table) -> Option<&Fields> {
        self.table(database, table).next().map(|(_, _, fields)| fields)
    }

    /// The keys of what others write in a place, whether or not it is there: to be read again before acting.
    pub(super) fn followed_keys(&self, place: &Place) -> Vec<String> {
        let known = self.places.get(&(place.namespace, place.database)).into_iter().flat_map(|place| place.rows.keys());
        let singles: Vec<RowName> = place.single_rows().collect();
        known
            .filter(|row| row.table != Table::Image)
            .chain(&singles)
            .map(|row| place.key(row))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    /// A row that is published, as last read or written.
    pub(crate) fn image(&self, namespace: Namespace, feature: &str) -> Option<&Fields> {
        let name = RowName { table: Table::Image, key: feature.to_owned() };
        self.places.get(&(namespace, Database::State))?.rows.get(&name)
    }

    /// A row was published, or with `None` removed.
    pub(super) fn set_image(&mut self, namespace: Namespace, feature: &str, fields: Option<Fields>) {
        let name = RowName { table: Table::Image, key: feature.to_owned() };
        if let Some(place) = self.places.get_mut(&(namespace, Database::State)) {
            place.set(name, fields);
        }
    }

    /// A history row of a feature is there, or is not.
    pub(super) fn set_history(&mut self, namespace: Namespace, feature: &str, number: u64, is_there: bool) {
        let Some(place) = self.places.get_mut(&(namespace, Database::State)) else { return };
        if is_there {
            place.history.entry(feature.to_owned()).or_default().insert(number);
        } else if let Some(numbers) = place.history.get_mut(feature) {
            numbers.remove(&number);
        }
    }

    /// Takes over what was read of a place. Whether anything is other than it was.
    pub(super) fn apply(&mut self, place: &Place, snapshot: PlaceSnapshot) -> bool {
        for (key, why) in snapshot.refused {
            self.refuse(place, key, why);
        }
        let mut surplus = Vec::new();
        let rows = self.places.entry((place.namespace, place.database)).or_default();
        let mut before = None;
        let is_turned = snapshot.initialized.is_some_and(|initialized| initialized != rows.initialized);
        rows.initialized = snapshot.initialized.unwrap_or(rows.initialized);
        let mut is_other = is_turned;
        if snapshot.is_whole {
            is_other |= rows.history != snapshot.history;
            rows.history = snapshot.history;
            before = Some(std::mem::take(&mut rows.rows));
        }
        for (row, fields) in snapshot.rows {
            // More than one reading takes may come one by one.
            if rows.rows.len() < MOST_ROWS || fields.is_none() || rows.rows.contains_key(&row) {
                is_other |= rows.set(row, fields) && before.is_none();
            } else {
                surplus.push(place.key(&row));
            }
        }
        is_other |= before.is_some_and(|before| before != rows.rows);
        if is_turned {
            self.find_unreadable();
        }
        for key in surplus {
            self.refuse(place, key, TOO_MANY);
        }
        is_other
    }

    /// Says once that a row is refused.
    fn refuse(&mut self, place: &Place, key: String, why: &str) {
        if self.refused.len() < MOST_REFUSED && !self.refused.contains(&(place.namespace, key.clone())) {
            tracing::warn!(
                row = %printable(&key),
                database = place.id,
                namespace = %place.namespace,
                "row ignored: {why}"
            );
            self.refused.insert((place.namespace, key));
        }
    }
}

impl PlaceRows {
    /// Sets or removes a row. Whether it is other than it was.
    fn set(&mut self, row: RowName, fields: Option<Fields>) -> bool {
        if self.rows.get(&row) == fields.as_ref() {
            return false;
        }
        match fields {
            Some(fields) => self.rows.insert(row, fields),
            None => self.rows.remove(&row),
        };
        true
    }
}
