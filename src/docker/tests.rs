//! The shell around the engine, tried on a real one, and on one that plays what a real one does not do on demand.

mod answers;
mod executing;
mod fake;
mod fixture;
mod group;
mod lists;
mod reading;
mod tolerance;
mod unreachable;
mod watching;
