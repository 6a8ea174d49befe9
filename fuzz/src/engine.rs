//! What the engine answers.

use imgmgrd::docker::Answers;
use imgmgrd::planner::Memory;

use crate::switch;

/// The bodies of the engine's answers: the lists of containers and images, an inspection of each, and an event, separated
/// by U+001E. A whole decision is made on them, on rows that say that `telemetry` has been taken over by kube.
///
/// # Panics
/// If something is broken.
pub fn engine(bytes: &[u8]) {
    let mut bodies = bytes.split(|byte| *byte == 0x1e);
    let mut next = || bodies.next().unwrap_or_default();
    let answers = Answers { containers: next(), images: next(), container: next(), image: next(), event: next() };
    let mut snapshot = switch::snapshot();
    switch::see(&mut snapshot, &answers.snapshot());
    switch::fill_rows(&mut snapshot);
    switch::judge(&snapshot, &Memory::default(), &switch::at_once());
}
