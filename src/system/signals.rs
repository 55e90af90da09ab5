//! Signals of the supervisor, as flags and one descriptor to wake its loop. No handler does work.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::low_level::{pipe, register};

use super::{Doing, Failure};

/// What has been asked for since it was last looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// SIGHUP: read the configuration anew.
    pub reload: bool,
    /// SIGTERM and SIGINT: how many.
    pub stop: usize,
    /// SIGUSR1: say how things are.
    pub status: bool,
}

/// Receives the signals of the supervisor.
pub struct Signals {
    wake: UnixStream,
    counts: [Arc<AtomicUsize>; 5],
}

/// SIGUSR2 is what some send after they have renamed a log: it is taken note of, since it would end us otherwise, and
/// nothing is left to do, since files are followed without being told.
const WATCHED: [i32; 5] = [SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2];

impl Signals {
    /// Takes the signals over.
    pub fn watch() -> Result<Signals, Failure> {
        let (wake, waker) = UnixStream::pair().doing(|| "make the signal pipe".into())?;
        wake.set_nonblocking(true).doing(|| "make the signal pipe".into())?;
        let counts: [Arc<AtomicUsize>; 5] = Default::default();
        for (signal, count) in WATCHED.into_iter().zip(&counts) {
            let count = Arc::clone(count);
            // SAFETY: the action is one atomic addition, which is async-signal-safe.
            unsafe { register(signal, move || _ = count.fetch_add(1, Ordering::Relaxed)) }
                .doing(|| format!("watch signal {signal}"))?;
            let waker = waker.try_clone().doing(|| "make the signal pipe".into())?;
            pipe::register(signal, waker).doing(|| format!("watch signal {signal}"))?;
        }
        Ok(Signals { wake, counts })
    }

    /// What was asked for since the last call.
    pub fn take(&self) -> Asked {
        let mut bytes = [0; 64];
        while matches!((&self.wake).read(&mut bytes), Ok(count) if count == bytes.len()) {}
        let [hup, int, term, usr1, _] =
            [0, 1, 2, 3, 4].map(|at: usize| self.counts[at].swap(0, Ordering::Relaxed));
        Asked { reload: hup > 0, stop: int + term, status: usr1 > 0 }
    }
}

impl AsFd for Signals {
    /// Readable when something was asked for.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
