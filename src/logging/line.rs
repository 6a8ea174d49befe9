//! One event as text that fits in one line, whatever its values hold.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level};

/// The most bytes of a line: with a time, a level and colours it is written to a pipe at once or not at all (4096, pipe(7)).
const MOST: usize = 4096 - 64;

/// The most bytes of one value, so that a long one leaves room for the others.
const MOST_OF_VALUE: usize = 1 << 10;

/// An event's text: printable, on one line, of bounded size.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// The message.
    pub(super) message: String,
    /// The other fields, each as ` name=value`.
    pub(super) fields: String,
}

impl Line {
    pub(super) fn of(event: &Event<'_>) -> Self {
        let mut line = Self::default();
        event.record(&mut line);
        // An event of Redis's or Docker's client says whose it is.
        let target = event.metadata().target();
        if *event.metadata().level() <= Level::WARN && !target.starts_with(env!("CARGO_CRATE_NAME")) {
            line.message.insert_str(0, &format!("{target}: "));
        }
        cut(&mut line.fields, MOST.saturating_sub(line.message.len()));
        line
    }

    fn add(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let mut text = String::new();
        // An escaping writer fails when it is full; a value's own `Display` has no reason to.
        let complete = write!(Escaping(&mut text), "{value}").is_ok();
        if !complete {
            text.push_str("...");
        }
        if field.name() == "message" {
            self.message = text;
            return;
        }
        // What is one word stays as it is; what a reader could take for several is put in quotes.
        if text.is_empty() || text.contains([' ', '"', '=']) {
            text = format!("\"{}\"", text.replace('"', "\\\""));
        }
        self.fields.push(' ');
        self.fields.push_str(field.name());
        self.fields.push('=');
        self.fields.push_str(&text);
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format_args!("{value:?}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.add(field, format_args!("{value}"));
    }
}

/// Shortens a text that is longer than this many bytes, and shows it.
fn cut(text: &mut String, most: usize) {
    const MARK: &str = "...";
    if text.len() > most {
        while text.len() + MARK.len() > most && text.pop().is_some() {}
        text.push_str(MARK);
    }
}

/// Writes text with control characters escaped, until it is long enough.
struct Escaping<'a>(&'a mut String);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.0.len() >= MOST_OF_VALUE {
                return Err(fmt::Error);
            }
            if is_harmless(character) { self.0.push(character) } else { self.0.extend(character.escape_default()) }
        }
        Ok(())
    }
}

/// Text for a terminal: what would do more there than be shown is escaped, but for the ends of lines.
pub(crate) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\n' || is_harmless(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_default());
        }
    }
    shown
}

/// Whether a terminal and a log file show this character as one, where it stands.
fn is_harmless(character: char) -> bool {
    // Line and paragraph separators end lines for some readers; the others turn the direction of writing.
    let is_format =
        matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    !character.is_control() && !is_format
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_forge_a_line_is_escaped() {
        for (text, expected) in [
            ("plain", "plain"),
            ("Zürich 東京", "Zürich 東京"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\x1b[31mred", "\\u{1b}[31mred"),
            ("\u{85}\u{2028}\u{202e}", "\\u{85}\\u{2028}\\u{202e}"),
            ("nul\0", "nul\\u{0}"),
        ] {
            let mut shown = String::new();
            write!(Escaping(&mut shown), "{text}").unwrap();
            assert_eq!(shown, expected);
        }
        assert_eq!(plain("a\n\x1b[2Jé\u{202e}\t"), "a\n\\u{1b}[2Jé\\u{202e}\\t");
        let mut shown = String::new();
        assert!(write!(Escaping(&mut shown), "{}", "x".repeat(1 << 20)).is_err());
        assert_eq!(shown.len(), MOST_OF_VALUE);
    }
}
