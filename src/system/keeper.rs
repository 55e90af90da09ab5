//! The process between this one and a program of the administrator: the parent of the program, and of whatever it leaves
//! behind. It ends all of that when the program has ended, when it is told to, and when this process is gone, however that
//! came about.
//!
//! A program cannot get away from it: who is orphaned becomes a child of the keeper (PR_SET_CHILD_SUBREAPER), in whatever
//! session or process group he is, and only root can end the keeper of a program that runs as somebody else.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

use super::poll::{PollFlags, wait, wait_for_any};
use super::process::{Child, Forked, close_all_except, exit_now, fork};
use super::{Doing, Failure, capabilities, packet, title};

/// How long what was killed may take to end: it may be waiting for a disk.
const LAST_MOMENTS: Duration = Duration::from_secs(1);

/// Between two looks at what is left.
const PAUSE: Duration = Duration::from_millis(2);

/// A program with its keeper. If it is dropped, the program is ended.
pub struct Kept {
    keeper: Option<Child>,
    /// The keeper says here how the program ended; its end is the word to end it.
    line: OwnedFd,
}

/// How a program ended, as the keeper tells it: a packet of two bytes.
const EXITED: u8 = 0;
const KILLED: u8 = 1;

/// Forks the keeper, and from it the program: `become_it` is called in that, and is told who its parent is. `ends` are the
/// descriptors that it needs.
pub fn start(ends: &[BorrowedFd<'_>], become_it: impl FnOnce(Pid)) -> Result<Kept, Failure> {
    let (line, theirs) = packet::pair().doing(|| "make the line of a keeper".into())?;
    match fork()? {
        Forked::Child => {
            drop(line);
            let mut kept: Vec<_> = ends.iter().map(|end| end.as_raw_fd()).collect();
            kept.push(theirs.as_raw_fd());
            close_all_except(&kept);
            match keep(&theirs, become_it) {
                Ok(()) => exit_now(0),
                Err(failure) => {
                    // Standard error is the log of the daemon, or nothing.
                    eprintln!("{failure}");
                    exit_now(1)
                }
            }
        }
        Forked::Parent(keeper) => Ok(Kept { keeper: Some(keeper), line }),
    }
}

impl Kept {
    /// Whether the program has ended by itself, and nothing of it is left.
    pub fn has_ended(&self) -> bool {
        self.keeper.as_ref().is_none_or(Child::has_ended)
    }

    /// Ends it, if it has not ended. How it ended, if that is known.
    pub fn end(&mut self) -> Option<WaitStatus> {
        let keeper = self.keeper.take()?;
        let pid = keeper.pid();
        let _ = nix::sys::socket::shutdown(self.line.as_raw_fd(), nix::sys::socket::Shutdown::Write);
        // Without its keeper the program ends, too (PR_SET_PDEATHSIG).
        keeper.reap_within(2 * LAST_MOMENTS);
        let mut told = [0; 2];
        match packet::receive_now(self.line.as_fd(), &mut told) {
            Ok(2) if told[0] == EXITED => Some(WaitStatus::Exited(pid, told[1].into())),
            Ok(2) => {
                let signal = Signal::try_from(i32::from(told[1])).ok()?;
                Some(WaitStatus::Signaled(pid, signal, false))
            }
            Ok(_) | Err(_) => None,
        }
    }
}

impl AsFd for Kept {
    /// Readable when the program has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.keeper.as_ref().map_or(self.line.as_fd(), AsFd::as_fd)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.end();
    }
}

/// The life of a keeper.
fn keep(line: &OwnedFd, become_it: impl FnOnce(Pid)) -> Result<(), Failure> {
    title::set("ftpd: keeper");
    prctl::set_child_subreaper(true).doing(|| "become the parent of orphans".into())?;
    // What this process has inherited is nothing for a core file.
    prctl::set_dumpable(false).doing(|| "become not dumpable".into())?;
    let own = getpid();
    let program = match fork()? {
        Forked::Child => {
            become_it(own);
            exit_now(super::program::NOT_STARTED)
        }
        Forked::Parent(child) => child,
    };
    close_all_except(&[line.as_raw_fd(), program.as_fd().as_raw_fd()]);
    capabilities::keep_for_ending()?;
    let watched = [(program.as_fd(), PollFlags::POLLIN), (line.as_fd(), PollFlags::POLLIN)];
    let _ = wait(watched, None);
    // While it is not reaped, the number of the group is its.
    let group = program.pid();
    let _ = killpg(group, Signal::SIGKILL);
    let status = program.reap_within(Duration::ZERO);
    end_orphans();
    let told = match status {
        WaitStatus::Exited(_, status) => [EXITED, status as u8],
        WaitStatus::Signaled(_, signal, _) => [KILLED, signal as u8],
        _ => [KILLED, Signal::SIGKILL as u8],
    };
    // Nobody wants to know, if there is nobody.
    let _ = packet::send_now(line.as_fd(), &told);
    Ok(())
}

/// Ends whatever the program has left, and what that has left, until nothing is.
fn end_orphans() {
    let until = Instant::now() + LAST_MOMENTS;
    while Instant::now() < until {
        loop {
            match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
                Err(Errno::EINTR) => {}
                // There is no child any more.
                Err(_) => return,
                Ok(WaitStatus::StillAlive) => break,
                Ok(_) => {}
            }
        }
        // Nobody else reaps them, so the numbers are theirs.
        for child in children() {
            let _ = kill(child, Signal::SIGKILL);
        }
        let _ = wait_for_any(&[], Some(Instant::now() + PAUSE));
    }
}

/// The children of this process (proc(5)).
fn children() -> Vec<Pid> {
    let path = format!("/proc/self/task/{}/children", getpid());
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_ascii_whitespace().filter_map(|number| number.parse().ok()).map(Pid::from_raw).collect()
}
