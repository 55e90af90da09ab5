//! The one way down: from root to an account, and the proof that there is no way back.
//!
//! The same function serves the frontend (a system user in an empty root) and the session (the user). Its order is
//! not free: groups before gid before uid, each of which needs the next one's privilege; the root directory in
//! between, so that it is entered with the rights of the account; the parent-death signal and the dumpable flag
//! behind the uid change, which resets both.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{self, Gid, Uid};

use super::limits::{self, Limit};
use super::{Doing, Failure, capabilities};

/// An account of this machine, as the user database has it (passwd(5), group(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The name, as the database spells it.
    pub name: String,
    /// The user id.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// All groups, the primary one included.
    pub groups: Vec<u32>,
    /// The home directory; nobody says that it exists.
    pub home: PathBuf,
    /// The login shell, empty if the database has none.
    pub shell: PathBuf,
}

/// What is given up besides the identity.
#[derive(Clone, Copy, Debug)]
pub struct Drop<'a> {
    /// The new root directory; `None` leaves the file system as it is. It is entered with the rights of the
    /// account, so a home that is closed to everybody else is no obstacle, nor is one on a squashed NFS mount.
    pub root: Option<BorrowedFd<'a>>,
    /// The file creation mask, `0o022` for instance.
    pub umask: u32,
    /// `limits::FRONTEND` or `limits::SESSION`.
    pub limits: &'a [Limit],
    /// Which session keyring the process goes on with.
    pub keyring: Keyring,
    /// The process that forked this one, as it called itself (getpid(2)) before the fork: when it dies, this one
    /// is killed, and if it is dead by now, dropping fails.
    pub parent: u32,
}

/// keyrings(7): what the kernel looks into when this process opens an encrypted or a network file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyring {
    /// An empty one: nothing of the parent's is reachable.
    New,
    /// The parent's: for a session whose worker called `new_session_keyring` before PAM and may have been given
    /// the user's own keyring by pam_keyinit(8).
    Inherited,
}

/// The proof that this process is an account and can be nothing else. Only `drop_to` makes one.
#[derive(Debug)]
pub struct Dropped(());

/// Becomes the account, for good. After a `Failure` the process is in no state to go on: it must end.
///
/// The process must have a single thread. Descriptors that are not wanted must be closed before (the frontend's
/// limit is smaller than the supervisor's table), Landlock and seccomp come after. Without root nothing can be
/// dropped: then the process must be the account already, and everything else is done all the same.
pub fn drop_to(account: &Account, drop: &Drop<'_>) -> Result<Dropped, Failure> {
    refuse_impossible(account)?;
    umask(Mode::from_bits_truncate(drop.umask));
    limits::apply(drop.limits)?;
    // As root, where keys have a generous quota: a user may have 200, fewer than his sessions.
    match drop.keyring {
        Keyring::New => new_session_keyring()?,
        Keyring::Inherited => {}
    }
    if unistd::geteuid().is_root() {
        change_identity(account, drop.root)?;
    } else if drop.root.is_some() {
        return Err(wrong("change the root directory", "only root can"));
    }
    // A directory that nobody chose is no place to be in; paths never start at it, but core(5) and fuser(1) do.
    unistd::chdir("/").doing(|| "chdir /".into())?;
    capabilities::empty()?;
    prctl::set_no_new_privs().doing(|| "set no_new_privs".into())?;
    prctl::set_pdeathsig(Signal::SIGKILL).doing(|| "set the parent-death signal".into())?;
    // The parent may have died before the signal was asked for.
    if unistd::getppid().as_raw() as u32 != drop.parent {
        return Err(wrong("look for the parent process", "it is gone"));
    }
    prctl::set_dumpable(false).doing(|| "become not dumpable".into())?;
    verify(account)?;
    Ok(Dropped(()))
}

/// From here on, and until `drop_to`, files are seen with the eyes of this account, while the privileges to become it
/// are still there. Without root this process is the account already.
pub fn look_through(account: &Account) -> Result<(), Failure> {
    refuse_impossible(account)?;
    if unistd::geteuid().is_root() {
        let groups: Vec<Gid> = account.groups.iter().copied().map(Gid::from_raw).collect();
        unistd::setgroups(&groups).doing(|| format!("setgroups for {}", account.name))?;
        unistd::setfsgid(Gid::from_raw(account.gid));
        unistd::setfsuid(Uid::from_raw(account.uid));
    }
    Ok(())
}

/// From here on, and until `look_as_root`, what is made belongs to this account and may be changed as by its owner, while
/// this process can still be nobody's but root's: no signal of the user reaches it. Without root it is the account already.
pub fn make_as(uid: u32, gid: u32) {
    if unistd::geteuid().is_root() {
        unistd::setfsgid(Gid::from_raw(gid));
        unistd::setfsuid(Uid::from_raw(uid));
    }
}

/// The end of `look_through` and `make_as`: files are seen with root's eyes again, until `drop_to`.
pub fn look_as_root() {
    if unistd::geteuid().is_root() {
        unistd::setfsuid(Uid::from_raw(0));
        unistd::setfsgid(Gid::from_raw(0));
    }
}

/// Joins a new, empty session keyring, so that what the parent's holds cannot be reached from here on. For a worker,
/// before it asks PAM; kernels and containers that have none, or no more, are content without, since neither the
/// frontend nor the session is let near keyctl(2).
pub fn new_session_keyring() -> Result<(), Failure> {
    // Without root all processes are one user's, who has the keys anyway and may have 200 keyrings.
    if !unistd::geteuid().is_root() {
        return Ok(());
    }
    const JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: keyctl(2) with this operation and no name reads no memory of ours.
    let joined = unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, 0, 0, 0, 0) };
    match Errno::result(joined) {
        Ok(_) | Err(Errno::ENOSYS | Errno::EPERM | Errno::EACCES | Errno::EDQUOT) => Ok(()),
        Err(error) => Err(error).doing(|| "join a new session keyring".into()),
    }
}

/// Root, and the value that means "leave it as it is" to setresuid(2), are no accounts to drop to.
fn refuse_impossible(account: &Account) -> Result<(), Failure> {
    if account.uid == 0 || account.uid == u32::MAX || account.gid == u32::MAX {
        return Err(wrong(
            "drop privileges",
            &format!("uid {} with gid {} is not allowed", account.uid, account.gid),
        ));
    }
    Ok(())
}

fn change_identity(account: &Account, root: Option<BorrowedFd<'_>>) -> Result<(), Failure> {
    let groups: Vec<Gid> = account.groups.iter().copied().map(Gid::from_raw).collect();
    let uid = Uid::from_raw(account.uid);
    let gid = Gid::from_raw(account.gid);
    unistd::setgroups(&groups).doing(|| format!("setgroups for {}", account.name))?;
    unistd::setresgid(gid, gid, gid).doing(|| format!("setresgid {gid}"))?;
    if let Some(root) = root {
        // From here on files are seen with the eyes of the account, while CAP_SYS_CHROOT is still there.
        unistd::setfsuid(uid);
        unistd::fchdir(root).doing(|| "enter the new root directory".into())?;
        unistd::chroot(".").doing(|| "chroot".into())?;
    }
    unistd::setresuid(uid, uid, uid).doing(|| format!("setresuid {uid}"))
}

/// Asks the kernel what we are, and tries to become root again.
fn verify(account: &Account) -> Result<(), Failure> {
    let uid = Uid::from_raw(account.uid);
    let gid = Gid::from_raw(account.gid);
    let users = unistd::getresuid().doing(|| "getresuid".into())?;
    if [users.real, users.effective, users.saved] != [uid; 3] {
        return Err(wrong("drop privileges", &format!("the uid is not {uid} everywhere: {users:?}")));
    }
    let groups = unistd::getresgid().doing(|| "getresgid".into())?;
    if [groups.real, groups.effective, groups.saved] != [gid; 3] {
        return Err(wrong("drop privileges", &format!("the gid is not {gid} everywhere: {groups:?}")));
    }
    verify_groups(account)?;
    if unistd::setuid(Uid::from_raw(0)).is_ok() || unistd::seteuid(Uid::from_raw(0)).is_ok() {
        return Err(wrong("drop privileges", "root could be regained"));
    }
    capabilities::verify_empty()?;
    if !prctl::get_no_new_privs().doing(|| "ask for no_new_privs".into())? {
        return Err(wrong("drop privileges", "no_new_privs is not set"));
    }
    if prctl::get_dumpable().doing(|| "ask whether the process is dumpable".into())? {
        return Err(wrong("drop privileges", "the process is still dumpable"));
    }
    Ok(())
}

/// Exactly the groups of the account: none is missing, and above all none of root's is left.
fn verify_groups(account: &Account) -> Result<(), Failure> {
    // One more than expected, so that a longer list shows; a much longer one is refused by the kernel.
    let mut found = vec![0; account.groups.len() + 2];
    // SAFETY: the buffer has room for as many entries as its length says.
    let count = unsafe { libc::getgroups(found.len() as libc::c_int, found.as_mut_ptr()) };
    found.truncate(Errno::result(count).doing(|| "getgroups".into())? as usize);
    let mut expected = account.groups.clone();
    // The primary group is verified as such; whether it is listed a second time is up to who started an unprivileged
    // daemon (containers do not list it).
    found.retain(|group| *group != account.gid);
    expected.retain(|group| *group != account.gid);
    found.sort_unstable();
    expected.sort_unstable();
    if found == expected {
        return Ok(());
    }
    Err(wrong("drop privileges", &format!("the groups are {found:?} instead of {expected:?}")))
}

fn wrong(doing: &str, what: &str) -> Failure {
    Failure { doing: doing.into(), cause: io::Error::other(what.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_nobody_in_particular_are_refused_before_anything_happens() {
        for (uid, gid) in [(0, 100), (u32::MAX, 100), (1000, u32::MAX)] {
            let account = Account {
                name: "somebody".into(),
                uid,
                gid,
                groups: vec![gid],
                home: PathBuf::new(),
                shell: PathBuf::new(),
            };
            let drop = Drop { root: None, umask: 0o77, limits: &[], keyring: Keyring::New, parent: 0 };
            let failure = drop_to(&account, &drop).unwrap_err();
            assert!(failure.to_string().contains("is not allowed"), "{failure}");
            assert!(look_through(&account).is_err());
        }
    }
}
