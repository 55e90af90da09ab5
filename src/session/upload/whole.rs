//! Contents that come from this machine: under their name when they are whole, and never in part, even where the
//! name is new. Nobody resumes a copy.

use nix::sys::stat::Mode;
use nix::unistd;

use super::{Start, Upload, Way};
use crate::protocol::path::FtpPath;
use crate::session::error::Error;
use crate::session::files::Files;

impl Files {
    /// Begins to make a file of contents that are here already. If there is one of that name, it keeps its mode;
    /// otherwise it gets this one, unless rules want another.
    pub fn upload_whole(&self, path: &FtpPath, mode: u32) -> Result<Upload, Error> {
        let mut upload = self.begin_upload(path, Start::New, true)?;
        upload.wants_mode(mode);
        Ok(upload)
    }
}

impl Upload {
    fn wants_mode(&mut self, wanted: u32) {
        if let Way::Sealed { mode, .. } = &mut self.way
            && self.terms.file_mode.is_none()
        {
            let umask = self.terms.umask.unwrap_or(0);
            *mode = Mode::from_bits_truncate(wanted & 0o777 & !umask);
        }
    }

    /// Gives it up. Nothing of it stays, not even the beginning of a new file.
    pub fn discard(self) {
        if let (Way::Fresh, Some(file)) = (&self.way, &self.file) {
            // Whatever is empty is removed when it is dropped.
            let _ = unistd::ftruncate(file, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::testing::{Scratch, path};

    #[test]
    fn a_copy_has_no_name_before_it_is_whole() {
        let scratch = Scratch::new();
        scratch.write("old", "old");
        scratch.set_mode("old", 0o604);
        let files = scratch.files("w");
        for (name, mode) in [("new", 0o640), ("old", 0o604)] {
            let upload = files.upload_whole(&path(name), 0o640).unwrap();
            unistd::write(upload.descriptor(), b"whole").unwrap();
            assert_eq!(scratch.names().contains(&"new".to_string()), name == "old");
            upload.finish().unwrap();
            assert_eq!(scratch.read(name), b"whole");
            assert_eq!(scratch.mode(name), mode);
        }
        assert_eq!(scratch.names(), ["new", "old"]);
    }

    #[test]
    fn nothing_stays_of_what_was_given_up() {
        let scratch = Scratch::new();
        scratch.write("old", "old");
        scratch.link("later", "dangling");
        let files = scratch.files("w");
        for name in ["new", "old", "dangling"] {
            let upload = files.upload_whole(&path(name), 0o640).unwrap();
            unistd::write(upload.descriptor(), b"part").unwrap();
            upload.discard();
        }
        assert_eq!(scratch.names(), ["dangling", "old"]);
        assert_eq!(scratch.read("old"), b"old");
        assert_eq!(files.upload_whole(&path("/"), 0).err(), Some(Error::IsADirectory));
    }
}
