//! How options are declared: the macro that makes structs, defaults, reader and documentation of one list, and what
//! a type must be able to do to be the type of an option.

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use toml::Spanned;
use toml::de::DeValue;

use super::values::quote;

/// What the documents say of an option.
#[derive(Clone, Copy, Debug)]
pub struct OptionDoc {
    /// The section it stands in, without brackets.
    pub section: &'static str,
    /// Its name.
    pub key: &'static str,
    /// What may stand behind the equals sign, in words.
    pub kind: fn() -> String,
    /// Its default as TOML, if it has one.
    pub default: Option<&'static str>,
    /// A value as TOML, for options without a default.
    pub example: Option<&'static str>,
    /// What it does: a line each, with a leading space.
    pub text: &'static [&'static str],
}

/// What the documents say of a section.
#[derive(Clone, Copy, Debug)]
pub struct SectionDoc {
    /// Its name, without brackets.
    pub name: &'static str,
    /// What it is about: a line each, with a leading space.
    pub text: &'static [&'static str],
    /// Its options, in the order of the documents.
    pub options: &'static [OptionDoc],
}

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
        let article = match kind.as_bytes().first() {
            Some(b'"') | None => "",
            _ if kind.starts_with("true") || kind.starts_with("seconds") || kind.ends_with("letters") => "",
            Some(b'a' | b'e' | b'i' | b'o' | b'u' | b'I') => "an ",
            Some(_) => "a ",
        };
        let kind = if kind == "text" { "text in quotes".to_string() } else { format!("{article}{kind}") };
        Wrong::new(value, format!("wants {kind}, not {found}"))
    }
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
            _ => format!("list, each an {}", T::kind()),
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
        impl crate::config::declare::Value for $kind {
            fn kind() -> String {
                $words
            }

            fn read(
                value: &toml::Spanned<toml::de::DeValue<'_>>,
            ) -> Result<$kind, crate::config::declare::Wrong> {
                crate::config::declare::read_text(value, |_, reason: String| reason)
            }

            fn write(&self) -> Option<String> {
                crate::config::declare::write_text(self)
            }
        }
    )+};
}

/// Declares all options. Each section is
///
/// ```text
/// /// What the section is about.
/// [name] Struct {
///     /// What the option does.
///     key: Type = default;
///     /// What this one does.
///     key: Option<Type>, such as example;
/// }
/// ```
///
/// Behind `Struct` may follow `/ Overrides`: a struct with the same options, none of which need be set.
macro_rules! options {
    ($(
        $(#[doc = $text:literal])+
        [$section:ident] $Section:ident $(/ $Overrides:ident)? { $($body:tt)* }
    )+) => {
        $(crate::config::declare::section! {
            $(#[doc = $text])+
            [$section] $Section $(/ $Overrides)? { $($body)* }
        })+

        /// All sections that have a fixed name, in the order of the documents.
        pub const SECTIONS: &[crate::config::declare::SectionDoc] = &[$($Section::DOC),+];

        impl crate::config::Config {
            /// Takes one section from the file. `false`: there is none of this name.
            pub(super) fn read_section(
                &mut self,
                name: &str,
                table: &toml::de::DeTable<'_>,
                reader: &mut crate::config::reader::Reader<'_>,
            ) -> bool {
                match name {
                    $(stringify!($section) => self.$section.read(table, reader, name),)+
                    _ => return false,
                }
                true
            }

            /// Appends all sections that have a fixed name, as TOML.
            pub(super) fn write_sections(&self, text: &mut String) {
                $(
                    let gap = if text.is_empty() { "" } else { "\n" };
                    text.push_str(&format!("{gap}[{}]\n", stringify!($section)));
                    self.$section.write(text);
                )+
            }
        }
    };
}

/// One section of `options!`.
macro_rules! section {
    (
        $(#[doc = $text:literal])+
        [$section:ident] $Section:ident / $Overrides:ident {
            $($(#[doc = $option_text:literal])+
            $key:ident: $kind:ty $(= $default:tt)? $(, such as $example:literal)?;)+
        }
    ) => {
        crate::config::declare::section! {
            $(#[doc = $text])+
            [$section] $Section {
                $($(#[doc = $option_text])+ $key: $kind $(= $default)? $(, such as $example)?;)+
            }
        }

        #[doc = concat!("What of `[", stringify!($section), "]` is different for somebody.")]
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $Overrides {
            $($(#[doc = $option_text])+ pub $key: Option<$kind>,)+
        }

        impl $Overrides {
            /// Sets what is different.
            pub fn apply(&self, section: &mut $Section) {
                $(if let Some(value) = &self.$key {
                    section.$key = value.clone();
                })+
            }
        }

        crate::config::declare::read_and_write!($Overrides { $($key)+ });
    };
    (
        $(#[doc = $text:literal])+
        [$section:ident] $Section:ident {
            $($(#[doc = $option_text:literal])+
            $key:ident: $kind:ty $(= $default:tt)? $(, such as $example:literal)?;)+
        }
    ) => {
        $(#[doc = $text])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $Section {
            $($(#[doc = $option_text])+ pub $key: $kind,)+
        }

        impl $Section {
            /// What the documents say of this section.
            pub const DOC: crate::config::declare::SectionDoc = crate::config::declare::SectionDoc {
                name: stringify!($section),
                text: &[$($text),+],
                options: &[$(crate::config::declare::OptionDoc {
                    section: stringify!($section),
                    key: crate::config::declare::key!($key),
                    kind: <$kind as crate::config::declare::Value>::kind,
                    default: crate::config::declare::source!($($default)?),
                    example: crate::config::declare::source!($($example)?),
                    text: &[$($option_text),+],
                }),+],
            };
        }

        impl Default for $Section {
            fn default() -> $Section {
                $Section {
                    $($key: crate::config::declare::default!($($default)?),)+
                }
            }
        }

        crate::config::declare::read_and_write!($Section { $($key)+ });
    };
}

/// How a struct of options is read and written.
macro_rules! read_and_write {
    ($Section:ident { $($key:ident)+ }) => {
        impl $Section {
            /// Takes what a table of the file says; `place` is its name, for messages.
            pub(super) fn read(
                &mut self,
                table: &toml::de::DeTable<'_>,
                reader: &mut crate::config::reader::Reader<'_>,
                place: &str,
            ) {
                const KEYS: &[&str] = &[$(crate::config::declare::key!($key)),+];
                for (key, value) in table {
                    $(if key.get_ref() == crate::config::declare::key!($key) {
                        reader.take(place, key, value, &mut self.$key);
                        continue;
                    })+
                    reader.unknown_option(place, key, KEYS);
                }
            }

            /// Appends the options that are set, as TOML.
            pub(super) fn write(&self, text: &mut String) {
                $(if let Some(value) = crate::config::declare::Value::write(&self.$key) {
                    text.push_str(crate::config::declare::key!($key));
                    text.push_str(" = ");
                    text.push_str(&value);
                    text.push('\n');
                })+
            }
        }
    };
}

/// The text of a default or an example, as it is in the source: it is TOML.
macro_rules! source {
    () => {
        None
    };
    ($value:tt) => {
        Some(stringify!($value))
    };
}

/// The value of a default.
macro_rules! default {
    () => {
        None
    };
    ($value:tt) => {
        crate::config::reader::default_value(stringify!($value))
    };
}

/// The name of an option in the file, from the name of its field.
macro_rules! key {
    ($field:ident) => {{
        const LENGTH: usize = stringify!($field).len();
        const BYTES: [u8; LENGTH] = crate::config::declare::hyphens(stringify!($field));
        match std::str::from_utf8(&BYTES) {
            Ok(key) => key,
            Err(_) => panic!("identifiers are UTF-8"),
        }
    }};
}

/// A name with hyphens in place of underscores.
pub const fn hyphens<const LENGTH: usize>(name: &str) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let mut index = 0;
    while index < LENGTH {
        let byte = name.as_bytes()[index];
        bytes[index] = if byte == b'_' { b'-' } else { byte };
        index += 1;
    }
    bytes
}

pub(crate) use {default, key, options, read_and_write, section, source, text_values};
