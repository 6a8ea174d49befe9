//! JSON Schemas (draft 2020-12) of the rows that the agent reads and writes and of what its commands print as JSON.
//!
//! They are for those who write programs against the agent, and are no part of it: the files in `schema/` are made of
//! them by `make generate`. The rows are maps of strings in Redis and in the agent, so their types are here, and tests hold
//! them to what is really read and written.

mod config;
mod pattern;
mod state;

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

pub(crate) use pattern::{Pattern, STABILITIES};

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
    let answers = crate::command::schemas();
    rows.into_iter()
        .map(|(path, schema)| (path.to_owned(), schema))
        .chain(answers.map(|(command, schema)| (format!("command/{command}.json"), schema)))
        .map(|(path, schema)| (path, schema.to_value()))
        .collect()
}

/// The schema of a row: a field that may be absent is optional, and never null.
fn row<Row: JsonSchema>() -> Schema {
    settings().with_transform(pattern::WithoutNull).into_generator().into_root_schema_for::<Row>()
}

/// The schema of what `imgmgrd <command> --json` prints: a value that is absent is null.
pub(crate) fn answer<Answer: JsonSchema>(command: &str) -> Schema {
    let mut schema = settings().for_serialize().into_generator().into_root_schema_for::<Answer>();
    schema.insert("title".to_owned(), format!("imgmgrd {command} --json").into());
    schema
}

fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true).with_transform(pattern::OnOneLine)
}

#[cfg(test)]
mod tests;
