//! A session while it lasts: the worker does it favours, writes its log, and keeps an eye on the clock.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::sys::wait::WaitStatus;

use super::accounting::{self, Totals};
use super::keys::KeyHolder;
use super::login::Login;
use super::processes::{Frontend, Session};
use super::records::Recorded;
use super::serve::Ending;
use super::transfers::Transfers;
use super::watch::Watch;
use super::{Client, Worker, counting, favours, policy, quotas};
use crate::config::{CommandExcess, Count, SessionOptions, SessionReuse, WeekMinute};
use crate::exit::Exit;
use crate::ipc::link::Error;
use crate::ipc::messages::{
    Admission, Arrival, FromFrontend, FromSession, Leaving, ToFrontend, ToSession, ToSupervisor, ToWorker,
};
use crate::ipc::occurrences::What;
use crate::log;
use crate::system::memory;
use crate::system::poll::{PollFlags, wait};
use crate::system::process::Child;
use crate::system::socket;

/// How long a session may take to say farewell to a client who has to go.
const KICK_GRACE: Duration = Duration::from_secs(2);

/// The relay gives up a client who does not let TLS end; the worker does so this much later, should the relay not.
const OVERTIME: Duration = Duration::from_secs(2);

/// A session calls the supervisor no more often than this.
const CALL_INTERVAL: Duration = Duration::from_millis(100);

/// A session, and what the worker knows of it while it lasts.
pub(super) struct Attendance<'a> {
    worker: &'a Worker<'a>,
    client: &'a Client,
    login: Login,
    session: Session,
    keys: KeyHolder,
    watch: Watch,
    totals: Totals,
    /// What is between the client and a session behind TLS.
    relay: Option<Frontend>,
    /// The relay has been told to end TLS, and has until then.
    clearing: Option<Instant>,
    /// What he sees as `/`.
    root: Vec<u8>,
    transfers: Transfers,
    /// When the supervisor was told last that data moves.
    called: Option<Instant>,
    recorded: Recorded,
    /// What the session said about its end, if it did.
    left: Option<Ending>,
    /// The administrator wants the client to go, and he is told so until then.
    until: Option<Instant>,
    /// The administrator wants to see every command.
    traced: bool,
    /// The session waits for the supervisor to say whether it may move a file.
    wants_to_move: bool,
    /// When the hours are over at which the user may be logged in.
    hours_end: Option<Instant>,
    /// Who counts for the session.
    counter: Option<Child>,
}

impl<'a> Attendance<'a> {
    pub fn new(
        worker: &'a Worker<'a>,
        client: &'a Client,
        login: Login,
        session: Session,
        keys: KeyHolder,
        relay: Option<Frontend>,
    ) -> Attendance<'a> {
        let watch = Watch::new(login.options(), Instant::now());
        let hours_end = end_of_hours(login.options());
        let has_anonymous = worker.inheritance.config.has_anonymous(login.host());
        let is_anonymous = has_anonymous && login.name() == "anonymous";
        let transfers = Transfers::of(client.peer.ip(), is_anonymous);
        Attendance {
            root: worker.telling.root(),
            transfers,
            recorded: worker.record_login(&login, client.peer.ip()),
            worker,
            client,
            login,
            session,
            keys,
            watch,
            totals: Totals::default(),
            relay,
            clearing: None,
            called: None,
            left: None,
            until: None,
            traced: false,
            wants_to_move: false,
            hours_end,
            counter: None,
        }
    }

    /// Until the session has ended, and its login with it.
    pub fn until_the_end(mut self) -> (Ending, Totals) {
        memory::give_back_stack();
        let ending = self.attend();
        if matches!(ending, Ending::AtOnce) {
            self.session.kill();
        }
        // How the process died is nothing to hold against the client: its user can end it as he likes.
        if let WaitStatus::Signaled(_, signal, _) = self.session.bury()
            && !matches!(ending, Ending::AtOnce)
        {
            log::warning(format_args!("the session process was killed by {signal}"));
        }
        if let Some(relay) = self.relay.take() {
            relay.bury();
        }
        if let Some(counter) = self.counter.take() {
            counter.reap_within(Duration::ZERO);
        }
        self.recorded.end();
        self.login.close_session();
        (ending, self.totals)
    }

    fn attend(&mut self) -> Ending {
        let supervisor = &self.worker.supervisor;
        loop {
            // The relay has something to say when it is asked, and only then.
            let relay = self.relay.as_ref().filter(|_| self.clearing.is_some());
            let relay = relay.map_or(supervisor.as_fd(), |relay| relay.link.as_fd());
            let watched = [
                (supervisor.as_fd(), PollFlags::POLLIN),
                (self.session.link.as_fd(), PollFlags::POLLIN),
                (relay, PollFlags::POLLIN),
                // The session is heard anyway.
                (self.counter.as_ref().map_or(self.session.link.as_fd(), AsFd::as_fd), PollFlags::POLLIN),
            ];
            let Ok([told, talking, answered, counted]) = wait(watched, Some(self.deadline())) else {
                return Ending::AtOnce;
            };
            if self.clearing.is_some_and(|until| !answered.is_empty() || Instant::now() >= until) {
                self.hear_relay();
            }
            if !counted.is_empty() {
                self.hear_counter();
            }
            if !told.is_empty() {
                match supervisor.receive() {
                    Ok(Some((ToWorker::Finish, None))) => self.finish(Leaving::Stopping),
                    Ok(Some((ToWorker::Admitted(answer), None))) if self.wants_to_move => {
                        self.pass_on(answer)
                    }
                    Ok(Some((ToWorker::LogLevel { level }, None))) => super::log_from_now_on(&level),
                    Ok(Some((ToWorker::Trace(traced), None))) => {
                        self.traced = traced;
                        super::trace_from_now_on(traced);
                    }
                    Ok(Some((ToWorker::Kick, None))) => {
                        let _ = self.session.link.send(&ToSession::Leave(Leaving::Kicked));
                        self.until.get_or_insert_with(|| Instant::now() + KICK_GRACE);
                    }
                    _ => return Ending::AtOnce,
                }
                // What has happened since is judged by all that was said before: not by half of an order.
                continue;
            }
            if !talking.is_empty() {
                match self.hear() {
                    Ok(true) => {}
                    Ok(false) => return self.left.take().unwrap_or(Ending::Left(Leaving::Vanished)),
                    Err(()) => {
                        log::error("the session sent what it may not send; it is ended");
                        return Ending::AtOnce;
                    }
                }
            }
            if self.hours_end.is_some_and(|end| Instant::now() >= end) {
                // The clock of the machine may have been set meanwhile.
                match policy::minutes_left(self.login.options(), WeekMinute::now()) {
                    Some(0) => {
                        self.hours_end = None;
                        self.finish(Leaving::HoursOver);
                        self.watch.hurry(Instant::now());
                    }
                    Some(_) | None => self.hours_end = end_of_hours(self.login.options()),
                }
            }
            if self.until.is_some_and(|until| Instant::now() >= until) {
                self.session.kill();
                return Ending::Left(Leaving::Kicked);
            }
            if self.is_out_of_time() {
                log::warning("the session gave no sign of life within its timeouts; it is ended");
                return Ending::AtOnce;
            }
        }
    }

    /// The supervisor has said whether the session may move a file.
    fn pass_on(&mut self, answer: Admission) {
        self.wants_to_move = false;
        let refusal = match answer {
            Admission::Yes => None,
            Admission::No { why, text } => {
                log::notice(format_args!("transfer refused: {why}"));
                Some(text)
            }
        };
        let _ = self.session.link.send(&ToSession::Verdict { refusal });
    }

    /// A session that cannot be told is ending.
    fn finish(&self, why: Leaving) {
        let _ = self.session.link.send(&ToSession::Finish(why));
    }

    fn deadline(&self) -> Instant {
        let others = [self.until, self.hours_end, self.clearing];
        others.into_iter().flatten().fold(self.watch.deadline(), Instant::min)
    }

    fn is_out_of_time(&mut self) -> bool {
        let now = Instant::now();
        if now < self.watch.deadline() {
            return false;
        }
        if self.counter.is_some() {
            // However long it takes, it is not the session that takes it.
            self.watch.sign_of_life(None, now);
            return false;
        }
        let control = self.client.control.as_fd();
        let unread = socket::has_unread(self.session.inner.as_ref().map_or(control, AsFd::as_fd));
        self.watch.is_over(socket::silence(control).ok(), unread, now)
    }

    /// The session waits for an answer, which comes when the counter has ended.
    fn begin_count(&mut self, counter: Option<Child>) -> Result<bool, ()> {
        match counter {
            Some(counter) => self.counter = Some(counter),
            None => {
                let _ = self.session.link.send(&ToSession::Counted { done: false });
            }
        }
        Ok(true)
    }

    fn hear_counter(&mut self) {
        let Some(counter) = self.counter.take_if(|counter| counter.has_ended()) else { return };
        let ended = counter.reap_within(Duration::ZERO);
        let done = matches!(ended, WaitStatus::Exited(_, status) if status == Exit::Served as i32);
        self.watch.sign_of_life(None, Instant::now());
        let _ = self.session.link.send(&ToSession::Counted { done });
    }

    /// The session wants to go on without TLS. It has said everything that is to be said behind it.
    fn clear(&mut self) -> Result<(), ()> {
        let relay = self.relay.as_ref().filter(|_| self.clearing.is_none()).ok_or(())?;
        // A relay that is gone is found gone when it is heard.
        let _ = relay.link.send(&ToFrontend::Clear);
        let limit = self.worker.inheritance.config.tls.handshake_timeout.duration();
        self.clearing = Some(Instant::now() + limit + OVERTIME);
        Ok(())
    }

    /// The relay has ended TLS, or could not. It is not needed any more.
    fn hear_relay(&mut self) {
        self.clearing = None;
        let Some(relay) = self.relay.take() else { return };
        let heard = match wait([(relay.link.as_fd(), PollFlags::POLLIN)], Some(Instant::now())) {
            Ok([ready]) if !ready.is_empty() => relay.link.receive().ok().flatten(),
            Ok(_) | Err(_) => None,
        };
        // A session that cannot be told is ending.
        let _ = match heard {
            Some((FromFrontend::Cleared { ahead }, None)) => {
                log::info("TLS: the control connection goes on without it");
                let cleared = ToSession::Cleared { ahead };
                self.session.inner = None;
                self.session.link.send_with(&cleared, self.client.control.as_fd())
            }
            _ => self.session.link.send(&ToSession::NotCleared),
        };
        relay.bury();
    }

    /// The supervisor looks for a while once it has been told: a session that calls more often than that need not be
    /// heard by it.
    fn tell_that_data_moves(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        if self.called.is_some_and(|called| now < called + CALL_INTERVAL) {
            return Ok(());
        }
        self.called = Some(now);
        self.worker.supervisor.send(&ToSupervisor::Moves)
    }

    /// One message. False: there will be none any more.
    fn hear(&mut self) -> Result<bool, ()> {
        let message = match self.session.link.receive() {
            Ok(Some((message, None))) => message,
            Ok(Some((FromSession::GiveAway { name, really }, Some(file)))) => {
                let giving = self.session.giving.as_ref();
                let _ = favours::give_away(&self.session.link, giving, file, &name, really);
                return Ok(true);
            }
            Ok(Some((FromSession::OpenLedger { section }, Some(directory)))) => {
                let link = &self.session.link;
                let _ = match counting::open(self.worker, &section, directory) {
                    Some((ledger, file)) => link.send_with(&ledger, file.as_fd()),
                    None => link.send(&ToSession::NoLedger),
                };
                return Ok(true);
            }
            Ok(Some((FromSession::CountThis { section }, Some(directory)))) if self.counter.is_none() => {
                let counter = self.worker.count_this(&self.login, &section, directory);
                return self.begin_count(counter);
            }
            Ok(None) => return Ok(false),
            Ok(Some((_, Some(_)))) | Err(_) => return Err(()),
        };
        let event = if let FromSession::Event(event) = &message { Some(event) } else { None };
        self.watch.sign_of_life(event, Instant::now());
        let config = &self.worker.inheritance.config;
        let link = &self.session.link;
        // A session that ends while it is answered is found gone with the next message.
        let _ = match message {
            FromSession::UserName { uid } => favours::user_name(link, self.login.account(), uid),
            FromSession::GroupName { gid } => favours::group_name(link, self.login.account(), gid),
            FromSession::Sign { scheme, message } => {
                let budget = match config.tls.session_reuse {
                    SessionReuse::Off | SessionReuse::Prefer => u32::MAX,
                    // One was for the control connection.
                    SessionReuse::Require => 1,
                };
                favours::signature(link, &mut self.keys, scheme, &message, budget)
            }
            FromSession::BindDataPort { port } => {
                let privileged = self.login.options().privileged_ports;
                favours::data_socket(link, self.client, port, privileged, config.data.dscp.map(Count::get))
            }
            FromSession::Moves => self.tell_that_data_moves(),
            FromSession::MayMove => {
                self.wants_to_move = true;
                self.worker.supervisor.send(&ToSupervisor::MayMove)
            }
            FromSession::Event(event) => {
                if self.traced && !config.log.commands {
                    accounting::trace(&event);
                }
                accounting::record(&event, &mut self.totals, &config.log, &self.root);
                if let Some(xferlog) = &config.log.xferlog {
                    self.transfers.record(xferlog, &event, &self.root, &self.login);
                }
                self.worker.tell(What::Done(event));
                Ok(())
            }
            FromSession::May(wish) => {
                let refusal = self.worker.ask(wish);
                self.watch.sign_of_life(None, Instant::now());
                link.send(&ToSession::Verdict { refusal })
            }
            FromSession::Left { why } => {
                if why == Leaving::Flooding && self.login.options().command_excess == CommandExcess::Ban {
                    let _ = self.worker.supervisor.send(&ToSupervisor::Misbehaved { ban: true });
                }
                self.left = Some(Ending::Left(why));
                Ok(())
            }
            FromSession::Clear => return self.clear().map(|()| true),
            FromSession::Reinitialize { ahead, greeted, stays } => {
                let host = self.login.host().filter(|_| stays).unwrap_or_default().to_owned();
                self.left = Some(Ending::Reinitialized(Arrival::Again { ahead, greeted, host }));
                Ok(())
            }
            FromSession::Count { ledger } if self.counter.is_none() => {
                let counter = self.worker.count(&self.login, quotas::path_of(&self.root), &ledger);
                return self.begin_count(counter);
            }
            FromSession::Doubt { uid } => {
                quotas::doubt(config, uid, quotas::path_of(&self.root));
                link.send(&ToSession::Doubted)
            }
            FromSession::Ready { .. }
            | FromSession::NotReady { .. }
            | FromSession::GiveAway { .. }
            | FromSession::OpenLedger { .. }
            | FromSession::Count { .. }
            | FromSession::CountThis { .. } => return Err(()),
        };
        Ok(true)
    }
}

/// When the hours are over at which somebody with these options may be logged in; nothing where there are none.
fn end_of_hours(options: &SessionOptions) -> Option<Instant> {
    if options.login_hours.is_empty() {
        return None;
    }
    let minutes = policy::minutes_left(options, WeekMinute::now())?;
    let whole = Duration::from_secs(u64::from(minutes.saturating_sub(1)) * 60);
    Some(Instant::now() + whole + WeekMinute::rest())
}
