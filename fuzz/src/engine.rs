//! What the engine answers.

use imgmgrd::decide::Memory;
use imgmgrd::engine::Answers;

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
    let mut observation = switch::observation();
    switch::see(&mut observation, &answers.snapshot());
    switch::fill_rows(&mut observation);
    switch::judge(&observation, &Memory::default(), &switch::at_once());
}
