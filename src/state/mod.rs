//! What the agent keeps across restarts and reboots, in its state directory.
//!
//! Everything there is written atomically (a new file beside the old one, then a rename), so that whoever is killed at
//! any instant finds either the old content or the new. What fallback depends on is synced to the disk as well; mere
//! observation marks are not.

mod directory;
mod file;
mod history;
mod memory;
mod policy;
mod split;

pub use directory::{StateDirectory, StateError};
pub use history::{Entry, Event, History};
pub use memory::Store;
pub use policy::LastPolicy;
