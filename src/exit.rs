//! How a process of a connection ended, as its exit status: the supervisor and the log read it.

/// Exit statuses of workers, frontends and sessions. Anything else is a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The client was served and left, or was told to leave.
    Served = 0,
    /// A process at the other end of a link is gone or broke the rules.
    PeerGone = 3,
    /// A system call that must not fail did; the log says which.
    Failed = 4,
    /// The sandbox could not be entered; nothing was served.
    NotConfined = 5,
}

impl Exit {
    /// Ends this process at once, without running destructors or exit handlers of the parent it was forked from.
    pub fn now(self) -> ! {
        crate::system::process::exit_now(self as i32)
    }
}
