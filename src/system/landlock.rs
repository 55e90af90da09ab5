//! Landlock: what the kernel itself refuses below a process, whatever its uid may do. Best effort: the level that
//! this kernel offers is in force, and reported.
//!
//! The second wall behind the empty root, the chroot and `openat2`, and the only one of them for sessions without
//! root. It does not cover stat, chmod, chown and times; those are left to the first wall and to seccomp.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::ptr;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};

use super::{Doing, Failure};

/// The newest version of the interface that was tried. Whatever newer kernels could refuse besides is not asked for.
const TRIED: ABI = ABI::V7;

/// How much of what is asked for here this kernel enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// All of it.
    Full,
    /// What an older kernel knows.
    Partial,
    /// Nothing: Landlock is not there, or too old to let a session move files between directories.
    None,
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protection::Full => "full",
            Protection::Partial => "partial",
            Protection::None => "none",
        })
    }
}

/// What this kernel will enforce, for the log: nobody should have to guess what "best effort" came to.
pub fn offered() -> Protection {
    const ASK_FOR_VERSION: libc::c_uint = 1;
    // SAFETY: with this flag, no attributes and no size, the call looks at no memory and only says its version.
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, ptr::null::<libc::c_void>(), 0, ASK_FOR_VERSION)
    };
    match version {
        ..=1 => Protection::None,
        2..6 => Protection::Partial,
        6.. => Protection::Full,
    }
}

/// What a session may do to files, as far as the configuration of its user goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read and list.
    Read,
    /// Read, list, write, make, move and remove.
    Write,
}

/// Takes the whole file system away from a frontend, and new TCP connections with it. Needs no_new_privs.
pub fn confine_frontend() -> Result<(), Failure> {
    let nothing = || -> Result<(), RulesetError> {
        let ruleset = Ruleset::default()
            .handle_access(AccessFs::from_all(TRIED))?
            .handle_access(AccessNet::from_all(TRIED))?
            .scope(Scope::from_all(TRIED))?
            .create()?;
        enforce(ruleset)
    };
    nothing().map_err(io::Error::other).doing(|| "confine the frontend with Landlock".into())
}

/// Leaves a session what is beneath its root directory: the jail, or "/" where it sees the real file system. Nothing
/// is executable, no device takes an ioctl, and no process outside is reached by signals or abstract sockets.
/// Needs no_new_privs.
pub fn confine_session(root: BorrowedFd<'_>, access: Access) -> Result<(), Failure> {
    let beneath = || -> Result<(), RulesetError> {
        let ruleset = Ruleset::default()
            // Kernels before 5.19 can only forbid to move files between directories: then rather nothing.
            .set_compatibility(CompatLevel::SoftRequirement)
            .handle_access(AccessFs::Refer)?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(TRIED))?
            .scope(Scope::from_all(TRIED))?
            .create()?
            .add_rule(PathBeneath::new(root, allowed(access)))?;
        enforce(ruleset)
    };
    beneath().map_err(io::Error::other).doing(|| "confine the session with Landlock".into())
}

/// Leaves a counter the directories beneath this one, to be read. Needs no_new_privs.
pub fn confine_counter(directory: BorrowedFd<'_>) -> Result<(), Failure> {
    let beneath = || -> Result<(), RulesetError> {
        let ruleset = Ruleset::default()
            .handle_access(AccessFs::from_all(TRIED))?
            .handle_access(AccessNet::from_all(TRIED))?
            .scope(Scope::from_all(TRIED))?
            .create()?
            .add_rule(PathBeneath::new(directory, AccessFs::ReadDir))?;
        enforce(ruleset)
    };
    beneath().map_err(io::Error::other).doing(|| "confine the counter with Landlock".into())
}

fn allowed(access: Access) -> BitFlags<AccessFs> {
    match access {
        Access::Read => AccessFs::ReadFile | AccessFs::ReadDir,
        // Making sockets, pipes and devices stays: moving them is the same right. mknod(2) is left to seccomp.
        Access::Write => AccessFs::from_all(TRIED) & !(AccessFs::Execute | AccessFs::IoctlDev),
    }
}

fn enforce(ruleset: RulesetCreated) -> Result<(), RulesetError> {
    ruleset.no_new_privs(false).restrict_self().map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::ErrorKind;
    use std::os::fd::AsFd;
    use std::path::PathBuf;

    use nix::sys::prctl;

    use super::*;

    /// Runs a test in a thread of its own, since it is confined for good. What is returned is looked at outside.
    fn confined<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
        let thread = std::thread::spawn(|| {
            prctl::set_no_new_privs().unwrap();
            test()
        });
        thread.join().unwrap()
    }

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("ftpd-landlock-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("jail/sub")).unwrap();
        fs::write(path.join("outside"), "x").unwrap();
        fs::write(path.join("jail/inside"), "x").unwrap();
        path
    }

    fn refused<T>(result: io::Result<T>) -> bool {
        result.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
    }

    #[test]
    fn a_frontend_sees_no_files_and_opens_no_connections() {
        if offered() == Protection::None {
            return;
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (file, list, connection) = confined(move || {
            confine_frontend().unwrap();
            (File::open("/etc/passwd"), fs::read_dir("/"), std::net::TcpStream::connect(address))
        });
        assert!(refused(file));
        assert!(refused(list));
        assert!(refused(connection) || offered() == Protection::Partial);
    }

    #[test]
    fn a_session_does_everything_beneath_its_root_and_nothing_elsewhere() {
        if offered() == Protection::None {
            return;
        }
        let path = directory("write");
        let jail = path.join("jail");
        let root = File::open(&jail).unwrap();
        let outside = path.join("outside");
        let results = confined(move || {
            confine_session(root.as_fd(), Access::Write).unwrap();
            let inside = fs::write(jail.join("new"), "x")
                .and_then(|()| fs::rename(jail.join("new"), jail.join("sub/moved")))
                .and_then(|()| File::options().write(true).open(jail.join("sub/moved"))?.set_len(0))
                .and_then(|()| fs::create_dir(jail.join("made")))
                .and_then(|()| fs::remove_dir(jail.join("made")))
                .and_then(|()| fs::remove_file(jail.join("sub/moved")));
            let elsewhere = [
                refused(File::open(&outside)),
                refused(fs::write(&outside, "y")),
                refused(fs::remove_file(&outside)),
            ];
            (inside, elsewhere, path)
        });
        let (inside, elsewhere, path) = results;
        fs::remove_dir_all(path).unwrap();
        inside.unwrap();
        assert_eq!(elsewhere, [true; 3]);
    }

    #[test]
    fn a_reader_changes_nothing() {
        if offered() == Protection::None {
            return;
        }
        let path = directory("read");
        let jail = path.join("jail");
        let root = File::open(&jail).unwrap();
        let (read, changes, path) = confined(move || {
            confine_session(root.as_fd(), Access::Read).unwrap();
            let changes = [
                refused(fs::write(jail.join("new"), "x")),
                refused(fs::write(jail.join("inside"), "y")),
                refused(fs::create_dir(jail.join("made"))),
                refused(fs::remove_file(jail.join("inside"))),
                refused(fs::remove_dir(jail.join("sub"))),
            ];
            (fs::read(jail.join("inside")), changes, path)
        });
        fs::remove_dir_all(path).unwrap();
        assert_eq!(read.unwrap(), b"x");
        assert_eq!(changes, [true; 5]);
    }
}
