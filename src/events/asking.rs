//! Programs that are asked before something happens. The worker asks, for his client; the supervisor never does.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::hooks::{Hook, lines};
use super::telling::name_of;
use crate::config::EventName;
use crate::ipc::occurrences::Occurrence;
use crate::log::{self, escaped};
use crate::system::places::{Places, Taken};
use crate::system::poll::{CLIENT_GONE, wait};
use crate::system::program::{Done, How};

/// So many places may a hook have at most.
const PLACES: u32 = 64;

/// How long it is between two looks whether a place is free: at first, and at last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));

/// Who asks, and how long he can wait.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    /// Until when, whatever the configuration says.
    pub until: Option<Instant>,
    /// The client, if nobody needs an answer when he is gone.
    pub client: Option<BorrowedFd<'a>>,
}

/// What speaks against it.
#[derive(Debug, PartialEq, Eq)]
pub enum Objection {
    /// A program, with these words for the client.
    Said(String),
    /// The client is gone.
    NobodyThere,
}

/// Asks one program after the other; the first that says no has decided.
pub fn ask<'a>(
    hooks: impl Iterator<Item = (usize, &'a Hook)>,
    places: &Places,
    told: &Occurrence,
    asker: Asker<'_>,
) -> Result<(), Objection> {
    for (number, hook) in hooks {
        let deadline = Instant::now() + hook.limit;
        let deadline = asker.until.map_or(deadline, |until| until.min(deadline));
        let first = u32::try_from(number).unwrap_or_default() * PLACES;
        let _place = take(places, first, hook, told, deadline, asker)?;
        let needed_by = asker.client.map(|client| (client, CLIENT_GONE));
        let running = hook.start(told).map_err(|failure| {
            log::error(format_args!("hook {}: {failure}", hook.name));
            unavailable()
        })?;
        let done = running.wait(deadline, needed_by);
        hook.log(&done, told);
        match done.how {
            How::Exited(0) => {}
            How::Exited(_) => {
                let words = first_line(&done).unwrap_or_else(|| "This is not allowed.".to_string());
                return Err(Objection::Said(words));
            }
            How::Killed(_) | How::OutOfTime => return Err(unavailable()),
            How::NotNeeded => return Err(Objection::NobodyThere),
        }
    }
    Ok(())
}

fn unavailable() -> Objection {
    Objection::Said("It could not be checked whether this is allowed.".to_string())
}

/// Waits for a place: no more programs run at once than the hook may have.
fn take<'a>(
    places: &'a Places,
    first: u32,
    hook: &Hook,
    told: &Occurrence,
    deadline: Instant,
    asker: Asker<'_>,
) -> Result<Taken<'a>, Objection> {
    let at_once = u32::try_from(hook.at_once).unwrap_or(PLACES).min(PLACES);
    let mut pause = PAUSES.0;
    loop {
        if let Some(place) = places.take(first, at_once) {
            return Ok(place);
        }
        let now = Instant::now();
        if now >= deadline {
            let event = name_of(&told.what).map_or("", EventName::name);
            let (name, session) = (&hook.name, told.whom.session);
            log::warning(format_args!(
                "hook {name} ({event} of #{session}) had no turn in time: {at_once} of it are running"
            ));
            return Err(unavailable());
        }
        let until = Some(deadline.min(now + pause));
        let gone = match asker.client {
            Some(client) => matches!(wait([(client, CLIENT_GONE)], until), Ok([gone]) if !gone.is_empty()),
            None => wait([], until).is_err(),
        };
        if gone {
            return Err(Objection::NobodyThere);
        }
        pause = (2 * pause).min(PAUSES.1);
    }
}

/// What a client may read: one line, without anything that could end it.
fn first_line(done: &Done) -> Option<String> {
    const LONGEST: usize = 200;
    let line = lines(&done.output).next().or_else(|| lines(&done.complaints).next())?;
    let text = escaped(line).to_string();
    Some(text.chars().take(LONGEST).collect())
}
