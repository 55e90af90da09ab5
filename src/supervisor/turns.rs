//! The loop of the supervisor: one epoll set, one turn after the other.

use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollTimeout};
use nix::sys::wait::WaitStatus;
use sd_notify::NotifyState;

use super::caps::Login;
use super::control;
use super::orders::LAST_WARNING;
use super::pool::{Part, SlotId};
use super::{EVENTS_TOKEN, FIRST_LISTENER_TOKEN, Phase, RESOLVER_TOKEN, SIGNALS_TOKEN, Supervisor, notify};
use crate::exit::Exit;
use crate::ipc::messages::ToSupervisor;
use crate::log;
use crate::worker;

impl Supervisor {
    pub(super) fn serve(&mut self) -> ExitCode {
        let mut events = [EpollEvent::empty(); 256];
        let watchdog = sd_notify::watchdog_enabled().map(|limit| limit / 2);
        let mut fed = Instant::now();
        loop {
            let forked_all = self.keep_spare_workers();
            let now = Instant::now();
            if let Some(every) = watchdog
                && now >= fed + every
            {
                notify(&[NotifyState::Watchdog]);
                fed = now;
            }
            let mut wake = self.next_deadline();
            if let Some(every) = watchdog {
                wake = Some(wake.map_or(fed + every, |wake| wake.min(fed + every)));
            }
            let timeout = if forked_all { timeout_until(wake, now) } else { EpollTimeout::ZERO };
            let count = match self.epoll.wait(&mut events, timeout) {
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                Err(error) => {
                    log::error(format_args!("epoll_wait: {error}"));
                    return ExitCode::FAILURE;
                }
            };
            for event in &events[..count] {
                match SlotId::of_token(event.data()) {
                    Some((id, Part::Link)) => {
                        self.hear(id);
                    }
                    Some((id, Part::Life)) => self.bury(id),
                    None if event.data() == SIGNALS_TOKEN => self.obey_signals(),
                    None if event.data() == RESOLVER_TOKEN => self.hear_resolver(),
                    None if event.data() == EVENTS_TOKEN => self.bury_recorders(),
                    None if control::of_token(event.data()).is_some() => {
                        self.attend_control(control::of_token(event.data()).unwrap_or_default());
                    }
                    None => self.accept_from((event.data() - FIRST_LISTENER_TOKEN) as usize),
                }
            }
            self.look_at_the_clock();
            if !matches!(self.phase, Phase::Serving) && self.pool.occupied() == 0 {
                self.save_bans(Instant::now());
                log::notice("stopped");
                return ExitCode::SUCCESS;
            }
        }
    }

    /// Forks spare workers ahead of clients, some in each turn. True when there are enough, or none may be forked now.
    pub(super) fn keep_spare_workers(&mut self) -> bool {
        if !matches!(self.phase, Phase::Serving) {
            return true;
        }
        let spare_workers = self.inheritance.config.listen.spare_workers.get() as usize;
        for _ in 0..self.pool.wanted(spare_workers, Instant::now()) {
            if !self.fork_worker() {
                return true;
            }
        }
        self.pool.spare() >= spare_workers || self.pool.not_before().is_some()
    }

    pub(super) fn fork_worker(&mut self) -> bool {
        let inheritance = Rc::clone(&self.inheritance);
        match self.pool.spawn(&self.epoll, |newborn| worker::run(newborn, &inheritance)) {
            Ok(_) => true,
            Err(failure) => {
                log::error(&failure);
                false
            }
        }
    }

    /// A worker has something to say, or is dead. False when nothing can follow.
    pub(super) fn hear(&mut self, id: SlotId) -> bool {
        let Some(slot) = self.pool.get_mut(id) else { return false };
        let (message, descriptor) = match slot.link().receive() {
            Ok(Some(received)) => received,
            Ok(None) => {
                slot.end_session();
                let _ = self.epoll.delete(slot.link());
                return false;
            }
            Err(error) => {
                log::error(format_args!("worker {}: {error}", slot.pid()));
                slot.kill();
                let _ = self.epoll.delete(slot.link());
                return false;
            }
        };
        match message {
            ToSupervisor::Session { tls } => {
                if let Some(pidfd) = descriptor {
                    slot.set_session(pidfd);
                }
                self.tally.logged_in();
                if let Some(serving) = slot.serving.as_mut() {
                    serving.tls = tls;
                }
                if !self.traced.is_empty() {
                    self.trace_if_wanted(id);
                }
            }
            ToSupervisor::MayLogIn {
                user,
                host,
                groups,
                per_user,
                per_user_and_address,
                transfers,
                rates,
            } => {
                let login = Login { user, host, groups, per_user, per_user_and_address, transfers, rates };
                self.log_in(id, login);
            }
            ToSupervisor::MayTry { user } => self.may_try(id, &user),
            ToSupervisor::Failed { user } => self.login_failed(id, &user),
            ToSupervisor::Misbehaved { ban } => self.misbehaved(id, ban),
            ToSupervisor::Proxied { peer, local } => self.name_client(id, peer, local),
            ToSupervisor::HandBack(arrival) => {
                if let Some(client) = descriptor {
                    self.take_back(id, client, arrival);
                }
            }
            ToSupervisor::NotLoggedIn => self.log_out(id),
            ToSupervisor::Moves => self.rates.look_now(),
            ToSupervisor::MayMove => self.may_move(id),
        }
        true
    }

    pub(super) fn bury(&mut self, id: SlotId) {
        // All of its processes are gone, but what the worker said last may not have been heard yet: that it hands
        // back its client, for one.
        while self.hear(id) {}
        if let Some(slot) = self.pool.get_mut(id) {
            self.tally.bury(slot.page());
        }
        let Some(buried) = self.pool.bury(&self.epoll, id) else { return };
        if let Some(serving) = &buried.serving {
            self.forget_traced(serving);
            self.counts.remove(&serving.counted);
            self.rates.forget(serving.id);
        }
        let whom = match &buried.serving {
            Some(serving) => format!("worker {} of {}", buried.pid, serving.peer),
            None => format!("spare worker {}", buried.pid),
        };
        self.tell_of_the_end(&buried);
        match buried.status {
            WaitStatus::Exited(_, status) if status == Exit::Served as i32 => {}
            WaitStatus::Exited(_, status) if status == Exit::PeerGone as i32 => {
                log::debug(format_args!("{whom} ended: the process at the other end of a link was gone"));
            }
            WaitStatus::Exited(_, status) => log::error(format_args!("{whom} failed with status {status}")),
            WaitStatus::Signaled(_, signal, _) => log::warning(format_args!("{whom} was killed by {signal}")),
            other => log::error(format_args!("{whom}: {other:?}")),
        }
    }

    pub(super) fn look_at_the_clock(&mut self) {
        let now = Instant::now();
        self.rates.look_at_the_clock(&self.inheritance.config, &mut self.pool, now);
        match self.phase {
            Phase::Serving => {}
            Phase::Draining { until } if now >= until => self.end_all(now),
            Phase::Ending { until } if now >= until => {
                self.pool.slots_mut().for_each(|slot| slot.kill());
                self.phase = Phase::Ending { until: now + LAST_WARNING };
            }
            Phase::Draining { .. } | Phase::Ending { .. } => {}
        }
        if self.rest_until.is_some_and(|until| now >= until) {
            self.rest_until = None;
            if let Err(failure) = self.set_accepting(true) {
                log::error(&failure);
            }
        }
        self.look_at_control(now);
        self.note_status(now);
        while let Some((_, slot)) = self.kicks.pop_front_if(|(deadline, _)| now >= *deadline) {
            if let Some(slot) = self.pool.get_mut(slot) {
                log::warning(format_args!("worker {} has not let its client go and is ended", slot.pid()));
                slot.kill();
            }
        }
        self.keep_bans(now);
        if self.publishing.again.is_some_and(|moment| now >= moment) {
            self.fork_publisher();
        }
        if self.naming.again.is_some_and(|moment| now >= moment) {
            self.fork_resolver();
        }
        if self.next_recorder().is_some_and(|moment| now >= moment) {
            self.fork_recorders();
        }
        while let Some((_, slot)) = self.logins.pop_front_if(|(deadline, _)| now >= *deadline) {
            let Some(slot) = self.pool.get_mut(slot) else { continue };
            if let Some(serving) = slot.serving.as_ref().filter(|serving| serving.known.login.is_none()) {
                log::warning(format_args!(
                    "{} did not log in; its worker does not answer and is ended",
                    serving.peer
                ));
                slot.kill();
            }
        }
    }

    /// When the clock must be looked at, if nothing happens before.
    pub(super) fn next_deadline(&mut self) -> Option<Instant> {
        let stopping = match self.phase {
            Phase::Serving => None,
            Phase::Draining { until } | Phase::Ending { until } => Some(until),
        };
        let pool = &mut self.pool;
        let mut is_over = |login: &mut (Instant, SlotId)| {
            pool.get_mut(login.1)
                .is_none_or(|slot| slot.serving.as_ref().is_none_or(|one| one.known.login.is_some()))
        };
        while self.logins.pop_front_if(&mut is_over).is_some() {}
        let login = self.logins.front().map(|(deadline, _)| *deadline);
        let spare = if matches!(self.phase, Phase::Serving) { self.pool.not_before() } else { None };
        let recorder = self.next_recorder();
        let kick = self.kicks.front().map(|(deadline, _)| *deadline);
        let control = self.control.deadline();
        let others = [
            self.rest_until,
            self.naming.again,
            recorder,
            kick,
            control,
            self.next_note(),
            self.publishing.again,
            self.next_of_bans(),
            self.rates.deadline(),
        ];
        let deadlines = [stopping, login, spare].into_iter().chain(others);
        deadlines.flatten().min()
    }
}

/// Rounded up, so that the loop does not turn in vain before a deadline.
fn timeout_until(deadline: Option<Instant>, now: Instant) -> EpollTimeout {
    let Some(deadline) = deadline else { return EpollTimeout::NONE };
    let left = deadline.saturating_duration_since(now) + Duration::from_micros(999);
    EpollTimeout::try_from(left).unwrap_or(EpollTimeout::MAX)
}
