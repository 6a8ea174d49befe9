//! What the agent keeps across restarts and reboots, in its state directory.
//!
//! Everything there is written atomically (a new file beside the old one, then a rename), so that whoever is killed at
//! any instant finds either the old content or the new. What fallback depends on is synced to the disk as well; mere
//! snapshot marks are not. Each file has the number of its format. What another version has written there is not
//! understood in places; it is kept, so that neither an upgrade nor a downgrade forgets what holds.

mod directory;
mod file;
mod history;
mod kept;
mod memory;
mod policy;
mod split;
mod versions;

pub(crate) use directory::remove_if_there;
pub use directory::{StateDirectory, StateError};
pub use history::{Entry, History, HistoryEvent};
pub use memory::{Store, ages};
pub use policy::LastPolicy;

#[cfg(test)]
mod tests;
