//! What the administrator orders, by signals: how things are, a new configuration, the end.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use sd_notify::NotifyState;

use super::{Phase, Supervisor, listen, notify, open_log, recording};
use crate::config::LogLevel;
use crate::ipc::messages::ToWorker;
use crate::log;
use crate::worker::Inheritance;

/// Between telling everybody to end and ending them.
pub(super) const LAST_WARNING: Duration = Duration::from_secs(5);

impl Supervisor {
    pub(super) fn obey_signals(&mut self) {
        let asked = self.signals.take();
        if asked.status {
            self.log_status();
        }
        if asked.reload && matches!(self.phase, Phase::Serving) {
            // It is in the log why it was of no use.
            let _ = self.reload();
        }
        for _ in 0..asked.stop {
            self.stop(None);
        }
    }

    pub(super) fn log_status(&self) {
        let totals = self.counts.totals();
        log::notice(format_args!(
            "status: {} sessions of {} addresses, {} logged in, {} users, {} transferring, {} spare workers, {} served, {} refused, {} bans",
            totals.sessions,
            totals.addresses,
            totals.logged_in,
            totals.users,
            self.pool.transferring(),
            self.pool.spare(),
            self.served,
            self.refused,
            self.penalties.bans.list(Instant::now()).count()
        ));
    }

    /// Reads the configuration anew. What is wrong with it is logged, and the old one stays.
    pub(super) fn reload(&mut self) -> Result<(), String> {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            notify(&[NotifyState::Reloading, now]);
        }
        let adopted = self.adopt_new_configuration();
        match &adopted {
            Ok(()) => {
                log::notice("configuration reloaded");
                self.loaded = SystemTime::now();
                self.reload_error.clear();
            }
            Err(reason) => {
                log::error(format_args!("configuration not reloaded, the old one stays: {reason}"));
                self.reload_error.clone_from(reason);
            }
        }
        notify(&[NotifyState::Ready]);
        adopted
    }

    pub(super) fn adopt_new_configuration(&mut self) -> Result<(), String> {
        let config = self.source.load().map_err(|error| error.to_string())?;
        let addresses = config.listen.all_addresses();
        let (telling, recorder) =
            recording::prepare(&config, self.descriptors).map_err(|failure| failure.to_string())?;
        let inheritance =
            Inheritance::prepare(config, self.descriptors, telling).map_err(|failure| failure.to_string())?;
        let level_was_set = log::level() != self.inheritance.config.log.level;
        super::warn_of_missing_rights(&inheritance.config);
        open_log(&inheritance.config).map_err(|failure| failure.to_string())?;
        if !self.activated {
            let _ = self.set_accepting(false);
            let before = self.listeners.iter().map(|listener| listener.address).collect();
            let bound = listen::bind(&addresses, &mut self.listeners).map_err(|failure| failure.to_string());
            let bound = bound.map(|listeners| self.listeners = listeners);
            self.set_accepting(true).map_err(|failure| failure.to_string())?;
            bound?;
            self.hand_in_listeners(before);
        }
        self.inheritance = Rc::new(inheritance);
        self.count_anew();
        self.note_anew();
        match level_was_set {
            true => self.adopt_log_level(log::level()),
            false => self.pool.retire_spare(&self.epoll),
        }
        self.begin_naming();
        self.begin_recording(recorder);
        self.begin_control();
        self.begin_publishing();
        // Those of the old configuration are free now.
        self.plugs.renew();
        Ok(())
    }

    /// The service manager keeps the listeners there are, and none of those before that are no more.
    pub(super) fn hand_in_listeners(&self, before: Vec<SocketAddr>) {
        let ours = if self.activated { &[][..] } else { &self.listeners[..] };
        let is_ours = |address: &SocketAddr| ours.iter().any(|listener| listener.address == *address);
        listen::forget(before.into_iter().filter(|address| !is_ours(address)));
        listen::keep(ours);
    }

    /// From now on this much is logged, here and wherever somebody is served.
    pub(super) fn adopt_log_level(&mut self, level: LogLevel) {
        log::set_level(level);
        self.pool.retire_spare(&self.epoll);
        let message = ToWorker::LogLevel { level: level.to_string() };
        for slot in self.pool.slots_mut().filter(|slot| slot.serving.is_some()) {
            // One that has not read what it was told before goes on as it does.
            let _ = slot.link().send_unless_full(&message);
        }
    }

    /// Lets transfers finish, for as long as is said here, or configured; may be said again with another time. Other than
    /// by a signal, which may mean a restart, nobody shall be kept waiting for the next daemon.
    pub(super) fn stop_within(&mut self, grace: Option<Duration>) {
        match (&mut self.phase, grace) {
            (Phase::Serving, grace) => {
                if !self.activated {
                    listen::forget(self.listeners.iter().map(|listener| listener.address));
                }
                self.stop(grace);
            }
            (Phase::Draining { until }, Some(grace)) => *until = Instant::now() + grace,
            (Phase::Draining { .. } | Phase::Ending { .. }, _) => {}
        }
    }

    /// Asked once: drain, for as long as is said here, or configured. Asked again: end at once.
    pub(super) fn stop(&mut self, grace: Option<Duration>) {
        let now = Instant::now();
        match self.phase {
            Phase::Serving => {
                let configured = self.inheritance.config.server.shutdown_grace.duration();
                let grace = grace.unwrap_or(configured);
                log::notice(format_args!("stopping; transfers may finish for {} s", grace.as_secs()));
                notify(&[NotifyState::Stopping]);
                self.note_anew();
                let _ = self.set_accepting(false);
                self.listeners.clear();
                self.rest_until = None;
                self.end_naming();
                self.end_publishing();
                self.pool.retire_spare(&self.epoll);
                self.phase = Phase::Draining { until: now + grace };
                self.tell_all(&ToWorker::Finish);
            }
            Phase::Draining { .. } => self.end_all(now),
            Phase::Ending { .. } => self.pool.slots_mut().for_each(|slot| slot.kill()),
        }
    }

    pub(super) fn end_all(&mut self, now: Instant) {
        log::notice("ending all sessions");
        self.phase = Phase::Ending { until: now + LAST_WARNING };
        self.tell_all(&ToWorker::End);
    }

    pub(super) fn tell_all(&mut self, message: &ToWorker) {
        for slot in self.pool.slots_mut() {
            // A worker that cannot be told is dead or dying.
            let _ = slot.link().send(message);
        }
    }
}
