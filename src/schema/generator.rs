//! Schemas of types: draft 2020-12, each on its own.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

use super::pattern;

/// The schema of a row: a field that may be absent is optional, and never null.
pub(super) fn row<Row: JsonSchema>() -> Schema {
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
