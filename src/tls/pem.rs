//! PEM (RFC 7468), read without leaving a copy behind: the crates' readers keep what they decode in memory that is
//! freed and not overwritten, and a session is a fork of the process that reads the key.

/// One `BEGIN` and `END` with what is between them, encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section<'a> {
    /// What it says it is, such as `CERTIFICATE`.
    pub label: &'a [u8],
    body: &'a [u8],
}

/// All sections of a file, in order.
pub fn sections(text: &[u8]) -> Vec<Section<'_>> {
    let mut found = Vec::new();
    let mut open: Option<(&[u8], usize)> = None;
    let mut at = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let next = at + line.len();
        let said = line.trim_ascii();
        if let Some(label) = between(said, b"-----BEGIN ") {
            open = Some((label, next));
        } else if let Some(label) = between(said, b"-----END ")
            && let Some((opened, from)) = open.take()
            && opened == label
        {
            found.push(Section { label, body: &text[from..at] });
        }
        at = next;
    }
    found
}

fn between<'a>(line: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(start)?.strip_suffix(b"-----")
}

impl Section<'_> {
    /// Hands over the decoded bytes, one after the other. `false`: this is no base64, or the taker has had enough.
    pub fn decode(&self, mut take: impl FnMut(u8) -> bool) -> bool {
        let (mut bits, mut count, mut padding) = (0u32, 0, 0);
        for &letter in self.body {
            let value = match letter {
                b'A'..=b'Z' => letter - b'A',
                b'a'..=b'z' => letter - b'a' + 26,
                b'0'..=b'9' => letter - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' => {
                    padding += 1;
                    continue;
                }
                _ if letter.is_ascii_whitespace() => continue,
                _ => return false,
            };
            if padding > 0 {
                return false;
            }
            bits = bits << 6 | u32::from(value);
            count += 6;
            if count >= 8 {
                count -= 8;
                if !take((bits >> count) as u8) {
                    return false;
                }
            }
        }
        padding <= 2 && count < 6
    }

    /// The decoded bytes of what is no secret.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.body.len());
        self.decode(|byte| {
            bytes.push(byte);
            true
        })
        .then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sections_are_found_among_other_text() {
        let text = b"subject=x\r\n-----BEGIN A-----\r\nAQI=\r\n-----END A-----\r\n\n-----BEGIN B C-----\nAQID\n/w==\n\
            -----END B C-----\n-----BEGIN D-----\nAQ==\n-----END E-----\n";
        let found = sections(text);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].label, found[0].bytes()), (&b"A"[..], Some(vec![1, 2])));
        assert_eq!(found[1].label, b"B C");
        assert_eq!(found[1].bytes(), Some(vec![1, 2, 3, 255]));
    }

    #[test]
    fn letters_are_decoded_and_others_refused() {
        let decoded = |body: &'static str| Section { label: b"", body: body.as_bytes() }.bytes();
        assert_eq!(decoded("/+8AZg=="), Some(vec![0xff, 0xef, 0, 0x66]));
        assert_eq!(decoded("AQ\nID"), Some(vec![1, 2, 3]));
        assert_eq!(decoded("A-"), None);
        assert_eq!(decoded("AQ==AQ=="), None, "nothing follows what was padded");
        assert_eq!(decoded("AQIDA"), None);
    }

    proptest! {
        #[test]
        fn no_file_is_too_silly_to_be_read(text: Vec<u8>) {
            sections(&text).iter().for_each(|section| drop(section.bytes()));
        }
    }
}
