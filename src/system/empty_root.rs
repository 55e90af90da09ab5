//! A root directory with nothing in it, in which nothing can be made: one that has been removed.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::{Doing, Failure};

/// The root directory of all frontends. The supervisor makes it once; forks inherit it as a descriptor.
#[derive(Debug)]
pub struct EmptyRoot {
    directory: OwnedFd,
}

impl EmptyRoot {
    /// Makes a directory below /run, or below the directory for temporary files, opens and removes it.
    pub fn make() -> Result<EmptyRoot, Failure> {
        EmptyRoot::make_in(Path::new("/run")).or_else(|_| EmptyRoot::make_in(&std::env::temp_dir()))
    }

    fn make_in(parent: &Path) -> Result<EmptyRoot, Failure> {
        let path = nix::unistd::mkdtemp(&parent.join("ftpd-empty-XXXXXX"))
            .doing(|| format!("make an empty directory in {}", parent.display()))?;
        let directory = open_for_all(&path);
        fs::remove_dir(&path).doing(|| format!("remove {}", path.display()))?;
        Ok(EmptyRoot { directory: directory? })
    }
}

impl AsFd for EmptyRoot {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

/// Everybody may enter it, because a frontend enters as the user it is going to be; nobody may write.
fn open_for_all(path: &Path) -> Result<OwnedFd, Failure> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o555))
        .doing(|| format!("chmod {}", path.display()))?;
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty()).doing(|| format!("open {}", path.display()))
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;
    use nix::sys::stat::{fstat, mkdirat};
    use nix::unistd::unlinkat;

    use super::*;

    #[test]
    fn nothing_can_be_made_in_an_empty_root() {
        let root = EmptyRoot::make().unwrap();
        assert_eq!(fstat(&root).unwrap().st_nlink, 0);
        assert_eq!(mkdirat(&root, "a", Mode::from_bits_truncate(0o777)), Err(Errno::ENOENT));
        let flags = OFlag::O_CREAT | OFlag::O_WRONLY;
        let made = nix::fcntl::openat(&root, "a", flags, Mode::from_bits_truncate(0o666));
        assert_eq!(made.unwrap_err(), Errno::ENOENT);
        let removed = unlinkat(&root, "a", nix::unistd::UnlinkatFlags::NoRemoveDir);
        assert_eq!(removed, Err(Errno::ENOENT));
    }
}
