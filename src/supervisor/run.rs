//! The loop of the supervisor: one epoll set, one turn after the other.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::wait::WaitStatus;
use sd_notify::NotifyState;

use super::limits::{AddressKey, Caps, Counts, Refusal};
use super::listen::{self, Listener};
use super::pool::{Part, Pool, Serving, SlotId};
use crate::config::{Config, ConfigSource};
use crate::exit::Exit;
use crate::ipc::messages::{ToSupervisor, ToWorker};
use crate::log;
use crate::system::process::DescriptorLimit;
use crate::system::signals::Signals;
use crate::system::{Doing, Failure, capabilities, landlock, socket, title};
use crate::worker::{self, Inheritance};

/// Clients accepted from one listener in one turn.
const ACCEPTS_A_TURN: usize = 64;

/// How long accepting rests when the system has no descriptors or memory for another client.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// The frontend and the worker end a login that takes too long; this much later the supervisor ends the worker.
const LOGIN_OVERTIME: Duration = Duration::from_secs(5);

/// Between telling everybody to end and ending them.
const LAST_WARNING: Duration = Duration::from_secs(5);

/// Between two lines of the log about refused clients.
const REFUSAL_LOG_INTERVAL: Duration = Duration::from_secs(1);

const SIGNALS_TOKEN: u64 = 0;
const FIRST_LISTENER_TOKEN: u64 = 1;

/// How far stopping has come.
enum Phase {
    Serving,
    /// Running transfers may finish until then.
    Draining {
        until: Instant,
    },
    /// Everybody was told to end; who has not by then is killed.
    Ending {
        until: Instant,
    },
}

struct Supervisor {
    source: ConfigSource,
    descriptors: DescriptorLimit,
    inheritance: Rc<Inheritance>,
    epoll: Epoll,
    signals: Signals,
    listeners: Vec<Listener>,
    /// The sockets came from the service manager: they stay as they are at a reload.
    activated: bool,
    accepting: bool,
    rest_until: Option<Instant>,
    counts: Counts,
    pool: Pool,
    /// Who was accepted and may not be logged in yet, in the order of their deadlines.
    logins: VecDeque<(Instant, SlotId)>,
    phase: Phase,
    last_id: u64,
    served: u64,
    refused: u64,
    unlogged_refusals: u64,
    refusal_logged: Option<Instant>,
    /// Kept in reserve, so that a client can be told 421 when descriptors have run out.
    reserve: Option<OwnedFd>,
}

/// Serves until told to stop. Errors at the start are told on standard error, and the exit status is 1.
pub fn run(config: Config, source: ConfigSource) -> ExitCode {
    match start(config, source) {
        Ok(mut supervisor) => supervisor.serve(),
        Err(failure) => {
            log::error(&failure);
            ExitCode::FAILURE
        }
    }
}

fn start(config: Config, source: ConfigSource) -> Result<Supervisor, Failure> {
    open_log(&config)?;
    let descriptors = DescriptorLimit::raise(descriptors_for(config.listen.max_sessions.get()))?;
    let mut listeners = listen::inherited()?;
    let activated = !listeners.is_empty();
    if !activated {
        listeners = listen::bind(&config.listen.addresses, &mut Vec::new())?;
    }
    capabilities::trim_supervisor()?;
    // From here on the environment is empty but for what talks to the service manager.
    title::claim();
    title::set("ftpd: supervisor");
    let signals = Signals::watch()?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).doing(|| "make an epoll set".into())?;
    epoll
        .add(&signals, EpollEvent::new(EpollFlags::EPOLLIN, SIGNALS_TOKEN))
        .doing(|| "watch signals".into())?;
    let inheritance = Rc::new(Inheritance::prepare(config, descriptors)?);
    let mut supervisor = Supervisor {
        source,
        descriptors,
        inheritance,
        epoll,
        signals,
        listeners,
        activated,
        accepting: false,
        rest_until: None,
        counts: Counts::default(),
        pool: Pool::new(),
        logins: VecDeque::new(),
        phase: Phase::Serving,
        last_id: 0,
        served: 0,
        refused: 0,
        unlogged_refusals: 0,
        refusal_logged: None,
        reserve: reserve(),
    };
    supervisor.set_accepting(true)?;
    for listener in &supervisor.listeners {
        log::notice(format_args!("listening on {}", listener.address));
    }
    log::info(format_args!("Landlock protection of sessions: {}", landlock::offered()));
    let addresses: Vec<_> = supervisor.listeners.iter().map(|listener| listener.address).collect();
    supervisor.source.announce(&addresses);
    notify(&[NotifyState::Ready]);
    Ok(supervisor)
}

/// A link, a life pipe and the pidfds of two children for each session, of spare workers too; and some of our own.
fn descriptors_for(max_sessions: u32) -> u64 {
    (u64::from(max_sessions) + 256) * 5 + 64
}

fn open_log(config: &Config) -> Result<(), Failure> {
    log::open(&config.log.to, config.log.level).doing(|| format!("open the log {}", config.log.to))
}

fn reserve() -> Option<OwnedFd> {
    std::fs::File::open("/dev/null").ok().map(OwnedFd::from)
}

/// The service manager may be absent; nothing depends on it.
fn notify(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}

impl Supervisor {
    fn serve(&mut self) -> ExitCode {
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
                    Some((id, Part::Link)) => self.hear(id),
                    Some((id, Part::Life)) => self.bury(id),
                    None if event.data() == SIGNALS_TOKEN => self.obey_signals(),
                    None => self.accept_from((event.data() - FIRST_LISTENER_TOKEN) as usize),
                }
            }
            self.look_at_the_clock();
            if !matches!(self.phase, Phase::Serving) && self.pool.occupied() == 0 {
                log::notice("stopped");
                return ExitCode::SUCCESS;
            }
        }
    }

    /// Forks spare workers ahead of clients, some in each turn. True when there are enough, or none may be forked now.
    fn keep_spare_workers(&mut self) -> bool {
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

    fn fork_worker(&mut self) -> bool {
        let inheritance = Rc::clone(&self.inheritance);
        match self.pool.spawn(&self.epoll, |newborn| worker::run(newborn, &inheritance)) {
            Ok(_) => true,
            Err(failure) => {
                log::error(&failure);
                false
            }
        }
    }

    fn accept_from(&mut self, index: usize) {
        for _ in 0..ACCEPTS_A_TURN {
            let Some(listener) = self.listeners.get(index) else { return };
            match socket::accept(listener.as_fd()) {
                Ok(client) => self.welcome(index, client),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if is_exhaustion(&error) => {
                    log::error(format_args!("accept: {error}"));
                    self.turn_one_away(index);
                    if self.set_accepting(false).is_ok() {
                        self.rest_until = Some(Instant::now() + ACCEPT_REST);
                    }
                    return;
                }
                // Errors of this one client (he is gone already): accept(2).
                Err(_) => {}
            }
        }
    }

    /// Out of descriptors: gives up the one in reserve to tell a client so.
    fn turn_one_away(&mut self, index: usize) {
        self.reserve = None;
        if let Some(listener) = self.listeners.get(index)
            && let Ok(client) = socket::accept(listener.as_fd())
        {
            socket::refuse(client.as_fd(), Refusal::Full.reply());
            self.refused += 1;
        }
        self.reserve = reserve();
    }

    fn welcome(&mut self, listener: usize, client: OwnedFd) {
        let (Ok(peer), Ok(local)) =
            (socket::peer_address(client.as_fd()), socket::local_address(client.as_fd()))
        else {
            return; // He is gone already.
        };
        let config = &self.inheritance.config;
        let caps = Caps {
            sessions: config.listen.max_sessions.get() as usize,
            per_address: config.listen.max_sessions_per_address.get() as usize,
        };
        let address = AddressKey::from(peer.ip());
        if let Err(refusal) = self.counts.admit(address, caps) {
            socket::refuse(client.as_fd(), refusal.reply());
            self.refused += 1;
            self.log_refusal(peer, refusal);
            return;
        }
        let login_timeout = config.login.login_timeout.duration();
        self.last_id += 1;
        let id = self.last_id;
        let message = ToWorker::Serve { id, peer, local, listener: listener as u16 };
        let deadline = Instant::now() + login_timeout + LOGIN_OVERTIME;
        let mut serving = Serving { peer, address, user: None };
        loop {
            match self.pool.serve(serving, &message, client.as_fd()) {
                Ok(slot) => {
                    self.served += 1;
                    self.logins.push_back((deadline, slot));
                    return;
                }
                Err(back) => serving = back,
            }
            // Clients came faster than workers were made: this one waits for his to be forked.
            if !self.fork_worker() {
                socket::refuse(client.as_fd(), Refusal::Full.reply());
                self.counts.release(address, None);
                self.refused += 1;
                return;
            }
        }
    }

    /// A flood of clients is no flood of lines: one a second tells of one of them and counts the others.
    fn log_refusal(&mut self, peer: SocketAddr, refusal: Refusal) {
        let now = Instant::now();
        self.unlogged_refusals += 1;
        if self.refusal_logged.is_some_and(|last| now < last + REFUSAL_LOG_INTERVAL) {
            return;
        }
        self.refusal_logged = Some(now);
        let others = std::mem::take(&mut self.unlogged_refusals) - 1;
        log::notice(format_args!("{peer} refused: {refusal} ({others} others since the last such line)"));
    }

    /// A worker has something to say, or is dead.
    fn hear(&mut self, id: SlotId) {
        let Some(slot) = self.pool.get_mut(id) else { return };
        let (message, descriptor) = match slot.link().receive() {
            Ok(Some(received)) => received,
            Ok(None) => {
                slot.end_children();
                let _ = self.epoll.delete(slot.link());
                return;
            }
            Err(error) => {
                log::error(format_args!("worker {}: {error}", slot.pid()));
                slot.kill();
                let _ = self.epoll.delete(slot.link());
                return;
            }
        };
        match message {
            ToSupervisor::Child => {
                if let Some(pidfd) = descriptor {
                    slot.add_child(pidfd);
                }
            }
            ToSupervisor::MayLogIn { user } => {
                let admitted = matches!(self.phase, Phase::Serving) && slot.serving.is_some();
                if slot.link().send(&ToWorker::Admitted(admitted)).is_err() || !admitted {
                    return;
                }
                if let Some(serving) = slot.serving.as_mut() {
                    // A worker asks once a session; asked twice, the first answer stays counted.
                    if serving.user.is_none() {
                        self.counts.log_in(&user);
                        serving.user = Some(user);
                    }
                }
            }
            ToSupervisor::NotLoggedIn => {
                if let Some(serving) = slot.serving.as_mut()
                    && let Some(user) = serving.user.take()
                {
                    self.counts.log_out(&user);
                }
            }
        }
    }

    fn bury(&mut self, id: SlotId) {
        let Some(buried) = self.pool.bury(&self.epoll, id) else { return };
        if let Some(serving) = &buried.serving {
            self.counts.release(serving.address, serving.user.as_deref());
        }
        let whom = match &buried.serving {
            Some(serving) => format!("worker {} of {}", buried.pid, serving.peer),
            None => format!("spare worker {}", buried.pid),
        };
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

    fn obey_signals(&mut self) {
        let asked = self.signals.take();
        if asked.status {
            self.log_status();
        }
        if asked.reload && matches!(self.phase, Phase::Serving) {
            self.reload();
        }
        for _ in 0..asked.stop {
            self.stop();
        }
    }

    fn log_status(&self) {
        let totals = self.counts.totals();
        log::notice(format_args!(
            "status: {} sessions of {} addresses, {} logged in, {} users, {} spare workers, {} served, {} refused",
            totals.sessions,
            totals.addresses,
            totals.logged_in,
            totals.users,
            self.pool.spare(),
            self.served,
            self.refused
        ));
    }

    /// Reads the configuration anew. What is wrong with it is logged, and the old one stays.
    fn reload(&mut self) {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            notify(&[NotifyState::Reloading, now]);
        }
        match self.adopt_new_configuration() {
            Ok(()) => log::notice("configuration reloaded"),
            Err(reason) => {
                log::error(format_args!("configuration not reloaded, the old one stays: {reason}"))
            }
        }
        notify(&[NotifyState::Ready]);
    }

    fn adopt_new_configuration(&mut self) -> Result<(), String> {
        let config = self.source.load().map_err(|error| error.to_string())?;
        let addresses = config.listen.addresses.clone();
        let inheritance =
            Inheritance::prepare(config, self.descriptors).map_err(|failure| failure.to_string())?;
        open_log(&inheritance.config).map_err(|failure| failure.to_string())?;
        if !self.activated {
            let _ = self.set_accepting(false);
            let bound = listen::bind(&addresses, &mut self.listeners).map_err(|failure| failure.to_string());
            let bound = bound.map(|listeners| self.listeners = listeners);
            self.set_accepting(true).map_err(|failure| failure.to_string())?;
            bound?;
        }
        self.inheritance = Rc::new(inheritance);
        self.pool.retire_spare(&self.epoll);
        Ok(())
    }

    /// Asked once: drain. Asked again: end at once.
    fn stop(&mut self) {
        let now = Instant::now();
        match self.phase {
            Phase::Serving => {
                let grace = self.inheritance.config.server.shutdown_grace.duration();
                log::notice(format_args!("stopping; transfers may finish for {} s", grace.as_secs()));
                notify(&[NotifyState::Stopping]);
                let _ = self.set_accepting(false);
                self.listeners.clear();
                self.rest_until = None;
                self.pool.retire_spare(&self.epoll);
                self.phase = Phase::Draining { until: now + grace };
                self.tell_all(&ToWorker::Finish);
            }
            Phase::Draining { .. } => self.end_all(now),
            Phase::Ending { .. } => self.pool.slots_mut().for_each(|slot| slot.kill()),
        }
    }

    fn end_all(&mut self, now: Instant) {
        log::notice("ending all sessions");
        self.phase = Phase::Ending { until: now + LAST_WARNING };
        self.tell_all(&ToWorker::End);
    }

    fn tell_all(&mut self, message: &ToWorker) {
        for slot in self.pool.slots_mut() {
            // A worker that cannot be told is dead or dying.
            let _ = slot.link().send(message);
        }
    }

    fn look_at_the_clock(&mut self) {
        let now = Instant::now();
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
        while let Some((_, slot)) = self.logins.pop_front_if(|(deadline, _)| now >= *deadline) {
            let Some(slot) = self.pool.get_mut(slot) else { continue };
            if let Some(serving) = slot.serving.as_ref().filter(|serving| serving.user.is_none()) {
                log::warning(format_args!(
                    "{} did not log in; its worker does not answer and is ended",
                    serving.peer
                ));
                slot.kill();
            }
        }
    }

    /// When the clock must be looked at, if nothing happens before.
    fn next_deadline(&mut self) -> Option<Instant> {
        let stopping = match self.phase {
            Phase::Serving => None,
            Phase::Draining { until } | Phase::Ending { until } => Some(until),
        };
        let pool = &mut self.pool;
        let mut is_over = |login: &mut (Instant, SlotId)| {
            pool.get_mut(login.1)
                .is_none_or(|slot| slot.serving.as_ref().is_none_or(|one| one.user.is_some()))
        };
        while self.logins.pop_front_if(&mut is_over).is_some() {}
        let login = self.logins.front().map(|(deadline, _)| *deadline);
        let spare = if matches!(self.phase, Phase::Serving) { self.pool.not_before() } else { None };
        [stopping, login, spare, self.rest_until].into_iter().flatten().min()
    }

    fn set_accepting(&mut self, accepting: bool) -> Result<(), Failure> {
        if self.accepting == accepting {
            return Ok(());
        }
        for (index, listener) in self.listeners.iter().enumerate() {
            if accepting {
                let event = EpollEvent::new(EpollFlags::EPOLLIN, FIRST_LISTENER_TOKEN + index as u64);
                self.epoll.add(listener, event).doing(|| format!("watch {}", listener.address))?;
            } else {
                let _ = self.epoll.delete(listener);
            }
        }
        self.accepting = accepting;
        Ok(())
    }
}

fn is_exhaustion(error: &io::Error) -> bool {
    let exhausted = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM];
    error.raw_os_error().is_some_and(|raw| exhausted.contains(&Errno::from_raw(raw)))
}

/// Rounded up, so that the loop does not turn in vain before a deadline.
fn timeout_until(deadline: Option<Instant>, now: Instant) -> EpollTimeout {
    let Some(deadline) = deadline else { return EpollTimeout::NONE };
    let left = deadline.saturating_duration_since(now) + Duration::from_micros(999);
    EpollTimeout::try_from(left).unwrap_or(EpollTimeout::MAX)
}
