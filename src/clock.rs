//! The clocks: the boot-time clock that counts every wait, and the wall clock that only people read.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rustix::time::{ClockId, clock_gettime};

/// Time since boot, including suspend. Never steps, and restarts from zero with every boot.
#[must_use]
pub fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The wall clock. It may step at any time: never count a wait with it.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn wall() -> DateTime<Utc> {
    Utc::now()
}

/// The id of this boot, by which times of [`since_boot`] from another boot are recognised.
///
/// # Errors
/// If `/proc/sys/kernel/random/boot_id` cannot be read.
pub fn boot_id() -> std::io::Result<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned())
}

/// How times are written in STATE_DB.
pub const FORMAT: &str = "%Y-%m-%d %H:%M:%S";

/// A published time: UTC, in seconds.
#[must_use]
pub fn format(time: DateTime<Utc>) -> String {
    time.format(FORMAT).to_string()
}
