//! `imgmgrd images`: each image on the disk, and why it stays or goes.

use comfy_table::{Cell, Color};
use serde::Serialize;

use super::table;
use crate::decide::{ImageReport, Report, Verdict};
use crate::domain::{Base, ImageId};

/// What `images --json` says of an image.
#[derive(Debug, Serialize)]
pub(super) struct Image {
    /// The image name.
    pub(super) image: String,
    /// The features that run from it.
    pub(super) features: Vec<String>,
    /// The id.
    pub(super) image_id: String,
    /// The version.
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

/// The images of the units in `bases`, all if none is named.
#[must_use]
pub(super) fn images(report: &Report, bases: Option<&[Base]>) -> Vec<Image> {
    of_bases(report, bases)
        .map(|(base, id, image)| Image {
            image: base.to_string(),
            features: super::features_of(report, base),
            image_id: id.to_string(),
            version: image.version.as_ref().map(ToString::to_string),
            references: image.references.iter().map(ToString::to_string).collect(),
            size: image.size,
            kept: matches!(image.verdict, Verdict::Kept(_)),
            because: because(image),
        })
        .collect()
}

fn of_bases<'a>(
    report: &'a Report,
    bases: Option<&'a [Base]>,
) -> impl Iterator<Item = (&'a Base, &'a ImageId, &'a ImageReport)> {
    report
        .units
        .iter()
        .filter(move |(base, _)| bases.is_none_or(|bases| bases.contains(base)))
        .flat_map(|(base, unit)| unit.images.iter().map(move |(id, image)| (base, id, image)))
}

fn because(image: &ImageReport) -> Vec<String> {
    match &image.verdict {
        Verdict::Kept(because) => because.iter().map(ToString::to_string).collect(),
        Verdict::Removed(because) => vec![because.to_string()],
    }
}

/// The images as a table.
#[must_use]
pub(super) fn render(report: &Report, bases: Option<&[Base]>) -> String {
    let mut table = table::table(&["FEATURE", "VERSION", "IMAGE ID", "SIZE", "REFERENCES", "KEPT", "BECAUSE"]);
    for (base, id, image) in of_bases(report, bases) {
        let verdict = match image.verdict {
            Verdict::Kept(_) => Cell::new("kept"),
            Verdict::Removed(_) => Cell::new("removed").fg(Color::Yellow),
        };
        let references: Vec<String> = image.references.iter().map(shortened).collect();
        table.add_row([
            Cell::new(super::features_of(report, base).join(", ")),
            Cell::new(table::optional(image.version.as_ref())),
            Cell::new(id.short()),
            Cell::new(table::size(image.size)),
            Cell::new(if references.is_empty() { "-".to_owned() } else { references.join(", ") }),
            verdict,
            Cell::new(because(image).join("; ")),
        ]);
    }
    table::render(&table)
}

/// A reference with its digest cut to 12 digits.
fn shortened(reference: &crate::domain::Reference) -> String {
    let text = reference.to_string();
    match text.split_once('@') {
        Some((repository, digest)) => format!("{repository}@{}", digest.get(..19).unwrap_or(digest)),
        None => text,
    }
}
