//! PROCESS events: writes the event log, and starts programs when something happens.
//!
//! *Runs as*    root (or whoever started the daemon), with no rights but to become others and to end what it started; one
//!              for each configuration, and only where `[events]` or a `[hook.NAME]` asks for it.
//! *Reads*      what the supervisor and the workers tell. Never a byte of a client but as a value in that.
//! *May*        write the event log and the log, start the programs of the configuration.
//! *Never*      answers: nobody waits for it, and what it is too slow for is counted and dropped.
//! *Ends when*  everybody who could tell it something is gone, and the programs have ended.

pub mod facts;
mod record;
pub mod telling;

use std::os::fd::AsFd;
use std::path::PathBuf;

pub use telling::{Ear, Teller};

use crate::config::{Config, EventName};
use crate::exit::Exit;
use crate::log;
use crate::system::poll::{PollFlags, wait};
use crate::system::{Doing, Failure};
use record::Record;
use telling::Heard;

/// The largest thing that can be told: three long paths and all groups of a user.
const LARGEST: usize = 64 << 10;

/// What is done with events, made of the configuration.
pub struct Plan {
    log: Option<PathBuf>,
}

impl Plan {
    /// What this configuration asks for; nothing where it asks for nothing.
    pub fn of(config: &Config) -> Option<Plan> {
        let log = config.events.log.as_ref().map(|path| path.to_path_buf());
        log.is_some().then_some(Plan { log })
    }

    /// Both ends of what the events are told through.
    pub fn pair(&self) -> Result<(Teller, Ear), Failure> {
        telling::pair(self.wanted()).doing(|| "make the socket of the events".into())
    }

    /// A bit for each event that somebody wants to hear of.
    fn wanted(&self) -> u32 {
        match self.log {
            Some(_) => EventName::ALL.iter().fold(0, |wanted, event| wanted | event.bit()),
            None => 0,
        }
    }
}

/// Does what the plan says with whatever is heard, until nothing can be heard any more.
pub fn run(plan: &Plan, ear: &Ear) -> Exit {
    let mut record = plan.log.as_deref().map(Record::open);
    let mut buffer = vec![0; LARGEST];
    loop {
        match ear.hear(&mut buffer) {
            Heard::Occurrence(told) => {
                if told.lost > 0 {
                    log::warning(format_args!("{} events were lost: there were too many at once", told.lost));
                }
                if let Some(record) = &mut record {
                    record.write(&told);
                }
            }
            Heard::Malformed => log::error("an event could not be read"),
            Heard::Nothing => {
                if wait([(ear.as_fd(), PollFlags::POLLIN)], None).is_err() {
                    return Exit::Failed;
                }
            }
            Heard::End => return Exit::Served,
        }
    }
}
