//! How a program started from a shell goes on without it (daemon(7)): in the background, with its number in a file.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::{Pid, chdir, getpid, pipe2, setsid};

use super::process::{Forked, exit_now, fork, silence_standard_streams};
use super::{Doing, Failure};

/// A process in the background whose starter still waits to hear that all is well.
pub struct Background {
    starter: File,
}

/// Goes on in a child with a session of its own, in the root directory. The process that was started waits, and ends:
/// with 0 when the child is `ready`, with 1 when there will be no daemon.
pub fn detach() -> Result<Background, Failure> {
    let (told, teller) = pipe2(OFlag::O_CLOEXEC).doing(|| "make a pipe".into())?;
    match fork()? {
        Forked::Parent(child) => {
            drop(teller);
            let mut byte = [0];
            let is_ready = File::from(told).read(&mut byte).is_ok_and(|count| count == 1);
            if !is_ready {
                super::process::reap(child.pid());
                eprintln!("the daemon did not start; its log says why");
            }
            exit_now(i32::from(!is_ready))
        }
        Forked::Child => {
            drop(told);
            setsid().doing(|| "setsid".into())?;
            chdir("/").doing(|| "chdir /".into())?;
            Ok(Background { starter: File::from(teller) })
        }
    }
}

impl Background {
    /// The starter may go, and the terminal is not used any more.
    pub fn ready(mut self) -> Result<(), Failure> {
        let null =
            File::options().read(true).write(true).open("/dev/null").doing(|| "open /dev/null".into())?;
        silence_standard_streams(null.as_fd())?;
        self.starter.write_all(&[0]).doing(|| "tell that the daemon is ready".into())
    }
}

/// A file with the number of this process. It stays locked for as long as the process lives, so that a number left
/// behind by a crash is told from one that is true.
pub struct PidFile {
    path: PathBuf,
    file: File,
    owner: Pid,
}

impl PidFile {
    /// Writes it. An error if a living process has it.
    pub fn create(path: &Path) -> Result<PidFile, Failure> {
        let naming = || format!("write {}", path.display());
        loop {
            let mut file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o644)
                .custom_flags(OFlag::O_NOFOLLOW.bits())
                .open(path)
                .doing(naming)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut number = String::new();
                    file.read_to_string(&mut number).doing(naming)?;
                    let cause = io::Error::other(format!("process {} has it", number.trim()));
                    return Err(cause).doing(naming);
                }
                Err(TryLockError::Error(cause)) => return Err(cause).doing(naming),
            }
            // Whoever had it may have removed it between opening and locking.
            if !is_still(path, &file) {
                continue;
            }
            file.set_len(0).and_then(|()| file.rewind()).doing(naming)?;
            let owner = getpid();
            writeln!(file, "{owner}").doing(naming)?;
            return Ok(PidFile { path: path.to_owned(), file, owner });
        }
    }
}

fn is_still(path: &Path, file: &File) -> bool {
    match (path.symlink_metadata(), file.metadata()) {
        (Ok(there), Ok(ours)) => (there.dev(), there.ino()) == (ours.dev(), ours.ino()),
        (Err(_), _) | (_, Err(_)) => false,
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if getpid() == self.owner && is_still(&self.path, &self.file) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
