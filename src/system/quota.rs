//! The quota of a user, as the kernel keeps it for a file system: quotactl_fd(2), Linux 5.14.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `QCMD(Q_GETQUOTA, USRQUOTA)` of linux/quota.h: ask, and ask for a user.
pub(super) const ASK_FOR_USER: i32 = (0x80_0007_u32 << 8).cast_signed();
/// Limits on room are told in blocks of this size, use in bytes.
const BLOCK: u64 = 1024;

/// What a user has used of a file system, and may use. A limit of 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Bytes in use.
    pub bytes: u64,
    /// Bytes above which there is a time of grace.
    pub soft_bytes: u64,
    /// Bytes above which nothing can be written.
    pub hard_bytes: u64,
    /// Files and directories in use.
    pub files: u64,
    /// Files above which there is a time of grace.
    pub soft_files: u64,
    /// Files above which none can be made.
    pub hard_files: u64,
}

impl Quota {
    /// Whether anything is limited.
    pub fn limits(&self) -> bool {
        [self.soft_bytes, self.hard_bytes, self.soft_files, self.hard_files].iter().any(|&limit| limit > 0)
    }

    /// How many bytes can still be written, if there is a limit to it.
    pub fn left(&self) -> Option<u64> {
        let limit = if self.hard_bytes > 0 { self.hard_bytes } else { self.soft_bytes };
        (limit > 0).then(|| limit.saturating_sub(self.bytes))
    }
}

/// The quota of this user on the file system of the descriptor. None: there is none, or it may not be asked for.
pub fn quota_of(descriptor: BorrowedFd<'_>, uid: u32) -> io::Result<Option<Quota>> {
    // SAFETY: all fields are integers, for which zero is a value.
    let mut found: libc::dqblk = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open, and for this question the kernel fills one such structure.
    let result = unsafe {
        libc::syscall(
            libc::SYS_quotactl_fd,
            descriptor.as_raw_fd(),
            ASK_FOR_USER,
            uid,
            std::ptr::from_mut(&mut found),
        )
    };
    if result != 0 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            Some(libc::EIO) => Err(error),
            _ => Ok(None),
        };
    }
    Ok(Some(Quota {
        bytes: found.dqb_curspace,
        soft_bytes: found.dqb_bsoftlimit.saturating_mul(BLOCK),
        hard_bytes: found.dqb_bhardlimit.saturating_mul(BLOCK),
        files: found.dqb_curinodes,
        soft_files: found.dqb_isoftlimit,
        hard_files: found.dqb_ihardlimit,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_file_system_without_quotas_has_none() {
        let proc = std::fs::File::open("/proc").unwrap();
        assert_eq!(quota_of(proc.as_fd(), 0).unwrap(), None);
    }

    #[test]
    fn what_is_left_is_up_to_the_harder_limit() {
        let quota = Quota { bytes: 30, soft_bytes: 40, hard_bytes: 50, ..Quota::default() };
        assert_eq!(quota.left(), Some(20));
        assert_eq!(Quota { hard_bytes: 0, ..quota }.left(), Some(10));
        assert_eq!(Quota { bytes: 60, ..quota }.left(), Some(0));
        assert_eq!(Quota::default().left(), None);
        assert!(!Quota { bytes: 1, ..Quota::default() }.limits());
    }
}
