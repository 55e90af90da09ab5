//! The operating system, made safe: the only folder with `unsafe`. No policy lives here.

pub mod accounts;
pub mod audit;
pub mod background;
pub mod capabilities;
pub mod clock;
pub mod clone;
pub mod data_socket;
pub mod directory;
pub mod empty_root;
pub mod folding;
pub mod inherited;
pub mod init;
mod keeper;
pub mod kernel;
pub mod landlock;
pub mod ledger;
pub mod limits;
pub mod local_socket;
pub mod memory;
pub mod mounts;
pub mod packet;
pub mod places;
pub mod poll;
pub mod privileges;
pub mod process;
pub mod program;
pub mod quota;
pub mod random;
pub mod seccomp;
pub mod secret;
pub mod shared_pages;
pub mod signals;
pub mod socket;
pub mod status;
pub mod time_zone;
pub mod title;
pub mod tree;
pub mod utmp;

use std::fmt;
use std::io;

/// A system call that failed, for the log: what was being done, and why it did not work.
#[derive(Debug)]
pub struct Failure {
    /// What was being done, with its object: `chroot /srv/ftp`.
    pub doing: String,
    /// What the system said.
    pub cause: io::Error,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.cause)
    }
}

impl std::error::Error for Failure {}

/// Says what was being done when a call failed.
pub trait Doing<T> {
    /// Turns the error into a `Failure` with these words.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure { doing: what(), cause: error.into() })
    }
}
