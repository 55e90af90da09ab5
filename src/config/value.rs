//! What a type must be able to do to be the type of an option: be read from the file, be written, and be described.

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use toml::Spanned;
use toml::de::DeValue;

use super::values::quote;

/// Why a value cannot be that of an option.
#[derive(Debug)]
pub struct Wrong {
    /// Where in the file the value begins, in bytes.
    pub at: usize,
    /// The reason, in words.
    pub reason: String,
}

impl Wrong {
    /// This value is wrong for this reason.
    pub fn new(value: &Spanned<DeValue<'_>>, reason: String) -> Wrong {
        Wrong { at: value.span().start, reason }
    }

    /// This value is of another kind than `T`.
    pub fn kind<T: Value>(value: &Spanned<DeValue<'_>>) -> Wrong {
        let found = match value.get_ref() {
            DeValue::String(text) => format!("the text {text:?}"),
            DeValue::Integer(number) => format!("the number {}", number.as_str()),
            DeValue::Float(number) => format!("the number {}", number.as_str()),
            DeValue::Boolean(truth) => truth.to_string(),
            DeValue::Datetime(time) => format!("the time {time}"),
            DeValue::Array(_) => "a list".to_string(),
            DeValue::Table(_) => "a section".to_string(),
        };
        let kind = T::kind();
        let kind = if kind == "text" { "text in quotes".to_string() } else { with_article(&kind) };
        Wrong::new(value, format!("wants {kind}, not {found}"))
    }
}

/// The words for a kind with an article, where they need one.
fn with_article(kind: &str) -> String {
    let article = match kind.as_bytes().first() {
        Some(b'"') | None => "",
        _ if kind.starts_with("true") || kind.starts_with("seconds") || kind.ends_with("letters") => "",
        Some(b'a' | b'e' | b'i' | b'o' | b'u' | b'I') => "an ",
        Some(_) => "a ",
    };
    format!("{article}{kind}")
}

/// A type of which an option may be.
pub trait Value: Sized {
    /// What may stand behind the equals sign, in words.
    fn kind() -> String;

    /// Takes the value from the file.
    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong>;

    /// The value as TOML; nothing for an option that is not set.
    fn write(&self) -> Option<String>;
}

impl Value for bool {
    fn kind() -> String {
        "true or false".to_string()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<bool, Wrong> {
        value.get_ref().as_bool().ok_or_else(|| Wrong::kind::<bool>(value))
    }

    fn write(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl<T: Value> Value for Option<T> {
    fn kind() -> String {
        T::kind()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Option<T>, Wrong> {
        T::read(value).map(Some)
    }

    fn write(&self) -> Option<String> {
        self.as_ref().and_then(T::write)
    }
}

impl<T: Value> Value for Vec<T> {
    fn kind() -> String {
        match T::kind().as_str() {
            "text" => "list of texts".to_string(),
            _ => format!("list, each {}", with_article(&T::kind())),
        }
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Vec<T>, Wrong> {
        let items = value.get_ref().as_array().ok_or_else(|| Wrong::kind::<Vec<T>>(value))?;
        items.iter().map(T::read).collect()
    }

    fn write(&self) -> Option<String> {
        let items: Vec<String> = self.iter().filter_map(T::write).collect();
        Some(format!("[{}]", items.join(", ")))
    }
}

/// Reads a value that is written as text.
pub fn read_text<T: Value + FromStr>(
    value: &Spanned<DeValue<'_>>,
    reason: impl FnOnce(&str, T::Err) -> String,
) -> Result<T, Wrong> {
    let text = value.get_ref().as_str().ok_or_else(|| Wrong::kind::<T>(value))?;
    text.parse().map_err(|error| Wrong::new(value, reason(text, error)))
}

/// Writes a value that is written as text.
pub fn write_text(value: &impl Display) -> Option<String> {
    Some(quote(&value.to_string()))
}

/// Names and lines of text; control characters belong into neither.
impl Value for String {
    fn kind() -> String {
        "text".to_string()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<String, Wrong> {
        let text = value.get_ref().as_str().ok_or_else(|| Wrong::kind::<String>(value))?;
        match text.chars().find(|letter| letter.is_control()) {
            Some(letter) => Err(Wrong::new(value, format!("contains the control character {letter:?}"))),
            None => Ok(text.to_string()),
        }
    }

    fn write(&self) -> Option<String> {
        write_text(self)
    }
}

/// Types of the standard library, whose own errors do not say what was read.
macro_rules! address_values {
    ($($kind:ty: $words:literal, such as $example:literal;)+) => {$(
        impl Value for $kind {
            fn kind() -> String {
                $words.to_string()
            }

            fn read(value: &Spanned<DeValue<'_>>) -> Result<$kind, Wrong> {
                read_text(value, |text, _| format!("{text:?} is no {}, such as {}", $words, $example))
            }

            fn write(&self) -> Option<String> {
                write_text(self)
            }
        }
    )+};
}

address_values! {
    Ipv4Addr: "IPv4 address", such as "\"192.0.2.1\"";
    SocketAddr: "address with a port", such as "\"[::]:21\" or \"192.0.2.1:21\"";
}

/// Types that are written as text, with the words for what may stand there.
macro_rules! text_values {
    ($($kind:ty: $words:expr;)+) => {$(
        impl crate::config::value::Value for $kind {
            fn kind() -> String {
                $words
            }

            fn read(
                value: &toml::Spanned<toml::de::DeValue<'_>>,
            ) -> Result<$kind, crate::config::value::Wrong> {
                crate::config::value::read_text(value, |_, reason: String| reason)
            }

            fn write(&self) -> Option<String> {
                crate::config::value::write_text(self)
            }
        }
    )+};
}

pub(crate) use text_values;
