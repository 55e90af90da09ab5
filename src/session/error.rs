//! What can go wrong in a session, named for the client who reads it, and the one place where a system error
//! becomes such a name and such a name becomes a reply.

use std::fmt;

use nix::errno::Errno;

use super::authorize::Operation;
use crate::protocol::reply::{Code, Reply};

/// Why the session could not do what the client asked. Read by the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// There is no such name.
    NotFound,
    /// The name is taken.
    Exists,
    /// A directory is needed, this is something else.
    NotADirectory,
    /// A file is needed, this is a directory.
    IsADirectory,
    /// A file is needed, this is a FIFO, a socket or a device.
    NotAFile,
    /// The kernel does not let this user do it.
    Denied,
    /// The permission letters of this session forbid it.
    Forbidden(Operation),
    /// A rule of the configuration forbids the name.
    NameForbidden,
    /// The directory still has entries.
    NotEmpty,
    /// A rename from one file system to another.
    CrossesFileSystems,
    /// A directory cannot be moved into itself.
    IntoItself,
    /// Symbolic links lead in a circle, or there are too many of them.
    TooManyLinks,
    /// The file system cannot be written to.
    ReadOnly,
    /// The name is too long, or the file system does not take it.
    NameNotAllowed,
    /// Somebody else is using it; later it may work.
    Busy,
    /// The file system is full.
    NoSpace,
    /// The user's quota is used up.
    QuotaExceeded,
    /// The file would be larger than the file system, or a limit of this user, allows.
    TooLarge,
    /// The directory has a quota, or something in it has: it stays where it is.
    HasQuota,
    /// REST named a place behind the end of the file.
    BeyondEnd,
    /// The file was removed or replaced by somebody else while it was being written.
    Replaced,
    /// The file must keep its owner, links or attributes, so it cannot be replaced by a new one, and there is no
    /// directory to keep the new contents in until they are complete.
    NoPlaceToReplace,
    /// The upload cannot be given to whom it should belong, so it is not kept.
    NotGiven,
    /// More than the configuration lets be read for a digest.
    TooMuchToHash,
    /// A tree is too deep or has too much in it to be removed at once.
    TreeTooLarge,
    /// A listing would exceed the limits on depth, directories or matches.
    ListingTooLong,
    /// The system failed in a way that is nobody's doing: the errno.
    Local(i32),
}

impl Error {
    /// The code of the reply (RFC 959 4.2, RFC 1123 4.1.2, RFC 3659 5.1).
    pub fn code(self) -> Code {
        match self {
            Error::NotFound
            | Error::Exists
            | Error::NotADirectory
            | Error::IsADirectory
            | Error::NotAFile
            | Error::Denied
            | Error::Forbidden(_)
            | Error::NotEmpty
            | Error::CrossesFileSystems
            | Error::IntoItself
            | Error::TooManyLinks
            | Error::ReadOnly
            | Error::TooMuchToHash
            | Error::TreeTooLarge
            | Error::HasQuota
            | Error::NoPlaceToReplace => Code::FileUnavailable,
            Error::NameNotAllowed | Error::NameForbidden => Code::NameNotAllowed,
            Error::Busy => Code::FileBusy,
            Error::NoSpace => Code::InsufficientStorage,
            Error::QuotaExceeded | Error::TooLarge => Code::StorageExceeded,
            Error::BeyondEnd => Code::BadRestart,
            Error::Replaced | Error::NotGiven | Error::ListingTooLong | Error::Local(_) => Code::LocalError,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::NotFound => "No such file or directory.",
            Error::Exists => "There is already something of that name.",
            Error::NotADirectory => "Not a directory.",
            Error::IsADirectory => "This is a directory.",
            Error::NotAFile => "Not a regular file.",
            Error::Denied | Error::Forbidden(_) => "Permission denied.",
            Error::NotEmpty => "The directory is not empty.",
            Error::CrossesFileSystems => "The new name is on another file system.",
            Error::IntoItself => "A directory cannot be moved into itself.",
            Error::TooManyLinks => "Too many symbolic links.",
            Error::ReadOnly => "The file system is read-only.",
            Error::NameNotAllowed => "This name is not possible here.",
            Error::NameForbidden => "This name is not allowed here.",
            Error::Busy => "The file is in use, try again later.",
            Error::NoSpace => "No space left on the file system.",
            Error::QuotaExceeded => "The quota is used up.",
            Error::TooLarge => "The file would be too large.",
            Error::HasQuota => "This directory has a quota, or one in it has; it stays where it is.",
            Error::BeyondEnd => "The restart position is behind the end of the file.",
            Error::Replaced => "The file was removed or replaced while it was written.",
            Error::NoPlaceToReplace => {
                "The file cannot be replaced, and there is no room beside it for new contents."
            }
            Error::NotGiven => "The file cannot be given to whom it should belong.",
            Error::TooMuchToHash => "This is more than is read for a digest here.",
            Error::TreeTooLarge => "The tree is too deep or too large; what is removed stays removed.",
            Error::ListingTooLong => "The listing is too long; what was sent is not all.",
            Error::Local(errno) => return write!(f, "Local error: {}.", Errno::from_raw(*errno).desc()),
        })
    }
}

impl std::error::Error for Error {}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Error {
        match errno {
            Errno::ENOENT => Error::NotFound,
            Errno::EEXIST => Error::Exists,
            Errno::ENOTDIR => Error::NotADirectory,
            Errno::EISDIR => Error::IsADirectory,
            Errno::ENXIO | Errno::ENODEV => Error::NotAFile,
            Errno::EACCES | Errno::EPERM => Error::Denied,
            Errno::ENOTEMPTY => Error::NotEmpty,
            Errno::EXDEV => Error::CrossesFileSystems,
            Errno::ELOOP => Error::TooManyLinks,
            Errno::EROFS => Error::ReadOnly,
            Errno::ENAMETOOLONG | Errno::EILSEQ => Error::NameNotAllowed,
            Errno::EAGAIN | Errno::EBUSY | Errno::ETXTBSY => Error::Busy,
            Errno::ENOSPC => Error::NoSpace,
            Errno::EDQUOT => Error::QuotaExceeded,
            Errno::EFBIG => Error::TooLarge,
            other => Error::Local(other as i32),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Error {
        Error::from(Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32)))
    }
}

impl From<Error> for Reply {
    fn from(error: Error) -> Reply {
        Reply::new(error.code(), error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_say_whether_to_try_again() {
        for (errno, code) in [
            (Errno::ENOENT, 550),
            (Errno::EACCES, 550),
            (Errno::ETXTBSY, 450),
            (Errno::EIO, 451),
            (Errno::ENOSPC, 452),
            (Errno::EDQUOT, 552),
            (Errno::ENAMETOOLONG, 553),
        ] {
            assert_eq!(Error::from(errno).code().number(), code, "{errno}");
        }
        assert_eq!(Error::from(std::io::Error::from_raw_os_error(28)), Error::NoSpace);
    }

    #[test]
    fn a_system_error_without_a_name_of_its_own_is_told() {
        assert!(Error::from(Errno::EIO).to_string().contains("I/O error"));
    }
}
