//! What is configured: our own settings, the operator's policy, and other programs' files.

pub mod files;
pub mod policy;
pub mod settings;
