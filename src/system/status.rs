//! What the kernel knows of a file, asked through a directory descriptor: statx(2), and what nix lacks beside it.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    Symlink,
    Fifo,
    Socket,
    BlockDevice,
    CharacterDevice,
}

impl Kind {
    fn of_mode(mode: u32) -> Kind {
        match mode & libc::S_IFMT {
            libc::S_IFDIR => Kind::Directory,
            libc::S_IFLNK => Kind::Symlink,
            libc::S_IFIFO => Kind::Fifo,
            libc::S_IFSOCK => Kind::Socket,
            libc::S_IFBLK => Kind::BlockDevice,
            libc::S_IFCHR => Kind::CharacterDevice,
            _ => Kind::File,
        }
    }
}

/// The facts of a file. Times are seconds since 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    pub kind: Kind,
    /// The permission bits, with set-id bits and the sticky bit.
    pub mode: u32,
    pub links: u32,
    pub uid: u32,
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    pub modified: i64,
    /// None where the file system does not know it, or it was not asked for.
    pub created: Option<i64>,
    pub device: u64,
    pub inode: u64,
}

impl Status {
    /// Of a file of which nothing else is known.
    pub fn unknown(kind: Kind) -> Status {
        Status {
            kind,
            mode: 0,
            links: 1,
            uid: 0,
            gid: 0,
            size: 0,
            modified: 0,
            created: None,
            device: 0,
            inode: 0,
        }
    }
}

/// How a name is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// A symbolic link stands for what it leads to. Only for names that cannot lead out of the client's world.
    pub follow: bool,
    /// The time of creation is wanted too, which some file systems have to fetch.
    pub created: bool,
}

/// The facts of `name` in this directory; of the descriptor itself if the name is empty.
pub fn status_at(directory: BorrowedFd<'_>, name: &CStr, look: Look) -> io::Result<Status> {
    let mut flags = libc::AT_NO_AUTOMOUNT;
    if !look.follow {
        flags |= libc::AT_SYMLINK_NOFOLLOW;
    }
    if name.is_empty() {
        flags |= libc::AT_EMPTY_PATH;
    }
    let mut mask = libc::STATX_BASIC_STATS & !(libc::STATX_ATIME | libc::STATX_CTIME | libc::STATX_BLOCKS);
    if look.created {
        mask |= libc::STATX_BTIME;
    }
    let mut found = std::mem::MaybeUninit::<libc::statx>::uninit();
    // SAFETY: the descriptor is open, the name ends with a zero byte, and `found` is large enough.
    let result =
        unsafe { libc::statx(directory.as_raw_fd(), name.as_ptr(), flags, mask, found.as_mut_ptr()) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: statx has succeeded, so it has filled the whole structure.
    let found = unsafe { found.assume_init() };
    let mode = u32::from(found.stx_mode);
    Ok(Status {
        kind: Kind::of_mode(mode),
        mode: mode & 0o7777,
        links: found.stx_nlink,
        uid: found.stx_uid,
        gid: found.stx_gid,
        size: found.stx_size,
        modified: found.stx_mtime.tv_sec,
        created: (found.stx_mask & libc::STATX_BTIME != 0).then_some(found.stx_btime.tv_sec),
        device: libc::makedev(found.stx_dev_major, found.stx_dev_minor),
        inode: found.stx_ino,
    })
}

/// The facts of what a descriptor stands for.
pub fn status_of(descriptor: BorrowedFd<'_>) -> io::Result<Status> {
    status_at(descriptor, c"", Look::default())
}

/// Changes the mode of what a descriptor stands for, one opened with O_PATH too (fchmodat2(2), Linux 6.6; ENOSYS before).
pub fn set_mode_of(descriptor: BorrowedFd<'_>, mode: u32) -> io::Result<()> {
    // SAFETY: the descriptor is open and the empty name ends with a zero byte.
    let result = unsafe {
        libc::syscall(libc::SYS_fchmodat2, descriptor.as_raw_fd(), c"".as_ptr(), mode, libc::AT_EMPTY_PATH)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Changes the time of modification of what a descriptor stands for, one opened with O_PATH too (Linux 5.8), and the
/// time of the last access if there is one to set.
pub fn set_times_of(descriptor: BorrowedFd<'_>, accessed: Option<i64>, modified: i64) -> io::Result<()> {
    let accessed = match accessed {
        Some(seconds) => libc::timespec { tv_sec: seconds, tv_nsec: 0 },
        None => libc::timespec { tv_sec: 0, tv_nsec: libc::UTIME_OMIT },
    };
    let times = [accessed, libc::timespec { tv_sec: modified, tv_nsec: 0 }];
    // SAFETY: the descriptor is open, the empty name ends with a zero byte, and there are two times.
    let result =
        unsafe { libc::utimensat(descriptor.as_raw_fd(), c"".as_ptr(), times.as_ptr(), libc::AT_EMPTY_PATH) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether the file has extended attributes, an access control list among them, that a new file would not have.
pub fn has_attributes(descriptor: BorrowedFd<'_>) -> io::Result<bool> {
    let mut names = [0u8; 4096];
    // SAFETY: the buffer is as long as is said.
    let length = unsafe { libc::flistxattr(descriptor.as_raw_fd(), names.as_mut_ptr().cast(), names.len()) };
    match usize::try_from(length) {
        // A security label belongs to the place, the policy gives it to the new file as well.
        Ok(length) => Ok(names[..length]
            .split(|&byte| byte == 0)
            .any(|name| !name.is_empty() && name != b"security.selinux" && name != b"security.SMACK64")),
        Err(_) => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ENOTSUP) => Ok(false),
            error if error.raw_os_error() == Some(libc::ERANGE) => Ok(true),
            error => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn the_facts_are_those_of_the_standard_library() {
        use std::os::unix::fs::MetadataExt;
        let directory = std::fs::File::open("/etc").unwrap();
        let found = status_at(directory.as_fd(), c"passwd", Look { follow: false, created: true }).unwrap();
        let expected = std::fs::metadata("/etc/passwd").unwrap();
        assert_eq!(found.kind, Kind::File);
        assert_eq!(
            (found.size, found.inode, found.device),
            (expected.size(), expected.ino(), expected.dev())
        );
        assert_eq!((found.mode, found.modified), (expected.mode() & 0o7777, expected.mtime()));
        assert_eq!(status_of(directory.as_fd()).unwrap().kind, Kind::Directory);
    }
}
