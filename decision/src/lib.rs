//! What imgmgrd decides, and the words in which it does: no input, no output, no clock.
//!
//! A crate of its own, so that the compiler holds the decision to that, and so that it is compiled for speed while all
//! around it is compiled for size.

pub mod controller;
pub mod decide;
pub mod domain;
mod outcome;

pub use outcome::StepOutcome;
