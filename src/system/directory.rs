//! The names in a directory, as fast as the kernel gives them: getdents64(2) into a large buffer.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::status::Kind;

/// Bytes asked for at once; a thousand names or two.
const BUFFER: usize = 64 * 1024;
/// Where the fields of `struct linux_dirent64` are.
const INODE: usize = 0;
const LENGTH: usize = 16;
const TYPE: usize = 18;
const NAME: usize = 19;

/// A directory that is being read.
pub struct Entries {
    directory: OwnedFd,
    /// `u64` for the alignment that the kernel's structures have.
    buffer: Box<[u64]>,
    position: usize,
    end: usize,
}

/// A name in a directory.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub name: &'a CStr,
    /// What the directory says; a mount point is somebody else's.
    pub inode: u64,
    /// None: the file system does not say without being asked for the file's status.
    pub kind: Option<Kind>,
}

impl Entries {
    /// Reads this directory, which must be open for reading, from where its position is.
    pub fn of(directory: OwnedFd) -> Entries {
        Entries { directory, buffer: vec![0; BUFFER / 8].into_boxed_slice(), position: 0, end: 0 }
    }

    /// The directory itself.
    pub fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// The next name, in the order of the file system, without `.` and `..`; the directory lends itself for the
    /// status of it.
    pub fn next(&mut self) -> io::Result<Option<(BorrowedFd<'_>, Entry<'_>)>> {
        loop {
            if self.position >= self.end {
                self.position = 0;
                self.end = self.read()?;
                if self.end == 0 {
                    return Ok(None);
                }
            }
            let start = self.position;
            let record = &bytes(&self.buffer)[start..self.end];
            let length = record
                .get(LENGTH..LENGTH + 2)
                .map_or(0, |length| usize::from(u16::from_ne_bytes([length[0], length[1]])));
            if length <= NAME || length > record.len() {
                return Err(io::Error::from_raw_os_error(libc::EIO));
            }
            self.position += length;
            let name = &record[NAME..length];
            if !(name.starts_with(b".\0") || name.starts_with(b"..\0")) {
                // Taken anew from the buffer: what the loop borrowed would be borrowed for as long as `self`.
                let record = &bytes(&self.buffer)[start..start + length];
                let name = CStr::from_bytes_until_nul(&record[NAME..])
                    .map_err(|_| io::Error::from_raw_os_error(libc::EIO))?;
                let mut inode = [0; 8];
                inode.copy_from_slice(&record[INODE..INODE + 8]);
                let inode = u64::from_ne_bytes(inode);
                return Ok(Some((self.directory.as_fd(), Entry { name, inode, kind: kind(record[TYPE]) })));
            }
        }
    }

    fn read(&mut self) -> io::Result<usize> {
        loop {
            // SAFETY: the buffer is as long as is said, and any bytes may stand in it.
            let length = unsafe {
                libc::syscall(
                    libc::SYS_getdents64,
                    self.directory.as_raw_fd(),
                    self.buffer.as_mut_ptr(),
                    self.buffer.len() * 8,
                )
            };
            match usize::try_from(length) {
                Ok(length) => return Ok(length),
                Err(_) => match io::Error::last_os_error() {
                    error if error.kind() == io::ErrorKind::Interrupted => {}
                    // The directory was removed while it was read: there is nothing in it.
                    error if error.raw_os_error() == Some(libc::ENOENT) => return Ok(0),
                    error => return Err(error),
                },
            }
        }
    }
}

fn bytes(buffer: &[u64]) -> &[u8] {
    // SAFETY: eight bytes for each number, no padding, and bytes need no alignment.
    unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast(), buffer.len() * 8) }
}

fn kind(kind: u8) -> Option<Kind> {
    match kind {
        libc::DT_REG => Some(Kind::File),
        libc::DT_DIR => Some(Kind::Directory),
        libc::DT_LNK => Some(Kind::Symlink),
        libc::DT_FIFO => Some(Kind::Fifo),
        libc::DT_SOCK => Some(Kind::Socket),
        libc::DT_BLK => Some(Kind::BlockDevice),
        libc::DT_CHR => Some(Kind::CharacterDevice),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_names_are_those_of_the_standard_library() {
        let mut entries = Entries::of(std::fs::File::open("/usr/bin").unwrap().into());
        let mut found = BTreeSet::new();
        while let Some((_, entry)) = entries.next().unwrap() {
            assert!(found.insert(entry.name.to_str().unwrap().to_owned()));
        }
        let expected: BTreeSet<String> = std::fs::read_dir("/usr/bin")
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(found, expected);
    }
}
