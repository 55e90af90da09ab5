//! PROCESS session: serves somebody who has logged in.
//!
//! *Runs as*    the user, for good: no capabilities, no new privileges, not dumpable, seccomp, Landlock; one for each login.
//! *Reads*      the client, files and data connections of the user, the worker's answers.
//! *May*        what the kernel lets this user do beneath the root directory of his session.
//! *Never*      becomes somebody else, starts a program, sees a password, a key or another session.
//! *Ends when*  the client leaves, vanishes or is silent for too long, or the worker is gone or says so.

mod accepting;
pub mod arguments;
pub mod ascii;
pub mod authorize;
mod connection;
mod consent;
mod control;
mod copy;
mod data;
pub mod deflate;
pub mod digest;
pub mod error;
pub mod explanation;
pub mod facts;
pub mod files;
pub mod format;
mod forms;
mod lines;
pub mod list_options;
pub mod listing;
mod locks;
mod messages;
pub mod mode;
pub mod names;
mod obedience;
mod operation;
mod pace;
mod payment;
mod protection;
mod quarantine;
mod quota;
mod reading;
mod splice;
mod storing;
mod targets;
mod tempo;
mod temporary;
mod terms;
#[cfg(test)]
mod testing;
mod transfer;
pub mod upload;
mod verbs;
mod watch;
mod work;
mod worker;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::config::{Data, Network, SessionOptions, Tempo, Tls};
use crate::exit::Exit;
use crate::ipc::messages::{FavourLink, Leaving};
use crate::ipc::page::SessionPage;
use crate::protocol::path::FtpPath;
use crate::protocol::reply::{Code, Reply};
use crate::protocol::verb::State;
use crate::system::privileges::Dropped;
pub use authorize::Powers;
use control::{Control, Line};
use data::{DataPort, Ends};
use digest::Algorithm;
use facts::Facts;
use files::Files;
pub use forms::{Mode, Representation};
use messages::Shown;
use names::Names;
use pace::Pace;
use payment::Payment;
pub use protection::Security;
use protection::{Clearing, Protection};
pub use quota::covering::{Inner, Quotas};
pub use quota::{Quota, Terms as QuotaTerms};
use transfer::Moving;
pub use verbs::ENTRIES;
use worker::Worker;

/// Everything a session begins with.
pub struct Start {
    /// The name that was proved.
    pub user: String,
    /// The virtual host that serves him, if there is one.
    pub host: Option<String>,
    /// Whether there are virtual hosts at all: FEAT tells.
    pub has_hosts: bool,
    /// The options of his session.
    pub options: SessionOptions,
    /// What he may do, and where that is said.
    pub powers: Powers,
    /// The options of data connections.
    pub data: Data,
    /// Whether the worker wants to hear of every command.
    pub report_commands: bool,
    /// The events of which programs are asked before they happen, a bit for each.
    pub asked: u32,
    /// Whether the worker wants to hear of every transfer, or only of those that take a while.
    pub report_transfers: bool,
    /// The directory that is `/` for the client.
    pub root: OwnedFd,
    /// Which of the places that the login may have this is, for the worker.
    pub place: u8,
    /// /proc/self/fd, if there is a /proc: to give a name to a file that has none.
    pub descriptors: Option<OwnedFd>,
    /// What is counted of what is there, if there are quotas.
    pub quotas: Quotas,
    /// Where the session starts, as the client sees it.
    pub home: Vec<u8>,
    /// The control connection.
    pub control: OwnedFd,
    /// The options of TLS.
    pub tls: Tls,
    /// How the control connection is protected: then `control` leads to the relay. None: it is not.
    pub security: Option<Security>,
    /// What was read from it already and not obeyed yet.
    pub ahead: Vec<u8>,
    /// The longest line, in bytes.
    pub line_limit: usize,
    /// The link to the worker.
    pub worker: FavourLink,
    /// What the supervisor sees of the session.
    pub page: SessionPage,
    /// The client's end of the control connection.
    pub peer: SocketAddr,
    /// What the client connected to: this end of the control connection, or the proxy's.
    pub local: SocketAddr,
    /// This machine's end of the control connection.
    pub here: SocketAddr,
    /// Whose proxies speak for the client; empty: he speaks for himself.
    pub proxies: Vec<Network>,
    /// The address of the name in `masquerade-address`, if it is known.
    pub masquerade: Option<Ipv4Addr>,
    /// Whether no password was needed: then he is told so (232).
    pub by_certificate: bool,
    /// What the client is told when he is logged in (230), before the messages of his directory and of his options.
    pub greeting: Vec<String>,
}

/// Why a session goes on no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client is gone, or has been told to go.
    Left(Leaving),
    /// The worker is gone, or broke the rules.
    WorkerGone,
    /// The client has logged out and wants to log in again. `greeted`: he has had his 220; `stays`: at the same virtual
    /// host.
    Reinitialized { greeted: bool, stays: bool },
}

/// A session: what is remembered between two commands.
pub struct Session {
    user: String,
    host: Option<String>,
    has_hosts: bool,
    options: SessionOptions,
    report_commands: bool,
    report_transfers: bool,
    /// The events of which programs are asked before they happen, a bit for each.
    asked: u32,
    files: Files,
    control: Control,
    worker: Rc<Worker>,
    page: SessionPage,
    names: Names,
    facts: Facts,
    data: DataPort,
    /// TLS, if the control connection is protected by it.
    protection: Option<Protection>,
    /// Whether there is TLS for who asks for it.
    has_tls: bool,
    cwd: FtpPath,
    /// Where the session began.
    home: FtpPath,
    shown: Shown,
    representation: Representation,
    mode: Mode,
    /// Set by OPTS MODE Z LEVEL.
    deflate_level: u32,
    /// Set by REST for the transfer that follows.
    restart: u64,
    /// Set by ALLO for the upload that follows: its size in bytes.
    announced: Option<u64>,
    /// Set by RANG for the digest or download that follows: the first byte and the one behind the last.
    range: Option<std::ops::Range<u64>>,
    /// Set by OPTS HASH.
    algorithm: Algorithm,
    /// Set by RNFR for the RNTO that follows.
    renaming: Option<FtpPath>,
    /// Set by SITE CPFR for the SITE CPTO that follows.
    copying: Option<FtpPath>,
    /// How long the client may be silent.
    idle: Duration,
    /// How fast data moves.
    pace: Pace,
    /// The transfer that is going on.
    moving: Option<Moving>,
    /// How many waiting lines have been looked at during this transfer, and wait for its end.
    passed: usize,
    /// A command waits until something has been counted.
    waits: bool,
    /// ABOR was said during this transfer.
    aborting: bool,
    /// It is sent behind the reply of what was aborted.
    reply_to_abort: Option<Reply>,
    /// A buffer for data, kept from one transfer to the next.
    buffer: Vec<u8>,
    began: Instant,
    /// Set by what wants TLS to end behind its reply.
    clearing: Option<Clearing>,
    /// Set by what finds out during a command that the session cannot go on.
    ending: Option<End>,
    /// The client was told that he has to go.
    sent_away: bool,
    /// How fast commands come.
    tempo: Tempo,
    payment: Option<Payment>,
}

/// Serves the client until he leaves. `_dropped` is the proof that this process is the user.
pub fn run(_dropped: Dropped, start: Start) -> Exit {
    let worker = Worker::new(start.worker);
    let hands_over = start.security.is_none();
    let control = match Control::new(start.control, &start.ahead, start.line_limit, hands_over) {
        Ok(control) => control,
        Err(error) => {
            worker.not_ready(format!("control connection: {error}"));
            return Exit::Failed;
        }
    };
    let home = FtpPath::root().join(&start.home).unwrap_or_else(FtpPath::root);
    let ends = Ends {
        local: start.local,
        peer: start.peer,
        here: start.here,
        proxies: start.proxies,
        masquerade: start.masquerade,
        foreign: start.options.foreign_addresses,
        privileged: start.options.privileged_ports,
    };
    let mut session = Session {
        files: Files::new(start.root, start.powers, start.descriptors),
        user: start.user,
        host: start.host,
        has_hosts: start.has_hosts,
        idle: start.options.idle_timeout.duration(),
        options: start.options,
        report_commands: start.report_commands,
        report_transfers: start.report_transfers,
        asked: start.asked,
        control,
        names: Names::new(Box::new(Rc::clone(&worker))),
        facts: Facts::default(),
        data: DataPort::new(start.data, ends),
        has_tls: !start.tls.certificates.is_empty(),
        protection: start.security.map(|security| Protection::new(start.tls, security, worker.key_holder())),
        cwd: home.clone(),
        home,
        shown: Shown::default(),
        representation: Representation::Ascii,
        mode: Mode::Stream,
        deflate_level: deflate::DEFAULT_LEVEL,
        restart: 0,
        announced: None,
        range: None,
        algorithm: Algorithm::ALL[0],
        renaming: None,
        copying: None,
        pace: Pace::new(),
        moving: None,
        passed: 0,
        waits: false,
        aborting: false,
        reply_to_abort: None,
        buffer: Vec::new(),
        began: Instant::now(),
        clearing: None,
        ending: None,
        page: start.page,
        sent_away: false,
        tempo: Tempo::default(),
        payment: None,
        worker,
    };
    session.files.keep_quotas(start.quotas, Box::new(Rc::clone(&session.worker)));
    session.page.tell_cwd(session.cwd.as_bytes());
    session.worker.ready(start.place);
    let greeting = session.greeting(start.by_certificate, start.greeting);
    session.control.queue(&greeting);
    match session.serve() {
        End::Left(why) => {
            session.bid_farewell();
            session.worker.left(why);
            session.control.close();
            Exit::Served
        }
        End::Reinitialized { greeted, stays } => {
            session.bid_farewell();
            session.worker.reinitialize(session.control.take_ahead(), greeted, stays);
            Exit::Served
        }
        End::WorkerGone => Exit::PeerGone,
    }
}

impl Session {
    /// Obeys one command after the other.
    fn serve(&mut self) -> End {
        loop {
            if self.worker.is_gone() {
                return End::WorkerGone;
            }
            if let Some(why) = self.worker.must_leave() {
                return self.send_away(why);
            }
            if let Some(why) = self.worker.must_finish() {
                let text = match why {
                    Leaving::HoursOver => "Your hours are over. Goodbye.",
                    _ => "The server is stopping. Goodbye.",
                };
                self.control.queue(&Reply::new(Code::NotAvailable, text));
                return End::Left(why);
            }
            if self.is_expired() {
                return self.send_away(Leaving::TimeOver);
            }
            if self.control.waiting(0).is_some()
                && let Err(end) = self.keep_tempo()
            {
                return end;
            }
            if let Some(line) = self.next_line() {
                let reply = self.obey(line);
                if let Some(end) = self.ending {
                    return end;
                }
                self.control.queue(&reply);
                if let Some(reply) = self.reply_to_abort.take() {
                    self.control.queue(&reply);
                }
                if let Some(clearing) = self.clearing.take()
                    && let Err(end) = self.clear(clearing)
                {
                    return end;
                }
                if reply.closes() {
                    return End::Left(Leaving::Quit);
                }
            } else if self.control.vanished() {
                return End::Left(Leaving::Vanished);
            } else if let Err(end) = self.await_line() {
                return end;
            }
        }
    }

    /// A client that does not read what it is told is not obeyed.
    fn next_line(&mut self) -> Option<Line> {
        if self.control.is_clogged() { None } else { self.control.next_line() }
    }

    /// Waits for the client to say something, as long as the configuration lets him be idle.
    fn await_line(&mut self) -> Result<(), End> {
        let deadline = Instant::now() + self.idle;
        self.page.tell_waiting();
        while self.control.waiting(0).is_none()
            && !self.control.vanished()
            && self.worker.must_finish().is_none()
        {
            let until = self.data.release_ports().map_or(deadline, |moment| moment.min(deadline));
            self.watch(None, Some(until))?;
            if Instant::now() >= deadline && self.control.waiting(0).is_none() {
                self.control
                    .queue(&Reply::new(Code::NotAvailable, "Nothing was said for too long. Goodbye."));
                return Err(End::Left(Leaving::Idle));
            }
        }
        if self.control.is_clogged() { self.drain() } else { Ok(()) }
    }
}

impl State for Session {
    fn resolve(&self, argument: &[u8]) -> Option<FtpPath> {
        self.cwd.join(argument)
    }
}
