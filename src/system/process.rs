//! Processes: how a child is made, what it keeps, how it is ended and reaped.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction, sigprocmask};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, fork as fork_process};

use super::{Doing, Failure, poll};

/// Ends this process without running anything of the parent's that a fork copied.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: _exit(2) has no preconditions and does not return.
    unsafe { libc::_exit(status) }
}

/// Which side of a fork this is.
pub enum Forked {
    /// This is the child. Its signal dispositions are the defaults, none is blocked.
    Child,
    /// This is the parent.
    Parent(Child),
}

/// A child of this process, named by its pidfd, so that a recycled process id is never meant.
pub struct Child {
    pid: Pid,
    descriptor: OwnedFd,
}

/// Makes a child of a process that has the default signal dispositions, so that there is nothing to reset.
pub fn fork_as_it_is() -> Result<Forked, Failure> {
    // SAFETY: as in `fork`.
    match unsafe { fork_process() }.doing(|| "fork".into())? {
        ForkResult::Child => Ok(Forked::Child),
        ForkResult::Parent { child } => Child::of(child),
    }
}

/// Makes a child. Every process of this program is single-threaded, so the child may go on as it likes.
///
/// Signals are blocked over the fork and reset before they are let through: a handler that the child
/// inherited would write into the pipe of its parent.
pub fn fork() -> Result<Forked, Failure> {
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), Some(&mut before))
        .doing(|| "block signals".into())?;
    // SAFETY: this program never starts a thread (tests/architecture.rs holds it), so no lock can be held by
    // somebody who does not exist in the child.
    let forked = unsafe { fork_process() };
    match forked {
        Ok(ForkResult::Child) => {
            reset_signals();
            let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
            Ok(Forked::Child)
        }
        Ok(ForkResult::Parent { child: pid }) => {
            let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
            Child::of(pid)
        }
        Err(error) => {
            let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
            Err(Failure { doing: "fork".into(), cause: error.into() })
        }
    }
}

/// All dispositions to the default, but for the two signals that would end a process for writing: their
/// errors (EPIPE, EFBIG) are handled where they occur.
fn reset_signals() {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    for signal in Signal::iterator() {
        let action = match signal {
            Signal::SIGKILL | Signal::SIGSTOP => continue,
            Signal::SIGPIPE | Signal::SIGXFSZ => &ignore,
            _ => &default,
        };
        // SAFETY: neither action runs code.
        let _ = unsafe { sigaction(signal, action) };
    }
}

/// Gives the two signals that this program ignores back their meaning, for a program that is going to be executed.
pub fn let_signals_end_us() {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGPIPE, Signal::SIGXFSZ] {
        // SAFETY: the action runs no code.
        let _ = unsafe { sigaction(signal, &default) };
    }
}

fn pidfd_of(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open(2) takes two integers and returns a new descriptor or -1.
    let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    if raw < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(raw as RawFd) })
}

/// Sends a signal through a pidfd. That the process is gone already is no error.
pub fn signal(pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
    // SAFETY: pidfd_send_signal(2) with a null siginfo takes a descriptor and integers only.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal as i32,
            std::ptr::null::<u8>(),
            0,
        )
    };
    match Errno::result(result) {
        Ok(_) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Child {
    fn of(pid: Pid) -> Result<Forked, Failure> {
        let descriptor = pidfd_of(pid).doing(|| format!("pidfd of {pid}"))?;
        Ok(Forked::Parent(Child { pid, descriptor }))
    }

    /// The process id, for log lines.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Ends the child, whatever it does.
    pub fn kill(&self) {
        let _ = signal(self.as_fd(), Signal::SIGKILL);
    }

    /// Whether it has ended and can be reaped without waiting.
    pub fn has_ended(&self) -> bool {
        poll::readable_within(self.as_fd(), Duration::ZERO)
    }

    /// Waits until the child has ended, at most this long, then ends it; reaps it and says how it died.
    pub fn reap_within(self, limit: Duration) -> WaitStatus {
        if !poll::readable_within(self.as_fd(), limit) {
            self.kill();
        }
        loop {
            match waitid(Id::PIDFd(self.descriptor.as_fd()), WaitPidFlag::WEXITED) {
                Ok(status) => return status,
                Err(Errno::EINTR) => {}
                // Nobody but this value reaps the child; the kernel has no other reason to refuse.
                Err(_) => return WaitStatus::StillAlive,
            }
        }
    }
}

impl AsFd for Child {
    /// The pidfd: readable when the child has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Reaps a child that is known to have ended or to be ending.
pub fn reap(pid: Pid) -> WaitStatus {
    loop {
        match waitpid(pid, None) {
            Ok(status) => return status,
            Err(Errno::EINTR) => {}
            Err(_) => return WaitStatus::StillAlive,
        }
    }
}

/// Ends together with the parent, even when stopped. The kernel forgets this when credentials change, so it
/// is said again after each change; `parent` is who the parent must still be (it may have died before the call).
pub fn die_with_parent(parent: Pid) -> Result<(), Failure> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).doing(|| "ask to die with the parent".into())?;
    if nix::unistd::getppid() != parent {
        return Err(Failure { doing: "look for the parent".into(), cause: Errno::ESRCH.into() });
    }
    Ok(())
}

/// Closes every descriptor but standard input, output and error and these.
pub fn close_all_except(keep: &[RawFd]) {
    let mut keep: Vec<u32> = keep.iter().map(|raw| *raw as u32).filter(|raw| *raw > 2).collect();
    keep.sort_unstable();
    let mut first = 3;
    for raw in keep {
        if raw > first {
            close_range(first, raw - 1);
        }
        first = raw + 1;
    }
    close_range(first, u32::MAX);
}

fn close_range(first: u32, last: u32) {
    // SAFETY: closes descriptors by number. The caller owns the process it has just become: whatever else held
    // them belongs to the parent's copy of the memory and is never used or dropped (children end by `exit_now`).
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
}

/// In a child: the descriptor of a value that belongs to the parent's copy of the memory, as the child's own. The
/// parent's copy is never dropped, since children end by `exit_now`.
pub fn take_over(descriptor: &OwnedFd) -> OwnedFd {
    // SAFETY: the only other owner is a value that this process will not use or drop (see above).
    unsafe { OwnedFd::from_raw_fd(descriptor.as_raw_fd()) }
}

/// Makes what would have to wait an error.
pub fn do_not_block(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    nix::fcntl::fcntl(descriptor, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))?;
    Ok(())
}

/// Makes standard input, output and error this descriptor (of /dev/null).
pub fn silence_standard_streams(null: BorrowedFd<'_>) -> Result<(), Failure> {
    dup2_stdin(null).doing(|| "silence standard input".into())?;
    dup2_stdout(null).doing(|| "silence standard output".into())?;
    dup2_stderr(null).doing(|| "silence standard error".into())
}

/// Makes standard input an empty one, and leaves the others.
pub fn silence_standard_input() -> Result<(), Failure> {
    let null = std::fs::File::open("/dev/null").doing(|| "open /dev/null".into())?;
    dup2_stdin(null.as_fd()).doing(|| "silence standard input".into())
}

/// How many descriptors this process may have open: the supervisor needs several for each session, its children few.
#[derive(Clone, Copy, Debug)]
pub struct DescriptorLimit {
    soft: u64,
    hard: u64,
}

impl DescriptorLimit {
    /// Raises the limit to `wanted`, or as far as the system allows; returns what it was.
    pub fn raise(wanted: u64) -> Result<DescriptorLimit, Failure> {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).doing(|| "getrlimit NOFILE".into())?;
        // Above the hard limit only with CAP_SYS_RESOURCE, and never above fs.nr_open.
        let most = hard.max(wanted);
        if setrlimit(Resource::RLIMIT_NOFILE, most, most).is_err() {
            setrlimit(Resource::RLIMIT_NOFILE, hard, hard).doing(|| format!("setrlimit NOFILE {hard}"))?;
        }
        Ok(DescriptorLimit { soft, hard })
    }

    /// Sets it back, for a child: programs and modules that use select(2) break above 1024.
    pub fn restore(self) -> Result<(), Failure> {
        setrlimit(Resource::RLIMIT_NOFILE, self.soft, self.hard)
            .doing(|| format!("setrlimit NOFILE {}", self.soft))
    }
}

/// The environment becomes exactly this.
pub fn replace_environment(variables: &[(OsString, OsString)]) {
    // SAFETY: this program is single-threaded, so nobody reads the environment meanwhile.
    unsafe {
        libc::clearenv();
        for (name, value) in variables {
            std::env::set_var(name, value);
        }
    }
}
