//! PROCESS worker: serves one client, by deciding; others speak with him.
//!
//! *Runs as*    root with few capabilities (or whoever started the daemon); one for each client, forked before he came.
//! *Reads*      the supervisor, its frontend, its session; PAM, the user database, the file of virtual users.
//! *May*        decide logins, become no one, fork the session, bind the ftp-data port, write the log.
//! *Never*      imports `protocol`: root could not parse FTP if it wanted to. Never serves a second client.
//! *Ends when*  the client is gone and the PAM session is closed, or the supervisor is gone.

mod accounting;
mod attend;
mod counting;
mod dialogue;
mod entry;
mod favours;
mod giving;
mod inheritance;
pub(crate) mod keys;
pub(crate) mod login;
mod pam;
mod policy;
mod processes;
mod proof;
pub(crate) mod quotas;
mod records;
mod relay;
mod serve;
mod telling;
mod transfers;
mod watch;

pub use inheritance::Inheritance;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::unistd::Pid;

use crate::config::{LogLevel, ProcessTitles};
use crate::exit::Exit;
use crate::ipc::messages::{SupervisorLink, ToWorker};
use crate::log;
use crate::system::shared_pages::Claim;
use crate::system::{socket, title};
use crate::tls::tickets::TicketKey;

/// What a new worker takes with it, beside the memory it inherits.
pub struct Newborn {
    /// The link to the supervisor.
    pub link: SupervisorLink,
    /// The write end of the life pipe.
    pub life: OwnedFd,
    /// The page that the session will share with the supervisor.
    pub page: Claim,
    /// Who must still be the parent.
    pub supervisor: Pid,
}

impl Newborn {
    /// What the worker keeps open of it.
    fn descriptors(&self) -> [i32; 3] {
        [self.link.as_fd().as_raw_fd(), self.life.as_raw_fd(), self.page.descriptor()]
    }
}

/// The client, as the supervisor accepted him, or as a proxy has named him.
pub struct Client {
    /// Counts the clients of this daemon.
    pub id: u64,
    pub peer: SocketAddr,
    /// What he connected to: an address of this machine, or of the proxy.
    pub local: SocketAddr,
    /// What the configuration calls the listener he came to.
    pub listener: SocketAddr,
    /// The proxy that speaks for him, once it has said so.
    pub proxy: Option<SocketAddr>,
    /// This machine's end of the connection.
    pub here: SocketAddr,
    /// The address of the name in `masquerade-address`, if it was known when he came.
    pub masquerade: Option<Ipv4Addr>,
    /// The control connection. The worker never reads from it; the kernel's view of it tells who has fallen silent.
    pub control: OwnedFd,
}

impl Client {
    /// As the log has him.
    fn subject(&self) -> log::Subject {
        let (peer, local) = (Some(self.peer), Some(self.local));
        log::Subject { session: self.id, peer, local, user: None, host: None }
    }
}

/// A worker: what it was born with and has made since.
struct Worker<'a> {
    inheritance: &'a Inheritance,
    supervisor: SupervisorLink,
    /// Open as long as any process of this connection lives.
    life: OwnedFd,
    /// The page of this client, which his session will map.
    page: Claim,
    pid: Pid,
    /// What session tickets of this client are encrypted with, where there is TLS.
    tickets: Option<TicketKey>,
    /// Of whom it tells what.
    telling: telling::Telling,
}

/// The life of a worker, from the fork to the end of its process.
pub fn run(newborn: Newborn, inheritance: &Inheritance) -> ! {
    title::set("ftpd: spare");
    let exit = match processes::settle(newborn, inheritance) {
        Ok((worker, frontend)) => worker.wait_for_client(frontend),
        Err(failure) => {
            log::error(&failure);
            Exit::Failed
        }
    };
    exit.now()
}

impl Worker<'_> {
    /// What `ps` shows of this process, or of a child before it becomes somebody else.
    fn show(&self, role: &str, details: impl std::fmt::Display) {
        match self.inheritance.config.server.process_titles {
            ProcessTitles::Role => title::set(&format!("ftpd: {role}")),
            ProcessTitles::Full => {
                let details = details.to_string();
                title::set(&format!("ftpd: {role} {}", log::escaped(details.as_bytes())));
            }
        }
    }

    /// From here on it is known whom this worker serves.
    fn introduce(&self, client: &Client) {
        self.show("worker", client.peer.ip());
        log::set_subject(client.subject());
    }

    fn wait_for_client(mut self, frontend: processes::Frontend) -> Exit {
        match self.supervisor.receive() {
            Ok(Some((
                ToWorker::Serve { id, peer, local, listener, proxy, masquerade, arrival },
                Some(control),
            ))) => {
                let here = match proxy {
                    None => local,
                    Some(_) => match socket::local_address(control.as_fd()) {
                        Ok(here) => here,
                        Err(_) => return Exit::PeerGone,
                    },
                };
                let client = Client { id, peer, local, listener, proxy, here, masquerade, control };
                self.telling.introduce(&client);
                self.introduce(&client);
                self.serve(client, arrival, frontend)
            }
            // Retired, or the supervisor is gone: the frontend sees that its link has ended.
            Ok(Some((ToWorker::End | ToWorker::Kick | ToWorker::Finish, _)) | None) => Exit::Served,
            Ok(Some((
                ToWorker::Admitted(_)
                | ToWorker::Noted { .. }
                | ToWorker::LogLevel { .. }
                | ToWorker::Trace(_)
                | ToWorker::Serve { .. },
                _,
            )))
            | Err(_) => Exit::PeerGone,
        }
    }
}

/// The supervisor names only levels that there are.
fn log_from_now_on(level: &str) {
    if let Ok(level) = level.parse() {
        log::set_level(level);
    }
}

/// Everything is logged of this client. When he is no longer traced, `LogLevel` follows.
fn trace_from_now_on(traced: bool) {
    if traced {
        log::set_level(LogLevel::Debug);
    }
}
