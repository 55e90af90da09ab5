//! The permission letters: what a session may do on top of what the kernel lets its user do.

use std::fmt;
use std::str::FromStr;

macro_rules! letters {
    ($($(#[doc = $text:literal])+ $name:ident = $letter:literal,)+) => {
        /// One thing that a session may be allowed to do. The letters are those of pyftpdlib, but for its `w`, which
        /// stands for three of these together: `c`, `o` and `R`.
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
    /// create files, under names that nothing has yet (STOR, STOU, SITE COPY, SITE CPTO, SITE SYMLINK)
    Create = 'c',
    /// overwrite files (STOR, SITE COPY, SITE CPTO and RNTO of a name that a file has already)
    Overwrite = 'o',
    /// resume uploads (REST and STOR); without the letter o only at the end of a file
    Resume = 'R',
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
            | Letter::Create
            | Letter::Overwrite
            | Letter::Resume
            | Letter::Mode
            | Letter::Time => true,
        }
    }
}

/// The letter that stands for all of writing: `c`, `o` and `R`.
const WRITE: char = 'w';

/// A set of permission letters, written as text: `elr`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(u16);

impl Permissions {
    /// Reading only: `elr`.
    pub const READ: Permissions =
        Permissions(1 << Letter::Enter as u16 | 1 << Letter::List as u16 | 1 << Letter::Read as u16);

    /// Making new files: `c`.
    pub const CREATE: Permissions = Permissions(1 << Letter::Create as u16);

    /// What `w` stands for.
    const WRITE: Permissions =
        Permissions(1 << Letter::Create as u16 | 1 << Letter::Overwrite as u16 | 1 << Letter::Resume as u16);

    /// Everything: `elradfmwMT`.
    pub fn all() -> Permissions {
        Permissions(Letter::ALL.iter().fold(0, |bits, letter| bits | letter.bit()))
    }

    /// Whether this letter is in the set.
    pub fn allows(self, letter: Letter) -> bool {
        self.0 & letter.bit() != 0
    }

    /// What is in this set, and not in the other.
    #[must_use]
    pub fn without(self, other: Permissions) -> Permissions {
        Permissions(self.0 & !other.0)
    }

    /// What is in either set.
    #[must_use]
    pub fn with(self, other: Permissions) -> Permissions {
        Permissions(self.0 | other.0)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
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
            if found == WRITE {
                bits |= Permissions::WRITE.0;
                continue;
            }
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
        let writes = Permissions::WRITE.without(*self).is_empty();
        for letter in Letter::ALL.iter().filter(|letter| self.allows(**letter)) {
            if writes && *letter == Letter::Create {
                write!(f, "{WRITE}")?;
            } else if !(writes && Permissions::WRITE.allows(*letter)) {
                write!(f, "{}", letter.letter())?;
            }
        }
        Ok(())
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
    fn writing_is_creating_overwriting_and_resuming() {
        let set = |text: &str| text.parse::<Permissions>().unwrap();
        assert_eq!(set("elradfmcoRMT"), Permissions::all());
        assert_eq!(set("Roc").to_string(), "w");
        assert_eq!(set("wc"), set("w"));
        assert_eq!(set("w").without(set("o")).to_string(), "cR");
        assert_eq!(set("cR").with(set("o")).to_string(), "w");
        assert!(set("R").may_write() && set("o").may_write() && set("c").may_write());
        assert!(set("").is_empty());
    }

    #[test]
    fn an_unknown_letter_is_named() {
        assert_eq!(
            "elx".parse::<Permissions>().unwrap_err(),
            "'x' is no permission letter (there are elradfmwMT)"
        );
    }
}
