//! The container engine: what is on it, what happens on it, and the few changes that a plan may ask of it.
//!
//! A thin shell around the Docker Engine API. [`Engine`] makes the calls, each with a deadline; [`Reader`] turns
//! lists and inspections into a [`Picture`] in the words of the decision; [`watch`] keeps that picture current by the
//! engine's event stream; [`execute`] carries out one [`Step`](crate::decide::Step), having looked again first.
//!
//! Facts about the engine that this relies on are noted where they are used, with where they are from: the API's
//! reference (<https://docs.docker.com/reference/api/engine/>), moby's sources, or a try on a real engine.

mod api_version;
mod client;
mod error;
mod events;
mod execute;
mod host;
mod interest;
#[cfg(feature = "fuzzing")]
mod made;
mod oom;
mod parse;
mod picture;
mod reader;
mod transport;
mod watcher;

#[cfg(test)]
mod tests;

pub use client::{Engine, EngineVersion};
pub use error::EngineError;
pub use execute::{Outcome, Skipped, execute};
pub use interest::Interest;
#[cfg(feature = "fuzzing")]
pub use made::Answers;
pub use picture::{Dirty, Picture};
pub use reader::Reader;
pub use watcher::{State, Watcher, watch};
