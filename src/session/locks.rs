//! The lock that those who write a file in place hold, so that no two do.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::fcntl::{self, FcntlArg};

use super::error::Error;

/// Takes the lock of a writer for this open file. Busy: somebody else has it.
pub(super) fn lock(file: BorrowedFd<'_>) -> Result<(), Error> {
    match fcntl::fcntl(file, FcntlArg::F_OFD_SETLK(&lock_of(libc::F_WRLCK))) {
        // A file system without locks is used without.
        Ok(_) | Err(Errno::EINVAL | Errno::ENOLCK | Errno::ENOSYS | Errno::EOPNOTSUPP) => Ok(()),
        Err(Errno::EAGAIN | Errno::EACCES) => Err(Error::Busy),
        Err(errno) => Err(errno.into()),
    }
}

pub(super) fn unlock(file: BorrowedFd<'_>) {
    let _ = fcntl::fcntl(file, FcntlArg::F_OFD_SETLK(&lock_of(libc::F_UNLCK)));
}

/// The whole file, however long it becomes.
fn lock_of(kind: libc::c_int) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}
