//! Home directories that are made when they are needed first. Root writes here, so every step of the way is one that
//! nobody but root could turn: each directory above belongs to root, and no other can write there.
//!
//! What is made is made as the user (setfsuid(2)), in a directory that only root and he can enter, and put into its place by
//! root: nothing is given away, so that the service needs no right to do that.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, openat, readlinkat, renameat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat, mkdirat};
use nix::unistd::{Gid, UnlinkatFlags, fchown, getegid, geteuid, symlinkat, unlinkat};

use crate::system::privileges::{self, Account};

/// Links that are followed on the way, as in the kernel.
const MAX_LINKS: usize = 40;
/// What a skeleton may have: directories in each other, entries, and bytes.
const MAX_DEPTH: usize = 32;
const MAX_ENTRIES: usize = 10_000;
const MAX_BYTES: u64 = 1 << 30;

/// What the home is called in the directory where it is made.
const HOME: &str = "home";

const DIRECTORY: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// A home directory that is to be made.
pub struct Home<'a> {
    /// Where.
    pub path: &'a Path,
    /// Whose it is to be.
    pub account: &'a Account,
    /// Its mode.
    pub mode: u32,
    /// A directory whose content it begins with.
    pub skeleton: Option<&'a Path>,
}

impl Home<'_> {
    /// Makes it, if there is nothing of its name. Directories above it that are missing become root's, and open to all.
    /// Whether it was made.
    pub fn make(&self) -> io::Result<bool> {
        // Where it is already, nothing is made, and the way to it is nobody's business here.
        if self.path.symlink_metadata().is_ok() {
            return Ok(false);
        }
        let (parent, name) = self.parent()?;
        match fstatat(&parent, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(_) => return Ok(false),
            Err(Errno::ENOENT) => {}
            Err(error) => return Err(error.into()),
        }
        // Whoever looks sees nothing, or all of it.
        let temporary = OsString::from(format!(".ftpd-{}", std::process::id()));
        mkdirat(&parent, temporary.as_os_str(), Mode::S_IRWXU)?;
        let made = self.make_in(&parent, &temporary, &name);
        if made.is_err() {
            self.remove_from(&parent, &temporary);
        }
        let _ = unlinkat(&parent, temporary.as_os_str(), UnlinkatFlags::RemoveDir);
        match made {
            Ok(()) => Ok(true),
            // He has logged in twice at once, and the other one was first.
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes it in a directory that is ours, and puts it into its place.
    fn make_in(&self, parent: &OwnedFd, temporary: &OsStr, name: &OsStr) -> io::Result<()> {
        let workshop = openat(parent, temporary, OFlag::O_RDONLY | DIRECTORY, Mode::empty())?;
        // For the moment the home belongs to root's group, or root could not move it. Nobody else is in that.
        let group = getegid();
        fchown(&workshop, None, Some(group))?;
        fchmod(&workshop, Mode::S_IRWXU | Mode::S_IRWXG)?;
        privileges::make_as(self.account.uid, group.as_raw());
        let home = mkdirat(&workshop, HOME, Mode::S_IRWXU)
            .and_then(|()| openat(&workshop, HOME, OFlag::O_RDONLY | DIRECTORY, Mode::empty()))
            .and_then(|home| fchmod(&home, Mode::S_IRWXU | Mode::S_IRWXG).map(|()| home));
        privileges::look_as_root();
        let home = home?;
        if let Some(skeleton) = self.skeleton {
            let skeleton = File::open(skeleton)?;
            let mut copy = Copy { account: self.account, entries: 0, bytes: 0 };
            copy.directory(&skeleton.into(), &home, 0)?;
        }
        renameat2(&workshop, HOME, parent, name, RenameFlags::RENAME_NOREPLACE)?;
        as_owner(self.account, || {
            fchown(&home, None, Some(Gid::from_raw(self.account.gid)))?;
            fchmod(&home, Mode::from_bits_truncate(self.mode & 0o777))
        })?;
        Ok(())
    }

    /// Removes what was begun.
    fn remove_from(&self, parent: &OwnedFd, temporary: &OsStr) {
        if let Ok(workshop) = openat(parent, temporary, OFlag::O_RDONLY | DIRECTORY, Mode::empty()) {
            if let Ok(home) = openat(&workshop, HOME, OFlag::O_RDONLY | DIRECTORY, Mode::empty()) {
                as_owner(self.account, || empty(&home));
            }
            let _ = unlinkat(&workshop, HOME, UnlinkatFlags::RemoveDir);
        }
    }

    /// The directory above it, and its name there.
    fn parent(&self) -> io::Result<(OwnedFd, OsString)> {
        let mut names: Vec<OsString> = reversed(self.path)?;
        let root = || openat(nix::fcntl::AT_FDCWD, "/", OFlag::O_PATH | DIRECTORY, Mode::empty());
        let mut at = root()?;
        let mut seen = PathBuf::from("/");
        let mut links = 0;
        loop {
            let name =
                names.pop().ok_or_else(|| io::Error::other("the path ends in nothing that has a name"))?;
            trust(&fstat(&at)?, &seen)?;
            if names.is_empty() {
                return Ok((at, name));
            }
            let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let next = match openat(&at, name.as_os_str(), flags, Mode::empty()) {
                Err(Errno::ENOENT) => {
                    match mkdirat(&at, name.as_os_str(), Mode::S_IRWXU) {
                        Ok(()) | Err(Errno::EEXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                    let made = openat(&at, name.as_os_str(), OFlag::O_RDONLY | DIRECTORY, Mode::empty())?;
                    // mkdir(2) alone would leave it to the umask that PAM has set for the user.
                    fchmod(&made, Mode::from_bits_truncate(0o755))?;
                    made
                }
                opened => opened?,
            };
            if fstat(&next)?.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFLNK.bits() {
                at = next;
                seen.push(&name);
                continue;
            }
            links += 1;
            if links > MAX_LINKS {
                return Err(Errno::ELOOP.into());
            }
            let target = PathBuf::from(readlinkat(&at, name.as_os_str())?);
            if target.is_absolute() {
                at = root()?;
                seen = PathBuf::from("/");
            }
            names.extend(reversed(&target)?);
        }
    }
}

/// The names of a path, the last one first. What would lead up again is no place for a home.
fn reversed(path: &Path) -> io::Result<Vec<OsString>> {
    let names = path.components().rev().filter_map(|component| match component {
        Component::RootDir | Component::CurDir => None,
        Component::Normal(name) => Some(Ok(name.to_os_string())),
        Component::ParentDir | Component::Prefix(_) => Some(Err(io::Error::other("there is .. in the path"))),
    });
    names.collect()
}

/// Nobody but root (or who runs the daemon) may be able to turn the way.
fn trust(directory: &FileStat, path: &Path) -> io::Result<()> {
    if directory.st_uid != 0 && directory.st_uid != geteuid().as_raw() {
        return Err(io::Error::other(format!("{} belongs to uid {}", path.display(), directory.st_uid)));
    }
    if directory.st_mode & 0o022 != 0 {
        return Err(io::Error::other(format!("others can write to {}", path.display())));
    }
    Ok(())
}

/// Does something as the user does it, who owns what it makes.
fn as_owner<T>(account: &Account, what: impl FnOnce() -> T) -> T {
    privileges::make_as(account.uid, account.gid);
    let done = what();
    privileges::look_as_root();
    done
}

/// A skeleton that is being copied.
struct Copy<'a> {
    account: &'a Account,
    entries: usize,
    bytes: u64,
}

impl Copy<'_> {
    fn directory(&mut self, from: &OwnedFd, to: &OwnedFd, depth: usize) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(io::Error::other("the skeleton is too deep"));
        }
        let mut entries = Dir::from_fd(from.try_clone()?)?;
        for entry in entries.iter() {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return Err(io::Error::other("the skeleton has too many entries"));
            }
            self.entry(from, to, name, depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, from: &OwnedFd, to: &OwnedFd, name: &OsStr, depth: usize) -> io::Result<()> {
        let found = fstatat(from, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        let kind = SFlag::from_bits_truncate(found.st_mode & SFlag::S_IFMT.bits());
        let open_in = |directory: &OwnedFd, flags| {
            openat(
                directory,
                name,
                flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
                Mode::S_IRUSR | Mode::S_IWUSR,
            )
        };
        let mode = Mode::from_bits_truncate(found.st_mode & 0o777);
        // The skeleton is read with root's eyes: it need not be for everybody.
        if kind == SFlag::S_IFDIR {
            let inner = as_owner(self.account, || {
                mkdirat(to, name, Mode::S_IRWXU)?;
                open_in(to, OFlag::O_RDONLY | OFlag::O_DIRECTORY)
            })?;
            self.directory(&open_in(from, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?, &inner, depth + 1)?;
            as_owner(self.account, || fchmod(&inner, mode))?;
        } else if kind == SFlag::S_IFREG {
            let source = File::from(open_in(from, OFlag::O_RDONLY | OFlag::O_NONBLOCK)?);
            let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
            let mut copy = File::from(as_owner(self.account, || open_in(to, flags))?);
            self.bytes += io::copy(&mut source.take(MAX_BYTES + 1 - self.bytes), &mut copy)?;
            if self.bytes > MAX_BYTES {
                return Err(io::Error::other("the skeleton is too large"));
            }
            as_owner(self.account, || fchmod(&copy, mode))?;
        } else if kind == SFlag::S_IFLNK {
            let target = readlinkat(from, name)?;
            as_owner(self.account, || symlinkat(target.as_os_str(), to, name))?;
        }
        // Nobody wants a device or a pipe of root's at home.
        Ok(())
    }
}

/// Removes what is in a directory, as its owner does it.
fn empty(directory: &OwnedFd) {
    let _ = fchmod(directory, Mode::S_IRWXU);
    let names: Vec<(OsString, Option<Type>)> = match directory.try_clone().map(Dir::from_fd) {
        Ok(Ok(mut entries)) => entries
            .iter()
            .flatten()
            .map(|entry| (OsStr::from_bytes(entry.file_name().to_bytes()).to_os_string(), entry.file_type()))
            .filter(|(name, _)| name != "." && name != ".." && !name.is_empty())
            .collect(),
        _ => Vec::new(),
    };
    for (inner, kind) in names {
        let flags = match kind {
            Some(Type::Directory) => {
                let opened = openat(directory, inner.as_os_str(), OFlag::O_RDONLY | DIRECTORY, Mode::empty());
                opened.iter().for_each(empty);
                UnlinkatFlags::RemoveDir
            }
            _ => UnlinkatFlags::NoRemoveDir,
        };
        let _ = unlinkat(directory, inner.as_os_str(), flags);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_is_one_that_only_goes_down() {
        let names = |path: &str| reversed(Path::new(path)).map_err(|error| error.to_string());
        assert_eq!(names("/srv/./ftp/anne"), Ok(["anne", "ftp", "srv"].map(OsString::from).to_vec()));
        assert!(names("/srv/../etc").is_err());
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_no_way() {
        let path = std::env::temp_dir();
        let home = path.join("ftpd-home-that-is-never-made");
        let account = crate::system::accounts::current();
        let home = Home { path: &home, account: &account, mode: 0o700, skeleton: None };
        assert!(home.make().unwrap_err().to_string().contains("others can write to"));
    }
}
