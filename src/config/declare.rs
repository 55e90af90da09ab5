//! How options are declared: the macro that makes structs, defaults, reader and documentation of one list.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::reader::Reader;

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

/// Declares all options. Each section is
///
/// ```text
/// /// What the section is about.
/// [name] Struct {
///     /// What the option does.
///     key: Type = default;
///     /// What this one does.
///     key: Option<Type>, such as example;
///     /// What this one does, whose default shows nobody what to write.
///     key: Vec<Type> = [], such as example;
/// }
/// ```
///
/// Behind `Struct` may follow `/ Overrides`: a struct with the same options, none of which need be set. Behind all of
/// them, and the word `named`, come the sections of which there may be several, each with a name: `[section.NAME]`.
macro_rules! options {
    ($(
        $(#[doc = $text:literal])+
        [$section:ident] $Section:ident $(/ $Overrides:ident)? { $($body:tt)* }
    )+
    named
    $(
        $(#[doc = $named_text:literal])+
        [$named:ident] $Named:ident { $($named_body:tt)* }
    )+) => {
        $(crate::config::declare::section! {
            $(#[doc = $text])+
            [$section] $Section $(/ $Overrides)? { $($body)* }
        })+
        $(crate::config::declare::section! {
            $(#[doc = $named_text])+
            [$named] $Named { $($named_body)* }
        })+

        /// All sections that have a fixed name, in the order of the documents.
        pub const SECTIONS: &[crate::config::declare::SectionDoc] = &[$($Section::DOC),+];

        /// The sections with options of their own of which there may be several.
        pub const NAMED_SECTIONS: &[crate::config::declare::SectionDoc] = &[$($Named::DOC),+];

        impl crate::config::Config {
            /// Takes one section from the file. `false`: there is none of this name.
            pub(super) fn read_section(
                &mut self,
                name: &str,
                table: &toml::de::DeTable<'_>,
                reader: &mut crate::config::reader::Reader<'_>,
            ) -> bool {
                use crate::config::declare::Options;
                match name {
                    $(stringify!($section) => self.$section.read(table, reader, name),)+
                    _ => return false,
                }
                true
            }

            /// Appends all sections that have a fixed name, as TOML.
            pub(super) fn write_sections(&self, text: &mut String) {
                use crate::config::declare::Options;
                $(
                    let gap = if text.is_empty() { "" } else { "\n" };
                    text.push_str(&format!("{gap}[{}]\n", stringify!($section)));
                    self.$section.write(text);
                    self.write_guests(stringify!($section), text);
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
            $key:ident: $kind:ty $(= $default:tt)? $(, such as $example:tt)?;)+
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
            $key:ident: $kind:ty $(= $default:tt)? $(, such as $example:tt)?;)+
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
                    kind: <$kind as crate::config::value::Value>::kind,
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

/// A struct of options, each with a name in the file.
pub trait Options {
    /// The names.
    const KEYS: &'static [&'static str];

    /// Takes one option of the file; `place` is the name of its section, for messages. `false`: there is none of this
    /// name.
    fn read_option(
        &mut self,
        key: &Spanned<Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        reader: &mut Reader<'_>,
        place: &str,
    ) -> bool;

    /// Takes what a table of the file says.
    fn read(&mut self, table: &DeTable<'_>, reader: &mut Reader<'_>, place: &str) {
        for (key, value) in table {
            if !self.read_option(key, value, reader, place) {
                reader.unknown_option(place, key, Self::KEYS);
            }
        }
    }

    /// Appends the options that are set, as TOML.
    fn write(&self, text: &mut String);
}

/// How a struct of options is read and written.
macro_rules! read_and_write {
    ($Section:ident { $($key:ident)+ }) => {
        impl crate::config::declare::Options for $Section {
            const KEYS: &'static [&'static str] = &[$(crate::config::declare::key!($key)),+];

            fn read_option(
                &mut self,
                key: &toml::Spanned<std::borrow::Cow<'_, str>>,
                value: &toml::Spanned<toml::de::DeValue<'_>>,
                reader: &mut crate::config::reader::Reader<'_>,
                place: &str,
            ) -> bool {
                $(if key.get_ref() == crate::config::declare::key!($key) {
                    reader.take(place, key, value, &mut self.$key);
                    return true;
                })+
                false
            }

            fn write(&self, text: &mut String) {
                $(if let Some(value) = crate::config::value::Value::write(&self.$key) {
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

pub(crate) use {default, key, options, read_and_write, section, source};
