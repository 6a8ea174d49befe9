//! The one write to rows that are others': conditional, so that none of their changes is lost.

use std::sync::Arc;

use redis::{Pipeline, Value as Answer};

use crate::domain::{Value, Version};
use crate::planner::{NamedContainer, RowKey};

use super::connection::{Connection, unexpected};
use super::databases::Databases;
use super::error::DatabaseError;
use super::read::text_of;
use super::tables::Table;

/// What became of a write that had conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The row was changed.
    Changed,
    /// The row had these values already.
    Unchanged,
    /// There is no such row, and there still is none.
    RowGone,
    /// The row is about another container by now, and was left alone.
    RowChanged,
}

/// KEYS: the row. ARGV: the `container_id` that it had, then fields and values. Run by Redis as one: nobody can remove or
/// change the row between the check and the write. An absent `container_id` counts as empty.
const RECORD_VERSIONS: &str = "
local row = KEYS[1]
if redis.call('TYPE', row).ok ~= 'hash' then return 'gone' end
if (redis.call('HGET', row, 'container_id') or '') ~= ARGV[1] then return 'changed' end
local wrote = 'same'
for i = 2, #ARGV, 2 do
  if redis.call('HGET', row, ARGV[i]) ~= ARGV[i + 1] then
    redis.call('HSET', row, ARGV[i], ARGV[i + 1])
    wrote = 'wrote'
  end
end
return wrote";

impl Databases {
    /// Writes `container_stable_version`, and with `last` also `container_last_version`, to a STATE_DB `FEATURE` row, if
    /// the row still exists and its `container_id` still says what was observed in it; only what changes.
    ///
    /// # Errors
    /// If the server is unreachable, does not answer or refuses it: whether it was written is not known then.
    pub fn record_versions(
        &self,
        row: &RowKey,
        container_id: &Value<NamedContainer>,
        stable: &Version,
        last: Option<&Version>,
    ) -> impl Future<Output = Result<Written, DatabaseError>> + Send + 'static + use<> {
        let place = self.server_of(row.namespace).map(|(server, place)| (Arc::clone(server), place.clone()));
        let (key, container_id) = (row.key.clone(), container_id.clone());
        let (stable, last) = (stable.clone(), last.cloned());
        async move {
            let (server, place) = place?;
            let key = place.key_of(Table::Feature, key.as_str());
            let record = |connection| async move {
                let Some(before) = container_id_of(&connection, place.id, &key).await? else {
                    return Ok(Written::RowGone);
                };
                if Value::read(Some(&text_of(before.clone()))) != container_id {
                    return Ok(Written::RowChanged);
                }
                // By its text, not its hash: it runs once per promotion, and EVAL needs no second try after a restart.
                let mut pipeline = Pipeline::new();
                pipeline.cmd("SELECT").arg(place.id).cmd("EVAL").arg(RECORD_VERSIONS).arg(1).arg(&key).arg(before);
                pipeline.arg("container_stable_version").arg(stable.as_str());
                if let Some(last) = last {
                    pipeline.arg("container_last_version").arg(last.as_str());
                }
                match connection.run(pipeline).await?.into_iter().nth(1) {
                    Some(Ok(Answer::BulkString(word))) => match word.as_slice() {
                        b"wrote" => Ok(Written::Changed),
                        b"same" => Ok(Written::Unchanged),
                        b"gone" => Ok(Written::RowGone),
                        b"changed" => Ok(Written::RowChanged),
                        _ => Err(connection.failed(unexpected("an unknown word"))),
                    },
                    Some(Err(error)) => Err(connection.failed(error)),
                    _ => Err(connection.failed(unexpected("no word"))),
                }
            };
            server.exchange(record).await
        }
    }
}

/// `container_id` of a row exactly as it is, empty if the row has none; none if there is no such row.
async fn container_id_of(connection: &Connection, database: u16, key: &str) -> Result<Option<Vec<u8>>, DatabaseError> {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("SELECT").arg(database).cmd("HGET").arg(key).arg("container_id").cmd("EXISTS").arg(key);
    let mut answers = connection.run(pipeline).await?.into_iter().skip(1);
    match (answers.next(), answers.next()) {
        (Some(Ok(Answer::BulkString(bytes))), _) => Ok(Some(bytes)),
        (Some(Ok(Answer::Nil)), Some(Ok(Answer::Int(count)))) => Ok((count > 0).then(Vec::new)),
        // What is no hash is no row.
        (Some(Err(error)), _) if error.code() == Some("WRONGTYPE") => Ok(None),
        (Some(Err(error)), _) | (_, Some(Err(error))) => Err(connection.failed(error)),
        _ => Err(connection.failed(unexpected("no string"))),
    }
}
