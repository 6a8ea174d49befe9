//! JSON Schemas (draft 2020-12) of the rows that the agent reads and writes and of what its commands print as JSON.
//!
//! They are for those who write programs against the agent, and are no part of it: the files in `schema/` are made of
//! them by `make generate`. The rows are maps of strings in Redis and in the agent, so their types are here, and tests hold
//! them to what is actually read and written.

mod config;
pub(crate) mod generator;
pub(crate) mod pattern;
mod state;

use std::collections::BTreeMap;

use serde_json::Value;

use generator::row;

/// Every schema, by its file's path within `schema/`.
#[must_use]
pub fn documents() -> BTreeMap<String, Value> {
    let rows = [
        ("config_db.json", row::<config::ConfigDb>()),
        ("config_db/CONTAINER_IMAGE.json", row::<config::GlobalPolicy>()),
        ("config_db/CONTAINER_IMAGE_FEATURE.json", row::<config::FeaturePolicy>()),
        ("config_db/FEATURE.json", row::<config::Feature>()),
        ("config_db/KUBERNETES_MASTER.json", row::<config::KubernetesMaster>()),
        ("config_db/LOGGER.json", row::<config::Logger>()),
        ("state_db/CONTAINER_IMAGE.json", row::<state::Image>()),
        ("state_db/CONTAINER_IMAGE_HISTORY.json", row::<state::History>()),
        ("state_db/FEATURE.json", row::<state::Feature>()),
        ("state_db/KUBERNETES_MASTER.json", row::<state::KubernetesMaster>()),
    ];
    let answers = crate::cli::schemas();
    rows.into_iter()
        .map(|(path, schema)| (path.to_owned(), schema))
        .chain(answers.map(|(command, schema)| (format!("command/{command}.json"), schema)))
        .map(|(path, schema)| (path, schema.to_value()))
        .collect()
}

#[cfg(test)]
mod tests;
