//! Removing a directory with all that is in it (SITE RMDIR), a piece at a time, so that the client can change his mind.
//!
//! Each directory is entered by its name in the one above it, never by a symbolic link, and never into another file
//! system: what is mounted in a tree belongs to somebody else.

use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{self, OFlag};
use nix::sys::stat::Mode;
use nix::unistd::{self, UnlinkatFlags};

use super::{Files, status_in};
use crate::protocol::path::FtpPath;
use crate::session::authorize::Operation;
use crate::session::error::Error;
use crate::system::directory::Entries;
use crate::system::status::{self, Kind, Look};

/// How deep a tree may be, and how much may be in it.
const DEEPEST: usize = 64;
const MOST: u64 = 1_000_000;
/// How often a directory is read again that gets new entries while it is emptied.
const PASSES: u32 = 3;

/// A tree on its way out.
pub struct Removal {
    levels: Vec<Level>,
    device: u64,
    seen: u64,
}

struct Level {
    path: FtpPath,
    entries: Entries,
    passes: u32,
}

/// What a step has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something is gone, or has been entered.
    Further,
    /// This directory is gone; there is more above it.
    Directory(FtpPath),
    /// So is the last one.
    Done,
}

impl Removal {
    /// Begins with this directory; it must not be a symbolic link to one.
    pub fn begin(files: &Files, path: &FtpPath) -> Result<Removal, Error> {
        let path = &*files.permit(Operation::RemoveDirectory, path)?;
        match files.look(path, Look::default())?.kind {
            Kind::Directory => {}
            Kind::File
            | Kind::Symlink
            | Kind::Fifo
            | Kind::Socket
            | Kind::BlockDevice
            | Kind::CharacterDevice => return Err(Error::NotADirectory),
        }
        let directory = files.open_directory(path, false)?;
        let device = status::status_of(directory.as_fd())?.device;
        let level = Level { path: path.clone(), entries: Entries::of(directory), passes: 1 };
        Ok(Removal { levels: vec![level], device, seen: 0 })
    }

    /// How many names have been met.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Removes or enters the next name, or removes a directory that has become empty.
    pub fn step(&mut self, files: &Files) -> Result<Step, Error> {
        let depth = self.levels.len();
        let Some(level) = self.levels.last_mut() else { return Ok(Step::Done) };
        let Some((directory, entry)) = level.entries.next()? else { return self.leave(files) };
        self.seen += 1;
        if self.seen > MOST {
            return Err(Error::TreeTooLarge);
        }
        let name = entry.name.to_bytes();
        let child = level.path.join(name).ok_or(Error::NameNotAllowed)?;
        let kind = match entry.kind {
            Some(kind) => kind,
            None => status_in(directory, name, Look::default())?.kind,
        };
        if kind != Kind::Directory {
            files.authorize(Operation::RemoveFile, &child).map_err(in_the_way)?;
            let removed = files.taking_away((directory, name), || {
                Ok(unistd::unlinkat(directory, name, UnlinkatFlags::NoRemoveDir)?)
            });
            return match removed {
                Ok(()) | Err(Error::NotFound) => Ok(Step::Further),
                Err(error) => Err(error),
            };
        }
        files.authorize(Operation::RemoveDirectory, &child).map_err(in_the_way)?;
        if depth >= DEEPEST {
            return Err(Error::TreeTooLarge);
        }
        let inner = open_in(directory, name)?;
        if status::status_of(inner.as_fd())?.device != self.device {
            return Err(Error::Busy);
        }
        self.levels.push(Level { path: child, entries: Entries::of(inner), passes: 1 });
        Ok(Step::Further)
    }

    /// Removes the innermost directory, which has been read to its end.
    fn leave(&mut self, files: &Files) -> Result<Step, Error> {
        let Some(level) = self.levels.pop() else { return Ok(Step::Done) };
        let Some(name) = level.path.name() else { return Err(Error::Denied) };
        let root;
        let above = match self.levels.last() {
            Some(above) => above.entries.directory(),
            None => {
                root = files.parent(&level.path)?.ok_or(Error::Denied)?.0;
                root.as_fd()
            }
        };
        let removed =
            files.taking_away((above, name), || Ok(unistd::unlinkat(above, name, UnlinkatFlags::RemoveDir)?));
        match removed {
            Ok(()) | Err(Error::NotFound) => {}
            Err(Error::NotEmpty) if level.passes < PASSES => {
                // Opened anew: a descriptor that was read to its end would have to be wound back.
                let again = open_in(level.entries.directory(), b".")?;
                self.levels.push(Level { entries: Entries::of(again), passes: level.passes + 1, ..level });
                return Ok(Step::Further);
            }
            Err(error) => return Err(error),
        }
        Ok(if self.levels.is_empty() { Step::Done } else { Step::Directory(level.path) })
    }
}

/// Something stays that the client cannot see.
fn in_the_way(error: Error) -> Error {
    if error == Error::NotFound { Error::NotEmpty } else { error }
}

fn open_in(directory: std::os::fd::BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Error> {
    let flags =
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    Ok(fcntl::openat(directory, name, flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::testing::{Scratch, path};

    fn remove(scratch: &Scratch, letters: &str, name: &str) -> Result<Vec<FtpPath>, Error> {
        let files = scratch.files(letters);
        let mut removal = Removal::begin(&files, &path(name))?;
        let mut gone = Vec::new();
        loop {
            match removal.step(&files)? {
                Step::Further => {}
                Step::Directory(path) => gone.push(path),
                Step::Done => return Ok(gone),
            }
        }
    }

    #[test]
    fn a_tree_goes_away_and_what_links_lead_to_stays() {
        let scratch = Scratch::new();
        scratch.make_directory("tree/a/b");
        scratch.make_directory("other");
        scratch.write("other/kept", "");
        scratch.write("tree/a/file", "");
        scratch.fifo("tree/fifo");
        scratch.link("../../other", "tree/a/link");
        scratch.link("/other", "tree/absolute");
        assert_eq!(remove(&scratch, "d", "tree"), Ok(vec![path("tree/a/b"), path("tree/a")]));
        assert_eq!(scratch.names(), ["other"]);
        assert_eq!(scratch.read("other/kept"), b"");
    }

    #[test]
    fn only_a_directory_is_a_tree() {
        let scratch = Scratch::new();
        scratch.make_directory("directory");
        scratch.link("directory", "link");
        scratch.write("file", "");
        assert_eq!(remove(&scratch, "d", "link"), Err(Error::NotADirectory));
        assert_eq!(remove(&scratch, "d", "file"), Err(Error::NotADirectory));
        assert_eq!(remove(&scratch, "d", "none"), Err(Error::NotFound));
        assert_eq!(remove(&scratch, "d", "/"), Err(Error::Denied));
        assert_eq!(remove(&scratch, "elr", "directory"), Err(Error::Forbidden(Operation::RemoveDirectory)));
        assert_eq!(scratch.names(), ["directory", "file", "link"]);
    }

    #[test]
    fn a_tree_that_is_too_deep_is_left_standing() {
        let scratch = Scratch::new();
        scratch.make_directory(&"x/".repeat(DEEPEST + 1));
        assert_eq!(remove(&scratch, "d", "x"), Err(Error::TreeTooLarge));
        assert_eq!(
            remove(&scratch, "d", "x/x"),
            Ok((1..DEEPEST).rev().map(|depth| path(&"x/".repeat(depth + 2))).collect())
        );
        assert_eq!(remove(&scratch, "d", "x"), Ok(vec![]));
    }
}
