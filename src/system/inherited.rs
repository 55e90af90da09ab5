//! Descriptors that a parent process left open, known by number only.

use std::fs::File;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use super::{Doing, Failure};

/// The open file behind this number, as a descriptor of its own; the inherited one stays as it is.
pub fn duplicate(number: RawFd) -> Result<File, Failure> {
    // SAFETY: fcntl(2) with F_DUPFD_CLOEXEC takes any number and touches no memory.
    let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 {
        return Err(std::io::Error::last_os_error()).doing(|| format!("duplicate the descriptor {number}"));
    }
    // SAFETY: the kernel has just made this descriptor for this process; nobody else owns it.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(copy) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_not_open_is_an_error() {
        assert!(duplicate(-1).is_err());
    }

    #[test]
    fn an_open_number_can_be_read() {
        assert!(duplicate(0).and_then(|file| file.metadata().doing(|| "fstat".into())).is_ok());
    }
}
