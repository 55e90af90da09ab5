//! A page of numbers in a file, which many processes map at once, and the locks of who changes them. A lock ends with its
//! process, however that ends.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::unistd::ftruncate;

use super::shared_pages::{Words, map_file};
use super::{Doing, Failure};

/// The file, open and mapped.
pub struct Ledger {
    /// What it says. The first who makes the file finds zeros.
    pub words: &'static Words,
    file: OwnedFd,
}

/// What others may do while a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Hold the same.
    Shared,
    /// Nothing.
    Exclusive,
    /// What they like: there is none any more.
    None,
}

impl Ledger {
    /// Opens the file of this name; it and its directory are made if they are missing, and are nobody else's.
    pub fn open(directory: &Path, name: &str) -> Result<Ledger, Failure> {
        let open = || -> io::Result<OwnedFd> {
            if let Some(parent) = directory.parent() {
                DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
            }
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let file = options.mode(0o600).custom_flags(libc::O_NOFOLLOW).open(directory.join(name))?;
            // It never becomes shorter: who mapped it could not read what is gone.
            if file.metadata()?.len() < size_of::<Words>() as u64 {
                ftruncate(&file, size_of::<Words>() as i64)?;
            }
            Ok(file.into())
        };
        let doing = || format!("open the ledger {}/{name}", directory.display());
        let file = open().doing(doing)?;
        let words = map_file(&file).doing(doing)?;
        Ok(Ledger { words, file })
    }

    /// Takes a lock of this number, in place of the one that is held. False: somebody else has one that forbids it.
    pub fn try_lock(&self, number: i64, lock: Lock) -> io::Result<bool> {
        let kind = match lock {
            Lock::Shared => libc::F_RDLCK,
            Lock::Exclusive => libc::F_WRLCK,
            Lock::None => libc::F_UNLCK,
        };
        let wanted = libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: number,
            l_len: 1,
            l_pid: 0,
        };
        match fcntl(self.file.as_fd(), FcntlArg::F_OFD_SETLK(&wanted)) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn what_one_writes_others_read_and_locks_are_each_ones_own() {
        let directory = std::env::temp_dir().join(format!("ftpd-ledger-{}", std::process::id()));
        let [one, two] = [0; 2].map(|_| Ledger::open(&directory, "a").unwrap());
        one.words[3].store(7, Ordering::Relaxed);
        assert_eq!(two.words[3].load(Ordering::Relaxed), 7);
        assert!(one.try_lock(0, Lock::Shared).unwrap() && two.try_lock(0, Lock::Shared).unwrap());
        assert!(!one.try_lock(0, Lock::Exclusive).unwrap());
        assert!(two.try_lock(0, Lock::None).unwrap() && one.try_lock(0, Lock::Exclusive).unwrap());
        assert!(!two.try_lock(0, Lock::Shared).unwrap() && two.try_lock(1, Lock::Exclusive).unwrap());
        std::fs::remove_dir_all(directory).unwrap();
    }
}
