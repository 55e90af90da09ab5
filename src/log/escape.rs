//! What a client sent, made harmless for a line of the log and for the terminal that shows it.

use std::fmt::{self, Display, Formatter, Write};

/// The bytes as text: control characters, what is not UTF-8 and characters that change the direction of
/// writing appear as `\xNN`, a byte each.
pub fn escaped(bytes: &[u8]) -> impl Display {
    Escaped { bytes, quotes: false }
}

/// The same in double quotes, with `"` and `\` escaped too: for a value among others.
pub fn quoted(bytes: &[u8]) -> impl Display {
    Escaped { bytes, quotes: true }
}

struct Escaped<'a> {
    bytes: &'a [u8],
    quotes: bool,
}

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.quotes {
            f.write_char('"')?;
        }
        for chunk in self.bytes.utf8_chunks() {
            for character in chunk.valid().chars() {
                if is_harmful(character) {
                    hexadecimal(f, character.encode_utf8(&mut [0; 4]).as_bytes())?;
                } else if self.quotes && matches!(character, '"' | '\\') {
                    write!(f, "\\{character}")?;
                } else {
                    f.write_char(character)?;
                }
            }
            hexadecimal(f, chunk.invalid())?;
        }
        if self.quotes {
            f.write_char('"')?;
        }
        Ok(())
    }
}

/// Control characters (C0, DEL, C1), line and paragraph separators, and those that reorder what is shown.
pub(super) fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn hexadecimal(f: &mut Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_feed_in_a_name_stays_in_its_line() {
        assert_eq!(quoted(b"a\nUSER \"root\"").to_string(), r#""a\x0aUSER \"root\"""#);
    }

    #[test]
    fn what_is_not_utf_8_is_shown_byte_by_byte() {
        assert_eq!(quoted("gr\u{fc}n \u{202e}".as_bytes()).to_string(), "\"gr\u{fc}n \\xe2\\x80\\xae\"");
        assert_eq!(escaped(b"\xff\xc3").to_string(), "\\xff\\xc3");
    }

    proptest! {
        #[test]
        fn no_control_character_survives(bytes: Vec<u8>) {
            prop_assert!(!quoted(&bytes).to_string().chars().any(char::is_control));
        }
    }
}
