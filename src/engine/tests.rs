//! The shell around the engine, tried on a real one.

mod away;
mod bench;
mod executing;
mod answers;
mod fixture;
mod reading;
mod watching;
