//! The only door to the file system: every name is opened here, through the descriptor of the client's root.
//!
//! openat2(2) with RESOLVE_IN_ROOT keeps `..`, absolute and racing symbolic links inside, chroot or not. What is
//! not an open goes to the parent directory, opened so, with the last component alone. Each method asks for
//! a permit first. Uploads are in `upload`, listings in `listing`; `changes`, `removal` and `permits` are parts of this door.

mod changes;
mod counted;
mod permits;
pub mod removal;
mod spelling;

use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{self, OFlag, OpenHow, ResolveFlag};
use nix::sys::stat::{self, Mode};
use nix::sys::statvfs::{FsFlags, fstatvfs};
use nix::unistd::{self, AccessFlags, UnlinkatFlags};

use super::authorize::{Operation, Powers};
use super::error::Error;
use super::quota::covering::Counted;
use super::terms::Sealed;
use crate::protocol::path::FtpPath;
use crate::system::quota::{self, Quota as KernelQuota};
use crate::system::status::{self, Kind, Look, Status};
pub(super) use permits::Allowed;
pub use permits::Refusal;
use spelling::Spellings;

/// How often a lookup is repeated that a rename elsewhere on the machine has disturbed (EAGAIN of openat2).
const ATTEMPTS: u32 = 32;

/// The client's part of the file system.
pub struct Files {
    root: OwnedFd,
    powers: Powers,
    /// What was refused since the last time that somebody asked.
    refused: RefCell<Option<Refusal>>,
    /// What may be there, if there are limits.
    counted: Option<Counted>,
    /// /proc/self/fd, opened before chroot; a way to name an unnamed file on kernels before 6.10.
    descriptors: Option<OwnedFd>,
    spellings: Spellings,
}

/// A regular file, open for reading.
pub struct Opened {
    /// The file, at its beginning.
    pub file: OwnedFd,
    /// Its size in bytes when it was opened.
    pub size: u64,
}

impl Files {
    /// What is below `root`, with these powers. The umask is that of the process.
    pub fn new(root: OwnedFd, powers: Powers, descriptors: Option<OwnedFd>) -> Files {
        let (refused, spellings) = (RefCell::default(), Spellings::default());
        let mut files = Files { root, powers, refused, counted: None, descriptors, spellings };
        files.follow_rules();
        files
    }

    /// Whether this may be the working directory (CWD).
    pub fn enter(&self, path: &FtpPath) -> Result<(), Error> {
        let object = self.permit(Operation::Enter, path)?;
        let directory = self.open_directory_path(&object)?;
        Ok(unistd::faccessat(directory, c".", AccessFlags::X_OK, fcntl::AtFlags::empty())?)
    }

    /// Opens a regular file for reading (RETR). Anything else is refused at once; nothing here waits for a FIFO.
    pub fn open(&self, path: &FtpPath) -> Result<Opened, Error> {
        let object = self.permit(Operation::Read, path)?;
        let file =
            self.resolve(&object, OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY, Mode::empty())?;
        let status = regular(file.as_fd())?;
        Ok(Opened { file, size: status.size })
    }

    /// The facts of what the name stands for, behind symbolic links (SIZE, MDTM).
    pub fn status(&self, path: &FtpPath) -> Result<Status, Error> {
        let object = self.permit(Operation::Describe, path)?;
        self.look(&object, Look { follow: true, created: false })
    }

    /// Makes a directory with all rights that the umask leaves (MKD).
    pub fn make_directory(&self, path: &FtpPath) -> Result<(), Error> {
        let object = self.permit(Operation::MakeDirectory, path)?;
        let (parent, name) = self.parent(&object)?.ok_or(Error::Exists)?;
        let terms = self.terms(&object);
        let mode = Mode::from_bits_truncate(0o777);
        self.making(parent.as_fd(), || Ok(masked(terms.umask, || stat::mkdirat(&parent, name, mode))?))?;
        match terms.directory_mode {
            Some(mode) => self.set_mode_of_new(parent.as_fd(), name, mode),
            None => Ok(()),
        }
    }

    /// Removes an empty directory (RMD).
    pub fn remove_directory(&self, path: &FtpPath) -> Result<(), Error> {
        let object = self.permit(Operation::RemoveDirectory, path)?;
        let (parent, name) = self.parent(&object)?.ok_or(Error::Denied)?;
        let place = (parent.as_fd(), name);
        self.taking_away(place, || Ok(unistd::unlinkat(&parent, name, UnlinkatFlags::RemoveDir)?))
    }

    /// Removes a file, or a symbolic link itself (DELE).
    pub fn remove_file(&self, path: &FtpPath) -> Result<(), Error> {
        let object = self.permit(Operation::RemoveFile, path)?;
        let (parent, name) = self.parent(&object)?.ok_or(Error::IsADirectory)?;
        let place = (parent.as_fd(), name);
        self.taking_away(place, || Ok(unistd::unlinkat(&parent, name, UnlinkatFlags::NoRemoveDir)?))
    }

    /// Whether there is something that could be given another name (RNFR).
    pub fn renamable(&self, path: &FtpPath) -> Result<(), Error> {
        let object = self.permit(Operation::RenameFrom, path)?;
        self.look(&object, Look::default()).map(drop)
    }

    /// Gives a file or directory another name (RNTO). What had that name before is replaced, as rename(2) does, for who
    /// may overwrite it.
    pub fn rename(&self, from: &FtpPath, to: &FtpPath) -> Result<(), Error> {
        let (from, to) = self.permit_move(from, to)?;
        let (old_parent, old_name) = self.parent(&from)?.ok_or(Error::Denied)?;
        let (new_parent, new_name) = self.parent(&to)?.ok_or(Error::Denied)?;
        // Where files stay as they were written, none is replaced that came since it was looked whether there is one.
        let may_replace = || self.terms(&to).sealed == Sealed::No || self.found(&to).is_some();
        let rename = || match self.may(Operation::Overwrite, &to) && may_replace() {
            true => fcntl::renameat(&old_parent, old_name, &new_parent, new_name),
            false => {
                let flags = fcntl::RenameFlags::RENAME_NOREPLACE;
                fcntl::renameat2(&old_parent, old_name, &new_parent, new_name, flags)
            }
        };
        self.moving((old_parent.as_fd(), old_name), (new_parent.as_fd(), new_name), || {
            rename().map_err(|errno| match errno {
                Errno::EINVAL => Error::IntoItself,
                other => Error::from(other),
            })
        })
    }

    /// How many bytes can still be stored in this directory, for who may store there (AVBL).
    pub fn available(&self, path: &FtpPath) -> Result<u64, Error> {
        self.free_space(&*self.permit(Operation::Reserve, path)?)
    }

    /// How many bytes this user could still write below this directory, his quota considered (ALLO).
    pub fn free_space(&self, path: &FtpPath) -> Result<u64, Error> {
        let place = self.open_object(&*self.locate(path, true)?)?;
        let system = fstatvfs(&place)?;
        let free = system.blocks_available().saturating_mul(system.fragment_size());
        let quota = quota::quota_of(place.as_fd(), unistd::geteuid().as_raw())?;
        let free = quota.and_then(|quota| quota.left()).map_or(free, |left| left.min(free));
        let mut free = free;
        if let Some(counted) = self.counted()
            && status::status_of(place.as_fd())?.kind == Kind::Directory
        {
            for quota in counted.covering(place.as_fd())? {
                free = free.min(quota.most().bytes.saturating_sub(quota.used().bytes));
            }
        }
        Ok(free)
    }

    /// What the user has used and may use of the file system that his root is on (SITE QUOTA); None: no limit is kept.
    pub fn quota(&self) -> Result<Option<KernelQuota>, Error> {
        self.authorize(Operation::Describe, &FtpPath::root())?;
        Ok(quota::quota_of(self.root.as_fd(), unistd::geteuid().as_raw())?.filter(KernelQuota::limits))
    }

    /// The facts of a name, without asking whether they may be told.
    pub(super) fn look(&self, path: &FtpPath, look: Look) -> Result<Status, Error> {
        let flags = if look.follow { OFlag::O_PATH } else { OFlag::O_PATH | OFlag::O_NOFOLLOW };
        let object = self.resolve(path, flags, Mode::empty())?;
        Ok(status::status_at(object.as_fd(), c"", look)?)
    }

    /// A directory, to be read.
    pub(super) fn open_directory(&self, path: &FtpPath, follow: bool) -> Result<OwnedFd, Error> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NONBLOCK;
        self.resolve(path, if follow { flags } else { flags | OFlag::O_NOFOLLOW }, Mode::empty())
    }

    /// Whatever it is, behind symbolic links, without opening it.
    pub(super) fn open_object(&self, path: &FtpPath) -> Result<OwnedFd, Error> {
        self.resolve(path, OFlag::O_PATH, Mode::empty())
    }

    /// A directory, to be used in the *at() calls only: no right to read it is needed.
    pub(super) fn open_directory_path(&self, path: &FtpPath) -> Result<OwnedFd, Error> {
        self.resolve(path, OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty())
    }

    /// The directory that holds the name, and the name; None for the root.
    pub(super) fn parent<'p>(&self, path: &'p FtpPath) -> Result<Option<(OwnedFd, &'p [u8])>, Error> {
        let Some((parent, name)) = path.parent_and_name() else { return Ok(None) };
        Ok(Some((self.open_directory_path(&parent)?, name)))
    }

    /// /proc/self/fd, if there is one.
    pub(super) fn descriptors(&self) -> Option<BorrowedFd<'_>> {
        self.descriptors.as_ref().map(AsFd::as_fd)
    }

    /// Opens a name from the root down. O_CLOEXEC is always set.
    fn resolve(&self, path: &FtpPath, flags: OFlag, mode: Mode) -> Result<OwnedFd, Error> {
        let mut resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        if !self.powers.rules().is_empty() {
            // The rules were asked about this very name: nobody may put a link into its way meanwhile.
            resolve |= ResolveFlag::RESOLVE_NO_SYMLINKS;
        }
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).mode(mode).resolve(resolve);
        for _ in 0..ATTEMPTS {
            match fcntl::openat2(&self.root, path.from_root(), how) {
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                other => return Ok(other?),
            }
        }
        Err(Error::Busy)
    }
}

/// The facts of a descriptor, if it is a regular file.
pub(super) fn regular(descriptor: BorrowedFd<'_>) -> Result<Status, Error> {
    let status = status::status_of(descriptor)?;
    match status.kind {
        Kind::File => Ok(status),
        Kind::Directory => Err(Error::IsADirectory),
        Kind::Symlink | Kind::Fifo | Kind::Socket | Kind::BlockDevice | Kind::CharacterDevice => {
            Err(Error::NotAFile)
        }
    }
}

/// The facts of a name in a directory; a symbolic link is itself.
pub(super) fn status_in(directory: BorrowedFd<'_>, name: &[u8], look: Look) -> Result<Status, Error> {
    Ok(name.with_nix_path(|name| status::status_at(directory, name, look))??)
}

/// Whether nothing can be changed on the file system of this descriptor.
pub(super) fn read_only(descriptor: BorrowedFd<'_>) -> bool {
    fstatvfs(descriptor).is_ok_and(|system| system.flags().contains(FsFlags::ST_RDONLY))
}

/// The umask of this process, which can only be read by setting it. There is one thread.
pub fn current_umask() -> u32 {
    let mask = stat::umask(Mode::from_bits_truncate(0o777));
    stat::umask(mask);
    mask.bits()
}

/// Makes something while the process has this mask, if it is to have another one. There is one thread.
pub(super) fn masked<T>(umask: Option<u32>, make: impl FnOnce() -> T) -> T {
    let Some(umask) = umask else { return make() };
    let before = stat::umask(Mode::from_bits_truncate(umask));
    let made = make();
    stat::umask(before);
    made
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scratch, path, powers};
    use super::*;

    const ALL: &str = "elradfmwMT";

    #[test]
    fn links_lead_nowhere_outside_of_the_root() {
        let scratch = Scratch::new();
        scratch.make_directory("home/sub");
        scratch.write("secret", "s");
        scratch.write("home/here", "here");
        scratch.link("../secret", "home/up");
        scratch.link("../../../../../../../etc/passwd", "home/far");
        scratch.link("/etc/passwd", "home/absolute");
        scratch.link("/here", "home/sub/inside");
        let root = std::fs::File::open(scratch.path().join("home")).unwrap().into();
        let files = Files::new(root, powers(ALL), None);
        for name in ["up", "far", "absolute", "../secret"] {
            assert_eq!(files.open(&path(name)).err(), Some(Error::NotFound), "{name}");
            assert_eq!(files.status(&path(name)).err(), Some(Error::NotFound), "{name}");
        }
        assert_eq!(files.open(&path("sub/inside")).unwrap().size, 4);
    }

    #[test]
    fn magic_links_of_proc_are_not_followed() {
        let root = std::fs::File::open("/").unwrap().into();
        let files = Files::new(root, powers(ALL), None);
        assert_eq!(files.open(&path("/proc/self/exe")).err(), Some(Error::TooManyLinks));
    }

    #[test]
    fn what_is_not_a_regular_file_is_refused_at_once() {
        let scratch = Scratch::new();
        scratch.fifo("fifo");
        scratch.make_directory("directory");
        let socket = std::os::unix::net::UnixListener::bind(scratch.path().join("socket")).unwrap();
        let files = scratch.files(ALL);
        assert_eq!(files.open(&path("fifo")).err(), Some(Error::NotAFile));
        assert_eq!(files.open(&path("socket")).err(), Some(Error::NotAFile));
        assert_eq!(files.open(&path("directory")).err(), Some(Error::IsADirectory));
        assert_eq!(files.open(&path("none")).err(), Some(Error::NotFound));
        drop(socket);
    }

    #[test]
    fn directories_come_and_go() {
        let scratch = Scratch::new();
        let files = scratch.files(ALL);
        files.make_directory(&path("a")).unwrap();
        assert_eq!(files.make_directory(&path("a")), Err(Error::Exists));
        assert_eq!(files.make_directory(&path("/")), Err(Error::Exists));
        files.make_directory(&path("a/b")).unwrap();
        assert_eq!(files.remove_directory(&path("a")), Err(Error::NotEmpty));
        assert_eq!(files.remove_file(&path("a")), Err(Error::IsADirectory));
        assert_eq!(files.rename(&path("a"), &path("a/b/c")), Err(Error::IntoItself));
        files.remove_directory(&path("a/b")).unwrap();
        files.remove_directory(&path("a")).unwrap();
        assert_eq!(files.enter(&path("a")), Err(Error::NotFound));
        files.enter(&path("/")).unwrap();
    }

    #[test]
    fn a_renamed_file_replaces_what_was_there() {
        let scratch = Scratch::new();
        scratch.write("from", "new");
        scratch.write("to", "old");
        let files = scratch.files(ALL);
        files.renamable(&path("from")).unwrap();
        files.rename(&path("from"), &path("to")).unwrap();
        assert_eq!(scratch.read("to"), b"new");
        assert_eq!(files.renamable(&path("from")), Err(Error::NotFound));
    }

    #[test]
    fn removing_a_link_leaves_what_it_leads_to() {
        let scratch = Scratch::new();
        scratch.write("file", "x");
        scratch.link("file", "link");
        scratch.files(ALL).remove_file(&path("link")).unwrap();
        assert_eq!(scratch.names(), ["file"]);
    }

    #[test]
    fn without_its_letter_nothing_is_done() {
        let scratch = Scratch::new();
        scratch.write("file", "x");
        let files = scratch.files("");
        let file = path("file");
        assert_eq!(files.open(&file).err(), Some(Error::Forbidden(Operation::Read)));
        assert_eq!(files.remove_file(&file), Err(Error::Forbidden(Operation::RemoveFile)));
        assert_eq!(files.rename(&file, &path("b")), Err(Error::Forbidden(Operation::RenameTo)));
        assert_eq!(files.make_directory(&path("d")), Err(Error::Forbidden(Operation::MakeDirectory)));
        assert_eq!(files.enter(&path("/")), Err(Error::Forbidden(Operation::Enter)));
        assert_eq!(scratch.names(), ["file"]);
    }
}
