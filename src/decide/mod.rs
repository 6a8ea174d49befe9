//! The decision: (observation, memory, policy, now) → (plan, report, memory), without any input or output.

mod memory;
mod observation;
mod plan;
mod policy;
mod report;

pub use memory::*;
pub use observation::*;
pub use plan::*;
pub use policy::*;
pub use report::*;
