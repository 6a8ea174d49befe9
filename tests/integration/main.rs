//! The agent on a real switch: redis-server, dockerd and docker-registry, each test on its own.

// Helpers of tests are test code as well, which clippy tells by `#[test]` only: they may panic, and play a switch with its
// processes and clocks.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]

mod beside_ctrmgrd;
mod bulkheads;
mod clean_up;
mod clocks;
mod commands;
mod evidence;
mod fleet;
mod fresh;
mod history;
mod hostile;
mod identity;
mod killed;
mod losses;
mod multi_asic;
mod process;
mod promotion;
mod promotions_first;
mod refused_writes;
mod restarts;
mod rollback;
mod scene;
mod state_files;
mod story;
mod unsaved;
