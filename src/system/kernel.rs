//! What this kernel has of what the daemon relies on.

use std::ptr;

use nix::errno::Errno;

/// A system call, and what the daemon does with it.
#[derive(Clone, Copy, Debug)]
pub struct Feature {
    /// Its name, as in the manual.
    pub name: &'static str,
    /// The first version of Linux that has it.
    pub since: &'static str,
    /// Whether this kernel has it, and nothing (such as a filter of a container) forbids it.
    pub present: bool,
}

/// Everything without which there is no session.
pub fn features() -> [Feature; 4] {
    let null = ptr::null::<libc::c_void>();
    // SAFETY: no call gets memory to look at or to write to, nor a descriptor that exists: those that are there refuse
    // their arguments, and pidfd_open(2) makes a descriptor that is closed with this process.
    let results = unsafe {
        [
            ("openat2", "5.6", libc::syscall(libc::SYS_openat2, -1, null, null, 0)),
            ("pidfd_open", "5.3", libc::syscall(libc::SYS_pidfd_open, std::process::id(), 0)),
            ("close_range", "5.9", libc::syscall(libc::SYS_close_range, u32::MAX, u32::MAX - 1, 0)),
            ("seccomp", "4.14", libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, null)),
        ]
        .map(|(name, since, result)| (name, since, Errno::result(result)))
    };
    results.map(|(name, since, result)| {
        let present = !matches!(result, Err(Errno::ENOSYS | Errno::EPERM));
        Feature { name, since, present }
    })
}
