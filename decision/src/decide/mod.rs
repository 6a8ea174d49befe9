//! The decision: (observation, memory, policy, now) → (plan, report, memory), without any input or output.
//!
//! Where each rule of the reference is:
//! - identity: [`identity`](self) (`identity.rs`), which instances there are: `instances.rs`
//! - takeover and stability: `takeover.rs`
//! - the unit of decision: `unit.rs`
//! - promotion: `promotion.rs`; rollback by an operator: `roll_back.rs`
//! - clean-up, keep rules and the three cases: `clean_up.rs`
//! - holding back: `holding.rs`
//! - the promises, as an independent second opinion on every plan: `promises.rs`

mod clean_up;
mod decision;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
mod holding;
mod identity;
mod index;
mod instances;
mod memory;
mod names_on_disk;
mod observation;
mod order;
mod plan;
mod policy;
pub mod promises;
mod promotion;
mod report;
mod roll_back;
mod takeover;
#[cfg(test)]
mod tests;
mod unit;

pub use decision::*;
pub use memory::*;
pub use observation::*;
pub use order::{Obeyed, OrderOutcome};
pub use plan::*;
pub use policy::*;
pub use promotion::{Cause, Settled};
pub use report::*;
