//! JSON that is harmless: what a client sent cannot end its line, nor change what a terminal shows.

use std::io::{self, Write};

use serde_json::ser::Formatter;

use super::escape::is_harmful;

/// Compact JSON in which harmful characters are written as `\uNNNN`, which means the same to whoever reads it.
pub struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, harmful)) = rest.char_indices().find(|(_, character)| is_harmful(*character)) {
            writer.write_all(&rest.as_bytes()[..at])?;
            for unit in harmful.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[at + harmful.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}
