//! Long work without a data connection: digests, copies, removal of trees. It is watched like a transfer, so ABOR
//! ends it, STAT tells how far it is, the time of silence does not run, and the worker sees that something is done.

use std::time::{Duration, Instant};

use super::Session;
use super::transfer::{Cut, Moving};
use super::watch::Interrupted;
use crate::ipc::messages::{Direction, Event, Outcome as Ending};
use crate::protocol::path::FtpPath;
use crate::protocol::reply::Reply;

/// There is no 150 that tells the client what an early reply belongs to: so what is said so soon waits its turn, but
/// for ABOR.
const SOON: Duration = Duration::from_secs(1);

impl Session {
    /// Begins a transfer or other work. From here on it has to be ended.
    pub fn begin_work(&mut self, direction: Direction, path: &FtpPath) {
        self.page.tell_beginning(direction, path.as_bytes());
        self.moving = Some(Moving {
            direction,
            path: path.as_bytes().to_vec(),
            bytes: 0,
            began: Instant::now(),
            told: None,
            left: None,
        });
        self.passed = 0;
        self.aborting = false;
    }

    /// Looks up from work: what arrived is obeyed if it is for now.
    pub fn look_up_from_work(&mut self) -> Result<(), Interrupted> {
        let soon = self.moving.as_ref().is_none_or(|work| work.began.elapsed() < SOON);
        self.tell_progress();
        self.watch(None, Some(Instant::now()))?;
        self.obey_out_of_turn(soon)
    }

    /// Ends the work, and says how it went: to the worker, and, if it failed, to the client.
    pub fn end_work<T>(&mut self, done: Result<T, Cut>) -> Result<T, Reply> {
        if let Err(cut) = &done {
            self.note_end(cut);
        }
        let outcome = done.as_ref().map_or_else(Cut::ending, |_| Ending::Complete);
        if let Some(work) = &self.moving {
            self.page.tell_end(work.direction, work.bytes, work.micros(), outcome);
        }
        // Nobody needs to hear of small work that goes unlogged.
        if let Some(work) = self.moving.take().filter(|work| self.report_transfers || work.told.is_some()) {
            let micros = work.micros();
            self.worker.report(Event::Transferred {
                direction: work.direction,
                path: work.path,
                bytes: work.bytes,
                micros,
                ascii: false,
                outcome,
                left: None,
            });
        }
        done.map_err(|cut| match cut {
            // Nothing has been announced, so every code is still free.
            Cut::File(error) => error.into(),
            other @ (Cut::Interrupted(_)
            | Cut::Broken
            | Cut::Stalled(_)
            | Cut::Truncated
            | Cut::Unfinished
            | Cut::Damaged
            | Cut::Shrunk) => other.reply(),
        })
    }
}
