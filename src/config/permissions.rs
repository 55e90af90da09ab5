//! The permission letters: what a session may do on top of what the kernel lets its user do.

use std::fmt;
use std::str::FromStr;

macro_rules! letters {
    ($($(#[doc = $text:literal])+ $name:ident = $letter:literal,)+) => {
        /// One thing that a session may be allowed to do. The letters are those of pyftpdlib.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Letter {
            $($(#[doc = $text])+ $name,)+
        }

        impl Letter {
            /// All of them, in the order in which they are written.
            pub const ALL: &[Letter] = &[$(Letter::$name),+];

            /// The letter as it is written.
            pub fn letter(self) -> char {
                match self { $(Letter::$name => $letter),+ }
            }

            /// What it allows, in words.
            pub fn meaning(self) -> &'static str {
                match self { $(Letter::$name => concat!($($text),+).trim_ascii()),+ }
            }
        }
    };
}

letters! {
    /// change directory (CWD, CDUP)
    Enter = 'e',
    /// list directories and ask for facts of files (LIST, NLST, MLSD, MLST, STAT, SIZE, MDTM)
    List = 'l',
    /// read files (RETR, HASH and its relatives)
    Read = 'r',
    /// append to files (APPE)
    Append = 'a',
    /// delete files and directories (DELE, RMD, SITE RMDIR)
    Delete = 'd',
    /// rename files and directories (RNFR, RNTO)
    Rename = 'f',
    /// make directories (MKD, SITE MKDIR)
    MakeDirectory = 'm',
    /// write files (STOR, STOU, SITE COPY, SITE CPTO, SITE SYMLINK)
    Write = 'w',
    /// change the mode and group of files (SITE CHMOD, SITE CHGRP, SITE UMASK, MFF)
    Mode = 'M',
    /// change the time of files (MFMT, MFF, SITE UTIME)
    Time = 'T',
}

impl Letter {
    fn bit(self) -> u16 {
        1 << (self as u16)
    }

    /// Whether it changes anything in the file system.
    pub fn writes(self) -> bool {
        match self {
            Letter::Enter | Letter::List | Letter::Read => false,
            Letter::Append
            | Letter::Delete
            | Letter::Rename
            | Letter::MakeDirectory
            | Letter::Write
            | Letter::Mode
            | Letter::Time => true,
        }
    }
}

/// A set of permission letters, written as text: `elr`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(u16);

impl Permissions {
    /// Reading only: `elr`.
    pub const READ: Permissions =
        Permissions(1 << Letter::Enter as u16 | 1 << Letter::List as u16 | 1 << Letter::Read as u16);

    /// Everything: `elradfmwMT`.
    pub fn all() -> Permissions {
        Permissions(Letter::ALL.iter().fold(0, |bits, letter| bits | letter.bit()))
    }

    /// Whether this letter is in the set.
    pub fn allows(self, letter: Letter) -> bool {
        self.0 & letter.bit() != 0
    }

    /// Whether a letter is in the set that changes anything.
    pub fn may_write(self) -> bool {
        Letter::ALL.iter().any(|letter| letter.writes() && self.allows(*letter))
    }
}

impl FromStr for Permissions {
    type Err = String;

    fn from_str(text: &str) -> Result<Permissions, String> {
        let mut bits = 0;
        for found in text.chars() {
            let Some(letter) = Letter::ALL.iter().find(|letter| letter.letter() == found) else {
                return Err(format!("{found:?} is no permission letter (there are {})", Permissions::all()));
            };
            bits |= letter.bit();
        }
        Ok(Permissions(bits))
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Letter::ALL
            .iter()
            .filter(|letter| self.allows(**letter))
            .try_for_each(|letter| write!(f, "{}", letter.letter()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_a_set() {
        let some: Permissions = "rlM".parse().unwrap();
        assert_eq!(some.to_string(), "lrM");
        assert!(some.allows(Letter::Mode) && some.may_write());
        assert!(!some.allows(Letter::MakeDirectory));
        assert_eq!("elr".parse::<Permissions>(), Ok(Permissions::READ));
        assert!(!Permissions::READ.may_write());
        assert_eq!(Permissions::all().to_string(), "elradfmwMT");
    }

    #[test]
    fn an_unknown_letter_is_named() {
        assert_eq!(
            "elx".parse::<Permissions>().unwrap_err(),
            "'x' is no permission letter (there are elradfmwMT)"
        );
    }
}
