//! The facts of MLSD and MLST (RFC 3659 7): which there are, which a client wants, and how they are written.

use std::os::fd::{AsFd, BorrowedFd};

use nix::unistd::{self, AccessFlags};

use super::authorize::Operation;
use super::error::Error;
use super::files::{self, Allowed, Files};
use super::format;
use super::names::Names;
use crate::system::status::{self, Kind, Status};

macro_rules! facts {
    ($($(#[doc = $text:literal])+ $fact:ident = $name:literal, $usual:literal;)+) => {
        /// One fact.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fact {
            $($(#[doc = $text])+ $fact,)+
        }

        impl Fact {
            /// Every one, in the order in which they are written.
            pub const ALL: &[Fact] = &[$(Fact::$fact),+];

            /// Its name in FEAT, OPTS and listings.
            pub fn name(self) -> &'static str {
                match self { $(Fact::$fact => $name),+ }
            }

            /// Whether a client gets it without having asked.
            fn usual(self) -> bool {
                match self { $(Fact::$fact => $usual),+ }
            }
        }
    };
}

facts! {
    /// A file, a directory, or something of Unix.
    Type = "type", true;
    /// Of files, in bytes.
    Size = "size", true;
    /// When the contents were last changed, UTC.
    Modify = "modify", true;
    /// When it came into being, UTC; not every file system knows.
    Create = "create", false;
    /// What this user may do with it.
    Perm = "perm", true;
    /// The same for all names of one file, different for different files.
    Unique = "unique", true;
    /// In octal.
    UnixMode = "UNIX.mode", true;
    /// The name of the owner.
    UnixOwner = "UNIX.owner", true;
    /// The name of the group.
    UnixGroup = "UNIX.group", true;
    /// The number of the owner.
    UnixUid = "UNIX.uid", false;
    /// The number of the group.
    UnixGid = "UNIX.gid", false;
}

/// The facts that a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts(u16);

impl Default for Facts {
    fn default() -> Facts {
        Facts(Fact::ALL.iter().filter(|fact| fact.usual()).fold(0, |bits, &fact| bits | 1 << fact as u16))
    }
}

impl Facts {
    /// Whether this one is wanted.
    pub fn has(self, fact: Fact) -> bool {
        self.0 & 1 << fact as u16 != 0
    }

    /// What OPTS MLST asks for: `type;size;`. Case does not matter, and what is not known is left out (7.9).
    pub fn selected(argument: &[u8]) -> Facts {
        let wanted = |fact: &&Fact| {
            argument.split(|&byte| byte == b';').any(|name| name.eq_ignore_ascii_case(fact.name().as_bytes()))
        };
        Facts(Fact::ALL.iter().filter(wanted).fold(0, |bits, &fact| bits | 1 << fact as u16))
    }

    /// The wanted facts as the answer to OPTS MLST has them: `type;size;`.
    pub fn chosen(self) -> String {
        Fact::ALL
            .iter()
            .filter(|fact| self.has(**fact))
            .fold(String::new(), |text, fact| text + fact.name() + ";")
    }

    /// All facts as FEAT has them, the wanted ones with a star: `type*;create;`.
    pub fn feature(self) -> String {
        Fact::ALL
            .iter()
            .fold(String::new(), |text, &fact| text + fact.name() + if self.has(fact) { "*;" } else { ";" })
    }

    /// Writes the wanted facts and the space behind them.
    pub(super) fn write(self, out: &mut Vec<u8>, names: &mut Names, subject: &Subject<'_>) {
        let status = &subject.status;
        for &fact in Fact::ALL {
            if !self.has(fact)
                || fact == Fact::Size && status.kind != Kind::File
                || fact == Fact::Create && status.created.is_none()
            {
                continue;
            }
            out.extend_from_slice(fact.name().as_bytes());
            out.push(b'=');
            match fact {
                Fact::Type => subject.write_type(out),
                Fact::Size => format::decimal(out, status.size),
                Fact::Modify => format::stamp(out, status.modified),
                Fact::Create => format::stamp(out, status.created.unwrap_or_default()),
                Fact::Perm => subject.write_permissions(out),
                Fact::Unique => {
                    hexadecimal(out, status.device);
                    out.push(b'g');
                    hexadecimal(out, status.inode);
                }
                Fact::UnixMode => {
                    out.push(b'0');
                    for shift in [9, 6, 3, 0] {
                        if shift < 9 || status.mode >> 9 != 0 {
                            out.push(b'0' + (status.mode >> shift & 7) as u8);
                        }
                    }
                }
                Fact::UnixOwner => out.extend_from_slice(names.user(status.uid)),
                Fact::UnixGroup => out.extend_from_slice(names.group(status.gid)),
                Fact::UnixUid => format::decimal(out, u64::from(status.uid)),
                Fact::UnixGid => format::decimal(out, u64::from(status.gid)),
            }
            out.push(b';');
        }
        out.push(b' ');
    }
}

fn hexadecimal(out: &mut Vec<u8>, number: u64) {
    let digits = (64 - (number | 1).leading_zeros()).div_ceil(4);
    out.extend((0..digits).rev().map(|digit| b"0123456789abcdef"[(number >> (digit * 4) & 15) as usize]));
}

/// What may be done in a directory, as far as it matters to what is in it.
pub(super) struct Rights {
    /// What may be done to anything in it, where no rule makes differences.
    pub allowed: Option<Allowed>,
    uid: u32,
    /// Names can be made and taken away.
    writable: bool,
    read_only: bool,
    /// The owner of the directory, if in it only owners take names away.
    sticky: Option<u32>,
}

impl Rights {
    /// Asks the kernel. Without a directory, for the root of the client's world, no name can be changed.
    pub fn of(files: &Files, directory: Option<BorrowedFd<'_>>) -> Result<Rights, Error> {
        let mut rights = Rights {
            allowed: files.allowed_everywhere(),
            uid: unistd::geteuid().as_raw(),
            writable: false,
            read_only: false,
            sticky: None,
        };
        if let Some(directory) = directory {
            let status = status::status_of(directory)?;
            rights.writable = accessible(directory, b".", AccessFlags::W_OK | AccessFlags::X_OK);
            rights.read_only = files::read_only(directory);
            rights.sticky = (status.mode & 0o1000 != 0).then_some(status.uid);
        }
        Ok(rights)
    }

    /// Whether a name that belongs to this user can be taken away.
    fn removable(&self, owner: u32) -> bool {
        let owns = |directory: u32| self.uid == directory || self.uid == owner || self.uid == 0;
        self.writable && self.sticky.is_none_or(owns)
    }
}

/// What the facts are about.
pub(super) struct Subject<'a> {
    /// Of what a symbolic link leads to; of the link if it leads nowhere.
    pub status: Status,
    /// What the configuration lets be done with it.
    pub allowed: Allowed,
    /// The owner of the name itself, which is another one than `status.uid` for symbolic links.
    pub owner: u32,
    pub rights: &'a Rights,
    /// Where it can be asked for: a directory and a name in it, or a descriptor of its own and no name.
    pub place: (BorrowedFd<'a>, &'a [u8]),
    /// What a symbolic link that leads nowhere says.
    pub link: Option<&'a [u8]>,
}

impl Subject<'_> {
    fn write_type(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.status.kind {
            Kind::File => b"file",
            Kind::Directory => b"dir",
            Kind::Symlink => b"OS.unix=slink",
            Kind::Fifo => b"OS.unix=fifo",
            Kind::Socket => b"OS.unix=socket",
            Kind::BlockDevice => b"OS.unix=block",
            Kind::CharacterDevice => b"OS.unix=character",
        });
        if let Some(link) = self.link
            && link.iter().all(|byte| byte.is_ascii_graphic() && *byte != b';')
        {
            out.push(b':');
            out.extend_from_slice(link);
        }
    }

    /// RFC 3659 7.5.5: what the configuration and the kernel both allow.
    fn write_permissions(&self, out: &mut Vec<u8>) {
        let rights = self.rights;
        let allows = |operation: Operation| self.allowed.has(operation);
        let removable = rights.removable(self.owner);
        match self.status.kind {
            Kind::File => {
                if (allows(Operation::Append) || allows(Operation::Overwrite)) && self.may(2) {
                    if allows(Operation::Append) {
                        out.push(b'a');
                    }
                    if allows(Operation::Overwrite) {
                        out.push(b'w');
                    }
                }
                if allows(Operation::Read) && self.may(4) {
                    out.push(b'r');
                }
            }
            Kind::Directory => {
                let enters = self.may(1);
                if allows(Operation::Enter) && enters {
                    out.push(b'e');
                }
                if allows(Operation::List) && self.may(4) {
                    out.push(b'l');
                }
                let marks = [
                    (Operation::Create, b'c'),
                    (Operation::MakeDirectory, b'm'),
                    (Operation::RemoveFile, b'p'),
                ];
                let allowed = marks.into_iter().filter(|(operation, _)| allows(*operation));
                if allowed.clone().next().is_some() && enters && self.may(2) {
                    out.extend(allowed.map(|(_, mark)| mark));
                }
            }
            Kind::Symlink | Kind::Fifo | Kind::Socket | Kind::BlockDevice | Kind::CharacterDevice => {}
        }
        if removable && allows(Operation::RemoveDirectory) {
            out.push(b'd');
        }
        if removable && allows(Operation::RenameFrom) {
            out.push(b'f');
        }
    }

    /// Whether the kernel would allow it: 4 read, 2 write, 1 execute.
    ///
    /// Of the owner the mode tells all, access control lists or not. Of others it tells that they may not: what a
    /// list grants is masked by the group's bits (acl(5)). Only where they may, the kernel has to be asked.
    fn may(&self, bit: u32) -> bool {
        if bit == 2 && self.rights.read_only {
            return false;
        }
        if self.rights.uid == 0 {
            return true;
        }
        if self.rights.uid == self.status.uid {
            return self.status.mode & bit << 6 != 0;
        }
        if self.status.mode & (bit << 3 | bit) == 0 {
            return false;
        }
        let flags = AccessFlags::from_bits_truncate(bit.cast_signed());
        let (directory, name) = self.place;
        accessible(directory, name, flags)
    }
}

fn accessible(directory: BorrowedFd<'_>, name: &[u8], flags: AccessFlags) -> bool {
    let at = if name.is_empty() { nix::fcntl::AtFlags::AT_EMPTY_PATH } else { nix::fcntl::AtFlags::empty() };
    unistd::faccessat(directory.as_fd(), name, flags, at).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_selected() {
        assert_eq!(Facts::selected(b"SIZE;bogus;unix.MODE;").chosen(), "size;UNIX.mode;");
        assert_eq!(Facts::selected(b"").chosen(), "");
        assert_eq!(Facts::selected(b"type").feature().matches('*').count(), 1);
        assert!(Facts::default().feature().starts_with("type*;size*;modify*;create;perm*;"));
    }

    #[test]
    fn numbers_are_hexadecimal() {
        for number in [0, 1, 15, 16, 0xdead_beef, u64::MAX] {
            let mut out = Vec::new();
            hexadecimal(&mut out, number);
            assert_eq!(out, format!("{number:x}").into_bytes());
        }
    }
}
