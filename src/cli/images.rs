//! `imgmgrd images`: each image on the disk, and why it stays or goes.

use comfy_table::{Cell, Color};
use serde::Serialize;

use super::read_once::ReadOnce;
use super::table;
use crate::domain::{Base, ImageId, Reference};
use crate::planner::{self, Retention};

/// What `images --json` says of an image.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "generate", derive(schemars::JsonSchema))]
pub(super) struct Image {
    /// The image name.
    #[cfg_attr(feature = "generate", schemars(regex(pattern = crate::schema::pattern::Pattern::ImageName.exactly())))]
    pub(super) image: String,
    /// The features that run from it.
    pub(super) features: Vec<String>,
    /// The image id, `sha256:` and 64 digits.
    #[cfg_attr(feature = "generate", schemars(regex(pattern = crate::schema::pattern::Pattern::ImageId.exactly())))]
    pub(super) image_id: String,
    /// The version.
    #[cfg_attr(feature = "generate", schemars(regex(pattern = crate::schema::pattern::Pattern::Version.exactly())))]
    pub(super) version: Option<String>,
    /// Every tag and digest reference in the feature's repositories.
    pub(super) references: Vec<String>,
    /// The size in bytes, as the engine reports it.
    pub(super) size: u64,
    /// Whether it stays.
    pub(super) kept: bool,
    /// Why it stays, or goes.
    pub(super) because: Vec<String>,
}

/// The images of the groups in `bases`, all if none is named.
#[must_use]
pub(super) fn images(read: &ReadOnce, bases: Option<&[Base]>) -> Vec<Image> {
    of_bases(read, bases)
        .map(|(base, id, found, retention)| Image {
            image: base.to_string(),
            features: super::features_of(&read.decision.report, base),
            image_id: id.to_string(),
            version: found.version_in(base).map(ToString::to_string),
            references: found.references_of(base).map(ToString::to_string).collect(),
            size: found.size,
            kept: matches!(retention, Retention::Kept(_)),
            because: because(retention),
        })
        .collect()
}

/// The images, each with what is on the disk and what becomes of it.
fn of_bases<'a>(
    read: &'a ReadOnce,
    bases: Option<&'a [Base]>,
) -> impl Iterator<Item = (&'a Base, &'a ImageId, &'a planner::Image, &'a Retention)> {
    read.decision
        .report
        .groups
        .iter()
        .filter(move |(base, _)| bases.is_none_or(|bases| bases.contains(base)))
        .flat_map(|(base, group)| group.images.iter().map(move |(id, retention)| (base, id, retention)))
        .filter_map(|(base, id, retention)| Some((base, id, read.images.get(id)?, retention)))
}

fn because(retention: &Retention) -> Vec<String> {
    match retention {
        Retention::Kept(because) => because.iter().map(ToString::to_string).collect(),
        Retention::Removed(because) => vec![because.to_string()],
    }
}

/// The images as a table.
#[must_use]
pub(super) fn render(read: &ReadOnce, bases: Option<&[Base]>) -> String {
    let mut table = table::table(&["FEATURE", "VERSION", "IMAGE ID", "SIZE", "REFERENCES", "KEPT", "BECAUSE"]);
    for (base, id, found, retention) in of_bases(read, bases) {
        let word = match retention {
            Retention::Kept(_) => Cell::new("kept"),
            Retention::Removed(_) => Cell::new("removed").fg(Color::Yellow),
        };
        let references: Vec<String> = found.references_of(base).map(shortened).collect();
        table.add_row([
            Cell::new(super::features_of(&read.decision.report, base).join(", ")),
            Cell::new(table::optional(found.version_in(base))),
            Cell::new(id.short()),
            Cell::new(table::size(found.size)),
            Cell::new(if references.is_empty() { "-".to_owned() } else { references.join(", ") }),
            word,
            Cell::new(because(retention).join("; ")),
        ]);
    }
    table::render(&table)
}

/// A reference with its digest cut to 12 digits.
fn shortened(reference: &Reference) -> String {
    let text = reference.to_string();
    match text.split_once('@') {
        Some((repository, digest)) => format!("{repository}@{}", digest.get(..19).unwrap_or(digest)),
        None => text,
    }
}
