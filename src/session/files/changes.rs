//! Changes of what is known of a file (mode, group, times), symbolic links, and whole paths of directories.

use std::os::fd::AsFd;

use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{self, Mode};
use nix::unistd::{self, Gid};

use super::Files;
use crate::protocol::path::FtpPath;
use crate::session::authorize::Operation;
use crate::session::error::Error;
use crate::session::mode::Change;
use crate::system::status::{self, Kind, Look};

impl Files {
    /// Changes the mode of a file or directory (SITE CHMOD), and says what it is then. Only the nine permission bits
    /// can be set; a directory that hands its group down goes on doing so.
    pub fn set_mode(&self, path: &FtpPath, change: &Change, umask: u32) -> Result<u32, Error> {
        let path = &*self.permit(Operation::SetMode, path)?;
        let object = self.open_object(path)?;
        let status = status::status_of(object.as_fd())?;
        let directory = status.kind == Kind::Directory;
        let permissions = change.applied_to(status.mode, directory, umask) & 0o777;
        let mode = permissions
            | match status.kind {
                Kind::Directory => status.mode & 0o2000,
                Kind::File => 0,
                Kind::Symlink | Kind::Fifo | Kind::Socket | Kind::BlockDevice | Kind::CharacterDevice => {
                    return Err(Error::NotAFile);
                }
            };
        match status::set_mode_of(object.as_fd(), mode) {
            Ok(()) => return Ok(permissions),
            // Before Linux 6.6, or where a filter does not know the call yet.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let object = match self.resolve(path, OFlag::O_RDONLY | flags, Mode::empty()) {
            Err(Error::Denied) => self.resolve(path, OFlag::O_WRONLY | flags, Mode::empty())?,
            other => other?,
        };
        stat::fchmod(object, Mode::from_bits_truncate(mode))?;
        Ok(permissions)
    }

    /// Gives a file or directory to another group (SITE CHGRP). The kernel takes set-id bits of files away.
    pub fn set_group(&self, path: &FtpPath, gid: u32) -> Result<(), Error> {
        let object = self.permit(Operation::SetGroup, path)?;
        let object = self.open_object(&object)?;
        match status::status_of(object.as_fd())?.kind {
            Kind::File | Kind::Directory => {}
            Kind::Symlink | Kind::Fifo | Kind::Socket | Kind::BlockDevice | Kind::CharacterDevice => {
                return Err(Error::NotAFile);
            }
        }
        Ok(unistd::fchownat(&object, c"", None, Some(Gid::from_raw(gid)), AtFlags::AT_EMPTY_PATH)?)
    }

    /// Changes the time of modification (MFMT), and that of the last access if there is one to set (SITE UTIME), in
    /// seconds since 1970 UTC.
    pub fn set_times(&self, path: &FtpPath, accessed: Option<i64>, modified: i64) -> Result<(), Error> {
        let object = self.permit(Operation::SetTimes, path)?;
        let object = self.open_object(&object)?;
        Ok(status::set_times_of(object.as_fd(), accessed, modified)?)
    }

    /// Makes a symbolic link (SITE SYMLINK) to something that is there. What it says is the way from the directory it
    /// is in: so it means the same inside and outside of the client's world, and where the world is moved to.
    pub fn make_link(&self, target: &FtpPath, link: &FtpPath) -> Result<(), Error> {
        let link = self.permit(Operation::Link, link)?;
        let there = self.permit_at(Operation::Describe, target, false)?;
        self.look(&there, Look::default())?;
        let (parent, name) = link.parent_and_name().ok_or(Error::Exists)?;
        let parent = self.behind_links(&parent)?;
        let directory = self.open_directory_path(&parent)?;
        self.making(directory.as_fd(), || Ok(unistd::symlinkat(&way(&parent, target)[..], &directory, name)?))
    }

    /// Makes a directory and those above it that are missing (SITE MKDIR). Tells which were made.
    pub fn make_path(&self, path: &FtpPath) -> Result<Vec<FtpPath>, Error> {
        let mut here = FtpPath::root();
        let mut made = Vec::new();
        for component in path.components() {
            here = here.join(component).ok_or(Error::NameNotAllowed)?;
            // What is there need not be made, and nobody asks for the right to.
            let there = self.locate(&here, true)?;
            if self.look(&there, Look { follow: true, created: false }).is_ok() {
                continue;
            }
            match self.make_directory(&here) {
                Ok(()) => made.push(here.clone()),
                Err(Error::Exists) => {}
                Err(error) => return Err(error),
            }
        }
        if made.is_empty() {
            self.permit(Operation::MakeDirectory, path)?;
        }
        let path = &*self.locate(path, true)?;
        match self.open_directory_path(path) {
            Ok(_) => Ok(made),
            Err(Error::NotADirectory) => Err(Error::Exists),
            Err(error) => Err(error),
        }
    }
}

/// How to go from a directory, whose path has no links in it, to something else.
fn way(from: &FtpPath, to: &FtpPath) -> Vec<u8> {
    let common = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(common).map(|_| &b".."[..]);
    let steps: Vec<&[u8]> = up.chain(to.components().skip(common)).collect();
    if steps.is_empty() { b".".to_vec() } else { steps.join(&b'/') }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::testing::{Scratch, path};
    use crate::session::upload::Start;
    use proptest::prelude::*;

    const ALL: &str = "elradfmwMT";

    fn octal(text: &str) -> Change {
        Change::parse(text).unwrap()
    }

    #[test]
    fn only_permission_bits_can_be_set() {
        let scratch = Scratch::new();
        scratch.write("file", "");
        scratch.link("file", "link");
        scratch.make_directory("shared");
        scratch.set_mode("shared", 0o2755);
        scratch.fifo("fifo");
        let files = scratch.files(ALL);
        assert_eq!(files.set_mode(&path("link"), &octal("7751"), 0), Ok(0o751));
        assert_eq!(scratch.mode("file"), 0o751);
        files.set_mode(&path("file"), &octal("000"), 0).unwrap();
        files.set_mode(&path("file"), &octal("u+rw"), 0).unwrap();
        assert_eq!(scratch.mode("file"), 0o600);
        files.set_mode(&path("shared"), &octal("1770"), 0).unwrap();
        assert_eq!(scratch.mode("shared"), 0o2770);
        assert_eq!(files.set_mode(&path("fifo"), &octal("600"), 0), Err(Error::NotAFile));
    }

    #[test]
    fn the_times_can_be_set() {
        let scratch = Scratch::new();
        scratch.write("file", "");
        scratch.link("file", "link");
        let files = scratch.files(ALL);
        files.set_times(&path("link"), None, 1_000_000_007).unwrap();
        assert_eq!(files.status(&path("file")).unwrap().modified, 1_000_000_007);
        files.set_times(&path("file"), Some(5), 1_000_000_008).unwrap();
        let file = std::fs::metadata(scratch.path().join("file")).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::atime(&file), 5);
        assert_eq!(files.status(&path("file")).unwrap().modified, 1_000_000_008);
    }

    #[test]
    fn links_say_the_way_and_lead_where_they_should() {
        let scratch = Scratch::new();
        scratch.make_directory("a/b");
        scratch.make_directory("c");
        scratch.write("c/file", "contents");
        scratch.link("../a/b", "c/shortcut");
        let files = scratch.files(ALL);
        files.make_link(&path("c/file"), &path("a/b/link")).unwrap();
        files.make_link(&path("c/file"), &path("c/shortcut/again")).unwrap();
        files.make_link(&path("/"), &path("a/top")).unwrap();
        for name in ["a/b/link", "a/b/again"] {
            assert_eq!(std::fs::read_link(scratch.path().join(name)).unwrap().to_str(), Some("../../c/file"));
            assert_eq!(scratch.read(name), b"contents");
        }
        assert_eq!(files.open(&path("a/top/c/file")).unwrap().size, 8);
        assert_eq!(files.make_link(&path("none"), &path("link")), Err(Error::NotFound));
        assert_eq!(files.make_link(&path("c"), &path("a")), Err(Error::Exists));
    }

    #[test]
    fn a_path_is_made_as_far_as_it_is_missing() {
        let scratch = Scratch::new();
        scratch.make_directory("a");
        scratch.write("file", "");
        let files = scratch.files(ALL);
        assert_eq!(files.make_path(&path("a/b/c")), Ok(vec![path("a/b"), path("a/b/c")]));
        assert_eq!(files.make_path(&path("a/b")), Ok(vec![]));
        assert_eq!(files.make_path(&path("/")), Ok(vec![]));
        assert_eq!(files.make_path(&path("file")), Err(Error::Exists));
        assert_eq!(files.make_path(&path("file/x")), Err(Error::NotADirectory));
    }

    #[test]
    fn without_its_letter_nothing_is_done() {
        let scratch = Scratch::new();
        scratch.write("file", "");
        let files = scratch.files("l");
        let file = path("file");
        assert_eq!(files.set_mode(&file, &octal("000"), 0), Err(Error::Forbidden(Operation::SetMode)));
        assert_eq!(files.set_group(&file, 0), Err(Error::Forbidden(Operation::SetGroup)));
        assert_eq!(files.set_times(&file, None, 0), Err(Error::Forbidden(Operation::SetTimes)));
        assert_eq!(files.make_link(&file, &path("link")), Err(Error::Forbidden(Operation::Link)));
        assert_eq!(files.make_path(&path("a/b")), Err(Error::Forbidden(Operation::MakeDirectory)));
        assert_eq!(files.storable(&file, Start::New), Err(Error::Forbidden(Operation::Create)));
        assert_eq!(scratch.names(), ["file"]);
    }

    proptest! {
        #[test]
        fn the_way_leads_there(from in "(/[ab]{1,2}){0,4}", to in "(/[ab]{1,2}){0,4}") {
            let (from, to) = (path(&from), path(&to));
            prop_assert_eq!(from.join(&way(&from, &to)), Some(to));
        }
    }
}
