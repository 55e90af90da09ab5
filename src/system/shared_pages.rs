//! Pages of memory that the supervisor shares with one process tree each: a file without a name, of which the supervisor
//! maps everything and a worker its own page. Whatever is in them are atomic words, so that neither side can make the
//! other read what is no number.

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap};
use nix::unistd::ftruncate;

use super::{Doing, Failure};

/// Words in a page.
pub const WORDS: usize = 512;

/// A page: words, zero at first, that two processes read and write. Mapped until the process ends.
pub type Words = [AtomicU64; WORDS];

/// Bytes in a page.
const SIZE: usize = size_of::<Words>();

/// Pages that are mapped at once.
const CHUNK: usize = 64;

/// All pages, as their owner has them. A child of the owner inherits none of the mappings.
pub struct Arena {
    file: OwnedFd,
    chunks: Vec<&'static [Words; CHUNK]>,
}

/// A page on its way to the child that is to have it.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    file: RawFd,
    index: usize,
}

impl Arena {
    /// Without any page yet.
    pub fn new() -> Result<Arena, Failure> {
        let make = || -> nix::Result<OwnedFd> {
            let file = memfd_create(c"ftpd-pages", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
            // Memory that went away beneath a mapping would be a SIGBUS for who touches it.
            fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SHRINK))?;
            Ok(file)
        };
        let file = make().doing(|| "make the file of the shared pages".into())?;
        Ok(Arena { file, chunks: Vec::new() })
    }

    /// The page of this number; it is made if it is a new one.
    pub fn page(&mut self, index: usize) -> Result<&'static Words, Failure> {
        while index / CHUNK >= self.chunks.len() {
            self.grow().doing(|| "make more shared pages".into())?;
        }
        Ok(&self.chunks[index / CHUNK][index % CHUNK])
    }

    fn grow(&mut self) -> io::Result<()> {
        const LENGTH: usize = CHUNK * SIZE;
        let offset = self.chunks.len() * LENGTH;
        let end = i64::try_from(offset + LENGTH).map_err(io::Error::other)?;
        ftruncate(&self.file, end)?;
        let chunk: &'static [Words; CHUNK] = map(&self.file, offset)?;
        let start = std::ptr::NonNull::from(chunk).cast();
        for advice in [MmapAdvise::MADV_DONTFORK, MmapAdvise::MADV_DONTDUMP] {
            // SAFETY: the mapping is ours and has this length; a child that does not inherit it has no reference to it,
            // since it never comes back to the code of its parent.
            unsafe { madvise(start, LENGTH, advice)? };
        }
        self.chunks.push(chunk);
        Ok(())
    }

    /// What a child needs to map a page.
    pub fn claim(&self, index: usize) -> Claim {
        Claim { file: self.file.as_raw_fd(), index }
    }
}

impl Claim {
    /// The descriptor that the child needs until it has mapped its page.
    pub fn descriptor(&self) -> RawFd {
        self.file
    }

    /// In the child: maps the page, and closes the descriptor that leads to all others.
    pub fn map(self) -> Result<&'static Words, Failure> {
        // SAFETY: this is the child's copy of the descriptor; the value that owns it belongs to the parent's copy of the
        // memory and is never used or dropped here (children end by `exit_now`).
        let file = unsafe { OwnedFd::from_raw_fd(self.file) };
        map(&file, self.index * SIZE).doing(|| "map the shared page".into())
    }
}

/// Maps the first page of a file, for ever.
pub(super) fn map_file(file: &OwnedFd) -> io::Result<&'static Words> {
    map(file, 0)
}

/// Maps so many whole pages as `T` has, for ever.
fn map<T>(file: &OwnedFd, offset: usize) -> io::Result<&'static T> {
    let length = NonZeroUsize::new(size_of::<T>()).ok_or(io::ErrorKind::InvalidInput)?;
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let offset = i64::try_from(offset).map_err(io::Error::other)?;
    // SAFETY: a new mapping at an address that the kernel chooses touches no memory that is in use.
    let start = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, file, offset)? };
    // SAFETY: `T` is made of atomic words (this function is private): every bit pattern is a value, other processes may
    // write at any time, and the mapping is aligned to a page, as long as `T`, and never unmapped. The file has the
    // bytes, and is sealed against becoming shorter, or is a ledger: whoever could make that shorter ends processes that
    // have it mapped (SIGBUS), and nothing worse happens.
    Ok(unsafe { start.cast::<T>().as_ref() })
}

/// Writes zeros to all words of a page.
pub fn clear(words: &Words) {
    words.iter().for_each(|word| word.store(0, Ordering::Relaxed));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::process::exit_now;
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, fork};

    #[test]
    fn pages_are_zero_and_stay_where_they_are() {
        let mut arena = Arena::new().unwrap();
        let first = arena.page(0).unwrap();
        first[3].store(7, Ordering::Relaxed);
        let last = arena.page(10 * CHUNK + 1).unwrap();
        assert!(last.iter().all(|word| word.load(Ordering::Relaxed) == 0));
        assert_eq!(arena.page(0).unwrap()[3].load(Ordering::Relaxed), 7);
        clear(first);
        assert_eq!(first[3].load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_child_has_its_own_page_and_no_other() {
        let mut arena = Arena::new().unwrap();
        let (mine, other) = (arena.page(1).unwrap(), arena.page(0).unwrap());
        let claim = arena.claim(1);
        mine[0].store(1, Ordering::Relaxed);
        // SAFETY: the child calls system calls alone, and ends by _exit(2).
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                let Ok(page) = claim.map() else { exit_now(1) };
                page[1].store(page[0].load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                // mincore(2) fails where nothing is mapped.
                let mut resident = 0u8;
                let address = std::ptr::from_ref(other).cast_mut().cast();
                // SAFETY: the call writes one byte, for one page.
                let gone = unsafe { nix::libc::mincore(address, SIZE, &raw mut resident) } == -1;
                let closed = fcntl_of(claim.descriptor()) == -1;
                exit_now(if gone && closed { 0 } else { 2 });
            }
            ForkResult::Parent { child } => {
                assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
                assert_eq!(mine[1].load(Ordering::Relaxed), 2);
            }
        }
    }

    fn fcntl_of(descriptor: RawFd) -> i32 {
        // SAFETY: asks for the flags of a number.
        unsafe { nix::libc::fcntl(descriptor, nix::libc::F_GETFD) }
    }
}
