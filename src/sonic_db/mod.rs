//! SONiC's databases in Redis: a thin shell that knows which rows matter, reads and follows them, and writes the agent's own.
//!
//! | module | idea |
//! | --- | --- |
//! | `config` | where the databases of each namespace are |
//! | `tables` | which rows matter, their keys and notifications |
//! | `connection`, `error` | one server, every call with a deadline |
//! | `redis_server`, `dirty` | one server's connection, what of it has changed, and what was read |
//! | `follow`, `notifications`, `pace` | stays connected to it, and reads what its notifications say has changed |
//! | `read` | what has changed, or everything, in one round trip |
//! | `rows`, `convert` | the rows as last read, and in the words of the decision |
//! | `databases` | all of that for all namespaces, each server on its own |
//! | `group` | what an action of one group rests on, read again |
//! | `survey` | each server on its own, asked once, for `doctor` |
//! | `publish`, `write` | the rows that are the agent's own, and the fields it writes in others' |

mod config;
mod connection;
mod convert;
mod databases;
mod dirty;
mod error;
mod follow;
mod group;
mod limits;
#[cfg(feature = "fuzzing")]
mod made;
mod notifications;
mod pace;
mod publish;
mod read;
mod redis_server;
mod rows;
mod survey;
mod tables;
mod write;

#[cfg(test)]
mod tests;

pub use config::{ConfigError, DatabaseAddress, NamespaceDatabases, Namespaces, Server, read as read_config};
pub use databases::Databases;
pub use error::DatabaseError;
pub use group::GroupRows;
#[cfg(feature = "fuzzing")]
pub use made::Hash;
pub use publish::{NewRow, NotWritten, Published, RowChange};
pub use rows::Rows;
pub use survey::{Reached, ServerAnswer, ServerSurvey, survey};
pub use tables::Fields;
pub use write::Written;
