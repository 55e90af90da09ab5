//! A client from his first word to his last: the login, then the session, then the end of both.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::accounting::{self, Totals};
use super::attend::Attendance;
use super::dialogue::{Dialogue, Heard};
use super::processes::Frontend;
use super::{Client, Worker};
use crate::config::{CommandExcess, Count};
use crate::events::Objection;
use crate::exit::Exit;
use crate::ipc::messages::{Admission, Arrival, Leaving, ToFrontend, ToSupervisor};
use crate::ipc::occurrences::What;
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
    Reinitialized(Arrival),
}

impl Worker<'_> {
    /// Serves the client.
    pub fn serve(self, mut client: Client, arrival: Arrival, frontend: Frontend) -> Exit {
        let is_new = arrival == Arrival::New;
        let listen = &self.inheritance.config.listen;
        let proxied = client.proxy.is_none() && listen.proxied.contains(&client.listener);
        // Listeners of a service manager are known by their port.
        let port = client.listener.port();
        let implicit = listen.implicit_addresses.iter().any(|address| address.port() == port);
        let (peer, local) = (client.peer, client.local);
        let awaited = is_new && self.asks_about_clients();
        let serve = ToFrontend::Serve { peer, local, proxied, awaited, implicit, arrival };
        let (keepalive, dscp) = (listen.keepalive.seconds(), listen.dscp.map(Count::get));
        let prepared = socket::prepare_control(client.control.as_fd(), keepalive, dscp);
        if prepared.is_err() || frontend.link.send_with(&serve, client.control.as_fd()).is_err() {
            return Exit::PeerGone;
        }
        let deadline = Instant::now() + self.inheritance.config.login.login_timeout.duration();
        let named = if proxied { self.await_name(&mut client, &frontend, deadline) } else { Ok(()) };
        log::info("FTP session opened (connect).");
        let welcome = named.and_then(|()| match proxied || awaited {
            true => self.welcome(&client, &frontend, deadline),
            false => Ok(()),
        });
        let is_served = welcome.is_ok();
        if is_new && is_served {
            self.tell(What::Connected);
        }
        let (ending, totals) = match welcome.and_then(|()| self.log_in(&client, &frontend)) {
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
                    Ending::Left(_) | Ending::AtOnce | Ending::Reinitialized(_) => None,
                };
                if let Some(ban) = ban {
                    // Should the supervisor be gone, that shows soon.
                    let _ = self.supervisor.send(&ToSupervisor::Misbehaved { ban });
                }
                frontend.bury();
                (ending, Totals::default())
            }
        };
        if is_served {
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
            Ending::Reinitialized(arrival) => {
                log::info(format_args!("FTP session closed (logged out, to log in again). {totals}"));
                let back = ToSupervisor::HandBack(arrival);
                let handed = self.supervisor.send_with(&back, client.control.as_fd());
                if handed.is_ok() { Exit::Served } else { Exit::PeerGone }
            }
        }
    }

    /// Until the proxy has said whom it speaks for, and the supervisor that he may be served.
    fn await_name(&self, client: &mut Client, frontend: &Frontend, deadline: Instant) -> Result<(), Ending> {
        let deadline = deadline + LOGIN_OVERTIME;
        let dialogue = Dialogue::new(&frontend.link, self, deadline);
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
                Heard::Admitted(Admission::Yes) if client.proxy.is_some() => return Ok(()),
                Heard::Admitted(admitted) if client.proxy.is_some() => {
                    return Err(turn_away(frontend, admitted));
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

    /// Lets a client in who waits for it, unless a program of the administrator has something against him.
    fn welcome(&self, client: &Client, frontend: &Frontend, deadline: Instant) -> Result<(), Ending> {
        match self.ask_about_client(client, deadline) {
            Ok(()) => frontend.link.send(&ToFrontend::Welcome(Admission::Yes)).map_err(|_| Ending::AtOnce),
            Err(Objection::NobodyThere) => Err(Ending::Left(Leaving::Vanished)),
            Err(Objection::Said(text)) => {
                let why = format!("a program said: {text}");
                log::notice(format_args!("refused: {why}"));
                self.tell(What::Refused { why: why.clone() });
                Err(turn_away(frontend, Admission::No { why, text }))
            }
        }
    }
}

/// The client is told why he may not come in.
fn turn_away(frontend: &Frontend, refusal: Admission) -> Ending {
    match frontend.link.send(&ToFrontend::Welcome(refusal)) {
        Ok(()) => Ending::Left(Leaving::Refused),
        Err(_) => Ending::AtOnce,
    }
}
