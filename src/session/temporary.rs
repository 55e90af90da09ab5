//! New contents of a file that exists, while they are not whole yet: without a name where the system can, under a
//! hidden one where it cannot; and how they become the contents of the old file.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{self, AtFlags, FallocateFlags, OFlag};
use nix::sys::stat::Mode;
use nix::unistd::{self, UnlinkatFlags};

use super::error::Error;
use super::files::Files;
use super::locks::lock;
use crate::protocol::path::FtpPath;
use crate::system::status;

/// Hidden names that are tried.
const HIDDEN_NAMES: u32 = 100;

/// How a temporary file gets the name it deserves.
pub struct Temporary {
    /// The hidden name it has, if any.
    hidden: Option<Vec<u8>>,
    /// For a file without a name: /proc/self/fd, if the kernel does not link by descriptor alone.
    descriptors: Option<OwnedFd>,
}

impl Temporary {
    /// A file in this directory that can be given a name in it, open for reading and writing.
    pub fn beside(files: &Files, directory: BorrowedFd<'_>) -> Result<(OwnedFd, Temporary), Error> {
        if let Ok(file) = unnamed(directory) {
            // "." exists and can never be made, so this asks whether there is a way and never goes it.
            if unistd::linkat(&file, c"", directory, c".", AtFlags::AT_EMPTY_PATH) == Err(Errno::EEXIST) {
                return Ok((file, Temporary { hidden: None, descriptors: None }));
            }
            if let Some(descriptors) = files.descriptors()
                && link_by_number(descriptors, &file, directory, b".") == Err(Errno::EEXIST)
            {
                let descriptors = Some(descriptors.try_clone_to_owned()?);
                return Ok((file, Temporary { hidden: None, descriptors }));
            }
        }
        Temporary::with_hidden_name(directory)
    }

    /// The same, where files without a name are not to be had.
    pub fn with_hidden_name(directory: BorrowedFd<'_>) -> Result<(OwnedFd, Temporary), Error> {
        let (file, name) = hidden(directory)?;
        Ok((file, Temporary { hidden: Some(name), descriptors: None }))
    }

    /// A file that is never to have a name: in this directory, or wherever else below the root one can be.
    pub fn anywhere(files: &Files, directory: BorrowedFd<'_>) -> Result<OwnedFd, Error> {
        if let Ok(file) = nameless(directory) {
            return Ok(file);
        }
        for place in [&b"/"[..], b"/var/tmp", b"/tmp"] {
            if let Some(path) = FtpPath::root().join(place)
                && let Ok(directory) = files.open_directory_path(&path)
                && let Ok(file) = nameless(directory.as_fd())
            {
                return Ok(file);
            }
        }
        Err(Error::NoPlaceToReplace)
    }

    /// Closes the file and lets it take the place of `name`. If that fails, nothing of it stays.
    pub fn publish(&mut self, file: OwnedFd, directory: BorrowedFd<'_>, name: &[u8]) -> Result<(), Error> {
        let hidden = match self.hidden.take() {
            Some(hidden) => hidden,
            None => self.link(&file, directory)?,
        };
        let published =
            close(file).and_then(|()| Ok(fcntl::renameat(directory, &hidden[..], directory, name)?));
        if published.is_err() {
            let _ = unistd::unlinkat(directory, &hidden[..], UnlinkatFlags::NoRemoveDir);
        }
        published
    }

    /// Closes the file and gives it the first of these names that nothing has; says which. If that fails, nothing of it
    /// stays.
    pub fn publish_new(
        &mut self,
        file: OwnedFd,
        directory: BorrowedFd<'_>,
        names: impl Iterator<Item = Result<Vec<u8>, Error>>,
    ) -> Result<Vec<u8>, Error> {
        let hidden = match self.hidden.take() {
            Some(hidden) => hidden,
            None => self.link(&file, directory)?,
        };
        let published = close(file).and_then(|()| {
            for name in names {
                let name = name?;
                match rename_new(directory, &hidden, &name) {
                    Ok(()) => return Ok(name),
                    Err(Errno::EEXIST) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
            Err(Error::Exists)
        });
        if published.is_err() {
            let _ = unistd::unlinkat(directory, &hidden[..], UnlinkatFlags::NoRemoveDir);
        }
        published
    }

    /// Gives it a hidden name, if it has none.
    pub fn reveal(&mut self, file: &OwnedFd, directory: BorrowedFd<'_>) -> Result<(), Error> {
        if self.hidden.is_none() {
            self.hidden = Some(self.link(file, directory)?);
        }
        Ok(())
    }

    /// Removes the hidden name, if there is one.
    pub fn remove(&self, directory: BorrowedFd<'_>) {
        if let Some(hidden) = &self.hidden {
            let _ = unistd::unlinkat(directory, &hidden[..], UnlinkatFlags::NoRemoveDir);
        }
    }

    fn link(&self, file: &OwnedFd, directory: BorrowedFd<'_>) -> Result<Vec<u8>, Error> {
        for number in 0..HIDDEN_NAMES {
            let name = hidden_name(number);
            let linked = match &self.descriptors {
                Some(descriptors) => link_by_number(descriptors.as_fd(), file, directory, &name),
                None => unistd::linkat(file, c"", directory, &name[..], AtFlags::AT_EMPTY_PATH),
            };
            match linked {
                Ok(()) => return Ok(name),
                Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(Error::Exists)
    }
}

/// Gives a file another name in its directory, which nothing may have.
fn rename_new(directory: BorrowedFd<'_>, old: &[u8], new: &[u8]) -> nix::Result<()> {
    match fcntl::renameat2(directory, old, directory, new, fcntl::RenameFlags::RENAME_NOREPLACE) {
        // A file system that cannot do it; a second name, too, is only given where there is none.
        Err(Errno::EINVAL | Errno::ENOSYS) => {
            unistd::linkat(directory, old, directory, new, AtFlags::empty())?;
            unistd::unlinkat(directory, old, UnlinkatFlags::NoRemoveDir)
        }
        other => other,
    }
}

/// linkat(2) by way of /proc/self/fd, which works without CAP_DAC_READ_SEARCH before Linux 6.10.
fn link_by_number(
    descriptors: BorrowedFd<'_>,
    file: &OwnedFd,
    directory: BorrowedFd<'_>,
    name: &[u8],
) -> nix::Result<()> {
    let number = file.as_raw_fd().to_string();
    unistd::linkat(descriptors, number.as_str(), directory, name, AtFlags::AT_SYMLINK_FOLLOW)
}

fn unnamed(directory: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
    fcntl::openat(directory, c".", flags, Mode::from_bits_truncate(0o600))
}

fn hidden(directory: BorrowedFd<'_>) -> Result<(OwnedFd, Vec<u8>), Error> {
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    for number in 0..HIDDEN_NAMES {
        let name = hidden_name(number);
        match fcntl::openat(directory, &name[..], flags, Mode::from_bits_truncate(0o600)) {
            Ok(file) => return Ok((file, name)),
            Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Err(Error::Exists)
}

fn nameless(directory: BorrowedFd<'_>) -> Result<OwnedFd, Error> {
    if let Ok(file) = unnamed(directory) {
        return Ok(file);
    }
    let (file, name) = hidden(directory)?;
    unistd::unlinkat(directory, &name[..], UnlinkatFlags::NoRemoveDir)?;
    Ok(file)
}

/// A name that no other process of this machine is likely to use now; that it is free is tested by creating it.
fn hidden_name(number: u32) -> Vec<u8> {
    format!(".ftpd-{}-{number}.part", std::process::id()).into_bytes()
}

/// Gives the old file the contents of the spooled one. Room for them is reserved first.
pub(super) fn copy_into(spooled: OwnedFd, old: &OwnedFd) -> Result<(), Error> {
    still_there(old.as_fd())?;
    lock(old.as_fd())?;
    let mut spooled = File::from(spooled);
    let size = i64::try_from(spooled.seek(SeekFrom::End(0))?).map_err(|_| Error::TooLarge)?;
    if size > 0 {
        match fcntl::fallocate(old, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, size) {
            Ok(()) | Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    spooled.seek(SeekFrom::Start(0))?;
    let mut target = File::from(old.try_clone()?);
    target.seek(SeekFrom::Start(0))?;
    std::io::copy(&mut spooled, &mut target)?;
    unistd::ftruncate(&target, size)?;
    // Each close(2) of a descriptor makes the file system tell what it could not write.
    close(target.into())
}

/// A file without a name any more is of no use to anybody: it was removed or replaced meanwhile.
pub(super) fn still_there(file: BorrowedFd<'_>) -> Result<(), Error> {
    if status::status_of(file)?.links == 0 { Err(Error::Replaced) } else { Ok(()) }
}

/// close(2), with what it says: network file systems and quotas tell here what they could not write.
pub(super) fn close(file: OwnedFd) -> Result<(), Error> {
    match unistd::close(file) {
        Ok(()) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Scratch;
    use super::*;

    /// A directory with an old file, and a temporary one beside it of each kind there is.
    fn each(with: impl Fn(&Scratch, BorrowedFd<'_>, OwnedFd, Temporary)) {
        for kind in 0..3 {
            let scratch = Scratch::new();
            scratch.write("file", "old");
            let directory = File::open(scratch.path()).unwrap();
            let directory = directory.as_fd();
            let (file, temporary) = match kind {
                0 => Temporary::beside(&scratch.files("w"), directory).unwrap(),
                1 => {
                    let descriptors = Some(File::open("/proc/self/fd").unwrap().into());
                    (unnamed(directory).unwrap(), Temporary { hidden: None, descriptors })
                }
                _ => Temporary::with_hidden_name(directory).unwrap(),
            };
            assert_eq!(unistd::write(&file, b"new"), Ok(3));
            with(&scratch, directory, file, temporary);
        }
    }

    #[test]
    fn what_is_published_takes_the_place_of_the_old() {
        each(|scratch, directory, file, mut temporary| {
            temporary.publish(file, directory, b"file").unwrap();
            assert_eq!(scratch.read("file"), b"new");
            assert_eq!(scratch.names(), ["file"]);
        });
    }

    #[test]
    fn what_cannot_be_published_leaves_nothing() {
        each(|scratch, directory, file, mut temporary| {
            scratch.make_directory("place/full");
            assert!(temporary.publish(file, directory, b"place").is_err());
            assert_eq!(scratch.names(), ["file", "place"]);
        });
    }

    #[test]
    fn what_is_removed_leaves_nothing() {
        each(|scratch, directory, _file, temporary| {
            temporary.remove(directory);
            assert_eq!(scratch.names(), ["file"]);
            assert_eq!(scratch.read("file"), b"old");
        });
    }

    #[test]
    fn the_old_file_becomes_as_long_as_the_new_contents() {
        let scratch = Scratch::new();
        scratch.write("file", "a rather long old text");
        let directory = File::open(scratch.path()).unwrap();
        let spooled = Temporary::anywhere(&scratch.files("w"), directory.as_fd()).unwrap();
        unistd::write(&spooled, b"new").unwrap();
        let old = File::options().write(true).open(scratch.path().join("file")).unwrap().into();
        copy_into(spooled, &old).unwrap();
        assert_eq!(scratch.read("file"), b"new");
    }
}
