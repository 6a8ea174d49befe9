//! How one step of a plan went.

use std::fmt;

/// How a step went, whoever carried it out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepOutcome {
    /// What the step asks for is so: the step did it, or it was so already.
    Done {
        /// The size in bytes of the image that is gone with it; layers that others share are counted.
        reclaimed: u64,
    },
    /// The engine says that something uses the image. It may succeed once something has changed on the engine.
    InUse,
    /// The world is not what the plan was made from, and why: nothing was changed, and a new plan is due.
    Changed(String),
    /// It failed, and why: it may be done or not, which the next look tells.
    Failed(String),
}

impl StepOutcome {
    /// Done, with nothing reclaimed.
    pub const DONE: Self = Self::Done { reclaimed: 0 };
}

impl fmt::Display for StepOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done { .. } => f.write_str("done"),
            Self::InUse => f.write_str("in use"),
            Self::Changed(why) => f.write_str(why),
            Self::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}
