//! A file on its way in: from the first byte to the moment it counts.
//!
//! A new name is written as it comes, so that a cut upload can be resumed. What exists is left alone until the new
//! contents are whole: they wait in a file without a name in the same directory, which then takes the old one's
//! place. Where that would be noticed (another owner, more links, attributes) or cannot be, they are copied into
//! the old file at the end. REST and APPE write in place, behind a lock.

mod begin;
mod whole;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::stat::{self, Mode};
use nix::unistd::{self, UnlinkatFlags, Whence};

use super::error::Error;
use super::files;
use super::temporary::{Temporary, close, copy_into, still_there};
use super::terms::Terms;
use crate::protocol::path::FtpPath;
use crate::system::random;
use crate::system::status::{self, Look};

/// Names that are tried in a drop box, where what was said is taken.
const OTHER_NAMES: u32 = 8;
/// NAME_MAX of limits.h, in bytes.
const LONGEST_NAME: usize = 255;

/// How an upload begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// STOR: the file will have these contents and no others.
    New,
    /// REST and STOR: what comes is written from this byte on, and ends the file.
    Resume(u64),
    /// APPE: what comes is written behind the end.
    Append,
    /// STOU: under a name that nothing has yet, made of this one.
    Unique,
}

/// A file that is being written. If it is dropped, it is abandoned.
pub struct Upload {
    /// Where the bytes go; None once the upload is over.
    file: Option<OwnedFd>,
    path: FtpPath,
    directory: OwnedFd,
    name: Vec<u8>,
    way: Way,
    terms: Terms,
}

/// A file that was uploaded, all of it.
#[derive(Debug)]
pub struct Complete {
    /// The name that it got in place of the one that was said, because something had that.
    pub other_name: Option<Vec<u8>>,
    /// What is to be given to somebody else, if rules say so.
    pub gift: Option<Gift>,
}

/// A new file that is to be given to somebody else.
#[derive(Debug)]
pub struct Gift {
    /// The file itself.
    pub file: OwnedFd,
    directory: OwnedFd,
    name: Vec<u8>,
}

impl Gift {
    /// It cannot be left like this.
    pub fn withdraw(self) {
        let _ = unistd::unlinkat(&self.directory, &self.name[..], UnlinkatFlags::NoRemoveDir);
    }
}

/// What happens at the end.
enum Way {
    /// The file is new and bears its name already.
    Fresh,
    /// The file is written where it is; `cut`: it ends where the upload ends.
    InPlace { cut: bool },
    /// The temporary file takes the place of `old`, if there is one.
    Replace { old: Option<OwnedFd>, temporary: Temporary, mode: Mode },
    /// The contents of the temporary file are copied into `old`.
    Copy { old: OwnedFd },
    /// The temporary file gets a name that nothing has. `another`: if somebody was faster, another one.
    Sealed { temporary: Temporary, mode: Mode, another: bool },
}

/// What an upload does to what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// It has a new name already, and grows as it comes.
    Fresh,
    /// It changes a file where it is; `cut`: the file ends where it ends.
    InPlace { cut: bool },
    /// It takes the place of what has its name when it is whole.
    Replacing,
    /// It gets a new name when it is whole.
    Sealed,
}

impl Upload {
    /// What it does to what is there.
    pub fn nature(&self) -> Nature {
        match &self.way {
            Way::Fresh => Nature::Fresh,
            Way::InPlace { cut } => Nature::InPlace { cut: *cut },
            Way::Replace { .. } | Way::Copy { .. } => Nature::Replacing,
            Way::Sealed { .. } => Nature::Sealed,
        }
    }

    /// Whether the file whose contents it replaces may have other names.
    pub fn has_other_names(&self) -> bool {
        matches!(self.way, Way::Copy { .. })
    }

    /// The directory that its name is in.
    pub fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Its name there.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Where the bytes go. The position of this descriptor is where the next one belongs.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_ref().expect("the file is taken by `finish` alone, which consumes the upload").as_fd()
    }

    /// The name as the client said it, or the one that STOU found.
    pub fn path(&self) -> &FtpPath {
        &self.path
    }

    /// What rules want of it.
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// The file that is to be somebody else's, if it is one that was there before and keeps its place.
    pub fn given_in_place(&self) -> Option<BorrowedFd<'_>> {
        match &self.way {
            Way::InPlace { .. } => self.file.as_ref().map(AsFd::as_fd),
            Way::Copy { old } => Some(old.as_fd()),
            Way::Fresh | Way::Replace { .. } | Way::Sealed { .. } => None,
        }
        .filter(|_| self.terms.given_away)
    }

    /// The file that is to be somebody else's before the upload counts, since something would be lost if it could not
    /// be given to him afterwards; and the name it will have then, if it has not.
    pub fn given_ahead(&mut self) -> Result<Option<(BorrowedFd<'_>, &[u8])>, Error> {
        if self.terms.given_away
            && let (Way::Replace { temporary, mode, .. }, Some(file)) = (&mut self.way, &self.file)
        {
            // Afterwards its mode is no longer ours to change; and who gives it away looks where it is.
            stat::fchmod(file, *mode)?;
            temporary.reveal(file, self.directory.as_fd())?;
            return Ok(Some((file.as_fd(), &self.name)));
        }
        Ok(self.given_in_place().map(|file| (file, &b""[..])))
    }

    /// Every byte has been written: makes the upload count. An error means that it does not.
    pub fn finish(mut self) -> Result<Complete, Error> {
        let is_new = matches!(self.way, Way::Fresh | Way::Sealed { .. });
        let mut gift = match &self.file {
            Some(file) if is_new && self.terms.given_away => Some(Gift {
                file: file.try_clone()?,
                directory: self.directory.try_clone()?,
                name: Vec::new(),
            }),
            Some(_) | None => None,
        };
        let said = matches!(self.way, Way::Sealed { another: true, .. }).then(|| self.name.clone());
        self.publish()?;
        if let Some(gift) = &mut gift {
            gift.name.clone_from(&self.name);
        }
        let other_name = said.filter(|said| *said != self.name).map(|_| std::mem::take(&mut self.name));
        Ok(Complete { other_name, gift })
    }

    fn publish(&mut self) -> Result<(), Error> {
        let Some(file) = self.file.take() else { return Ok(()) };
        match &mut self.way {
            Way::Fresh => {
                still_there(file.as_fd())?;
                close(file)
            }
            Way::InPlace { cut } => {
                still_there(file.as_fd())?;
                if *cut {
                    unistd::ftruncate(&file, unistd::lseek(&file, 0, Whence::SeekCur)?)?;
                }
                close(file)
            }
            Way::Replace { old, temporary, mode } => {
                if !self.terms.given_away {
                    stat::fchmod(&file, *mode)?;
                }
                let copy = file.try_clone()?;
                match temporary.publish(file, self.directory.as_fd(), &self.name) {
                    Ok(()) => Ok(()),
                    Err(error @ (Error::NoSpace | Error::QuotaExceeded | Error::Local(_))) => Err(error),
                    Err(error) => match old {
                        // The name cannot be replaced after all (it is a mount point, say): its contents can.
                        Some(old) if !self.terms.given_away => copy_into(copy, old),
                        Some(_) | None => Err(error),
                    },
                }
            }
            Way::Copy { old } => copy_into(file, old),
            Way::Sealed { temporary, mode, another } => {
                stat::fchmod(&file, *mode)?;
                let others = if *another { OTHER_NAMES } else { 0 };
                let said = std::iter::once(Ok(self.name.clone()));
                let names = said.chain((0..others).map(|_| unforeseeable(&self.name)));
                self.name = temporary.publish_new(file, self.directory.as_fd(), names)?;
                Ok(())
            }
        }
    }

    /// The upload was cut. What was there before stays; of a new file, what came is kept for resuming.
    pub fn abandon(self) {}
}

impl Drop for Upload {
    fn drop(&mut self) {
        let file = self.file.take();
        match (&self.way, file) {
            (Way::Replace { temporary, .. } | Way::Sealed { temporary, .. }, _) => {
                temporary.remove(self.directory.as_fd());
            }
            (Way::Fresh, Some(file)) => {
                // Nothing came: an empty file helps nobody to resume.
                let Ok(status) = status::status_of(file.as_fd()) else { return };
                let named = files::status_in(self.directory.as_fd(), &self.name, Look::default());
                if status.size == 0 && named.is_ok_and(|named| named.inode == status.inode) {
                    let _ = unistd::unlinkat(&self.directory, &self.name[..], UnlinkatFlags::NoRemoveDir);
                }
            }
            (Way::Fresh | Way::InPlace { .. } | Way::Copy { .. }, _) => {}
        }
    }
}

/// The name with something behind it that nobody can guess, and that tells nothing of other names.
fn unforeseeable(name: &[u8]) -> Result<Vec<u8>, Error> {
    let mut bytes = [0; 32];
    random::fill(&mut bytes)?;
    let digits: String = bytes[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let kept = name.len().min(LONGEST_NAME - 1 - digits.len());
    Ok([&name[..kept], b".", digits.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::super::authorize::Operation;
    use super::super::testing::{Scratch, path};
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn write(upload: &Upload, bytes: &[u8]) {
        assert_eq!(unistd::write(upload.descriptor(), bytes), Ok(bytes.len()));
    }

    #[test]
    fn a_new_file_keeps_what_came_of_it() {
        let scratch = Scratch::new();
        let files = scratch.files("w");
        let upload = files.upload(&path("new"), Start::New).unwrap();
        write(&upload, b"whole");
        upload.finish().unwrap();
        assert_eq!(scratch.read("new"), b"whole");
        let upload = files.upload(&path("cut"), Start::New).unwrap();
        write(&upload, b"half");
        upload.abandon();
        assert_eq!(scratch.read("cut"), b"half");
        files.upload(&path("empty"), Start::New).unwrap().abandon();
        assert_eq!(scratch.names(), ["cut", "new"]);
    }

    #[test]
    fn an_old_file_stays_until_the_new_one_is_whole() {
        let scratch = Scratch::new();
        scratch.write("file", "old contents");
        scratch.set_mode("file", 0o640);
        let files = scratch.files("w");
        let upload = files.upload(&path("file"), Start::New).unwrap();
        assert!(matches!(upload.way, Way::Replace { .. }));
        write(&upload, b"new");
        assert_eq!(scratch.read("file"), b"old contents");
        assert_eq!(scratch.names(), ["file"]);
        upload.abandon();
        assert_eq!(scratch.read("file"), b"old contents");
        let upload = files.upload(&path("file"), Start::Resume(0)).unwrap();
        write(&upload, b"new");
        upload.finish().unwrap();
        assert_eq!(scratch.read("file"), b"new");
        assert_eq!(scratch.mode("file"), 0o640);
        assert_eq!(scratch.names(), ["file"]);
    }

    #[test]
    fn a_file_of_two_names_is_replaced_under_both() {
        let scratch = Scratch::new();
        scratch.write("file", "old contents");
        std::fs::hard_link(scratch.path().join("file"), scratch.path().join("other")).unwrap();
        let files = scratch.files("w");
        let upload = files.upload(&path("file"), Start::New).unwrap();
        assert!(matches!(upload.way, Way::Copy { .. }));
        write(&upload, b"new");
        assert_eq!(scratch.read("other"), b"old contents");
        upload.finish().unwrap();
        assert_eq!(scratch.read("other"), b"new");
        assert_eq!(std::fs::metadata(scratch.path().join("file")).unwrap().nlink(), 2);
        files.upload(&path("file"), Start::New).unwrap().finish().unwrap();
        assert_eq!(scratch.read("other"), b"");
    }

    #[test]
    fn the_file_behind_a_link_is_replaced_not_the_link() {
        let scratch = Scratch::new();
        scratch.make_directory("sub");
        scratch.write("sub/file", "old");
        scratch.link("sub/file", "link");
        scratch.link("sub/later", "dangling");
        let files = scratch.files("w");
        for name in ["link", "dangling"] {
            let upload = files.upload(&path(name), Start::New).unwrap();
            write(&upload, b"new");
            upload.finish().unwrap();
            assert!(std::fs::symlink_metadata(scratch.path().join(name)).unwrap().is_symlink());
        }
        assert_eq!(scratch.read("sub/file"), b"new");
        assert_eq!(scratch.read("sub/later"), b"new");
    }

    #[test]
    fn resuming_ends_the_file_where_the_upload_ends() {
        let scratch = Scratch::new();
        scratch.write("file", "0123456789");
        let files = scratch.files("w");
        let upload = files.upload(&path("file"), Start::Resume(4)).unwrap();
        write(&upload, b"abc");
        assert_eq!(scratch.read("file"), b"0123abc789");
        upload.finish().unwrap();
        assert_eq!(scratch.read("file"), b"0123abc");
        let upload = files.upload(&path("file"), Start::Resume(7)).unwrap();
        write(&upload, b"xyz");
        upload.abandon();
        assert_eq!(scratch.read("file"), b"0123abcxyz");
        assert_eq!(files.upload(&path("file"), Start::Resume(11)).err(), Some(Error::BeyondEnd));
        assert_eq!(files.upload(&path("none"), Start::Resume(1)).err(), Some(Error::BeyondEnd));
        assert_eq!(scratch.names(), ["file"]);
    }

    #[test]
    fn appending_needs_no_file() {
        let scratch = Scratch::new();
        let files = scratch.files("a");
        for piece in [&b"one"[..], b"two"] {
            let upload = files.upload(&path("file"), Start::Append).unwrap();
            write(&upload, piece);
            upload.finish().unwrap();
        }
        assert_eq!(scratch.read("file"), b"onetwo");
        assert_eq!(files.upload(&path("file"), Start::New).err(), Some(Error::Forbidden(Operation::Create)));
    }

    #[test]
    fn a_file_that_is_written_in_place_is_busy_for_others() {
        let scratch = Scratch::new();
        scratch.write("file", "0123");
        let files = scratch.files("aw");
        let first = files.upload(&path("file"), Start::Append).unwrap();
        for start in [Start::New, Start::Append, Start::Resume(1)] {
            assert_eq!(files.upload(&path("file"), start).err(), Some(Error::Busy));
        }
        first.finish().unwrap();
        files.upload(&path("file"), Start::Append).unwrap().finish().unwrap();
    }

    #[test]
    fn of_two_that_replace_a_file_each_is_whole() {
        let scratch = Scratch::new();
        scratch.write("file", "old");
        let files = scratch.files("w");
        let first = files.upload(&path("file"), Start::New).unwrap();
        let second = files.upload(&path("file"), Start::New).unwrap();
        write(&first, b"first");
        write(&second, b"second");
        second.finish().unwrap();
        assert_eq!(scratch.read("file"), b"second");
        first.finish().unwrap();
        assert_eq!(scratch.read("file"), b"first");
    }

    #[test]
    fn an_upload_whose_file_was_removed_has_failed() {
        let scratch = Scratch::new();
        let files = scratch.files("w");
        let upload = files.upload(&path("file"), Start::New).unwrap();
        write(&upload, b"x");
        std::fs::remove_file(scratch.path().join("file")).unwrap();
        assert_eq!(upload.finish().err(), Some(Error::Replaced));
    }

    #[test]
    fn unique_names_are_found_beside_those_that_are_taken() {
        let scratch = Scratch::new();
        let files = scratch.files("w");
        let found: Vec<String> = (0..3)
            .map(|_| {
                let upload = files.upload(&path("a/../name"), Start::Unique).unwrap();
                write(&upload, b"x");
                let name = upload.path().to_string();
                upload.finish().unwrap();
                name
            })
            .collect();
        assert_eq!(found, ["/name", "/name.1", "/name.2"]);
    }

    #[test]
    fn what_is_not_a_file_cannot_be_written() {
        let scratch = Scratch::new();
        scratch.fifo("fifo");
        scratch.make_directory("directory");
        let files = scratch.files("wa");
        for start in [Start::New, Start::Append, Start::Resume(1)] {
            assert_eq!(files.upload(&path("fifo"), start).err(), Some(Error::NotAFile));
            assert_eq!(files.upload(&path("directory"), start).err(), Some(Error::IsADirectory));
            assert_eq!(files.upload(&path("none/file"), start).err(), Some(Error::NotFound));
            assert_eq!(files.upload(&path("/"), start).err(), Some(Error::IsADirectory));
        }
    }
}
