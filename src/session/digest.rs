//! Digests of what is in files, over bytes that come piece by piece, for HASH and its older relatives.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

/// How a digest is made. The first is what HASH begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// FIPS 180-4.
    Sha256,
    /// FIPS 180-4.
    Sha512,
    /// FIPS 180-4; no protection against somebody who means harm.
    Sha1,
    /// RFC 1321; no protection against somebody who means harm.
    Md5,
    /// That of Ethernet and zip; finds accidents only.
    Crc32,
}

impl Algorithm {
    /// Every one, in the order in which FEAT names them.
    pub const ALL: &[Algorithm] =
        &[Algorithm::Sha256, Algorithm::Sha512, Algorithm::Sha1, Algorithm::Md5, Algorithm::Crc32];

    /// What FEAT, OPTS HASH and HASH call it.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha512 => "SHA-512",
            Algorithm::Sha1 => "SHA-1",
            Algorithm::Md5 => "MD5",
            Algorithm::Crc32 => "CRC32",
        }
    }

    /// The one of this name, in any case.
    pub fn named(name: &[u8]) -> Option<Algorithm> {
        Algorithm::ALL
            .iter()
            .copied()
            .find(|algorithm| name.eq_ignore_ascii_case(algorithm.name().as_bytes()))
    }

    /// The line of FEAT, with a star behind this one: `HASH SHA-256*;SHA-512`.
    pub fn feature(self) -> String {
        let names: Vec<String> = Algorithm::ALL
            .iter()
            .map(|&algorithm| format!("{}{}", algorithm.name(), if algorithm == self { "*" } else { "" }))
            .collect();
        format!("HASH {}", names.join(";"))
    }
}

/// A digest that is being made.
pub enum Digest {
    /// As in `Algorithm`.
    Sha256(Sha256),
    /// As in `Algorithm`.
    Sha512(Sha512),
    /// As in `Algorithm`.
    Sha1(Sha1),
    /// As in `Algorithm`.
    Md5(Md5),
    /// As in `Algorithm`.
    Crc32(crc32fast::Hasher),
}

impl Digest {
    /// That of nothing.
    pub fn new(algorithm: Algorithm) -> Digest {
        match algorithm {
            Algorithm::Sha256 => Digest::Sha256(Sha256::new()),
            Algorithm::Sha512 => Digest::Sha512(Sha512::new()),
            Algorithm::Sha1 => Digest::Sha1(Sha1::new()),
            Algorithm::Md5 => Digest::Md5(Md5::new()),
            Algorithm::Crc32 => Digest::Crc32(crc32fast::Hasher::new()),
        }
    }

    /// More bytes.
    pub fn put(&mut self, bytes: &[u8]) {
        match self {
            Digest::Sha256(digest) => digest.update(bytes),
            Digest::Sha512(digest) => digest.update(bytes),
            Digest::Sha1(digest) => digest.update(bytes),
            Digest::Md5(digest) => digest.update(bytes),
            Digest::Crc32(digest) => digest.update(bytes),
        }
    }

    /// The digest in hexadecimal, lower case.
    pub fn finish(self) -> String {
        match self {
            Digest::Sha256(digest) => hexadecimal(&digest.finalize()),
            Digest::Sha512(digest) => hexadecimal(&digest.finalize()),
            Digest::Sha1(digest) => hexadecimal(&digest.finalize()),
            Digest::Md5(digest) => hexadecimal(&digest.finalize()),
            Digest::Crc32(digest) => hexadecimal(&digest.finalize().to_be_bytes()),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(algorithm: Algorithm, bytes: &[u8]) -> String {
        let mut digest = Digest::new(algorithm);
        digest.put(bytes);
        digest.finish()
    }

    #[test]
    fn digests_are_those_of_the_standards() {
        for (algorithm, bytes, expected) in [
            (Algorithm::Sha256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (Algorithm::Sha256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (
                Algorithm::Sha512,
                "abc",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
            (Algorithm::Sha1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Algorithm::Md5, "message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            (Algorithm::Crc32, "123456789", "cbf43926"),
            (Algorithm::Crc32, "", "00000000"),
        ] {
            assert_eq!(of(algorithm, bytes.as_bytes()), expected, "{} of {bytes:?}", algorithm.name());
        }
    }

    #[test]
    fn names_are_found_in_any_case() {
        for &algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::named(algorithm.name().to_lowercase().as_bytes()), Some(algorithm));
        }
        assert_eq!(Algorithm::named(b"SHA"), None);
        assert_eq!(Algorithm::Sha1.feature(), "HASH SHA-256;SHA-512;SHA-1*;MD5;CRC32");
    }

    proptest! {
        #[test]
        fn pieces_make_the_same_digest_as_the_whole(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..8)
        ) {
            for &algorithm in Algorithm::ALL {
                let mut digest = Digest::new(algorithm);
                pieces.iter().for_each(|piece| digest.put(piece));
                prop_assert_eq!(digest.finish(), of(algorithm, &pieces.concat()));
            }
        }
    }
}
