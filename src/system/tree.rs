//! What a tree of directories holds: counted a step at a time, however deep it is.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{self, OFlag};
use nix::sys::stat::Mode;

use super::directory::Entries;
use super::status::{self, Kind, Look, Status};

/// Directories that are kept open above the one that is looked at. The way back to those further up is `..`.
const OPEN: usize = 200;

/// Bytes of files, and names: of files, directories and everything else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// As many as the files are long; of what several names have, each counts.
    pub bytes: u64,
    /// Names.
    pub files: u64,
}

impl Amount {
    /// One name with nothing in it.
    pub const NAME: Amount = Amount { bytes: 0, files: 1 };

    /// What this file, link or directory counts for, without what is in a directory.
    pub fn of(status: &Status) -> Amount {
        Amount { bytes: if status.kind == Kind::File { status.size } else { 0 }, files: 1 }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Amount) -> Amount {
        Amount {
            bytes: self.bytes.saturating_add(other.bytes),
            files: self.files.saturating_add(other.files),
        }
    }

    /// What is left without the other, which may be more.
    #[must_use]
    pub fn without(self, other: Amount) -> Amount {
        Amount {
            bytes: self.bytes.saturating_sub(other.bytes),
            files: self.files.saturating_sub(other.files),
        }
    }
}

/// Counts what is below a directory. Symbolic links count and are not followed; other file systems are not entered.
pub struct Walk {
    levels: Vec<Level>,
    device: u64,
    owner: Option<u32>,
    found: Amount,
    complete: bool,
}

/// A directory whose names have been counted, and which of them have yet to be entered.
struct Level {
    directory: Option<OwnedFd>,
    inode: u64,
    inner: Vec<CString>,
}

impl Walk {
    /// Of the contents of this directory, which need not be open for reading; `owner`: only what is his counts.
    pub fn of(root: BorrowedFd<'_>, owner: Option<u32>) -> io::Result<Walk> {
        let root = open(root, c".")?;
        let device = status::status_of(root.as_fd())?.device;
        let mut walk = Walk { levels: Vec::new(), device, owner, found: Amount::default(), complete: true };
        walk.enter(root)?;
        Ok(walk)
    }

    /// Looks into one more directory. False: there is none left.
    pub fn step(&mut self) -> io::Result<bool> {
        let Some(level) = self.levels.last_mut() else { return Ok(false) };
        let Some(name) = level.inner.pop() else {
            self.leave()?;
            return Ok(!self.levels.is_empty());
        };
        let directory = level.directory.as_ref().ok_or(Errno::ESTALE)?;
        match open(directory.as_fd(), &name) {
            Ok(inner) if status::status_of(inner.as_fd())?.device == self.device => self.enter(inner)?,
            // What is mounted there belongs to somebody else.
            Ok(_) => {}
            // What has just gone away, or become something else, does not count.
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => {}
            Err(Errno::EACCES | Errno::EPERM) => self.complete = false,
            Err(errno) => return Err(errno.into()),
        }
        Ok(true)
    }

    /// Everything at once.
    pub fn finish(mut self) -> io::Result<(Amount, bool)> {
        while self.step()? {}
        Ok(self.found())
    }

    /// What was found, and whether nothing was closed to who looked.
    pub fn found(&self) -> (Amount, bool) {
        (self.found, self.complete)
    }

    fn enter(&mut self, directory: OwnedFd) -> io::Result<()> {
        let inode = status::status_of(directory.as_fd())?.inode;
        let mut inner = Vec::new();
        let mut entries = Entries::of(directory.try_clone()?);
        while let Some((directory, entry)) = entries.next()? {
            let Ok(status) = status::status_at(directory, entry.name, Look::default()) else { continue };
            if self.owner.is_none_or(|owner| owner == status.uid) {
                self.found = self.found.and(Amount::of(&status));
            }
            if status.kind == Kind::Directory {
                inner.push(entry.name.to_owned());
            }
        }
        if let Some(far) = self.levels.len().checked_sub(OPEN) {
            self.levels[far].directory = None;
        }
        self.levels.push(Level { directory: Some(directory), inode, inner });
        Ok(())
    }

    fn leave(&mut self) -> io::Result<()> {
        let Some(left) = self.levels.pop() else { return Ok(()) };
        let Some(above) = self.levels.last_mut() else { return Ok(()) };
        if above.directory.is_none() {
            let directory = open(left.directory.ok_or(Errno::ESTALE)?.as_fd(), c"..")?;
            // Somebody has moved it meanwhile: whoever wants to know counts again.
            if status::status_of(directory.as_fd())?.inode != above.inode {
                return Err(Errno::ESTALE.into());
            }
            above.directory = Some(directory);
        }
        Ok(())
    }
}

fn open(above: BorrowedFd<'_>, name: &CStr) -> nix::Result<OwnedFd> {
    let flags =
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    fcntl::openat(above, name, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_deep_it_is_everything_counts_and_links_are_not_followed() {
        let root = std::env::temp_dir().join(format!("ftpd-tree-{}", std::process::id()));
        std::fs::create_dir_all(root.join("x/".repeat(OPEN * 2))).unwrap();
        let mut expected = Amount { bytes: 0, files: OPEN as u64 * 2 };
        for (depth, size) in [(0, 10), (3, 20), (OPEN - 1, 3), (OPEN + 7, 5), (OPEN * 2, 7)] {
            std::fs::write(root.join("x/".repeat(depth)).join("file"), vec![b'x'; size]).unwrap();
            expected = expected.and(Amount { bytes: size as u64, files: 1 });
        }
        std::os::unix::fs::symlink("..", root.join("x/x/up")).unwrap();
        let directory = std::fs::File::open(&root).unwrap();
        let uid = nix::unistd::geteuid().as_raw();
        let count = |owner| Walk::of(directory.as_fd(), owner).unwrap().finish().unwrap();
        assert_eq!(count(None), (expected.and(Amount::NAME), true));
        assert_eq!(count(Some(uid)), count(None));
        assert_eq!(count(Some(uid + 1)), (Amount::default(), true));
        std::fs::remove_dir_all(root).unwrap();
    }
}
