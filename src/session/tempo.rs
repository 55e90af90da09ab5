//! How fast and how long a client may give commands.

use std::time::Instant;

use super::{End, Session};
use crate::config::CommandExcess;
use crate::ipc::messages::Leaving;
use crate::protocol::reply::{Code, Reply};

impl Session {
    /// When the session is over, if it has an end.
    pub(super) fn expiry(&self) -> Option<Instant> {
        let most = self.options.session_timeout;
        (most.seconds() > 0 && !self.sent_away).then(|| self.began + most.duration())
    }

    /// Whether the session has lasted as long as it may.
    pub(super) fn is_expired(&self) -> bool {
        self.expiry().is_some_and(|moment| Instant::now() >= moment)
    }

    /// Before a command is obeyed: if it comes too soon, it waits, or the client has to go.
    pub(super) fn keep_tempo(&mut self) -> Result<(), End> {
        while let Some(until) = self.is_too_fast()? {
            self.watch(None, Some(until))?;
            if self.control.vanished() || self.worker.must_finish().is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Until when one more command has to wait; if not at all, it is counted. Who may not go on is told so.
    pub(super) fn is_too_fast(&mut self) -> Result<Option<Instant>, End> {
        let Some(rate) = self.options.command_rate else { return Ok(None) };
        match (self.tempo.strike(rate, Instant::now()), self.options.command_excess) {
            (Ok(()), _) => Ok(None),
            (Err(until), CommandExcess::Slow) => Ok(Some(until)),
            (Err(_), CommandExcess::End | CommandExcess::Ban) => Err(self.send_away(Leaving::Flooding)),
        }
    }

    /// The client is told once that he has to go; a transfer that is going on is no reason to wait.
    pub(super) fn send_away(&mut self, why: Leaving) -> End {
        if !std::mem::replace(&mut self.sent_away, true) {
            let text = match why {
                Leaving::TimeOver => "The time of this session is over. Goodbye.",
                Leaving::Flooding => "Too many commands in a short time. Goodbye.",
                _ => "The administrator has ended this session. Goodbye.",
            };
            self.control.queue(&Reply::new(Code::NotAvailable, text));
            self.control.flush();
        }
        End::Left(why)
    }
}
