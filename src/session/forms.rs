//! What a client can choose for data connections: how bytes are represented, and how they pass.

/// How bytes are represented on data connections (TYPE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Representation {
    /// A: lines end with CR LF. What every session begins with (RFC 959 3.1.1.5).
    Ascii,
    /// I, and L 8, which is the same here.
    Image,
}

/// How data passes over data connections (MODE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// S: as it is. What every session begins with (RFC 959 3.4.1).
    Stream,
    /// Z: compressed (draft-preston-ftpext-deflate).
    Deflate,
}

impl Mode {
    /// What MODE calls it.
    pub fn letter(self) -> char {
        match self {
            Mode::Stream => 'S',
            Mode::Deflate => 'Z',
        }
    }
}
