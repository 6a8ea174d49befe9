//! Clean-up after a promotion: what goes, and what stays.

mod cases;
mod kept;
mod names;
mod others;

use crate::story::Story;

/// The versions of these references that are on the disk.
fn left(story: &Story, references: &[String]) -> Vec<String> {
    references.iter().filter(|reference| story.image(reference).is_some()).cloned().collect()
}
