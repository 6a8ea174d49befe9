//! What the strings of rows may be, as regular expressions of JSON Schema (ECMA-262).

use schemars::Schema;
use schemars::transform::{Transform, transform_subschemas};

/// The values of `stability`.
pub(crate) const STABILITIES: [&str; 7] = ["local", "waiting", "observing", "stable", "failed", "held", "error"];

/// What a string may be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pattern {
    /// One of these words, without regard to case.
    Words(&'static [&'static str]),
    /// The seconds of `stable_time`: digits only, at most a day.
    Day,
    /// The number of `keep_versions`: 2 to 10, digits only.
    TwoToTen,
    /// Digits.
    Count,
    /// A tag, or a version in the same grammar.
    Version,
    /// The name of a feature.
    Feature,
    /// The last path component of a repository.
    ImageName,
    /// `sha256:` and 64 digits.
    ImageId,
    /// The first 12 digits of a container's id.
    ShortContainerId,
    /// All 64 digits of a container's id.
    ContainerId,
    /// `YYYY-MM-DD HH:MM:SS`.
    Time,
}

impl Pattern {
    /// The whole string is of this kind.
    pub(crate) fn exactly(self) -> String {
        format!("^({})$", self.expression())
    }

    /// The whole string is of this kind, or empty, which means absent.
    pub(crate) fn or_empty(self) -> String {
        format!("^({})?$", self.expression())
    }

    fn expression(self) -> String {
        match self {
            Self::Words(words) => words.iter().map(|word| in_any_case(word)).collect::<Vec<_>>().join("|"),
            Self::Day => "0*([0-9]{1,4}|[1-7][0-9]{4}|8[0-5][0-9]{3}|86[0-3][0-9]{2}|86400)".to_owned(),
            Self::TwoToTen => "0*([2-9]|10)".to_owned(),
            Self::Count => "[0-9]+".to_owned(),
            Self::Version => "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}".to_owned(),
            Self::Feature => "[A-Za-z0-9][A-Za-z0-9_.-]{0,63}".to_owned(),
            Self::ImageName => r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*".to_owned(),
            Self::ImageId => "sha256:[0-9a-f]{64}".to_owned(),
            Self::ShortContainerId => "[0-9a-f]{12}".to_owned(),
            Self::ContainerId => "[0-9a-f]{64}".to_owned(),
            Self::Time => "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}".to_owned(),
        }
    }
}

/// JSON Schema's expressions have no switch for this.
fn in_any_case(word: &str) -> String {
    let any = |letter: char| match letter {
        'a'..='z' | 'A'..='Z' => format!("[{}{}]", letter.to_ascii_lowercase(), letter.to_ascii_uppercase()),
        other => other.to_string(),
    };
    word.chars().map(any).collect()
}

/// Takes `null` out of every type: Redis has no such value.
#[derive(Clone, Debug)]
pub(super) struct WithoutNull;

impl Transform for WithoutNull {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(kind) = schema.get_mut("type") {
            let named = kind.as_array().and_then(|kinds| kinds.iter().find(|kind| *kind != "null")).cloned();
            *kind = named.unwrap_or_else(|| kind.take());
        }
        transform_subschemas(self, schema);
    }
}

/// Puts each description on one line: where the source wraps is nobody's business.
#[derive(Clone, Debug)]
pub(super) struct OnOneLine;

impl Transform for OnOneLine {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(serde_json::Value::String(text)) = schema.get_mut("description") {
            *text = text.replace('\n', " ");
        }
        transform_subschemas(self, schema);
    }
}
