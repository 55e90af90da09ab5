//! How an upload begins: whether it may, and what becomes of a file that is there already. The right to write is proved
//! here, before any data connection is made.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{self, AtFlags, OFlag};
use nix::sys::stat::{self, Mode};
use nix::unistd::{self, AccessFlags, Gid, UnlinkatFlags, Whence};

use super::{Start, Upload, Way, unforeseeable};
use crate::protocol::path::FtpPath;
use crate::session::authorize::Operation;
use crate::session::error::Error;
use crate::session::files::{self, Files, masked};
use crate::session::locks::{lock, unlock};
use crate::session::temporary::Temporary;
use crate::session::terms::{Sealed, Terms};
use crate::system::status::{self, Kind, Look, Status};

/// Names that STOU tries.
const UNIQUE_NAMES: u32 = 1000;

impl Start {
    /// What it does where nothing has the name, and where a file has it.
    fn operations(self) -> (Option<Operation>, Operation) {
        match self {
            Start::New | Start::Resume(0) | Start::Unique => (Some(Operation::Create), Operation::Overwrite),
            Start::Resume(1..) => (None, Operation::Resume),
            Start::Append => (Some(Operation::Append), Operation::Append),
        }
    }
}

impl Files {
    /// Begins an upload.
    pub fn upload(&self, path: &FtpPath, start: Start) -> Result<Upload, Error> {
        self.begin_upload(path, start, false)
    }

    /// `whole`: a new file has no name before it is complete, whatever rules say.
    pub(super) fn begin_upload(&self, path: &FtpPath, start: Start, whole: bool) -> Result<Upload, Error> {
        let (creates, changes) = start.operations();
        let object = self.locate(path, false).map_err(|error| {
            // What is not allowed anyway is refused before it is told whether there is a way.
            self.authorize(creates.unwrap_or(changes), path).err().unwrap_or(error)
        })?;
        if start == Start::Unique {
            return self.begin_unique(&object);
        }
        if let Some(upload) = self.begin_at(&object, path, start, whole)? {
            return Ok(upload);
        }
        let real = self.behind_links(path)?;
        self.begin_at(&real, path, start, whole)?.ok_or(Error::Busy)
    }

    /// Whether an upload of this name could begin, without beginning it (PRET).
    pub fn storable(&self, path: &FtpPath, start: Start) -> Result<(), Error> {
        let (creates, changes) = start.operations();
        let creates = creates.unwrap_or(changes);
        let object = match self.locate(path, false) {
            Ok(object) => object,
            Err(error) => return self.authorize(creates, path).and(Err(error)),
        };
        self.may_write(&object, creates, changes)?;
        let (directory, name) = self.parent(&object)?.ok_or(Error::IsADirectory)?;
        if self.terms(&object).sealed == Sealed::Dropped {
            return self.authorize(creates, &object);
        }
        match files::status_in(directory.as_fd(), name, Look::default()).map(|status| status.kind) {
            Ok(Kind::Directory) => Err(Error::IsADirectory),
            Ok(Kind::File) => self.authorize(changes, &object),
            Ok(Kind::Symlink) => self.permit(changes, path).map(drop),
            Ok(Kind::Fifo | Kind::Socket | Kind::BlockDevice | Kind::CharacterDevice) => Err(Error::NotAFile),
            Err(Error::NotFound) => {
                self.authorize(creates, &object)?;
                match unistd::faccessat(
                    &directory,
                    c".",
                    AccessFlags::W_OK | AccessFlags::X_OK,
                    AtFlags::empty(),
                ) {
                    Ok(()) | Err(Errno::ENOSYS) => Ok(()),
                    Err(errno) => Err(errno.into()),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Either must be allowed, or nothing is looked at.
    fn may_write(&self, object: &FtpPath, creates: Operation, changes: Operation) -> Result<(), Error> {
        match self.may(changes, object) {
            true => Ok(()),
            false => self.authorize(creates, object),
        }
    }

    /// The upload of an object whose name has no links on its way; None: it is a link itself.
    fn begin_at(
        &self,
        object: &FtpPath,
        said: &FtpPath,
        start: Start,
        whole: bool,
    ) -> Result<Option<Upload>, Error> {
        let (creates, changes) = start.operations();
        let terms = self.terms(object);
        if terms.sealed == Sealed::Dropped {
            // Whether there is such a file must not show.
            self.authorize(creates.unwrap_or(changes), object)?;
            return self.begin_sealed(object, said, terms, true).map(Some);
        }
        let (directory, name) = match self.may_write(object, creates.unwrap_or(changes), changes) {
            Ok(()) => self.parent(object)?.ok_or(Error::IsADirectory)?,
            Err(refused) => {
                // What a link leads to may be something else.
                let found = self.parent(object).ok().flatten().map(|(directory, name)| {
                    files::status_in(directory.as_fd(), name, Look::default()).map(|status| status.kind)
                });
                let is_link = self.is_ruled() && found == Some(Ok(Kind::Symlink));
                return if is_link { Ok(None) } else { Err(refused) };
            }
        };
        let may_create = creates.is_some_and(|creates| self.may(creates, object));
        let sealed = whole || terms.sealed == Sealed::Whole;
        if may_create && !sealed {
            match create(directory.as_fd(), name, &terms) {
                Ok(file) => return Ok(Some(Upload::fresh(file, said.clone(), directory, name, terms))),
                Err(Error::Exists) => {}
                Err(error) => return Err(error),
            }
        }
        match files::status_in(directory.as_fd(), name, Look::default()) {
            Err(Error::NotFound) => match creates {
                None => Err(Error::BeyondEnd),
                Some(_) if may_create && sealed => self.begin_sealed(object, said, terms, false).map(Some),
                Some(_) if may_create => Err(Error::Busy),
                Some(creates) => Err(self.authorize(creates, object).err().unwrap_or(Error::Busy)),
            },
            Err(error) => Err(error),
            Ok(status) if status.kind == Kind::Symlink => Ok(None),
            Ok(status) => {
                if status.kind == Kind::File {
                    self.authorize(changes, object)?;
                }
                let overwrites = self.may(Operation::Overwrite, object);
                Upload::existing(self, said, (directory, name), start, terms, overwrites).map(Some)
            }
        }
    }

    /// A file that gets its name when it is complete.
    fn begin_sealed(
        &self,
        object: &FtpPath,
        said: &FtpPath,
        terms: Terms,
        another: bool,
    ) -> Result<Upload, Error> {
        let (directory, name) = self.parent(object)?.ok_or(Error::IsADirectory)?;
        let (file, temporary) = Temporary::beside(self, directory.as_fd())?;
        let umask = || terms.umask.unwrap_or_else(files::current_umask);
        let mode = Mode::from_bits_truncate(terms.file_mode.unwrap_or_else(|| 0o666 & !umask()));
        let way = Way::Sealed { temporary, mode, another };
        Ok(Upload { file: Some(file), path: said.clone(), directory, name: name.to_vec(), way, terms })
    }

    /// `name`, `name.1`, `name.2` and so on: the first that can be created.
    fn begin_unique(&self, object: &FtpPath) -> Result<Upload, Error> {
        let (parent, name) = object.parent_and_name().ok_or(Error::IsADirectory)?;
        let terms = self.terms(object);
        if terms.sealed != Sealed::No {
            self.authorize(Operation::Create, object)?;
            // The client is told the name before the file has it, and it must say nothing of others.
            let unique = parent.join(&unforeseeable(name)?).ok_or(Error::NameNotAllowed)?;
            self.authorize(Operation::Create, &unique)?;
            return self.begin_sealed(&unique, &unique, terms, false);
        }
        self.authorize(Operation::Create, object)?;
        let directory = self.open_directory_path(&parent)?;
        for number in 0..UNIQUE_NAMES {
            let mut unique = name.to_vec();
            if number > 0 {
                unique.extend_from_slice(format!(".{number}").as_bytes());
            }
            let path = parent.join(&unique).ok_or(Error::NameNotAllowed)?;
            self.authorize(Operation::Create, &path)?;
            match create(directory.as_fd(), &unique, &terms) {
                Ok(file) => return Ok(Upload::fresh(file, path, directory, &unique, terms)),
                Err(Error::Exists) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Exists)
    }
}

impl Upload {
    /// Whom the file will belong to when it is complete, unless it is given away then.
    pub fn owner(&self) -> Result<u32, Error> {
        let file = match &self.way {
            Way::Copy { old } => old.as_fd(),
            Way::Fresh | Way::InPlace { .. } | Way::Replace { .. } | Way::Sealed { .. } => self.descriptor(),
        };
        Ok(status::status_of(file)?.uid)
    }

    fn fresh(file: OwnedFd, path: FtpPath, directory: OwnedFd, name: &[u8], terms: Terms) -> Upload {
        // Nobody can hold a lock on a file this young; without locks the file system is no worse off.
        let _ = lock(file.as_fd());
        Upload { file: Some(file), path, directory, name: name.to_vec(), way: Way::Fresh, terms }
    }

    /// The name has a file already. `overwrites`: not only what is behind its end may be written.
    fn existing(
        files: &Files,
        path: &FtpPath,
        (directory, name): (OwnedFd, &[u8]),
        start: Start,
        terms: Terms,
        overwrites: bool,
    ) -> Result<Upload, Error> {
        let flags =
            OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let old = match files::status_in(directory.as_fd(), name, Look::default())?.kind {
            Kind::File => fcntl::openat(&directory, name, flags, Mode::empty())?,
            Kind::Directory => return Err(Error::IsADirectory),
            Kind::Symlink => return Err(Error::Busy),
            Kind::Fifo | Kind::Socket | Kind::BlockDevice | Kind::CharacterDevice => {
                return Err(Error::NotAFile);
            }
        };
        let status = files::regular(old.as_fd())?;
        lock(old.as_fd())?;
        let offset = match start {
            Start::Append => status.size,
            Start::Resume(offset @ 1..) => offset,
            Start::New | Start::Resume(0) | Start::Unique => {
                return Upload::replacing(files, path, (directory, name), old, &status, terms);
            }
        };
        if offset > status.size {
            return Err(Error::BeyondEnd);
        }
        if offset < status.size && !overwrites {
            return Err(Error::Forbidden(Operation::Overwrite));
        }
        unistd::lseek(&old, i64::try_from(offset).map_err(|_| Error::BeyondEnd)?, Whence::SeekSet)?;
        let way = Way::InPlace { cut: start != Start::Append };
        Ok(Upload { file: Some(old), path: path.clone(), directory, name: name.to_vec(), way, terms })
    }

    fn replacing(
        files: &Files,
        path: &FtpPath,
        (directory, name): (OwnedFd, &[u8]),
        old: OwnedFd,
        status: &Status,
        terms: Terms,
    ) -> Result<Upload, Error> {
        // The lock was a question: writers in place must not be disturbed, while of two that replace, each is whole.
        unlock(old.as_fd());
        let name = name.to_vec();
        let alone = status.links == 1 && !status::has_attributes(old.as_fd()).unwrap_or(true);
        let stays = terms.given_away && keeps_names_of_others(directory.as_fd());
        if alone
            && !stays
            && let Ok((file, temporary)) = Temporary::beside(files, directory.as_fd())
        {
            if takes_owner(file.as_fd(), status) {
                let mode = Mode::from_bits_truncate(terms.file_mode.unwrap_or(status.mode & 0o777));
                let way = Way::Replace { old: Some(old), temporary, mode };
                return Ok(Upload { file: Some(file), path: path.clone(), directory, name, way, terms });
            }
            temporary.remove(directory.as_fd());
        }
        let file = Temporary::anywhere(files, directory.as_fd())?;
        Ok(Upload { file: Some(file), path: path.clone(), directory, name, way: Way::Copy { old }, terms })
    }
}

/// Creates a file that nothing has the name of yet.
fn create(directory: BorrowedFd<'_>, name: &[u8], terms: &Terms) -> Result<OwnedFd, Error> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mode = Mode::from_bits_truncate(0o666);
    let file = masked(terms.umask, || fcntl::openat(directory, name, flags, mode))?;
    if let Some(mode) = terms.file_mode
        && let Err(errno) = stat::fchmod(&file, Mode::from_bits_truncate(mode))
    {
        let _ = unistd::unlinkat(directory, name, UnlinkatFlags::NoRemoveDir);
        return Err(errno.into());
    }
    Ok(file)
}

/// Whether what belongs to somebody else cannot be renamed there: a sticky directory that is not the user's own.
fn keeps_names_of_others(directory: BorrowedFd<'_>) -> bool {
    let user = unistd::geteuid().as_raw();
    status::status_of(directory).is_ok_and(|status| status.mode & 0o1000 != 0 && status.uid != user)
}

/// Whether a new file belongs to whom the old one does, or could be made to.
fn takes_owner(new: BorrowedFd<'_>, old: &Status) -> bool {
    let Ok(status) = status::status_of(new) else { return false };
    status.uid == old.uid
        && (status.gid == old.gid || unistd::fchown(new, None, Some(Gid::from_raw(old.gid))).is_ok())
}
