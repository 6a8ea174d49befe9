//! What imgmgrd decides, and the words in which it does: no input, no output, no clock.
//!
//! The data goes one way: what was seen, remembered and configured (a [`Snapshot`], a [`Memory`], a [`Policy`] and the ages
//! of what is remembered) becomes a [`Plan`], a [`Report`] and a new memory. A crate of its own, so that the compiler holds
//! the decision to that.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`domain`] | names, ids, image references, ages, values of rows |
//! | `snapshot` | what was seen: rows, engine, memory, policy; types only |
//! | `plan`, `report` | the results: actions and their steps; what was found, and why |
//! | `takeover` | which instances there are, whose container runs, and since when without interruption |
//! | `images` | the image group: promotion, rollback, clean-up, and the gates that hold them back |
//! | `planner` | the decision as a whole, for all image groups or one |
//! | [`invariants`] | what must never happen: judges every plan, and shares nothing with the planner but the types |
//! | [`controller`] | the loop as a value: events in, effects and the next wake-up out |
//!
//! `docs/rules.md` maps each rule of the reference to its function and its test.

pub mod controller;
pub mod domain;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
mod images;
pub mod invariants;
mod plan;
mod planner;
mod report;
mod snapshot;
mod takeover;
#[cfg(test)]
mod tests;

pub use plan::*;
pub use planner::*;
pub use report::*;
pub use snapshot::*;
