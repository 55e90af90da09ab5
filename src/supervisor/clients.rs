//! Clients who come: accepted, counted, and handed to a worker or refused.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime};

use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollFlags};

use super::caps::{self, Known, Login};
use super::limits::{Counts, Refusal};
use super::pool::{Serving, SlotId};
use super::rates::{Pacing, Throttled};
use super::{FIRST_LISTENER_TOKEN, Phase, Supervisor, transfers};
use crate::config::Config;
use crate::ipc::messages::{Admission, Arrival, ToWorker};
use crate::ipc::page::Way;
use crate::log;
use crate::system::{Doing, Failure, socket};

/// Clients accepted from one listener in one turn.
const ACCEPTS_A_TURN: usize = 64;

/// How long accepting rests when the system has no descriptors or memory for another client.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// The frontend and the worker end a login that takes too long; this much later the supervisor ends the worker.
const LOGIN_OVERTIME: Duration = Duration::from_secs(5);

/// Between two lines of the log about refused clients.
const REFUSAL_LOG_INTERVAL: Duration = Duration::from_secs(1);

impl Supervisor {
    pub(super) fn accept_from(&mut self, index: usize) {
        for _ in 0..ACCEPTS_A_TURN {
            let Some(listener) = self.listeners.get(index) else { return };
            let address = listener.address;
            match socket::accept(listener.as_fd()) {
                Ok(client) => self.welcome(address, client),
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
    pub(super) fn turn_one_away(&mut self, index: usize) {
        self.reserve = None;
        if let Some(listener) = self.listeners.get(index)
            && let Ok(client) = socket::accept(listener.as_fd())
        {
            turn_away(client.as_fd(), &Refusal::Full);
            self.count_refusal(&Refusal::Full);
        }
        self.reserve = reserve();
    }

    pub(super) fn welcome(&mut self, listener: SocketAddr, client: OwnedFd) {
        let (Ok(peer), Ok(local)) =
            (socket::peer_address(client.as_fd()), socket::local_address(client.as_fd()))
        else {
            return; // He is gone already.
        };
        let listen = &self.inheritance.config.listen;
        let proxied = listen.proxied.contains(&listener);
        let trusted = || listen.trusted_proxies.iter().any(|network| network.contains(peer.ip()));
        let known = Known { listener, address: (!proxied).then(|| peer.ip()), login: None };
        let may_connect = match known.address {
            None if !trusted() => Err(Refusal::NotAProxy),
            Some(_) | None if self.draining => Err(Refusal::Draining),
            None => Ok(()),
            Some(address) => self.look_over(address),
        };
        let admitted = may_connect.and_then(|()| self.counts.admit(known.rules(&self.inheritance.config)));
        match admitted {
            Ok(counted) => {
                let serving = Box::new(Serving {
                    id: 0,
                    since: SystemTime::now(),
                    peer,
                    local,
                    proxy: None,
                    known,
                    counted,
                    pacing: Pacing::default(),
                    tls: false,
                    kicked: false,
                    traced: false,
                    moves_a_file: false,
                });
                self.hand_over(serving, client, Arrival::New);
            }
            Err(refusal) => {
                turn_away(client.as_fd(), &refusal);
                self.count_refusal(&refusal);
                self.log_refusal(peer, &refusal);
                self.tell_of_refusal(peer, Some(local), &refusal);
            }
        }
    }

    /// A proxy has said whom it speaks for: from here on he is counted, and not the proxy.
    pub(super) fn name_client(&mut self, id: SlotId, peer: SocketAddr, local: SocketAddr) {
        let may_connect = self.look_over(peer.ip());
        let config = &self.inheritance.config;
        let Some(slot) = self.pool.get_mut(id) else { return };
        // A worker says it once, and only where it was told to expect it.
        let Some(serving) = slot.serving.as_mut().filter(|serving| serving.known.address.is_none()) else {
            return slot.kill();
        };
        let named = may_connect.and_then(|()| self.counts.admit(caps::of_address(config, peer.ip())));
        if let Ok(counted) = &named {
            serving.proxy = Some(serving.peer);
            serving.known.address = Some(peer.ip());
            serving.counted.extend_from_slice(counted);
            (serving.peer, serving.local) = (peer, local);
        }
        let named = named.map(drop);
        // A worker that cannot be told is dead or dying.
        let _ = slot.link().send(&ToWorker::Admitted(answer(&named)));
        if let Err(refusal) = named {
            self.count_refusal(&refusal);
            self.log_refusal(peer, &refusal);
            self.tell_of_refusal(peer, Some(local), &refusal);
        }
    }

    /// Somebody has proved who he is: may he have one more session? The worker is told, and logs it.
    pub(super) fn log_in(&mut self, id: SlotId, login: Login) {
        let config = &self.inheritance.config;
        let Some(slot) = self.pool.get_mut(id) else { return };
        // A worker asks once a session, and about a client whom it serves.
        let serving = slot.serving.as_mut().filter(|serving| serving.known.login.is_none());
        let Some((serving, address)) = serving.and_then(|one| one.known.address.map(|ip| (one, ip))) else {
            return slot.kill();
        };
        let admitted = match self.phase {
            Phase::Serving => self.counts.admit(caps::of_login(config, address, &login)),
            Phase::Draining { .. } | Phase::Ending { .. } => Err(Refusal::Stopping),
        };
        match &admitted {
            Ok(counted) => {
                serving.counted.extend_from_slice(counted);
                self.penalties.logged_in(address, &login.user);
                serving.known.login = Some(login);
                // His page says how fast he may be, and what he has to ask, before his session reads it.
                self.rates.begin(config, slot);
                transfers::tell(config, slot);
            }
            Err(refusal) => self.tally.login_refused(refusal),
        }
        let _ = slot.link().send(&ToWorker::Admitted(answer(&admitted.map(drop))));
    }

    /// Whoever was logged in is so no longer.
    pub(super) fn log_out(&mut self, id: SlotId) {
        if let Some(serving) = self.pool.get_mut(id).and_then(|slot| slot.serving.as_mut()) {
            forget_login(&mut self.counts, &self.inheritance.config, serving);
        }
    }

    /// The configuration is new: everybody who is there is counted, and slowed, by what it says.
    pub(super) fn count_anew(&mut self) {
        let mut counts = Counts::default();
        for serving in self.pool.slots_mut().filter_map(|slot| slot.serving.as_mut()) {
            serving.counted = counts.add(serving.known.rules(&self.inheritance.config));
        }
        self.counts = counts;
        self.pool.slots_mut().for_each(|slot| transfers::tell(&self.inheritance.config, slot));
        self.rates.begin_anew(&self.inheritance.config, &mut self.pool);
    }

    /// Sets a rate in place of the configured one, in bytes per second (0: none), or lets the configuration decide again;
    /// running transfers follow at once. It holds until the daemon ends, or the session that it is for.
    pub(super) fn throttle(&mut self, whom: Throttled, way: Way, rate: Option<u64>) {
        self.rates.throttle(whom, way, rate);
        self.rates.begin_anew(&self.inheritance.config, &mut self.pool);
    }

    /// A client whom another worker has logged out; he is counted already.
    pub(super) fn take_back(&mut self, id: SlotId, client: OwnedFd, arrival: Arrival) {
        let Some(mut serving) = self.pool.get_mut(id).and_then(|slot| slot.give_up_client()) else { return };
        forget_login(&mut self.counts, &self.inheritance.config, &mut serving);
        if matches!(self.phase, Phase::Serving) && !serving.kicked {
            return self.hand_over(serving, client, arrival);
        }
        let refusal = if serving.kicked { Refusal::Kicked } else { Refusal::Stopping };
        turn_away(client.as_fd(), &refusal);
        self.counts.remove(&serving.counted);
    }

    /// Gives a client who is counted to a worker.
    fn hand_over(&mut self, mut serving: Box<Serving>, client: OwnedFd, arrival: Arrival) {
        self.last_id += 1;
        serving.id = self.last_id;
        serving.tls = false;
        let Serving { peer, local, proxy, known: Known { listener, .. }, .. } = *serving;
        let (id, masquerade) = (self.last_id, self.naming.address);
        let message = ToWorker::Serve { id, peer, local, listener, proxy, masquerade, arrival };
        let login_timeout = self.inheritance.config.login.login_timeout.duration();
        let deadline = Instant::now() + login_timeout + LOGIN_OVERTIME;
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
                turn_away(client.as_fd(), &Refusal::Full);
                self.counts.remove(&serving.counted);
                self.count_refusal(&Refusal::Full);
                return;
            }
        }
    }

    fn count_refusal(&mut self, refusal: &Refusal) {
        self.refused += 1;
        self.tally.refused(refusal);
    }

    /// A flood of clients is no flood of lines: one a second tells of one of them and counts the others.
    pub(super) fn log_refusal(&mut self, peer: SocketAddr, refusal: &Refusal) {
        let now = Instant::now();
        self.unlogged_refusals += 1;
        if self.refusal_logged.is_some_and(|last| now < last + REFUSAL_LOG_INTERVAL) {
            return;
        }
        self.refusal_logged = Some(now);
        let others = std::mem::take(&mut self.unlogged_refusals) - 1;
        log::notice(format_args!("{peer} refused: {refusal} ({others} others since the last such line)"));
    }

    pub(super) fn set_accepting(&mut self, accepting: bool) -> Result<(), Failure> {
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

/// What a worker is told.
pub(super) fn answer(admitted: &Result<(), Refusal>) -> Admission {
    match admitted {
        Ok(()) => Admission::Yes,
        Err(refusal) => Admission::No { why: refusal.to_string(), text: refusal.text().into_owned() },
    }
}

fn forget_login(counts: &mut Counts, config: &Config, serving: &mut Serving) {
    if serving.known.login.take().is_some() {
        counts.remove(&serving.counted);
        serving.counted = counts.add(serving.known.rules(config));
    }
}

/// 421, in one line.
fn turn_away(client: BorrowedFd<'_>, refusal: &Refusal) {
    socket::refuse(client, format!("421 {}\r\n", refusal.text()).as_bytes());
}

/// A descriptor to give up when there are no others.
pub(super) fn reserve() -> Option<OwnedFd> {
    std::fs::File::open("/dev/null").ok().map(OwnedFd::from)
}

fn is_exhaustion(error: &io::Error) -> bool {
    let exhausted = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM];
    error.raw_os_error().is_some_and(|raw| exhausted.contains(&Errno::from_raw(raw)))
}
