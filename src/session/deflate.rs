//! MODE Z: what passes over a data connection is a zlib stream (RFC 1950, draft-preston-ftpext-deflate). No system
//! calls here; `copy` moves the bytes.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// The level that sessions begin with: what zlib itself begins with.
pub const DEFAULT_LEVEL: u32 = 6;

/// Room that is made for compressed bytes at once.
const ROOM: usize = 16 * 1024;

/// What cannot be part of a zlib stream: damaged bytes, or bytes behind its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

/// Makes a stream.
pub struct Deflater {
    stream: Compress,
}

impl Deflater {
    /// `level`: 0 (stored as it is) to 9 (smallest).
    pub fn new(level: u32) -> Deflater {
        Deflater { stream: Compress::new(Compression::new(level.min(9)), true) }
    }

    /// Appends what the stream has to say so far of these bytes, which may be nothing.
    pub fn put(&mut self, mut bytes: &[u8], wire: &mut Vec<u8>) -> Result<(), Damaged> {
        while !bytes.is_empty() {
            wire.reserve(ROOM);
            let before = self.stream.total_in();
            self.stream.compress_vec(bytes, wire, FlushCompress::None).map_err(|_| Damaged)?;
            bytes = &bytes[(self.stream.total_in() - before) as usize..];
        }
        Ok(())
    }

    /// Appends the end of the stream.
    pub fn end(&mut self, wire: &mut Vec<u8>) -> Result<(), Damaged> {
        loop {
            wire.reserve(ROOM);
            match self.stream.compress_vec(&[], wire, FlushCompress::Finish) {
                Ok(Status::StreamEnd) => return Ok(()),
                Ok(Status::Ok | Status::BufError) => {}
                Err(_) => return Err(Damaged),
            }
        }
    }
}

/// Reads a stream.
pub struct Inflater {
    stream: Decompress,
    complete: bool,
}

impl Inflater {
    /// A stream of which nothing has come yet.
    pub fn new() -> Inflater {
        Inflater { stream: Decompress::new(true), complete: false }
    }

    /// Takes bytes from the front of `wire` and writes what they mean to `plain`; says how much that is. If it fills
    /// `plain`, there may be more of it even where `wire` is empty now.
    pub fn take(&mut self, wire: &mut &[u8], plain: &mut [u8]) -> Result<usize, Damaged> {
        if self.complete {
            return if wire.is_empty() { Ok(0) } else { Err(Damaged) };
        }
        let (read, written) = (self.stream.total_in(), self.stream.total_out());
        let status = self.stream.decompress(wire, plain, FlushDecompress::None).map_err(|_| Damaged)?;
        self.complete = matches!(status, Status::StreamEnd);
        *wire = &wire[(self.stream.total_in() - read) as usize..];
        Ok((self.stream.total_out() - written) as usize)
    }

    /// Whether the stream has come to its end, and its check sum is right.
    pub fn is_complete(&self) -> bool {
        self.complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The stream of what comes in pieces of this size.
    fn deflated(bytes: &[u8], level: u32, piece: usize) -> Vec<u8> {
        let mut deflater = Deflater::new(level);
        let mut wire = Vec::new();
        bytes.chunks(piece).for_each(|piece| deflater.put(piece, &mut wire).unwrap());
        deflater.end(&mut wire).unwrap();
        wire
    }

    /// What a stream means that comes in pieces of this size, and whether it was complete.
    fn inflated(wire: &[u8], piece: usize, room: usize) -> Result<(Vec<u8>, bool), Damaged> {
        let mut inflater = Inflater::new();
        let (mut plain, mut room) = (Vec::new(), vec![0; room]);
        for mut piece in wire.chunks(piece) {
            loop {
                let length = inflater.take(&mut piece, &mut room)?;
                plain.extend_from_slice(&room[..length]);
                if piece.is_empty() && length < room.len() {
                    break;
                }
            }
        }
        Ok((plain, inflater.is_complete()))
    }

    #[test]
    fn nothing_is_a_stream_too() {
        let wire = deflated(&[], 6, 1);
        assert!(!wire.is_empty());
        assert_eq!(inflated(&wire, 3, 10), Ok((Vec::new(), true)));
        assert_eq!(inflated(&[], 3, 10), Ok((Vec::new(), false)));
    }

    #[test]
    fn what_stands_behind_the_end_is_not_overlooked() {
        let mut wire = deflated(b"text", 6, 4);
        wire.push(0);
        assert_eq!(inflated(&wire, 1, 10), Err(Damaged));
        assert_eq!(inflated(&wire, 100, 10), Err(Damaged));
    }

    #[test]
    fn what_is_no_stream_is_damaged() {
        assert_eq!(inflated(b"This is text.", 5, 10), Err(Damaged));
    }

    proptest! {
        #[test]
        fn what_was_put_in_comes_out(
            bytes: Vec<u8>, repeated in 1usize..200, level in 0u32..=9, pieces in 1usize..400, room in 1usize..3000
        ) {
            let bytes = bytes.repeat(repeated);
            let wire = deflated(&bytes, level, pieces);
            prop_assert_eq!(inflated(&wire, pieces, room), Ok((bytes, true)));
        }

        #[test]
        fn a_stream_that_is_cut_is_never_complete(bytes: Vec<u8>, level in 0u32..=9, cut: prop::sample::Index) {
            let wire = deflated(&bytes, level, 100);
            let (plain, complete) = inflated(&wire[..cut.index(wire.len())], 7, 50).unwrap();
            prop_assert!(!complete);
            prop_assert!(bytes.starts_with(&plain));
        }

        #[test]
        fn a_changed_bit_never_passes_for_the_same(bytes: Vec<u8>, at: prop::sample::Index, bit in 0u8..8) {
            let mut wire = deflated(&bytes, 6, 100);
            let at = at.index(wire.len());
            wire[at] ^= 1 << bit;
            match inflated(&wire, 20, 50) {
                Err(Damaged) | Ok((_, false)) => {}
                // Some bits of the header say nothing about the contents.
                Ok((plain, true)) => prop_assert_eq!(plain, bytes),
            }
        }
    }
}
