//! Writes to STATE_DB, and the one to rows that are others': conditional, so that none of their changes is lost.

use std::sync::Arc;

use redis::{Pipeline, Value};

use crate::decide::RowKey;
use crate::domain::{Namespace, Version};

use super::connection::{Connection, unexpected};
use super::databases::Databases;
use super::error::DatabaseError;
use super::follow::Link;
use super::tables::{Database, Place, Table};

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

/// KEYS: the row. ARGV: the expected `container_id`, then fields and values. Run by Redis as one: nobody can remove or
/// change the row between the look and the write. An absent `container_id` counts as empty.
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
    /// the row still exists with the `container_id` that was observed in it
    /// ([`Rows::container_id`](super::Rows::container_id)); only what changes.
    ///
    /// # Errors
    /// If the server is away or does not answer: whether it was written is not known then.
    pub async fn record_versions(
        &mut self,
        row: &RowKey,
        container_id: Option<&str>,
        stable: &Version,
        last: Option<&Version>,
    ) -> Result<Written, DatabaseError> {
        let (link, place) = self.state_of(row.namespace)?;
        let mut pipeline = Pipeline::new();
        // By its text, not its hash: it runs once per promotion, and EVAL needs no second try after a restart.
        pipeline.cmd("SELECT").arg(place.id).cmd("EVAL").arg(RECORD_VERSIONS).arg(1);
        pipeline.arg(place.key_of(Table::Feature, row.key.as_str())).arg(container_id.unwrap_or_default());
        pipeline.arg("container_stable_version").arg(stable.as_str());
        if let Some(last) = last {
            pipeline.arg("container_last_version").arg(last.as_str());
        }
        exchange(&link, |connection| async move {
            let answers = connection.run(pipeline).await?;
            match answers.into_iter().nth(1) {
                Some(Ok(Value::BulkString(word))) => match word.as_slice() {
                    b"wrote" => Ok(Written::Changed),
                    b"same" => Ok(Written::Unchanged),
                    b"gone" => Ok(Written::RowGone),
                    b"changed" => Ok(Written::RowChanged),
                    _ => Err(connection.failed(unexpected("an unknown word"))),
                },
                Some(Err(error)) => Err(connection.failed(error)),
                _ => Err(connection.failed(unexpected("no word"))),
            }
        })
        .await
    }

    pub(super) fn link_of(&self, namespace: Namespace) -> Result<(usize, Place), DatabaseError> {
        let is_it = |place: &&Place| place.namespace == namespace && place.database == Database::State;
        let found =
            self.links.iter().enumerate().find_map(|(index, link)| Some((index, link.places.iter().find(is_it)?)));
        found.map(|(index, place)| (index, place.clone())).ok_or(DatabaseError::NoSuchNamespace(namespace))
    }

    fn state_of(&self, namespace: Namespace) -> Result<(Arc<Link>, Place), DatabaseError> {
        let (index, place) = self.link_of(namespace)?;
        let link = self.links.get(index).map(Arc::clone).ok_or(DatabaseError::NoSuchNamespace(namespace))?;
        Ok((link, place))
    }
}

/// One exchange with a server, within the deadline. If the connection fails, it is made anew; an error that Redis
/// answers (MISCONF, say) is the caller's to retry, and leaves the rows readable.
pub(super) async fn exchange<T, F: Future<Output = Result<T, DatabaseError>>>(
    link: &Link,
    exchange: impl FnOnce(Connection) -> F,
) -> Result<T, DatabaseError> {
    let (connection, generation) = link.connection()?;
    let result = connection.within_deadline(exchange(connection.clone())).await;
    match &result {
        Ok(_) => link.worked(),
        Err(error) if error.breaks_connection() => link.failed(generation, error),
        Err(_) => {}
    }
    result
}
