//! PROCESS events: writes the event log, and starts programs when something happens.
//!
//! *Runs as*    root (or whoever started the daemon), with no rights but to become others and to end what it started; one
//!              for each configuration, and only where `[events]` or a `[hook.NAME]` asks for it.
//! *Reads*      what the supervisor and the workers tell. Never a byte of a client but as a value in that.
//! *May*        write the event log and the log, start the programs of the configuration.
//! *Never*      answers: nobody waits for it, and what it is too slow for is counted and dropped.
//! *Ends when*  everybody who could tell it something is gone, and the programs have ended.

pub mod asking;
pub mod facts;
pub mod hooks;
mod record;
mod runner;
pub mod telling;

use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

pub use asking::{Asker, Objection};
pub use telling::{Ear, Teller};

use crate::config::{Config, EventName, HookTime};
use crate::exit::Exit;
use crate::ipc::occurrences::{Occurrence, What};
use crate::log;
use crate::system::places::Places;
use crate::system::poll::{PollFlags, wait_for_any};
use crate::system::{Doing, Failure};
use hooks::Hook;
use record::Record;
use runner::Runner;
use telling::{Heard, name_of};

/// The largest thing that can be told: three long paths and all groups of a user.
const LARGEST: usize = 64 << 10;

/// How much is heard before programs have their turn.
const HEARD_A_TURN: usize = 64;

/// What is done with events, made of the configuration.
pub struct Plan {
    log: Option<PathBuf>,
    hooks: Vec<Hook>,
    /// What is asked before something happens takes its turn here, if anything is.
    places: Option<Places>,
}

impl Plan {
    /// What this configuration asks for; nothing where it asks for nothing. An account that does not exist is an error.
    pub fn of(config: &Config) -> Result<Option<Plan>, Failure> {
        let log = config.events.log.as_ref().map(|path| path.to_path_buf());
        let hooks = Hook::all(config)?;
        let asks = hooks.iter().any(|hook| hook.when == HookTime::Before);
        let places = asks.then(Places::new).transpose().doing(|| "make places for hooks".into())?;
        Ok((log.is_some() || !hooks.is_empty()).then_some(Plan { log, hooks, places }))
    }

    /// Both ends of what the events are told through, if there is anybody to hear them.
    pub fn pair(&self) -> Result<(Teller, Ear), Failure> {
        telling::pair(self.wanted()).doing(|| "make the socket of the events".into())
    }

    /// The events of which a program is asked before they happen, a bit for each.
    pub fn asked(&self) -> u32 {
        self.hooks_of(HookTime::Before).fold(0, |asked, hook| asked | hook.wanted())
    }

    /// Whether programs are asked before this happens.
    pub fn asks(&self, event: EventName) -> bool {
        self.asked() & event.bit() != 0
    }

    /// Asks the programs whether this may happen, one after the other, and waits for them.
    pub fn ask(&self, told: &Occurrence, asker: Asker<'_>) -> Result<(), Objection> {
        let (Some(event), Some(places)) = (name_of(&told.what), &self.places) else { return Ok(()) };
        let asked = |hook: &Hook| hook.when == HookTime::Before && hook.is_for(event);
        asking::ask(self.hooks.iter().enumerate().filter(|(_, hook)| asked(hook)), places, told, asker)
    }

    /// What whoever asks must keep open for it.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.places.as_ref().map(AsFd::as_fd)
    }

    fn hooks_of(&self, when: HookTime) -> impl Iterator<Item = &Hook> {
        self.hooks.iter().filter(move |hook| hook.when == when)
    }

    /// A bit for each event that somebody wants to hear of.
    fn wanted(&self) -> u32 {
        match self.log {
            Some(_) => EventName::ALL.iter().fold(0, |wanted, event| wanted | event.bit()),
            None => self.hooks_of(HookTime::After).fold(0, |wanted, hook| wanted | hook.wanted()),
        }
    }
}

/// What whoever tells of events takes with him.
pub struct Telling {
    /// What has happened is told through it.
    pub teller: Teller,
    /// What is asked before something happens.
    pub plan: Rc<Plan>,
}

/// Does what the plan says with whatever is heard, until nothing can be heard any more and nothing is left to do.
pub fn run(plan: &Plan, ear: &Ear) -> Exit {
    let mut record = plan.log.as_deref().map(Record::open);
    let mut runner = Runner::new(plan.hooks_of(HookTime::After));
    let mut buffer = vec![0; LARGEST];
    let mut listening = true;
    let mut end = None;
    while listening || !runner.is_idle() {
        if end.is_some_and(|end| Instant::now() >= end) {
            runner.give_up();
            return Exit::Served;
        }
        let mut more = listening;
        for _ in 0..HEARD_A_TURN {
            match if more { ear.hear(&mut buffer) } else { break } {
                Heard::Occurrence(told) => match told.what {
                    What::Stopping { seconds } => {
                        end = Some(Instant::now() + Duration::from_secs(seconds.into()));
                    }
                    _ => deal_with(Rc::new(*told), &mut record, &mut runner),
                },
                Heard::Malformed => log::error("an event could not be read"),
                Heard::Nothing => more = false,
                Heard::End => (more, listening) = (false, false),
            }
        }
        runner.turn();
        if more || !listening && runner.is_idle() {
            continue;
        }
        let told = listening.then_some((ear.as_fd(), PollFlags::POLLIN));
        let watched: Vec<_> = told.into_iter().chain(runner.watched()).collect();
        let deadline = runner.deadline().into_iter().chain(end).min();
        if wait_for_any(&watched, deadline).is_err() {
            return Exit::Failed;
        }
    }
    Exit::Served
}

fn deal_with(told: Rc<Occurrence>, record: &mut Option<Record>, runner: &mut Runner<'_>) {
    if told.lost > 0 {
        log::warning(format_args!("{} events were lost: there were too many at once", told.lost));
    }
    if let Some(record) = record {
        record.write(&told);
    }
    if let Some(event) = name_of(&told.what) {
        runner.take(&told, event);
    }
}
