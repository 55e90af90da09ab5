//! How clients behave: what workers tell of it, what follows, and that bans outlive the daemon.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use nix::sys::sysinfo::sysinfo;

use super::bans::{Ban, Subject};
use super::clients::answer;
use super::limits::{Refusal, in_words};
use super::penalties::Noted;
use super::pool::SlotId;
use super::{Supervisor, state};
use crate::ipc::messages::ToWorker;
use crate::ipc::occurrences::{What, Whom};
use crate::log;

/// How old the load of the machine may be that clients are refused for; the kernel itself looks every 5 seconds.
const LOAD_AGE: Duration = Duration::from_secs(1);

/// Between two looks at bans that nobody needs to know of any more.
const FORGET_INTERVAL: Duration = Duration::from_secs(600);

/// When what was last done.
#[derive(Debug)]
pub struct Times {
    /// When the bans were written, or could not be.
    saved: Instant,
    /// What the load was when.
    load: Option<(Instant, f64)>,
    forgot: Instant,
    /// Of which ends of bans has been told.
    ends_told: Instant,
    /// That they cannot be written is told once.
    told: bool,
}

impl Times {
    pub fn new(now: Instant) -> Times {
        Times { saved: now, load: None, forgot: now, ends_told: now, told: false }
    }
}

impl Supervisor {
    /// Why a client of this address may not connect, if he may not: he is banned, too fast, or there is too much to do.
    pub(super) fn look_over(&mut self, address: IpAddr) -> Result<(), Refusal> {
        let limits = &self.inheritance.config.limits;
        let now = Instant::now();
        self.penalties.connect(limits, address, now)?;
        let Some(most) = limits.max_load else { return Ok(()) };
        let fresh = self.times.load.filter(|(when, _)| now < *when + LOAD_AGE);
        let (_, load) = *self.times.load.insert(fresh.unwrap_or_else(|| (now, load())));
        if load > f64::from(most.get()) { Err(Refusal::TooLoaded) } else { Ok(()) }
    }

    /// A client wants to log in: may he try?
    pub(super) fn may_try(&mut self, id: SlotId, user: &str) {
        let Some((peer, address)) = self.whom(id) else { return };
        let limits = &self.inheritance.config.limits;
        let may = self.penalties.attempt(limits, address, user, Instant::now());
        if let Err(refusal) = &may {
            self.tally.login_refused(refusal);
            self.log_refusal(peer, refusal);
        }
        self.answer(id, &ToWorker::Admitted(answer(&may)));
    }

    /// A login was wrong.
    pub(super) fn login_failed(&mut self, id: SlotId, user: &str) {
        let Some((_, address)) = self.whom(id) else { return };
        let limits = &self.inheritance.config.limits;
        self.tally.login_failed();
        let noted = self.penalties.failed(limits, address, user, Instant::now());
        let delay = u32::try_from(noted.delay.as_secs()).unwrap_or(u32::MAX);
        let banned = noted.banned.iter().any(|(subject, _)| matches!(subject, Subject::Network(_)));
        self.tell_of_bans(&noted);
        self.answer(id, &ToWorker::Noted { delay, banned });
    }

    /// A client was no FTP client, or said too much in too short a time.
    pub(super) fn misbehaved(&mut self, id: SlotId, ban: bool) {
        let Some((_, address)) = self.whom(id) else { return };
        let limits = &self.inheritance.config.limits;
        let noted = self.penalties.misbehaved(limits, address, ban, Instant::now());
        self.tell_of_bans(&noted);
    }

    fn tell_of_bans(&mut self, noted: &Noted) {
        for (subject, ban) in &noted.banned {
            self.tally.banned();
            let now = Instant::now();
            let left = in_words(ban.until.saturating_duration_since(now));
            let name = subject.to_string();
            log::notice(format_args!(
                "{} is banned for {left}: {} (ban {})",
                log::escaped(name.as_bytes()),
                ban.why,
                ban.times
            ));
            let seconds = ban.until.saturating_duration_since(now).as_secs_f64().ceil() as u64;
            self.tell(&Whom::default(), What::Banned { whom: name, why: ban.why.clone(), seconds });
        }
    }

    /// Tells of bans that have ended since the last time.
    fn tell_of_ends(&mut self, now: Instant) {
        let ended: Vec<String> =
            self.penalties.bans.ended(self.times.ends_told, now).map(Subject::to_string).collect();
        self.times.ends_told = now;
        for whom in ended {
            self.tell(&Whom::default(), What::Unbanned { whom, why: "its time is over".into() });
        }
    }

    /// Who is served there. A worker that serves nobody who has an address has nothing to tell of him.
    fn whom(&mut self, id: SlotId) -> Option<(SocketAddr, IpAddr)> {
        let slot = self.pool.get_mut(id)?;
        let served = slot.serving.as_ref().and_then(|serving| Some((serving.peer, serving.known.address?)));
        if served.is_none() {
            slot.kill();
        }
        served
    }

    fn answer(&mut self, id: SlotId, message: &ToWorker) {
        if let Some(slot) = self.pool.get_mut(id) {
            // A worker that cannot be told is dead or dying.
            let _ = slot.link().send(message);
        }
    }

    /// Takes up the bans that the last daemon has left.
    pub(super) fn remember_bans(&mut self) {
        let directory = &self.inheritance.config.server.state_directory;
        match state::load(directory, Instant::now()) {
            Ok(bans) => self.penalties.bans = bans,
            Err(error) => log::warning(format_args!("bans of {directory} cannot be read: {error}")),
        }
    }

    /// When something is to be done about bans: one ends, or they are to be written.
    pub(super) fn next_of_bans(&self) -> Option<Instant> {
        let end = self.penalties.bans.next_end(self.times.ends_told);
        self.save_at().into_iter().chain(end).min()
    }

    fn save_at(&self) -> Option<Instant> {
        self.penalties.bans.unsaved.then(|| self.times.saved + state::SAVE_INTERVAL)
    }

    /// Writes bans where that is due, and forgets what is long over.
    pub(super) fn keep_bans(&mut self, now: Instant) {
        self.tell_of_ends(now);
        if now >= self.times.forgot + FORGET_INTERVAL {
            self.times.forgot = now;
            self.penalties.bans.forget_old(&self.inheritance.config.limits, now);
        }
        if self.save_at().is_some_and(|moment| now >= moment) {
            self.save_bans(now);
        }
    }

    /// Writes bans. Without root there need not be a place for them.
    pub(super) fn save_bans(&mut self, now: Instant) {
        if !self.penalties.bans.unsaved {
            return;
        }
        self.penalties.bans.unsaved = false;
        self.times.saved = now;
        let directory = &self.inheritance.config.server.state_directory;
        if let Err(error) = state::save(directory, &self.penalties.bans, now)
            && !std::mem::replace(&mut self.times.told, true)
        {
            log::warning(format_args!("bans cannot be written to {directory}: {error}"));
        }
    }
}

/// The load of the machine, by the average of a minute.
fn load() -> f64 {
    sysinfo().map_or(0.0, |info| info.load_average().0)
}

/// What an administrator may do, for the control socket.
impl Supervisor {
    /// The bans that hold now.
    pub(super) fn bans(&self) -> Vec<(Subject, Ban)> {
        let bans = self.penalties.bans.list(Instant::now());
        bans.map(|(subject, ban)| (subject.clone(), ban.clone())).collect()
    }

    /// Bans somebody for so long. Whoever is connected stays.
    pub(super) fn ban(&mut self, subject: Subject, time: Duration, why: &str) {
        let now = Instant::now();
        let until = now.checked_add(time).unwrap_or(now);
        let why = why.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        let ban = self.penalties.bans.put(subject.clone(), Ban { until, times: 1, why }).clone();
        self.tell_of_bans(&Noted { delay: Duration::ZERO, banned: vec![(subject, ban)] });
    }

    /// Ends a ban. False: there was none.
    pub(super) fn unban(&mut self, subject: &Subject) -> bool {
        let lifted = self.penalties.bans.lift(subject);
        if lifted {
            let name = subject.to_string();
            log::notice(format_args!("{} is no longer banned", log::escaped(name.as_bytes())));
            self.tell(
                &Whom::default(),
                What::Unbanned { whom: name, why: "an administrator has lifted it".into() },
            );
        }
        lifted
    }
}
