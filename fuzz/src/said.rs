//! What people are told: in the log, on the terminal, in rows.

/// The most bytes of a text about one name: eighty characters of it, each of which may take ten to be escaped, and words.
pub(crate) const NAMED: usize = 1200;

/// One line, of `most` bytes, that does nothing to a terminal: no control characters, and none that turn the direction of
/// writing.
pub(crate) fn assert_said(text: &str, most: usize) {
    let is_harmful = |c: &char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    assert!(text.chars().find(is_harmful).is_none(), "no text for people: {text:?}");
    assert!(text.len() <= most, "{} bytes: {text}", text.len());
}
