//! A file that lines are written to, for as long as it bears its name: one that was renamed or removed (logrotate) is
//! followed by a new one.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// An open file and its name.
pub struct Lines {
    path: PathBuf,
    file: File,
    /// The last line could not be written whole (the disk is full): what comes next begins a line of its own.
    torn: bool,
}

impl Lines {
    /// Opens it, or makes it; only the owner and the group may read what people do.
    pub fn open(path: &Path) -> io::Result<Lines> {
        Ok(Lines { file: append_to(path)?, path: path.to_path_buf(), torn: false })
    }

    /// Writes a line, whose end is given. An error: it is lost, or what there is of it is no line.
    pub fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let moved = match (std::fs::metadata(&self.path), self.file.metadata()) {
            (Ok(named), Ok(open)) => (named.dev(), named.ino()) != (open.dev(), open.ino()),
            _ => true,
        };
        if moved {
            self.file = append_to(&self.path)?;
            self.torn = false;
        }
        if self.torn {
            self.file.write_all(b"\n")?;
            self.torn = false;
        }
        let mut rest = line;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(count @ 1..) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => {
                    self.torn = rest.len() < line.len();
                    return written.and(Err(io::ErrorKind::WriteZero.into()));
                }
            }
        }
        Ok(())
    }

    /// The descriptor, to be kept over a fork.
    pub fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

/// What is no file (a pipe that nobody reads) is not waited for.
fn append_to(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(flags).open(path)
}
