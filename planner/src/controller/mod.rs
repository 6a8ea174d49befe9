//! The loop as a value: it is told what happens and what time it is, and asked for what to do and when to be woken.
//!
//! No input or output, no clock, no task: whoever drives it (the agent, a command that acts alone, the model) turns the world
//! into [`Event`]s and [`Effect`]s into calls. All of them drive this very state machine, so what is verified is what ships.
//!
//! The way of a group (an image name and the instances that share it):
//!
//! ```text
//!            due              read             saved              done
//!   Idle ─────────> Reading ────────> Decided ────────> Acting ────────> Reading ...
//!     ^                │ failed                           │ failed
//!     └────────────────┴─────── pause <───── Settling <───┘
//! ```
//!
//! One action at a time: what it rests on is read again right before it, and decided on anew. Groups do not wait for each
//! other; only removals of images wait for promotions that are due.

#[cfg(feature = "fixtures")]
mod clock;
mod command;
mod deciding;
mod event;
mod group;
mod handling;
mod newer;
mod remembered;
mod retry;
mod saving;
mod schedule;
mod seeing;
mod state;

#[cfg(test)]
mod tests;

pub use event::{Acted, CommandAnswer, Effect, EngineSnapshot, Event, ReadRequest, Reading, Rows};
pub use state::{Controller, Pauses};
