//! Objects of JSON that are harmless: what a client sent cannot end their line, nor change what a terminal shows.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use super::escape::is_harmful;

/// An object, written member by member.
pub struct Object {
    text: Vec<u8>,
}

impl Object {
    /// One without members yet.
    #[allow(clippy::new_without_default, reason = "an object that is never finished is no object")]
    pub fn new() -> Object {
        let mut text = Vec::with_capacity(512);
        text.push(b'{');
        Object { text }
    }

    /// A member that is text.
    pub fn text(&mut self, name: &str, value: &str) {
        self.member(name, value);
    }

    /// A member that is the name of a file, which may be any bytes. What is no UTF-8 becomes U+FFFD, and a second member
    /// has all of the bytes in hexadecimal.
    pub fn bytes(&mut self, name: &str, value: &[u8]) {
        self.member(name, &*String::from_utf8_lossy(value));
        if std::str::from_utf8(value).is_err() {
            let digits: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
            self.member(&format!("{name}_hex"), &*digits);
        }
    }

    /// A member that is a number.
    pub fn number(&mut self, name: &str, value: u64) {
        self.member(name, &value);
    }

    /// Microseconds, as seconds.
    pub fn seconds(&mut self, name: &str, micros: u64) {
        self.member(name, &(micros as f64 / 1e6));
    }

    /// A member that is true or false.
    pub fn truth(&mut self, name: &str, value: bool) {
        self.member(name, &value);
    }

    /// The whole object, in one line without its end.
    pub fn finish(mut self) -> Vec<u8> {
        self.text.push(b'}');
        self.text
    }

    fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        if self.text.len() > 1 {
            self.text.push(b',');
        }
        // Writing to memory does not fail, and there is no value here that JSON does not know.
        let _ = name.serialize(&mut Serializer::with_formatter(&mut self.text, Harmless));
        self.text.push(b':');
        let _ = value.serialize(&mut Serializer::with_formatter(&mut self.text, Harmless));
    }
}

/// Compact JSON in which harmful characters are written as `\uNNNN`, which means the same to whoever reads it.
struct Harmless;

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
