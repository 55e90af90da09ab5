//! PROCESS frontend: speaks FTP with a client who has not logged in.
//!
//! *Runs as*    the system user of `frontend-user`, chrooted to a directory that is empty and removed, with seccomp; one
//!              for each client, forked before its client came.
//! *Reads*      THE CLIENT, and its worker's verdicts.
//! *May*        read and write the one control connection; ask the worker whether a password is right.
//! *Never*      opens a file or a socket, learns a secret of the daemon, sees another client.
//! *Ends when*  the client is logged in (his session goes on with the connection), leaves, or takes too long. Behind TLS
//!              it stays after the login, as the relay of the control connection and nothing else.

mod certificate;
mod connection;
mod relay;
mod tls;
mod verbs;
mod welcome;

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::config::{CommandExcess, Config, HostName, Tempo};
use crate::exit::Exit;
use crate::ipc::link::Error;
use crate::ipc::messages::{Arrival, FromFrontend, Leaving, LoginLink, Security, ToFrontend};
use crate::protocol::command::Command;
use crate::protocol::message;
use crate::protocol::proxy::Header;
use crate::protocol::reply::{Code, Reply};
use crate::protocol::verb::{Entry, State, dispatch};

use crate::tls::tickets::TicketKey;
use connection::{Connection, Heard};

/// Commands that mean nothing, or nothing before login, until the client is taken for something else than an FTP client.
const MAX_NONSENSE: u32 = 20;

/// First words of HTTP and its like: a browser was tricked into sending them, and the commands in the body behind.
const FOREIGN_VERBS: &[&str] =
    &["GET", "POST", "PUT", "HEAD", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// What a frontend remembers of its client.
pub struct Frontend {
    worker: Arc<LoginLink>,
    connection: Connection,
    config: Rc<Config>,
    peer: SocketAddr,
    local: SocketAddr,
    /// The virtual host that serves the client, if there is one.
    host: Option<String>,
    entries: &'static [Entry],
    user: Option<String>,
    deadline: Instant,
    nonsense: u32,
    /// How the control connection is protected.
    security: Security,
    /// The client has shown a certificate that is good.
    is_certified: bool,
    /// The client has said HOST.
    has_chosen: bool,
    /// The name that he asked for in the handshake.
    server_name: Option<HostName>,
    /// How often a client has begun to speak TLS.
    handshakes: u32,
    /// TLS begins without AUTH.
    implicit: bool,
    /// REIN was said: TLS ends behind the reply.
    clearing: bool,
    /// AUTH was said: the handshake begins behind the reply, and then this is how things are.
    upgrading: Option<Security>,
    /// The session of a client who has logged in behind TLS, and greets him itself.
    session: Option<OwnedFd>,
    /// What TLS needs, where there is any.
    tls: Option<tls::Parts>,
    /// How fast commands come.
    tempo: Tempo,
}

impl State for Frontend {}

/// Waits for a client and speaks to him until he is logged in or gone. `entries` are all verbs there are.
pub fn run(
    worker: LoginLink,
    config: Rc<Config>,
    entries: &'static [Entry],
    tickets: Option<&TicketKey>,
) -> Exit {
    let line_limit = config.server.line_limit.get() as usize;
    let (client, mut peer, mut local, proxied, awaited, implicit, arrival) = match worker.receive() {
        Ok(Some((ToFrontend::Serve { peer, local, proxied, awaited, implicit, arrival }, Some(client)))) => {
            (client, peer, local, proxied, awaited, implicit, arrival)
        }
        Ok(_) => return Exit::Served,
        Err(_) => return Exit::PeerGone,
    };
    let (ahead, greeted, chosen) = match arrival {
        Arrival::New => (Vec::new(), false, String::new()),
        Arrival::Again { ahead, greeted, host } => (ahead, greeted, host),
    };
    let mut connection = Connection::new(client, ahead, line_limit);
    let deadline = Instant::now() + config.login.login_timeout.duration();
    if proxied {
        match welcome::learn(&mut connection, &worker) {
            Ok(Header::Client { peer: client, local: server }) => (peer, local) = (client, server),
            Ok(Header::Itself) => {}
            Err(exit) => return exit,
        }
        if worker.send(&FromFrontend::Proxied { peer, local }).is_err() {
            return Exit::PeerGone;
        }
    }
    if (proxied || awaited)
        && let Err(exit) = welcome::await_it(&mut connection, &worker)
    {
        return exit;
    }
    let chosen = Some(chosen).filter(|host| config.host.contains_key(host.as_str()));
    let host = chosen.or_else(|| config.host_at(local).map(String::from));
    let mut frontend = Frontend {
        worker: Arc::new(worker),
        connection,
        config,
        peer,
        local,
        host,
        entries,
        user: None,
        deadline,
        nonsense: 0,
        security: Security::Plain,
        is_certified: false,
        has_chosen: false,
        server_name: None,
        handshakes: 0,
        implicit: false,
        clearing: false,
        upgrading: None,
        session: None,
        tls: tickets.cloned().map(|tickets| tls::Parts { tickets, finishing: Arc::default() }),
        tempo: Tempo::default(),
    };
    let outcome = frontend.serve(implicit, greeted);
    if let Some(session) = frontend.session.take()
        && let Some((client, stream)) = frontend.connection.take_protected()
    {
        let worker = Arc::clone(&frontend.worker);
        let limit = frontend.config.tls.handshake_timeout.duration();
        // What was said to log in is nothing to be kept.
        drop(frontend);
        relay::run(client, stream, session, &worker, limit);
        return Exit::Served;
    }
    match outcome {
        Ok(why) => match frontend.worker.send(&FromFrontend::Left { why }) {
            Ok(()) => Exit::Served,
            Err(_) => Exit::PeerGone,
        },
        Err(exit) => exit,
    }
}

impl Frontend {
    /// 220, as the host has it.
    fn banner(&self) -> Reply {
        let host = self.host.as_deref();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64);
        let facts =
            message::Facts { session: None, client: self.peer.ip(), host, local: self.local.ip(), now };
        Reply::lines(Code::Ready, message::expand(self.config.banner(host).text().as_bytes(), &facts))
    }

    /// From the greeting to the login or the end.
    fn serve(&mut self, implicit: bool, greeted: bool) -> Result<Leaving, Exit> {
        self.implicit = implicit;
        if implicit && let Some(leaving) = self.secure(verbs::IMPLICIT)? {
            return Ok(leaving);
        }
        if !greeted {
            let banner = self.banner();
            self.connection.send(&banner);
        }
        self.converse()
    }

    /// Obeys a line at a time. The client's further lines stay in the socket: they may be for his session.
    fn converse(&mut self) -> Result<Leaving, Exit> {
        loop {
            let heard = self.connection.hear(&self.worker, self.deadline);
            if matches!(heard, Heard::Line(_) | Heard::TooLong) && !self.keep_tempo() {
                let text = "Too many commands in a short time. Goodbye.";
                self.connection.send(&Reply::new(Code::NotAvailable, text));
                return Ok(Leaving::Flooding);
            }
            match heard {
                Heard::Line(line) => {
                    let command = Command::parse(&line);
                    if FOREIGN_VERBS.contains(&command.verb.as_str()) {
                        return Ok(Leaving::Abuse);
                    }
                    let reply = self.obey(&command);
                    if self.session.is_some() {
                        return Ok(Leaving::Quit);
                    }
                    let upgrading = self.upgrading.take();
                    // Words that somebody has put behind AUTH are not those of who is going to speak behind TLS.
                    if upgrading.is_some() && self.connection.has_more() {
                        return Ok(Leaving::Abuse);
                    }
                    self.connection.send(&reply);
                    if let Some(security) = upgrading
                        && let Some(leaving) = self.secure(security)?
                    {
                        return Ok(leaving);
                    }
                    if std::mem::take(&mut self.clearing)
                        && let Some(leaving) = self.clear()?
                    {
                        return Ok(leaving);
                    }
                    if reply.closes() {
                        return Ok(if command.verb == "QUIT" {
                            Leaving::Quit
                        } else {
                            Leaving::TooManyFailures
                        });
                    }
                }
                Heard::TooLong => self.connection.send(&Reply::new(Code::Unrecognized, "Line too long.")),
                Heard::Vanished => return Ok(Leaving::Vanished),
                Heard::Nothing => {
                    self.connection.send(&Reply::new(Code::NotAvailable, "Login timed out."));
                    return Ok(Leaving::LoginTimeout);
                }
                Heard::Worker => match self.worker.receive() {
                    Ok(Some((ToFrontend::Finish(why), None))) => {
                        self.connection.send(&farewell(why));
                        return Ok(why);
                    }
                    // A verdict that nobody asked for, or no worker.
                    Ok(_) | Err(Error::Broken | Error::System(_)) => return Err(Exit::PeerGone),
                },
            }
            if let Some(why) = self.tls.as_ref().and_then(|tls| tls.finishing.get().copied()) {
                self.connection.send(&farewell(why));
                return Ok(why);
            }
            if self.nonsense > MAX_NONSENSE {
                self.connection.send(&Reply::new(Code::NotAvailable, "This is not FTP."));
                return Ok(Leaving::Abuse);
            }
        }
    }

    /// Before a command is obeyed: if it comes too soon, it waits. False: the client has to go.
    fn keep_tempo(&mut self) -> bool {
        let session = &self.config.session;
        let Some(rate) = session.command_rate else { return true };
        while let Err(until) = self.tempo.strike(rate, Instant::now()) {
            if session.command_excess != CommandExcess::Slow {
                return false;
            }
            // The worker's word, or the end of the time to log in, is heard behind this command.
            if self.connection.rest(&self.worker, until.min(self.deadline)) || Instant::now() >= self.deadline
            {
                break;
            }
        }
        true
    }

    fn obey(&mut self, command: &Command) -> Reply {
        if verbs::VERBS.iter().any(|verb| verb.name == command.verb) {
            return dispatch(verbs::VERBS, self, command).unwrap_or_else(|refusal| refusal);
        }
        self.nonsense += 1;
        let known = self.entries.iter().any(|entry| entry.name == command.verb);
        if known {
            Reply::new(Code::NotLoggedIn, "Log in with USER and PASS first.")
        } else {
            Reply::new(Code::Unrecognized, format!("{}: command not understood.", command.verb))
        }
    }
}

/// 421, for who has to go.
fn farewell(why: Leaving) -> Reply {
    let text = match why {
        Leaving::Kicked => "The administrator has ended this connection.",
        _ => "The server is stopping.",
    };
    Reply::new(Code::NotAvailable, text)
}
