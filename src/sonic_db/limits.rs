//! What a Redis server may take of time and memory.

use std::time::Duration;

/// How long anything asked of a Redis server may take. A healthy one answers in a millisecond.
pub(super) const DEADLINE: Duration = Duration::from_secs(3);

/// How many bytes Redis may answer at once. All rows of a switch with a hundred features take a tenth of a MiB; and a MiB
/// of rows costs up to ten here.
pub(super) const MOST_BYTES: usize = 2 << 20;
