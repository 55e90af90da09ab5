//! What process 1 of a container owes to all others: it reaps those whom nobody else reaps, and passes signals on.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::libc::SI_KERNEL;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

use super::process::{Forked, exit_now, fork};
use super::{Doing, Failure};

/// As process 1, goes on in a child, and never returns in the parent, which ends with the child, in the same way.
/// Any other process just goes on. Files and signals must not have been set up yet.
pub fn leave_process_one() -> Result<(), Failure> {
    if getpid() != Pid::from_raw(1) {
        return Ok(());
    }
    let Forked::Parent(child) = fork()? else { return Ok(()) };
    let status = look_after(child.pid())?;
    exit_now(match status {
        WaitStatus::Exited(_, status) => status,
        WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
        WaitStatus::Stopped(..)
        | WaitStatus::PtraceEvent(..)
        | WaitStatus::PtraceSyscall(_)
        | WaitStatus::Continued(_)
        | WaitStatus::StillAlive => 1,
    })
}

/// Until this child has ended: says how.
fn look_after(child: Pid) -> Result<WaitStatus, Failure> {
    super::title::claim();
    super::title::set("ftpd: init");
    let all = SigSet::all();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&all), None).doing(|| "block signals".into())?;
    let signals = SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC).doing(|| "signalfd".into())?;
    // The supervisor listens and writes; what this process holds open, nobody could close any more.
    let null = std::fs::File::options().read(true).write(true).open("/dev/null");
    if let Ok(null) = null {
        super::process::silence_standard_streams(null.as_fd())?;
    }
    loop {
        let received = match signals.read_signal() {
            Ok(Some(received)) => received,
            Ok(None) | Err(Errno::EINTR) => continue,
            Err(error) => return Err(error).doing(|| "read signals".into()),
        };
        match Signal::try_from(received.ssi_signo as i32) {
            Ok(Signal::SIGCHLD) => {
                if let Some(status) = reap_all(child) {
                    return Ok(status);
                }
            }
            // A terminal has told everybody in its foreground, the child as well.
            Ok(_) if received.ssi_code == SI_KERNEL => {}
            // A child that is gone is noticed at once, by SIGCHLD.
            Ok(signal) => drop(kill(child, signal)),
            Err(_) => {}
        }
    }
}

/// Everybody who has ended; how this one did, if he was among them.
fn reap_all(child: Pid) -> Option<WaitStatus> {
    let mut found = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return found,
            Ok(status) if status.pid() == Some(child) => found = Some(status),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return found,
        }
    }
}
