//! Types whose text says all of them.

/// Lets serde read and write a type as its text, by its `FromStr` and `Display`. The type itself says
/// `#[serde(try_from = "String", into = "String")]`.
macro_rules! by_text {
    ($name:ident, $error:ty) => {
        impl TryFrom<String> for $name {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    };
}

pub(super) use by_text;
