//! The shell around the engine, tried on a real one.

mod answers;
mod away;
mod executing;
mod fixture;
mod reading;
mod watching;
