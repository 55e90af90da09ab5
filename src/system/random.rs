//! Numbers that nobody can guess (getrandom(2)).

use std::io;

use nix::errno::Errno;

/// A number below `bound`, which must not be 0. Not perfectly even, by less than `bound` in 2⁶⁴.
pub fn below(bound: u32) -> io::Result<u32> {
    let mut bytes = [0u8; 8];
    // SAFETY: the kernel writes at most the eight bytes there are; so few are always written whole.
    Errno::result(unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) })?;
    Ok((u64::from_ne_bytes(bytes) % u64::from(bound)) as u32)
}

/// Fills a few bytes.
pub fn fill(bytes: &mut [u8; 32]) -> io::Result<()> {
    // SAFETY: the kernel writes at most the bytes there are; so few are always written whole.
    Errno::result(unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) })?;
    Ok(())
}
