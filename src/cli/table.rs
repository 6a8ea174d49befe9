//! Tables that a person likes to read: SONiC's look, colour only on a terminal.

use comfy_table::{Cell, Color, ContentArrangement, Table, presets};

use crate::planner::Stability;

/// A table with these headings.
#[must_use]
pub(super) fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    // Arranged to the terminal's width; in a pipe every row stays on one line.
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(headings.iter().map(Cell::new));
    if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        table.force_no_tty();
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    table
}

/// The table as text, without trailing blanks.
#[must_use]
pub(super) fn render(table: &Table) -> String {
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A stability, in the colour of what it means.
#[must_use]
pub(super) fn stability(stability: Stability) -> Cell {
    let cell = Cell::new(stability);
    match stability {
        Stability::Stable => cell.fg(Color::Green),
        Stability::Observing => cell.fg(Color::Cyan),
        Stability::Held => cell.fg(Color::Yellow),
        Stability::Failed | Stability::Error => cell.fg(Color::Red),
        Stability::Local | Stability::Waiting => cell,
    }
}

/// A value, or a dash for one that is absent.
#[must_use]
pub(super) fn optional<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

/// A size for people, as Docker writes it: decimal units, three digits.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut units = UNITS.iter().peekable();
    let mut unit = "B";
    while let Some(next) = units.next() {
        unit = next;
        if value < 999.5 || units.peek().is_none() {
            break;
        }
        value /= 1000.0;
    }
    let digits = if unit == "B" || value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.digits$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1.00kB"),
            (2_150_000, "2.15MB"),
            (36_800_000, "36.8MB"),
            (412_000_000, "412MB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
