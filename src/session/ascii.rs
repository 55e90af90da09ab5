//! TYPE A: lines end with CR LF on the wire and with LF in files (RFC 959 3.1.1.1). Each direction undoes the other,
//! whatever the bytes are and wherever they are cut.

use memchr::{memchr, memchr_iter};

/// Appends the bytes of a file as they go over the wire.
pub fn to_wire(file: &[u8], wire: &mut Vec<u8>) {
    let mut from = 0;
    for end in memchr_iter(b'\n', file) {
        wire.extend_from_slice(&file[from..end]);
        wire.extend_from_slice(b"\r\n");
        from = end + 1;
    }
    wire.extend_from_slice(&file[from..]);
}

/// Turns what comes over the wire into the bytes of a file.
#[derive(Debug, Default)]
pub struct FromWire {
    /// The last byte was a CR: what follows decides whether it is part of an end of line.
    held: bool,
}

impl FromWire {
    /// Appends what is certain.
    pub fn put(&mut self, wire: &[u8], file: &mut Vec<u8>) {
        if wire.is_empty() {
            return;
        }
        if std::mem::take(&mut self.held) && wire[0] != b'\n' {
            file.push(b'\r');
        }
        let mut rest = wire;
        while let Some(at) = memchr(b'\r', rest) {
            match rest.get(at + 1) {
                Some(b'\n') => file.extend_from_slice(&rest[..at]),
                Some(_) => file.extend_from_slice(&rest[..=at]),
                None => {
                    file.extend_from_slice(&rest[..at]);
                    self.held = true;
                }
            }
            rest = &rest[at + 1..];
        }
        file.extend_from_slice(rest);
    }

    /// Appends what was held back: nothing follows.
    pub fn end(&mut self, file: &mut Vec<u8>) {
        if std::mem::take(&mut self.held) {
            file.push(b'\r');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sent(file: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        to_wire(file, &mut wire);
        wire
    }

    fn received(pieces: &[&[u8]]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut conversion = FromWire::default();
        pieces.iter().for_each(|piece| conversion.put(piece, &mut file));
        conversion.end(&mut file);
        file
    }

    #[test]
    fn ends_of_line_are_converted_both_ways() {
        assert_eq!(sent(b"a\n\nb"), b"a\r\n\r\nb");
        assert_eq!(received(&[b"a\r\n\r\nb"]), b"a\n\nb");
    }

    #[test]
    fn a_cr_at_the_border_waits_for_what_follows() {
        assert_eq!(received(&[b"a\r", b"\nb"]), b"a\nb");
        assert_eq!(received(&[b"a\r", b"b\r", b"", b"\r\n"]), b"a\rb\r\n");
        assert_eq!(received(&[b"a\r"]), b"a\r");
    }

    proptest! {
        #[test]
        fn a_file_survives_the_way_out_and_back(
            file in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(1usize..9, 1..50),
        ) {
            let wire = sent(&file);
            let mut pieces = Vec::new();
            let mut rest = &wire[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, tail) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = tail;
            }
            prop_assert_eq!(received(&pieces), file);
        }
    }
}
