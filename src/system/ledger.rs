//! A page of numbers in a file, which many processes map at once, and the locks of who changes them. A lock ends with its
//! process, however that ends. Behind the page stands, for people, what the numbers are about.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::unistd::ftruncate;

use super::shared_pages::{Words, map_file};
use super::{Doing, Failure};

/// Bytes of the page of numbers.
const PAGE: u64 = size_of::<Words>() as u64;
/// Bytes of the text behind it at most.
const TEXT: usize = 8192;

/// Where the lock is that is held by all who change something, or by one who counts.
const GATE: i64 = 0;

/// The file of a ledger, open: for processes that root alone speaks to. They do not map it, since whoever got it from them
/// could make it shorter beneath the mapping.
pub struct Book(File);

/// A ledger, as a session has it.
pub struct Ledger {
    /// None: it may be read and no more.
    words: Option<&'static Words>,
    file: OwnedFd,
}

impl Book {
    /// Opens the file of this name; it and its directory are made if they are missing, and are nobody else's. `text` is
    /// what people are told of it.
    pub fn open(directory: &Path, name: &str, text: &str) -> Result<Book, Failure> {
        let open = || -> io::Result<Book> {
            if let Some(parent) = directory.parent() {
                DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
            }
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let file = options.mode(0o600).custom_flags(libc::O_NOFOLLOW).open(directory.join(name))?;
            if file.metadata()?.len() < PAGE {
                ftruncate(&file, PAGE as i64)?;
            }
            let book = Book(file);
            if book.text() != text {
                let mut padded = text.as_bytes().to_vec();
                padded.resize(TEXT.max(text.len()), 0);
                book.0.write_all_at(&padded[..TEXT], PAGE)?;
            }
            Ok(book)
        };
        open().doing(|| format!("open the ledger {}/{name}", directory.display()))
    }

    /// The file of this name, if it is there.
    pub fn find(directory: &Path, name: &str) -> Option<Book> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_NOFOLLOW);
        Some(Book(options.open(directory.join(name)).ok()?))
    }

    /// What people are told of it.
    pub fn text(&self) -> String {
        let mut text = [0; TEXT];
        let length = self.0.read_at(&mut text, PAGE).unwrap_or(0);
        let text = text[..length].split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }

    /// A number.
    pub fn get(&self, index: usize) -> io::Result<u64> {
        read(&self.0, index)
    }

    /// Sets a number, whatever others do to it.
    pub fn set(&self, index: usize, number: u64) -> io::Result<()> {
        self.0.write_all_at(&number.to_ne_bytes(), index as u64 * 8)
    }

    /// Whether from here on nobody else changes anything, until this value is gone.
    pub fn try_close(&self) -> io::Result<bool> {
        match fcntl(&self.0, FcntlArg::F_OFD_SETLK(&gate(libc::F_WRLCK))) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The ledger for a session, which keeps nothing with which it could make the file shorter. `writable`: whether it may
    /// change the numbers.
    pub fn ledger(self, directory: &Path, name: &str, writable: bool) -> Result<Ledger, Failure> {
        let open = || -> io::Result<Ledger> {
            let words = if writable { Some(map_file(&self.0.into())?) } else { None };
            let mut options = OpenOptions::new();
            let file = options.read(true).custom_flags(libc::O_NOFOLLOW).open(directory.join(name))?;
            Ok(Ledger { words, file: file.into() })
        };
        open().doing(|| format!("map the ledger {}/{name}", directory.display()))
    }

    /// The file itself, for a session that is to have it.
    pub fn into_file(self) -> OwnedFd {
        self.0.into()
    }
}

impl Ledger {
    /// Of a file that came from somebody who may open it. `writable`: it is open for writing.
    pub fn of(file: OwnedFd, writable: bool) -> io::Result<Ledger> {
        let words = if writable { Some(map_file(&file)?) } else { None };
        Ok(Ledger { words, file })
    }

    /// A number.
    pub fn get(&self, index: usize) -> u64 {
        match self.words {
            Some(words) => words[index].load(Ordering::SeqCst),
            None => read(&self.file, index).unwrap_or(0),
        }
    }

    /// A number that may be changed, if any may.
    pub fn word(&self, index: usize) -> Option<&AtomicU64> {
        Some(&self.words?[index])
    }

    /// Whether nobody changes anything or counts, but for this process.
    pub fn is_free(&self) -> io::Result<bool> {
        let mut found = gate(libc::F_WRLCK);
        fcntl(&self.file, FcntlArg::F_OFD_GETLK(&mut found))?;
        Ok(i32::from(found.l_type) == libc::F_UNLCK)
    }

    /// Whether from here on nobody counts, until `leave`; others may change something, too.
    pub fn try_enter(&self) -> io::Result<bool> {
        match fcntl(&self.file, FcntlArg::F_OFD_SETLK(&gate(libc::F_RDLCK))) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The end of `try_enter`.
    pub fn leave(&self) {
        let _ = fcntl(&self.file, FcntlArg::F_OFD_SETLK(&gate(libc::F_UNLCK)));
    }

    /// Whether from here on nobody else is alone, until `share`.
    pub fn try_be_alone(&self) -> io::Result<bool> {
        match self.lock(libc::LOCK_EX | libc::LOCK_NB) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// The end of `try_be_alone`.
    pub fn share(&self) {
        let _ = self.lock(libc::LOCK_UN);
    }

    /// flock(2) needs no right to write, and knows nothing of the other lock.
    fn lock(&self, how: libc::c_int) -> io::Result<()> {
        // SAFETY: takes two integers.
        let result = unsafe { libc::flock(self.file.as_raw_fd(), how) };
        Ok(Errno::result(result).map(drop)?)
    }
}

fn read(file: impl AsFd, index: usize) -> io::Result<u64> {
    let mut bytes = [0; 8];
    match nix::sys::uio::pread(file, &mut bytes, index as i64 * 8)? {
        8 => Ok(u64::from_ne_bytes(bytes)),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn gate(kind: libc::c_int) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: GATE,
        l_len: 1,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_writes_others_read_and_who_counts_is_alone() {
        let directory = std::env::temp_dir().join(format!("ftpd-ledger-{}", std::process::id()));
        let book = || Book::open(&directory, "a", "about a\n").unwrap();
        let ledger = |writable| book().ledger(&directory, "a", writable).unwrap();
        let (one, two, reader) = (ledger(true), ledger(true), ledger(false));
        one.word(3).unwrap().store(7, Ordering::SeqCst);
        assert_eq!((two.get(3), reader.get(3), book().get(3).unwrap()), (7, 7, 7));
        assert!(reader.word(3).is_none());
        assert_eq!(Book::find(&directory, "a").unwrap().text(), "about a\n");
        assert!(Book::find(&directory, "b").is_none());
        assert!(one.try_enter().unwrap() && two.try_enter().unwrap());
        let counter = book();
        assert!(!counter.try_close().unwrap());
        one.leave();
        assert!(two.is_free().unwrap() && !one.is_free().unwrap());
        two.leave();
        assert!(one.is_free().unwrap() && counter.try_close().unwrap());
        assert!(!one.is_free().unwrap() && !one.try_enter().unwrap());
        counter.set(3, 8).unwrap();
        drop(counter);
        assert!(one.get(3) == 8 && one.try_enter().unwrap());
        assert!(one.try_be_alone().unwrap() && !two.try_be_alone().unwrap());
        one.share();
        assert!(two.try_be_alone().unwrap());
        std::fs::remove_dir_all(directory).unwrap();
    }
}
