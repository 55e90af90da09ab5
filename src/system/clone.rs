//! Files that share their blocks: ioctl_ficlone(2), where the file system can (btrfs, XFS, bcachefs, NFS 4.2).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Makes `to` have the contents of `from`, all of them, without copying a byte. Whoever writes later gets blocks of
/// his own.
pub fn clone_contents(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: both descriptors are open, and the call takes nothing but their numbers.
    let result = unsafe { libc::ioctl(to.as_raw_fd(), libc::FICLONE, from.as_raw_fd()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
