//! Taking a list or a stream of JSON values apart as it arrives, so that only one value at a time is in memory.

/// The most bytes of one value that are kept: an image with a hundred long labels takes 20 KiB.
const MOST_BYTES: usize = 1 << 20;

/// How much room is held for the next value: a stream may have none for days.
const USUAL_BYTES: usize = 16 << 10;

/// What is no list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoList;

/// One value of a list or a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// Its JSON.
    pub(super) json: &'a [u8],
    /// A field that was too long stands as `null`, or the value as nothing.
    pub(super) is_cut: bool,
}

/// Finds where values begin and end. It checks no grammar: that is for whoever parses them.
#[derive(Debug)]
pub(super) struct Splitter {
    /// How deep the values are: 1 in a list, 0 in a stream.
    level: usize,
    /// How many brackets are open.
    depth: usize,
    /// Within a text, and the character before was a backslash.
    is_text: bool,
    is_escaped: bool,
    /// What is kept of the current value.
    kept: Vec<u8>,
    /// Where in `kept` the current field of the value begins, as long as that is open.
    field: Option<usize>,
    cut: Cut,
    has_ended: bool,
}

/// What is left out of the current value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Nothing,
    /// A field that has ended.
    Field,
    /// The field that is being read.
    ThisField,
    /// All of it.
    Value,
}

impl Splitter {
    /// For the values of a JSON list.
    pub(super) fn list() -> Self {
        Self {
            level: 1,
            depth: 0,
            is_text: false,
            is_escaped: false,
            kept: Vec::new(),
            field: None,
            cut: Cut::Nothing,
            has_ended: false,
        }
    }

    /// For objects that follow each other.
    pub(super) fn stream() -> Self {
        Self { level: 0, ..Self::list() }
    }

    /// Whether the list's end was seen.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Reads on, and hands over the values that are complete.
    ///
    /// # Errors
    /// If it is no list.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut found: impl FnMut(Entry<'_>)) -> Result<(), NoList> {
        while !self.has_ended {
            if std::mem::take(&mut self.is_escaped) {
                let Some((escaped, rest)) = bytes.split_at_checked(1) else {
                    self.is_escaped = true;
                    return Ok(());
                };
                self.keep(escaped);
                bytes = rest;
            }
            let plain = bytes.iter().position(|byte| is_mark(*byte, self.is_text)).unwrap_or(bytes.len());
            let (plain, rest) = bytes.split_at(plain);
            self.keep(plain);
            let Some((mark, rest)) = rest.split_first() else { return Ok(()) };
            self.mark(*mark, &mut found)?;
            bytes = rest;
        }
        Ok(())
    }

    fn mark(&mut self, mark: u8, found: &mut impl FnMut(Entry<'_>)) -> Result<(), NoList> {
        let is_field = self.depth == self.level + 1;
        match mark {
            b'\\' => {
                self.is_escaped = true;
                self.keep(b"\\");
            }
            b'"' if self.is_text => {
                self.is_text = false;
                self.keep(b"\"");
                self.close_field(is_field);
            }
            _ if self.depth < self.level => {
                let is_start = mark == b'[' && self.kept.trim_ascii().is_empty();
                self.kept.clear();
                self.depth = if is_start { self.level } else { return Err(NoList) };
            }
            b',' if self.depth == self.level => self.emit(found),
            b']' if self.depth == self.level && self.level > 0 => {
                self.emit(found);
                self.has_ended = true;
            }
            b'}' | b']' => {
                self.depth = self.depth.checked_sub(1).filter(|depth| *depth >= self.level).ok_or(NoList)?;
                self.keep(&[mark]);
                self.close_field(self.depth == self.level + 1);
                if self.depth == self.level {
                    self.emit(found);
                }
            }
            _ => {
                if is_field && mark != b',' {
                    self.field = Some(self.kept.len());
                }
                self.is_text = mark == b'"';
                self.depth += usize::from(matches!(mark, b'{' | b'['));
                self.keep(&[mark]);
            }
        }
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) {
        if matches!(self.cut, Cut::ThisField | Cut::Value) {
            return;
        }
        if self.kept.len() + bytes.len() <= MOST_BYTES {
            self.kept.extend_from_slice(bytes);
        } else if let Some(field) = self.field {
            self.kept.truncate(field);
            self.kept.extend_from_slice(b"null");
            self.cut = Cut::ThisField;
        } else {
            self.kept.clear();
            self.cut = Cut::Value;
        }
    }

    fn close_field(&mut self, is_field: bool) {
        if is_field {
            self.field = None;
            if self.cut == Cut::ThisField {
                self.cut = Cut::Field;
            }
        }
    }

    fn emit(&mut self, found: &mut impl FnMut(Entry<'_>)) {
        let is_cut = self.cut != Cut::Nothing;
        if is_cut || !self.kept.trim_ascii().is_empty() {
            found(Entry { json: &self.kept, is_cut });
        }
        self.kept.clear();
        self.kept.shrink_to(USUAL_BYTES);
        (self.field, self.cut) = (None, Cut::Nothing);
    }
}

/// Whether a byte may begin or end something.
fn is_mark(byte: u8, is_text: bool) -> bool {
    matches!(byte, b'"' | b'\\') || (!is_text && matches!(byte, b'{' | b'}' | b'[' | b']' | b','))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of a text that arrives in pieces of this size.
    fn split(mut splitter: Splitter, text: &str, size: usize) -> Option<(Vec<(String, bool)>, bool)> {
        let mut values = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            let add = |entry: Entry<'_>| {
                values.push((String::from_utf8_lossy(entry.json).trim().to_owned(), entry.is_cut));
            };
            splitter.push(piece, add).ok()?;
        }
        Some((values, splitter.has_ended()))
    }

    #[test]
    fn values_are_found_wherever_the_pieces_end() {
        let values = [r#"{"a": ["]", {"b": "\\\"}"}], "c,": 1}"#, "7", r#""x, \"]""#, "[[]]", "null", r#"{"é": "😀"}"#];
        let list = format!(" [{}] ", values.join(",\n "));
        let expected: Vec<_> = values.iter().map(|value| ((*value).to_owned(), false)).collect();
        for size in 1..list.len() + 1 {
            assert_eq!(split(Splitter::list(), &list, size), Some((expected.clone(), true)), "{size}");
        }
        let objects = [values[0], values[5]];
        let expected: Vec<_> = objects.iter().map(|value| ((*value).to_owned(), false)).collect();
        for size in 1..10 {
            let found = split(Splitter::stream(), &(objects.join("\n") + "\n"), size);
            assert_eq!(found, Some((expected.clone(), false)), "{size}");
        }
    }

    #[test]
    fn what_is_no_list_and_what_has_no_end() {
        for text in ["{}", "\"[\"", "null]", "[}", "x[", "1,"] {
            assert_eq!(split(Splitter::list(), text, 1), None, "{text}");
        }
        for text in ["", " ", "null", "[", "[{}, "] {
            assert_eq!(split(Splitter::list(), text, 1).map(|(_, ended)| ended), Some(false), "{text}");
        }
        assert_eq!(split(Splitter::list(), "[]", 1), Some((Vec::new(), true)));
        assert_eq!(split(Splitter::stream(), "}", 1), None);
    }

    #[test]
    fn what_is_too_long_is_cut_and_the_rest_is_read() {
        let long = "x".repeat(MOST_BYTES);
        let list = format!(
            r#"[{{"Id": 1, "Labels": {{"a": "{long}", "b": ["c"]}}, "Name": "{long}", "Size": 2}}, {{"Id": 3}}, {long}, 4]"#
        );
        for size in [1000, list.len()] {
            let (values, ended) = split(Splitter::list(), &list, size).unwrap();
            assert!(ended);
            let expected = [
                (r#"{"Id": 1, "Labels": null, "Name": null, "Size": 2}"#, true),
                (r#"{"Id": 3}"#, false),
                ("", true),
                ("4", false),
            ];
            assert_eq!(values, expected.map(|(value, is_cut)| (value.to_owned(), is_cut)));
        }
    }
}
