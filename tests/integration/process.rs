//! The process: how it starts, ends, refuses, and how little it does when nothing happens.

mod idle;
mod once;
mod refusals;
mod service_manager;
mod stop;

pub(crate) use refusals::nobodys_copy;
