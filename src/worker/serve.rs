//! A client from his first word to his last: the login, then the session, then the end of both.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::accounting::{self, Totals};
use super::attend::Attendance;
use super::dialogue::{Dialogue, Heard};
use super::processes::Frontend;
use super::{Client, Worker};
use crate::config::{CommandExcess, Count};
use crate::exit::Exit;
use crate::ipc::messages::{Admission, Leaving, ToFrontend, ToSupervisor};
use crate::log;
use crate::system::socket;

/// The frontend ends a login that takes too long; the worker does so this much later, should the frontend not.
pub(super) const LOGIN_OVERTIME: Duration = Duration::from_secs(2);

/// Why the worker ends.
pub(super) enum Ending {
    Left(Leaving),
    /// The daemon, or a process of this connection, ends at once.
    AtOnce,
    /// The client has logged out and goes on with another worker.
    Reinitialized {
        ahead: Vec<u8>,
        greeted: bool,
    },
}

impl Worker<'_> {
    /// Serves the client.
    pub fn serve(self, mut client: Client, ahead: Vec<u8>, greeted: bool, frontend: Frontend) -> Exit {
        let listen = &self.inheritance.config.listen;
        let proxied = client.proxy.is_none() && listen.proxied.contains(&client.listener);
        // Listeners of a service manager are known by their port.
        let port = client.listener.port();
        let implicit = listen.implicit_addresses.iter().any(|address| address.port() == port);
        let (peer, local) = (client.peer, client.local);
        let serve = ToFrontend::Serve { peer, local, proxied, implicit, ahead, greeted };
        let (keepalive, dscp) = (listen.keepalive.seconds(), listen.dscp.map(Count::get));
        let prepared = socket::prepare_control(client.control.as_fd(), keepalive, dscp);
        if prepared.is_err() || frontend.link.send_with(&serve, client.control.as_fd()).is_err() {
            return Exit::PeerGone;
        }
        let connected = !proxied;
        let known = if proxied { self.await_name(&mut client, &frontend) } else { Ok(()) };
        log::info("FTP session opened (connect).");
        let (ending, totals) = match known.and_then(|()| self.log_in(&client, &frontend)) {
            Ok((login, session, keys)) => {
                // After a login behind TLS the frontend is the relay, and outlives the session.
                let relay = match session.inner {
                    Some(_) => Some(frontend),
                    None => {
                        frontend.bury();
                        None
                    }
                };
                Attendance::new(&self, &client, login, session, keys, relay).until_the_end()
            }
            Err(ending) => {
                let excess = self.inheritance.config.session.command_excess;
                let ban = match &ending {
                    Ending::Left(Leaving::Flooding) => (excess == CommandExcess::Ban).then_some(true),
                    Ending::Left(Leaving::Abuse) => Some(false),
                    Ending::Left(_) | Ending::AtOnce | Ending::Reinitialized { .. } => None,
                };
                if let Some(ban) = ban {
                    // Should the supervisor be gone, that shows soon.
                    let _ = self.supervisor.send(&ToSupervisor::Misbehaved { ban });
                }
                frontend.bury();
                (ending, Totals::default())
            }
        };
        if connected || client.proxy.is_some() && !matches!(ending, Ending::Left(Leaving::Refused)) {
            self.tell_of_the_end(&ending, &totals);
        }
        match ending {
            Ending::Left(why) => {
                log::info(format_args!("FTP session closed ({}). {totals}", accounting::reason(why)));
                Exit::Served
            }
            Ending::AtOnce => {
                log::info(format_args!("FTP session ended. {totals}"));
                Exit::PeerGone
            }
            Ending::Reinitialized { ahead, greeted } => {
                log::info(format_args!("FTP session closed (logged out, to log in again). {totals}"));
                let back = ToSupervisor::HandBack { ahead, greeted };
                let handed = self.supervisor.send_with(&back, client.control.as_fd());
                if handed.is_ok() { Exit::Served } else { Exit::PeerGone }
            }
        }
    }

    /// Until the proxy has said whom it speaks for, and the supervisor that he may be served.
    fn await_name(&self, client: &mut Client, frontend: &Frontend) -> Result<(), Ending> {
        let deadline =
            Instant::now() + self.inheritance.config.login.login_timeout.duration() + LOGIN_OVERTIME;
        let dialogue = Dialogue::new(&frontend.link, self, deadline);
        let tell = |welcome| frontend.link.send(&ToFrontend::Welcome(welcome)).map_err(|_| Ending::AtOnce);
        loop {
            match dialogue.hear(deadline) {
                Heard::Proxied { peer, local } => {
                    let proxied = ToSupervisor::Proxied { peer, local };
                    if client.proxy.is_some() || self.supervisor.send(&proxied).is_err() {
                        return Err(Ending::AtOnce);
                    }
                    client.proxy = Some(client.peer);
                    (client.peer, client.local) = (peer, local);
                    self.introduce(client);
                    self.rename_client(client);
                }
                Heard::Admitted(admitted) if client.proxy.is_some() => {
                    let is_admitted = admitted == Admission::Yes;
                    tell(admitted)?;
                    return if is_admitted { Ok(()) } else { Err(Ending::Left(Leaving::Refused)) };
                }
                Heard::Finish(why) => {
                    frontend.link.send(&ToFrontend::Finish(why)).map_err(|_| Ending::AtOnce)?;
                }
                Heard::Left(why) => return Err(Ending::Left(why)),
                Heard::Nothing => return Err(Ending::Left(Leaving::LoginTimeout)),
                Heard::Admitted(_) | Heard::Noted { .. } | Heard::Attempt { .. } | Heard::End => {
                    return Err(Ending::AtOnce);
                }
            }
        }
    }
}
