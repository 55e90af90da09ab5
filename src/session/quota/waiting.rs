//! Commands that have to wait until something has been counted. Meanwhile the client is heard as during a transfer: ABOR ends
//! the wait, STAT and NOOP are answered, and a session whose client or worker is gone ends.

use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::Quota;
use super::covering::{Measured, Pending, identity_of};
use crate::ipc::messages::FromSession;
use crate::protocol::command::Command;
use crate::protocol::path::FtpPath;
use crate::protocol::reply::Reply;
use crate::protocol::verb::dispatch;
use crate::session::error::Error;
use crate::session::transfer::Cut;
use crate::session::watch::Interrupted;
use crate::session::{Session, verbs};
use crate::system::status;
use crate::system::tree::Walk;

/// How often a command is begun again, and for how long others are waited for.
const ATTEMPTS: u32 = 1000;
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

/// There is no 150 that tells the client what an early reply belongs to: so what is said so soon waits its turn, but
/// for ABOR.
const SOON: Duration = Duration::from_secs(1);

/// Directories that are looked into between two looks at the client.
const UNWATCHED: u32 = 16;

/// What other commands have said for this one, which takes it.
struct Said {
    restart: u64,
    announced: Option<u64>,
    range: Option<std::ops::Range<u64>>,
    renaming: Option<FtpPath>,
    copying: Option<FtpPath>,
}

impl Session {
    /// Obeys a command, once everything is counted that it has to know of.
    pub(in crate::session) fn dispatch(&mut self, command: &Command) -> Reply {
        if self.files.counted().is_none() {
            return dispatch(verbs::VERBS, self, command).unwrap_or_else(|reply| reply);
        }
        let said = Said {
            restart: self.restart,
            announced: self.announced,
            range: self.range.clone(),
            renaming: self.renaming.clone(),
            copying: self.copying.clone(),
        };
        let deadline = Instant::now() + PATIENCE;
        let mut attempt = 0;
        loop {
            let reply = dispatch(verbs::VERBS, self, command).unwrap_or_else(|reply| reply);
            let pending = self.files.counted().and_then(super::covering::Counted::take_pending);
            let Some(pending) = pending.filter(|_| reply.code().number() >= 400) else { return reply };
            attempt += 1;
            if attempt > ATTEMPTS {
                return reply;
            }
            match self.wait_until_ready(pending, deadline) {
                Ok(true) => {}
                Ok(false) => return reply,
                Err(cut) => {
                    self.note_end(&cut);
                    return match cut {
                        Cut::File(error) => error.into(),
                        cut @ (Cut::Interrupted(_)
                        | Cut::Broken
                        | Cut::Stalled(_)
                        | Cut::Truncated
                        | Cut::Damaged
                        | Cut::Unfinished
                        | Cut::Shrunk) => cut.reply(),
                    };
                }
            }
            self.restart = said.restart;
            self.announced = said.announced;
            self.range.clone_from(&said.range);
            self.renaming.clone_from(&said.renaming);
            self.copying.clone_from(&said.copying);
        }
    }

    /// False: the command is not worth another attempt.
    fn wait_until_ready(&mut self, pending: Pending, deadline: Instant) -> Result<bool, Cut> {
        self.passed = 0;
        self.aborting = false;
        self.waits = true;
        let ready = match pending {
            Pending::Count(quota) => self.wait_for_count(&quota),
            Pending::Wait if Instant::now() >= deadline => Ok(false),
            Pending::Wait => self.pause().map(|()| true),
            Pending::Measure(directory, sources) => self.measure(directory.as_fd(), &sources).map(|()| true),
        };
        self.waits = false;
        ready
    }

    fn wait_for_count(&mut self, quota: &Rc<Quota>) -> Result<bool, Cut> {
        match &quota.shown {
            Some((section, directory)) => {
                let question = FromSession::CountThis { section: section.clone() };
                self.worker.have_counted(&question, Some(directory.as_fd()));
            }
            None => self.worker.have_counted(&FromSession::Count { ledger: quota.name.clone() }, None),
        }
        let began = Instant::now();
        loop {
            if let Some(done) = self.worker.take_counted() {
                if !done {
                    quota.resign();
                }
                return Ok(done || quota.is_counted());
            }
            self.watch(None, None).map_err(Interrupted::from)?;
            self.obey_out_of_turn(began.elapsed() < SOON)?;
        }
    }

    fn pause(&mut self) -> Result<(), Cut> {
        self.watch(None, Some(Instant::now() + PAUSE)).map_err(Interrupted::from)?;
        Ok(self.obey_out_of_turn(true)?)
    }

    /// Finds out what is in a directory, with the eyes of the user.
    fn measure(&mut self, directory: std::os::fd::BorrowedFd<'_>, sources: &[Rc<Quota>]) -> Result<(), Cut> {
        let is_quiet = !sources.iter().any(|quota| quota.is_active());
        let changes = sources.iter().map(|quota| quota.changes_begun()).sum();
        let began = Instant::now();
        let mut walk = Walk::of(directory, None).map_err(Error::from)?;
        let mut looks = 0;
        while walk.step().map_err(Error::from)? {
            looks += 1;
            if looks % UNWATCHED == 0 {
                self.watch(None, Some(Instant::now())).map_err(Interrupted::from)?;
                self.obey_out_of_turn(began.elapsed() < SOON)?;
            }
        }
        let (amount, saw_everything) = walk.found();
        let directory = identity_of(&status::status_of(directory).map_err(Error::from)?);
        let is_exact = is_quiet && saw_everything;
        if let Some(counted) = self.files.counted() {
            counted.keep_measured(Measured { directory, amount, is_exact, changes });
        }
        Ok(())
    }
}
