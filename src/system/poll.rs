//! Waiting for descriptors with a deadline (poll(2)). Times are of the monotonic clock.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
pub use nix::poll::PollFlags;
use nix::poll::PollTimeout;

/// The other end of a connection will send nothing more (POLLRDHUP), seen without reading what it sent before.
pub const CLIENT_GONE: PollFlags = PollFlags::from_bits_retain(libc::POLLRDHUP);

/// Waits until something of `watched` is ready or the deadline is reached; returns what is ready, in the same
/// order. Nothing ready: the deadline has passed.
pub fn wait<const N: usize>(
    watched: [(BorrowedFd<'_>, PollFlags); N],
    deadline: Option<Instant>,
) -> io::Result<[PollFlags; N]> {
    let mut polled = watched.map(|(descriptor, flags)| libc::pollfd {
        fd: descriptor.as_raw_fd(),
        events: flags.bits(),
        revents: 0,
    });
    loop {
        let timeout = i32::from(until(deadline));
        // SAFETY: the array is as long as its length says and is ours alone. nix::poll would lose POLLRDHUP.
        let result = unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, timeout) };
        match Errno::result(result) {
            Ok(_) => return Ok(polled.map(|one| PollFlags::from_bits_retain(one.revents))),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until anything of `watched` is ready or the deadline is reached; the caller looks what it is.
pub fn wait_for_any(watched: &[(BorrowedFd<'_>, PollFlags)], deadline: Option<Instant>) -> io::Result<()> {
    let mut polled: Vec<_> =
        watched.iter().map(|(descriptor, flags)| nix::poll::PollFd::new(*descriptor, *flags)).collect();
    match nix::poll::poll(&mut polled, until(deadline)) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Rounded up, so that a wait never ends before its deadline.
fn until(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else { return PollTimeout::NONE };
    let left = deadline.saturating_duration_since(Instant::now());
    PollTimeout::try_from(left + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX)
}

/// Waits at most this long for one descriptor to become readable.
pub fn readable_within(descriptor: BorrowedFd<'_>, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    matches!(wait([(descriptor, PollFlags::POLLIN)], Some(deadline)), Ok([ready]) if !ready.is_empty())
}
