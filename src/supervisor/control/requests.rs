//! What administrators ask for, and how it is done.

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::unistd::getpid;

use super::super::pool::{Serving, Slot, SlotId};
use super::super::tally::doing;
use super::super::{Phase, Supervisor};
use crate::config::LogLevel;
use crate::ipc::control::{self, Answer, Request, Whom};
use crate::ipc::messages::ToWorker;
use crate::ipc::page::Text;
use crate::log;

/// How long a client who has to go may take, with all that belongs to him, before it is ended.
const KICK_LIMIT: Duration = Duration::from_secs(5);

/// What a client of the control socket is told.
pub enum Outcome {
    /// These.
    Answers(Vec<Answer>),
    /// Everybody who is served, and their number.
    Sessions,
}

impl From<Result<u64, String>> for Outcome {
    fn from(result: Result<u64, String>) -> Outcome {
        Outcome::Answers(vec![match result {
            Ok(count) => Answer::Done { count },
            Err(why) => Answer::Failed { why },
        }])
    }
}

impl Supervisor {
    pub(super) fn obey_request(&mut self, request: Request) -> Outcome {
        match request {
            Request::Status => Outcome::Answers(vec![self.status(), Answer::Done { count: 1 }]),
            Request::Who => Outcome::Sessions,
            Request::Kick { whom } => Ok(self.kick(&whom)).into(),
            Request::Bans => self.tell_bans(),
            Request::Ban { whom, seconds, why } => self.ban_at_wish(&whom, seconds, &why).into(),
            Request::Unban { whom } => self.unban_at_wish(&whom).into(),
            Request::Throttle { whom, down, up } => self.throttle_at_wish(whom, &down, &up).into(),
            Request::Throttled => self.tell_throttled(),
            Request::Trace { whom, on } => self.trace(whom, on).into(),
            Request::LogLevel { level } => self.set_log_level(&level).into(),
            Request::Metrics => {
                let mut answers = self.samples();
                answers.push(Answer::Done { count: answers.len() as u64 });
                Outcome::Answers(answers)
            }
            Request::Reload => self.reload_if_serving().into(),
            Request::Drain { draining } => self.set_draining(draining).into(),
            Request::Stop { grace } => {
                self.stop_within(grace.map(|seconds| Duration::from_secs(seconds.into())));
                Ok(1).into()
            }
        }
    }

    fn status(&self) -> Answer {
        let totals = self.counts.totals();
        let phase = match (&self.phase, self.draining) {
            (Phase::Serving, false) => control::Phase::Serving,
            (Phase::Serving, true) => control::Phase::Draining,
            (Phase::Draining { .. } | Phase::Ending { .. }, _) => control::Phase::Stopping,
        };
        Answer::Status {
            pid: getpid().as_raw() as u32,
            phase,
            started: seconds(self.started),
            loaded: seconds(self.loaded),
            reload_error: self.reload_error.clone(),
            listeners: self.listeners.iter().map(|listener| listener.address.to_string()).collect(),
            log_level: log::level().to_string(),
            sessions: totals.sessions as u64,
            max_sessions: self.inheritance.config.listen.max_sessions.get().into(),
            addresses: totals.addresses as u64,
            logged_in: totals.logged_in as u64,
            users: totals.users as u64,
            spare_workers: self.pool.spare() as u64,
            served: self.served,
            refused: self.refused,
        }
    }

    /// What there is to say of a client.
    pub(super) fn describe(&self, slot: &Slot, serving: &Serving) -> Answer {
        let login = serving.known.login.as_ref();
        let look = slot.page().look().unwrap_or_default();
        Answer::Session {
            id: serving.id,
            pid: slot.pid().as_raw() as u32,
            peer: serving.peer,
            proxy: serving.proxy,
            listener: serving.known.listener,
            user: login.map(|login| login.user.clone()).unwrap_or_default(),
            host: login.map(|login| login.host.clone()).unwrap_or_default(),
            tls: serving.tls,
            since: seconds(serving.since),
            doing: doing(look.activity, login.is_some()),
            silent: look.silent,
            verb: whole(look.verb),
            cwd: whole(look.cwd),
            path: whole(look.path),
            bytes: look.bytes,
            size: look.size,
            lasts: look.lasts,
            sent: look.sent,
            received: look.received,
        }
    }

    /// Tells clients to go, and remembers to look whether they have gone. How many are told.
    pub(in super::super) fn kick(&mut self, whom: &Whom) -> u64 {
        let chosen: Vec<SlotId> = self
            .pool
            .serving_from(0)
            .filter(|(_, _, serving)| !serving.kicked && is_meant(whom, serving))
            .map(|(id, _, _)| id)
            .collect();
        let until = Instant::now() + KICK_LIMIT;
        for id in &chosen {
            let Some(slot) = self.pool.get_mut(*id) else { continue };
            // A worker that hears nothing is ended later.
            let _ = slot.link().send_unless_full(&ToWorker::Kick);
            if let Some(serving) = slot.serving.as_mut() {
                serving.kicked = true;
                log::notice(format_args!(
                    "#{} {} is sent away by the administrator",
                    serving.id, serving.peer
                ));
            }
            self.kicks.push_back((until, *id));
        }
        chosen.len() as u64
    }

    fn set_log_level(&mut self, level: &str) -> Result<u64, String> {
        let level: LogLevel = match level {
            "" => self.inheritance.config.log.level,
            level => level.parse()?,
        };
        log::notice(format_args!("the log level is {level} from now on"));
        self.adopt_log_level(level);
        Ok(1)
    }

    fn reload_if_serving(&mut self) -> Result<u64, String> {
        match self.phase {
            Phase::Serving => self.reload().map(|()| 1),
            Phase::Draining { .. } | Phase::Ending { .. } => Err("the daemon is stopping".into()),
        }
    }

    fn set_draining(&mut self, draining: bool) -> Result<u64, String> {
        if !matches!(self.phase, Phase::Serving) {
            return Err("the daemon is stopping".into());
        }
        if self.draining != draining {
            log::notice(if draining {
                "draining: new clients are refused"
            } else {
                "new clients are served again"
            });
        }
        self.draining = draining;
        self.note_anew();
        Ok(self.counts.totals().sessions as u64)
    }
}

/// With a mark where there is more than could be told.
fn whole(text: Text) -> Vec<u8> {
    if text.is_cut { ["…".as_bytes(), &text.bytes].concat() } else { text.bytes }
}

pub(super) fn is_meant(whom: &Whom, serving: &Serving) -> bool {
    match whom {
        Whom::Id(id) => serving.id == *id,
        Whom::User(name) => serving.known.login.as_ref().is_some_and(|login| login.user == *name),
        Whom::Network { address, prefix } => {
            ipnet::IpNet::new(*address, *prefix).is_ok_and(|network| network.contains(&canonical(serving)))
        }
    }
}

fn canonical(serving: &Serving) -> IpAddr {
    serving.peer.ip().to_canonical()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
