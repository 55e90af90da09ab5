//! Memory for a secret that no child may inherit: pages that the kernel empties in the copy of a fork, and leaves out
//! of core files.

use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};

use super::memory::wipe;

/// Bytes in such memory. In a child of the process that made it they are zeroes.
#[derive(Debug)]
pub struct Secret {
    start: NonNull<u8>,
    capacity: NonZeroUsize,
    length: usize,
}

impl Secret {
    /// Room for this many bytes, of which none is used.
    pub fn with_capacity(capacity: usize) -> io::Result<Secret> {
        let capacity = NonZeroUsize::new(capacity.next_multiple_of(4096)).unwrap_or(NonZeroUsize::MIN);
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address that the kernel chooses touches no memory that is in use.
        let start = unsafe { mmap_anonymous(None, capacity, protection, MapFlags::MAP_PRIVATE)? };
        let secret = Secret { start: start.cast(), capacity, length: 0 };
        for advice in [MmapAdvise::MADV_WIPEONFORK, MmapAdvise::MADV_DONTDUMP] {
            // SAFETY: the mapping is ours, and neither advice changes what this process sees of it.
            unsafe { madvise(start, capacity.get(), advice)? };
        }
        Ok(secret)
    }

    /// Everything that can be read, which must fit into `limit` bytes.
    pub fn read(mut source: impl Read, limit: usize) -> io::Result<Secret> {
        let mut secret = Secret::with_capacity(limit + 1)?;
        loop {
            let length = secret.length;
            match source.read(&mut secret.all()[length..])? {
                0 if length > limit => return Err(io::ErrorKind::FileTooLarge.into()),
                0 => return Ok(secret),
                read => secret.length += read,
            }
            if secret.length > limit {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
        }
    }

    /// Adds a byte. `false`: there is no room.
    pub fn push(&mut self, byte: u8) -> bool {
        let length = self.length;
        match self.all().get_mut(length) {
            Some(place) => *place = byte,
            None => return false,
        }
        self.length += 1;
        true
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: the mapping lives as long as this value, is initialized, and is `capacity` bytes long at least.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    fn all(&mut self) -> &mut [u8] {
        // SAFETY: the mapping lives as long as this value, and the reference to it is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.capacity.get()) }
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        let length = self.length;
        wipe(&mut self.all()[..length]);
        // SAFETY: nothing refers to the mapping any more.
        let _ = unsafe { munmap(self.start.cast(), self.capacity.get()) };
    }
}

/// A file without a name, for bytes that are to outlive the file they came from.
pub fn nameless_file() -> io::Result<std::fs::File> {
    let descriptor = nix::sys::memfd::memfd_create(c"ftpd", nix::sys::memfd::MFdFlags::MFD_CLOEXEC)?;
    Ok(descriptor.into())
}

/// Reads a file by its descriptor from the beginning, wherever others that share it are.
pub struct FromStart<'a> {
    file: BorrowedFd<'a>,
    at: i64,
}

impl<'a> FromStart<'a> {
    /// From the first byte on.
    pub fn of(file: BorrowedFd<'a>) -> FromStart<'a> {
        FromStart { file, at: 0 }
    }
}

impl Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = nix::sys::uio::pread(self.file, buffer, self.at)?;
        self.at += read as i64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_there_and_too_much_is_refused() {
        let secret = Secret::read(&b"key"[..], 8).unwrap();
        assert_eq!(secret.as_bytes(), b"key");
        assert!(Secret::read(&[7; 9][..], 8).is_err());
        let mut secret = Secret::with_capacity(1).unwrap();
        assert!((0..4096).all(|_| secret.push(1)));
        assert!(!secret.push(1));
    }

    #[test]
    fn a_child_inherits_zeroes() {
        let secret = Secret::read(&b"key"[..], 8).unwrap();
        // SAFETY: the child calls nothing but _exit(2).
        match unsafe { nix::unistd::fork() }.unwrap() {
            nix::unistd::ForkResult::Child => {
                crate::system::process::exit_now(i32::from(secret.as_bytes() != [0; 3]))
            }
            nix::unistd::ForkResult::Parent { child } => {
                let status = nix::sys::wait::waitpid(child, None).unwrap();
                assert_eq!(status, nix::sys::wait::WaitStatus::Exited(child, 0));
            }
        }
        assert_eq!(secret.as_bytes(), b"key");
    }
}
