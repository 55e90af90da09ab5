//! What the administrator, and the owners of directories, have to say to the user.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Session;
use super::error::Error;
use super::files::Files;
use crate::protocol::message::{self, Facts, MAX_LENGTH, SessionFacts};
use crate::protocol::path::FtpPath;
use crate::protocol::reply::{Code, Reply};

/// How many directories are remembered to have shown their message; whoever has seen as many sees them again.
const MAX_REMEMBERED: usize = 1024;

/// Directories that have shown their message.
#[derive(Debug, Default)]
pub struct Shown(BTreeSet<Vec<u8>>);

impl Shown {
    /// The beginning of the message of a directory, unless it has been shown or is empty.
    fn read(&mut self, files: &Files, directory: &FtpPath, name: &str) -> Result<Option<Vec<u8>>, Error> {
        if self.0.contains(directory.as_bytes()) {
            return Ok(None);
        }
        let path = directory.join(name.as_bytes()).ok_or(Error::NameNotAllowed)?;
        let file = File::from(files.open(&path)?.file);
        let mut text = Vec::new();
        file.take(MAX_LENGTH as u64).read_to_end(&mut text)?;
        if self.0.len() >= MAX_REMEMBERED {
            self.0.clear();
        }
        self.0.insert(directory.as_bytes().to_vec());
        Ok(Some(text).filter(|text| !text.is_empty()))
    }
}

impl Session {
    /// 230 or 232: what PAM said, the message of the directory where the session begins, and `login-message`.
    pub(super) fn greeting(&mut self, by_certificate: bool, texts: Vec<String>) -> Reply {
        let mut lines: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
        lines.extend(self.message_of_directory());
        lines.extend(self.expand(self.options.login_message.text().as_bytes()));
        let code = if by_certificate { Code::LoggedInBySecurity } else { Code::LoggedIn };
        Reply::lines(code, lines)
    }

    /// 221: `quit-message`.
    pub(super) fn farewell(&self) -> Reply {
        Reply::lines(Code::Closing, self.expand(self.options.quit_message.text().as_bytes()))
    }

    /// The message of the working directory, if it has one that this session has not seen. That there is none, or none
    /// that may be read, is nothing to tell.
    pub(super) fn message_of_directory(&mut self) -> Vec<Vec<u8>> {
        let Some(name) = self.options.directory_message.name() else { return Vec::new() };
        let text = self.shown.read(&self.files, &self.cwd, name).ok().flatten();
        text.map_or_else(Vec::new, |text| self.expand(&text))
    }

    fn expand(&self, text: &[u8]) -> Vec<Vec<u8>> {
        let session =
            SessionFacts { user: &self.user, home: self.home.as_bytes(), directory: self.cwd.as_bytes() };
        let facts = Facts {
            session: Some(session),
            client: self.data.ends.peer.ip(),
            host: self.host.as_deref(),
            local: self.data.ends.local.ip(),
            now: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64),
        };
        message::expand(text, &facts)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scratch, path};
    use super::*;
    use crate::session::authorize::Operation;

    fn read(shown: &mut Shown, files: &Files, directory: &str) -> Result<Option<Vec<u8>>, Error> {
        shown.read(files, &path(directory), ".message")
    }

    #[test]
    fn a_message_is_read_once() {
        let scratch = Scratch::new();
        scratch.make_directory("a");
        scratch.make_directory("b");
        scratch.write("a/.message", "Hello.\n");
        let (files, mut shown) = (scratch.files("elr"), Shown::default());
        assert_eq!(read(&mut shown, &files, "b"), Err(Error::NotFound));
        assert_eq!(read(&mut shown, &files, "a"), Ok(Some(b"Hello.\n".to_vec())));
        assert_eq!(read(&mut shown, &files, "a"), Ok(None));
        scratch.write("b/.message", "New.");
        assert_eq!(read(&mut shown, &files, "b"), Ok(Some(b"New.".to_vec())));
    }

    #[test]
    fn only_what_the_user_may_read_and_not_too_much_of_it() {
        let scratch = Scratch::new();
        for directory in ["long", "pipe", "link"] {
            scratch.make_directory(directory);
        }
        scratch.write("long/.message", "x".repeat(MAX_LENGTH + 1));
        scratch.fifo("pipe/.message");
        scratch.link("/etc/passwd", "link/.message");
        let (files, mut shown) = (scratch.files("elr"), Shown::default());
        assert_eq!(read(&mut shown, &scratch.files("el"), "long"), Err(Error::Forbidden(Operation::Read)));
        assert_eq!(read(&mut shown, &files, "long").unwrap().map(|text| text.len()), Some(MAX_LENGTH));
        assert_eq!(read(&mut shown, &files, "pipe"), Err(Error::NotAFile));
        assert_eq!(read(&mut shown, &files, "link"), Err(Error::NotFound));
    }

    #[test]
    fn memory_for_directories_is_bounded() {
        let scratch = Scratch::new();
        scratch.write(".message", "");
        let (files, mut shown) = (scratch.files("elr"), Shown::default());
        shown.0.extend((0..MAX_REMEMBERED as u64).map(|number| number.to_be_bytes().to_vec()));
        assert_eq!(read(&mut shown, &files, "/"), Ok(None));
        assert_eq!(shown.0.len(), 1);
    }
}
