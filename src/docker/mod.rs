//! The container engine: what is on it, what happens on it, and the few changes that a plan may ask of it.
//!
//! A thin shell around the Docker Engine API. [`Engine`] makes the calls, each with a deadline; [`Reader`] turns
//! lists and inspections into a [`EngineSnapshot`] in the words of the decision, or reads again what one group needs; [`watch`]
//! keeps a snapshot current by the engine's event stream; [`execute`] carries out one [`Step`](crate::planner::Step), having
//! checked again first.
//!
//! Nothing that is broken in one container or image holds up the others: lists are read entry by entry as they arrive, and
//! of each only what is used; inspections run beside each other, and one that hangs, fails or holds a word that is not known
//! makes what it is about unknown.
//!
//! Facts about the engine that this relies on are noted where they are used, with where they are from: the API's
//! reference (<https://docs.docker.com/reference/api/engine/>), moby's sources, or a try on a real engine.

mod answer;
mod api_version;
mod client;
mod error;
mod events;
mod execute;
mod fields;
mod host;
mod inspections;
mod interest;
mod known;
mod listing;
mod lists;
#[cfg(feature = "fuzzing")]
mod made;
mod oom;
mod parse;
mod reader;
mod snapshot;
mod splitter;
mod transport;
mod watcher;

#[cfg(test)]
mod tests;

pub use client::{Engine, EngineVersion};
pub use error::EngineError;
pub use execute::execute;
pub use host::{EngineHost, InvalidHost};
pub use interest::Interest;
#[cfg(feature = "fuzzing")]
pub use made::Answers;
pub use reader::Reader;
pub use snapshot::{EngineSnapshot, GroupRequest, GroupSnapshot};
pub use watcher::{State, Watcher, watch};
