//! What administrators do about clients who are not sent away: bans, rates, and a closer look.

use std::time::{Duration, Instant};

use super::super::Supervisor;
use super::super::bans::Subject;
use super::super::limits::{Key, User};
use super::super::pool::{Serving, SlotId};
use super::super::rates::Throttled;
use super::requests::{Outcome, is_meant};
use crate::ipc::control::{Answer, Rate, Slow, Whom};
use crate::ipc::messages::ToWorker;
use crate::ipc::page::Way;
use crate::log;

/// Of so many it is remembered at the same time that they are traced.
const MOST_TRACED: usize = 64;

impl Supervisor {
    pub(super) fn tell_bans(&self) -> Outcome {
        let now = Instant::now();
        let mut answers: Vec<Answer> = self
            .bans()
            .into_iter()
            .map(|(subject, ban)| Answer::Ban {
                whom: subject.to_string(),
                seconds_left: ban.until.saturating_duration_since(now).as_secs(),
                times: ban.times,
                why: ban.why,
            })
            .collect();
        answers.push(Answer::Done { count: answers.len() as u64 });
        Outcome::Answers(answers)
    }

    pub(super) fn ban_at_wish(&mut self, whom: &str, seconds: Option<u32>, why: &str) -> Result<u64, String> {
        let subject: Subject = whom.parse()?;
        let configured = self.inheritance.config.limits.ban_time.duration();
        let time = seconds.map_or(configured, |seconds| Duration::from_secs(seconds.into()));
        if time.is_zero() {
            return Err("a ban of no time is none; say for how long".into());
        }
        self.ban(subject, time, why);
        Ok(1)
    }

    pub(super) fn unban_at_wish(&mut self, whom: &str) -> Result<u64, String> {
        let subject: Subject = whom.parse()?;
        Ok(self.unban(&subject).into())
    }

    pub(super) fn throttle_at_wish(&mut self, whom: Slow, down: &Rate, up: &Rate) -> Result<u64, String> {
        let whom = match whom {
            Slow::All => Throttled::Shared(Key::All),
            Slow::Id(id) => {
                if !self.pool.serving_from(0).any(|(_, _, serving)| serving.id == id) {
                    return Err(format!("{id} is not connected"));
                }
                Throttled::Session(id)
            }
            Slow::User(name) => Throttled::Shared(Key::User(User { name, realm: String::new() })),
            Slow::Group(name) => Throttled::Shared(Key::Group(name)),
            Slow::Network(name) => {
                if !self.inheritance.config.network.contains_key(&name) {
                    return Err(format!("there is no [network.{name}]"));
                }
                Throttled::Shared(Key::Named(name))
            }
        };
        for (way, rate) in [(Way::Down, down), (Way::Up, up)] {
            let rate = match rate {
                Rate::Unchanged => continue,
                Rate::Configured => None,
                Rate::Limit(bytes) => Some(*bytes),
            };
            self.throttle(whom.clone(), way, rate);
        }
        let name = name_of(&whom);
        log::notice(format_args!("the administrator has set rates of {}", log::escaped(name.as_bytes())));
        Ok(1)
    }

    pub(super) fn tell_throttled(&self) -> Outcome {
        let mut answers: Vec<Answer> = self
            .rates
            .throttled()
            .map(|(whom, way, rate)| Answer::Throttled { whom: name_of(whom), is_up: way == Way::Up, rate })
            .collect();
        answers.push(Answer::Done { count: answers.len() as u64 });
        Outcome::Answers(answers)
    }

    /// Sees to it that these clients are traced from now on, those who come later as well; or that they no longer are.
    pub(super) fn trace(&mut self, whom: Option<Whom>, on: bool) -> Result<u64, String> {
        match (whom, on) {
            (None, _) => self.traced.clear(),
            (Some(whom), false) => self.traced.retain(|traced| *traced != whom),
            (Some(_), true) if self.traced.len() >= MOST_TRACED => {
                return Err(format!("{MOST_TRACED} are traced already"));
            }
            (Some(whom), true) => {
                if !self.traced.contains(&whom) {
                    self.traced.push(whom);
                }
            }
        }
        let all: Vec<SlotId> = self.pool.serving_from(0).map(|(id, _, _)| id).collect();
        Ok(all.into_iter().filter(|id| self.trace_if_wanted(*id)).count() as u64)
    }

    /// Tells a client's processes whether he is traced, if that has changed or he has just been told apart.
    pub(in super::super) fn trace_if_wanted(&mut self, id: SlotId) -> bool {
        let traced = &self.traced;
        let Some(slot) = self.pool.get_mut(id) else { return false };
        let Some(serving) = slot.serving.as_ref() else { return false };
        let wanted = traced.iter().any(|whom| is_meant(whom, serving));
        let page = slot.page();
        if wanted || serving.traced {
            page.set_traced(wanted);
            let _ = slot.link().send_unless_full(&ToWorker::Trace(wanted));
            if !wanted {
                let level = log::level().to_string();
                let _ = slot.link().send_unless_full(&ToWorker::LogLevel { level });
            }
        }
        if let Some(serving) = slot.serving.as_mut() {
            serving.traced = wanted;
        }
        wanted
    }

    /// Nobody else gets the number of a client who is gone.
    pub(in super::super) fn forget_traced(&mut self, serving: &Serving) {
        self.traced.retain(|whom| *whom != Whom::Id(serving.id));
    }
}

/// As the administrator names it.
fn name_of(whom: &Throttled) -> String {
    match whom {
        Throttled::Session(id) => id.to_string(),
        Throttled::Shared(key) => match key {
            Key::All => "all".into(),
            Key::Listener(address) => format!("listener {address}"),
            Key::Address(network) | Key::Network(network) => network.to_string(),
            Key::Named(name) => format!("network {name}"),
            Key::Host(name) => format!("host {name}"),
            Key::User(user) => format!("user {}", user.name),
            Key::UserFrom(user, network) => format!("user {} from {network}", user.name),
            Key::Group(name) => format!("group {name}"),
        },
    }
}
