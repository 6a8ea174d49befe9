//! What attackers try, each by the means that docs/threat-model.md gives them.

mod claims;
mod control;
mod memory;
mod said;
mod state_directory;
