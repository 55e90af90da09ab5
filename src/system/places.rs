//! Places that processes of one origin take in turn: a record lock (fcntl(2)) on a byte for each. Whoever dies gives his place
//! back, since the kernel does.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// The places, shared by all who have inherited them. A process takes one at a time.
#[derive(Debug)]
pub struct Places(OwnedFd);

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub struct Taken<'a> {
    places: &'a Places,
    number: u32,
}

impl Places {
    /// As many as there are numbers.
    pub fn new() -> io::Result<Places> {
        Ok(Places(memfd_create(c"places", MFdFlags::MFD_CLOEXEC)?))
    }

    /// A place from `first` on, of so many, if one is free now.
    pub fn take(&self, first: u32, count: u32) -> Option<Taken<'_>> {
        let mut numbers = first..first.saturating_add(count);
        let number = numbers.find(|number| self.set(*number, libc::F_WRLCK).is_ok())?;
        Some(Taken { places: self, number })
    }

    fn set(&self, number: u32, kind: libc::c_int) -> nix::Result<()> {
        let lock = libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: number.into(),
            l_len: 1,
            l_pid: 0,
        };
        fcntl(&self.0, FcntlArg::F_SETLK(&lock)).map(drop)
    }
}

impl AsFd for Places {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        // Where that fails, the place is free when this process ends.
        let _ = self.places.set(self.number, libc::F_UNLCK);
    }
}
