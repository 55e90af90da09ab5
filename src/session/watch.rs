//! Waiting, in the one place where a session can: for the client, for the worker, for data. Replies are sent before
//! a wait and not earlier, so that those which belong together leave together.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::{End, Session};
use crate::ipc::messages::{Event, Leaving};
use crate::protocol::command::Command;

use crate::protocol::verb;
use crate::session::verbs::VERBS;
use crate::system::poll::{self, PollFlags};

/// How often the worker hears of a transfer that goes on.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
/// How long the last reply may take on its way out.
const FAREWELL: Duration = Duration::from_secs(2);

/// What ends a transfer, or the making of its connection, before its time.
#[derive(Clone, Copy, Debug)]
pub enum Interrupted {
    /// ABOR.
    Aborted,
    /// The session ends.
    Ending(End),
}

impl From<End> for Interrupted {
    fn from(end: End) -> Interrupted {
        Interrupted::Ending(end)
    }
}

impl Session {
    /// Waits once, until something is ready or the deadline has come; says what is ready of `data`. What came from
    /// the client waits to be obeyed; what came from the worker has been noted.
    pub fn watch(
        &mut self,
        data: Option<(BorrowedFd<'_>, PollFlags)>,
        deadline: Option<Instant>,
    ) -> Result<PollFlags, End> {
        self.control.flush();
        self.worker.tell_events();
        let clogged_until =
            self.control.clogged_since().map(|since| since + self.options.stall_timeout.duration());
        if clogged_until.is_some_and(|until| until <= Instant::now()) {
            return Err(End::Left(Leaving::Vanished));
        }
        let until = [deadline, clogged_until, self.expiry()].into_iter().flatten().min();
        let (data, flags) = data.unwrap_or((self.worker.as_fd(), PollFlags::empty()));
        let interest = self.control.interest();
        let control = if interest.is_empty() { self.worker.as_fd() } else { self.control.as_fd() };
        let watched = [(self.worker.as_fd(), PollFlags::POLLIN), (control, interest), (data, flags)];
        // poll(2) fails for want of memory at most: then there is no session either.
        let [worker, control, data] = poll::wait(watched, until).map_err(|_| End::WorkerGone)?;
        if !worker.is_empty() {
            self.worker.hear()?;
        }
        if let Some(why) = self.worker.must_leave() {
            return Err(self.send_away(why));
        }
        if self.is_expired() {
            return Err(self.send_away(Leaving::TimeOver));
        }
        if !interest.is_empty() && !control.is_empty() {
            self.control.woken(control);
        }
        Ok(if flags.is_empty() { PollFlags::empty() } else { data })
    }

    /// Waits for a descriptor of a data connection, meanwhile obeying what is obeyed during a transfer. `false`: the
    /// deadline came first.
    pub fn wait_for(
        &mut self,
        data: BorrowedFd<'_>,
        flags: PollFlags,
        deadline: Instant,
    ) -> Result<bool, Interrupted> {
        loop {
            self.tell_progress();
            if let Some(ready) = self.wait_once(data, flags, deadline)? {
                return Ok(ready);
            }
        }
    }

    /// The same before anything moves and not for long, as in a handshake: of a small file the worker need not hear.
    pub fn wait_untold(
        &mut self,
        data: BorrowedFd<'_>,
        flags: PollFlags,
        deadline: Instant,
    ) -> Result<bool, Interrupted> {
        loop {
            if let Some(ready) = self.wait_once(data, flags, deadline)? {
                return Ok(ready);
            }
        }
    }

    fn wait_once(
        &mut self,
        data: BorrowedFd<'_>,
        flags: PollFlags,
        deadline: Instant,
    ) -> Result<Option<bool>, Interrupted> {
        let ready = self.watch(Some((data, flags)), Some(deadline))?;
        self.obey_out_of_turn(false)?;
        if !ready.is_empty() {
            return Ok(Some(true));
        }
        Ok((Instant::now() >= deadline).then_some(false))
    }

    /// Looks up from a transfer that never has to wait.
    pub fn look_up(&mut self) -> Result<(), Interrupted> {
        self.tell_progress();
        self.watch(None, Some(Instant::now()))?;
        self.obey_out_of_turn(false)
    }

    /// Obeys what the client sent while a transfer is in progress: verbs that are meant for that, as long as no other
    /// command waits before them, and ABOR in any case. `pipelined`: the commands came before the transfer began,
    /// so their replies are expected behind it.
    pub fn obey_out_of_turn(&mut self, pipelined: bool) -> Result<(), Interrupted> {
        if self.worker.is_gone() {
            return Err(End::WorkerGone.into());
        }
        while let Some(line) = self.control.waiting(self.passed) {
            let Ok(command) = line.as_ref().map(|line| Command::parse(line)) else {
                self.passed += 1;
                continue;
            };
            let is_abort = command.verb == "ABOR";
            let meant = command.argument.is_empty()
                && verb::find(VERBS, &command.verb).is_some_and(|verb| verb.during_transfer);
            let at_once = meant && (is_abort || (self.passed == 0 && !pipelined));
            if !at_once {
                self.passed += 1;
                continue;
            }
            // What comes too fast waits for the end of the transfer, but for ABOR.
            if !is_abort && self.is_too_fast()?.is_some() {
                self.passed += 1;
                continue;
            }
            let Some(line) = self.control.take_waiting(self.passed) else { break };
            let reply = self.obey(line);
            if self.aborting {
                self.reply_to_abort = Some(reply);
                return Err(Interrupted::Aborted);
            }
            self.control.queue(&reply);
        }
        if self.control.vanished() {
            return Err(End::Left(Leaving::Vanished).into());
        }
        Ok(())
    }

    /// Sends all replies, however slowly the client reads them.
    pub fn drain(&mut self) -> Result<(), End> {
        self.control.flush();
        while !self.control.is_flushed() {
            self.watch(None, None)?;
        }
        Ok(())
    }

    /// The last replies, for which nobody waits long.
    pub fn bid_farewell(&mut self) {
        let deadline = Instant::now() + FAREWELL;
        self.control.flush();
        while !self.control.is_flushed() && Instant::now() < deadline {
            if self.watch(None, Some(deadline)).is_err() {
                return;
            }
        }
    }

    /// Small files are over before anybody could want to know that they began.
    pub(super) fn tell_progress(&mut self) {
        let Some(moving) = &mut self.moving else { return };
        let event = match moving.told {
            None => Event::TransferBegan { direction: moving.direction, path: moving.path.clone() },
            Some(told) if told.elapsed() >= PROGRESS_INTERVAL => Event::Progress { bytes: moving.bytes },
            Some(_) => return,
        };
        moving.told = Some(Instant::now());
        self.worker.report(event);
    }
}
