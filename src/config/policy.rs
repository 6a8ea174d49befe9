//! The operator's policy, from the rows `CONTAINER_IMAGE|GLOBAL` and `CONTAINER_IMAGE_FEATURE|<feature>` of the host's
//! CONFIG_DB.

mod field;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::config::files::RemoteCtrConfig;
use crate::domain::{Feature, printable};
use crate::planner::{FeaturePolicy, Policy};
use field::{Field, Refused, Setting};

/// The fields of a row.
pub type Row = BTreeMap<String, String>;

/// Whether a row may have a field of this name.
#[must_use]
pub fn is_field(name: &str) -> bool {
    name.parse::<Field>().is_ok()
}

/// The rows as they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyRows {
    /// `CONTAINER_IMAGE|GLOBAL`; empty if absent.
    pub global: Row,
    /// `CONTAINER_IMAGE_FEATURE|<feature>`, by what follows the `|`.
    pub features: BTreeMap<String, Row>,
}

impl PolicyRows {
    /// Sorts rows by their keys, `CONTAINER_IMAGE|GLOBAL` and `CONTAINER_IMAGE_FEATURE|<feature>`.
    #[must_use]
    pub fn from_keys(rows: BTreeMap<String, Row>) -> Self {
        let mut sorted = Self::default();
        for (key, row) in rows {
            match key.split_once('|') {
                Some(("CONTAINER_IMAGE", "GLOBAL")) => sorted.global = row,
                Some(("CONTAINER_IMAGE_FEATURE", feature)) => {
                    sorted.features.insert(feature.to_owned(), row);
                }
                _ => {}
            }
        }
        sorted
    }
}

/// Something in a row that is not taken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Refusal {
    /// The row, printable.
    pub row: String,
    /// The field, printable; none if the row as a whole is refused.
    pub field: Option<String>,
    /// What it holds, printable.
    pub value: String,
    /// What it should be.
    pub allowed: String,
    /// What holds instead.
    pub instead: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CONFIG_DB {}", self.row)?;
        if let Some(field) = &self.field {
            write!(f, " {field}=\"{}\"", self.value)?;
        }
        write!(f, " is refused: {}; {}", self.allowed, self.instead)
    }
}

/// Reads the rows again and again, and keeps of each field the last good value.
#[derive(Clone, Debug, Default)]
pub struct PolicyReader {
    defaults: FeaturePolicy,
    /// The last good values of the rows that are there; none is `CONTAINER_IMAGE|GLOBAL`.
    good: BTreeMap<Option<Feature>, BTreeMap<Field, Setting>>,
    refusals: BTreeSet<Refusal>,
}

impl PolicyReader {
    /// A reader for which, where no row says otherwise, `defaults` hold.
    #[must_use]
    pub fn new(defaults: &RemoteCtrConfig) -> Self {
        let mut reader = Self::default();
        reader.set_defaults(defaults);
        reader
    }

    /// From the next reading on, `defaults` hold where no row says otherwise.
    pub fn set_defaults(&mut self, defaults: &RemoteCtrConfig) {
        self.defaults = FeaturePolicy { stable_time: defaults.stable_time, ..FeaturePolicy::default() };
    }

    /// A reader that has seen these good values before; what is not good in them is passed over.
    #[must_use]
    pub fn remembering(mut self, good: &PolicyRows) -> Self {
        let mut unheard = BTreeSet::new();
        let own = good.features.iter().filter_map(|(key, row)| Some((Some(key.parse::<Feature>().ok()?), row)));
        self.good = [(None, &good.global)]
            .into_iter()
            .chain(own)
            .map(|(feature, row)| (feature.clone(), self.read_row(feature.as_ref(), "", row, &mut unheard)))
            .collect();
        self
    }

    /// The good values in force, to be remembered.
    #[must_use]
    pub fn good(&self) -> PolicyRows {
        let mut rows = PolicyRows::default();
        for (feature, settings) in self.good.iter().filter(|(_, settings)| !settings.is_empty()) {
            let row = settings.iter().map(|(field, setting)| (field.to_string(), setting.to_string())).collect();
            match feature {
                None => rows.global = row,
                Some(feature) => drop(rows.features.insert(feature.to_string(), row)),
            }
        }
        rows
    }

    /// The policy that `rows` ask for. What is refused is logged, once while it stays as it is.
    ///
    /// A bad value leaves the last good one of that very field in force; a field or row that is gone forgets it. So
    /// this is not to be called while CONFIG_DB is being loaded.
    #[must_use]
    pub fn read(&mut self, rows: &PolicyRows) -> Policy {
        let mut refusals = BTreeSet::new();
        let mut good = BTreeMap::new();
        good.insert(None, self.read_row(None, "CONTAINER_IMAGE|GLOBAL", &rows.global, &mut refusals));
        for (key, row) in &rows.features {
            let name = format!("CONTAINER_IMAGE_FEATURE|{}", printable(key));
            match key.parse::<Feature>() {
                Ok(feature) => {
                    let settings = self.read_row(Some(&feature), &name, row, &mut refusals);
                    good.insert(Some(feature), settings);
                }
                Err(error) => {
                    let instead = "the row is ignored".to_owned();
                    let allowed = error.to_string();
                    refusals.insert(Refusal { row: name, field: None, value: String::new(), allowed, instead });
                }
            }
        }
        for refusal in refusals.difference(&self.refusals) {
            tracing::warn!("{refusal}");
        }
        self.refusals = refusals;
        self.good = good;
        self.merged()
    }

    /// What was refused at the last reading.
    #[must_use]
    pub fn refusals(&self) -> &BTreeSet<Refusal> {
        &self.refusals
    }

    /// The settings of one row; bad ones are replaced by the last good ones, if there are any.
    fn read_row(
        &self,
        feature: Option<&Feature>,
        name: &str,
        row: &Row,
        refusals: &mut BTreeSet<Refusal>,
    ) -> BTreeMap<Field, Setting> {
        /// The most refusals of one row that are told one by one.
        const MOST: usize = 16;
        let before = self.good.get(&feature.cloned());
        let mut settings = BTreeMap::new();
        let mut found = 0_usize;
        let mut refuse = |field: &str, value: &str, allowed: &Refused, instead: String| {
            found += 1;
            if found <= MOST {
                let (field, value, allowed) = (Some(printable(field)), printable(value), allowed.to_string());
                refusals.insert(Refusal { row: name.to_owned(), field, value, allowed, instead });
            }
        };
        for (key, value) in row {
            // SONiC cannot store a hash without fields, and writes NULL=NULL where a row has none.
            // Its scripts clear a field by writing the empty string.
            if key == "NULL" || value.is_empty() {
                continue;
            }
            let field = match key.parse::<Field>() {
                Ok(Field::Pin) if feature.is_none() => {
                    refuse(key, value, &Refused::PinForAll, "it is ignored".to_owned());
                    continue;
                }
                Ok(field) => field,
                Err(refused) => {
                    refuse(key, value, &refused, "it is ignored".to_owned());
                    continue;
                }
            };
            let last_good = before.and_then(|settings| settings.get(&field));
            match field.parse(value) {
                Ok(setting) => {
                    settings.insert(field, setting);
                }
                Err(refused) => {
                    let instead = match last_good {
                        Some(last) => format!("the last good one, {last}, stays"),
                        None => "no good one was seen before, the default holds".to_owned(),
                    };
                    refuse(key, value, &refused, instead);
                    settings.extend(last_good.map(|last| (field, last.clone())));
                }
            }
        }
        if found > MOST {
            let allowed = format!("{} more fields are not valid", found - MOST);
            let instead = "each is ignored".to_owned();
            refusals.insert(Refusal { row: name.to_owned(), field: None, value: String::new(), allowed, instead });
        }
        settings
    }

    /// Of each field the nearest: the feature's own, the global one, the default.
    fn merged(&self) -> Policy {
        let apply = |base: &FeaturePolicy, settings: &BTreeMap<Field, Setting>| {
            let mut policy = base.clone();
            for (field, setting) in settings {
                setting.apply(*field, &mut policy);
            }
            policy
        };
        let global = self.good.get(&None).map_or_else(|| self.defaults.clone(), |own| apply(&self.defaults, own));
        let own = self.good.iter().filter_map(|(feature, settings)| Some((feature.as_ref()?, settings)));
        let features = own.map(|(feature, settings)| (feature.clone(), apply(&global, settings))).collect();
        Policy { global, features }
    }
}

#[cfg(test)]
mod tests;
