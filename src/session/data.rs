//! Data connections: what the client has been offered or has offered, and how a connection is made of it. Only the
//! client's own address takes part, unless others are allowed to him.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{getsockopt, setsockopt, sockopt};

use super::Session;
use super::connection::Connection;
use super::quarantine::Quarantine;
use super::watch::Interrupted;
use crate::config::{Count, Data, Network};
use crate::ipc::messages::{FromSession, ToSession};
use crate::protocol::reply::{Code, Reply};
use crate::system::poll::PollFlags;
use crate::system::{data_socket, random, socket};

/// The ports below are those of services; nobody is sent data there (RFC 2577 3).
const FIRST_CLIENT_PORT: u16 = 1024;

/// How the next data connection comes about.
pub enum Plan {
    /// The client has said nothing about it.
    None,
    /// PASV, EPSV: he connects to this listener, at this port.
    Passive(OwnedFd, u16),
    /// PORT, EPRT: he listens there.
    Active(SocketAddr),
}

/// Who is at the ends of the control connection, and who of data connections therefore. IPv4 inside IPv6 is IPv4.
pub struct Ends {
    /// This end, as the client knows it.
    pub local: SocketAddr,
    /// The client's end.
    pub peer: SocketAddr,
    /// This machine's end, which is the same as `local` where no proxy stands in between.
    pub here: SocketAddr,
    /// The proxies that passive connections come from; empty: they come from the client himself.
    pub proxies: Vec<Network>,
    /// The address of the name in `masquerade-address`, if it is known.
    pub masquerade: Option<Ipv4Addr>,
    /// Whether other addresses than the client's may take part.
    pub foreign: bool,
    /// Whether ports may be connected to that belong to services.
    pub privileged: bool,
}

/// What the session knows of data connections.
pub struct DataPort {
    /// What the configuration says.
    pub options: Data,
    /// Who is where.
    pub ends: Ends,
    /// For the next transfer.
    plan: Plan,
    /// Ports that clients may still come to although nobody waits there any more.
    quarantine: Quarantine,
    /// EPSV ALL was said: nothing else is allowed any more (RFC 2428 4).
    pub only_extended_passive: bool,
}

impl DataPort {
    /// Nothing is planned yet.
    pub fn new(options: Data, ends: Ends) -> DataPort {
        let ports = options.passive_ports.map(|range| range.ports().len());
        DataPort {
            options,
            ends: Ends {
                local: canonical(ends.local),
                peer: canonical(ends.peer),
                here: canonical(ends.here),
                ..ends
            },
            plan: Plan::None,
            quarantine: Quarantine::new(ports),
            only_extended_passive: false,
        }
    }

    /// Listens for the client, on a port that nobody can foretell; what was planned before is dropped first. 425 if
    /// there is no free port.
    pub fn listen(&mut self) -> Result<u16, Reply> {
        self.drop_plan();
        let bound = match self.options.passive_ports {
            None => self.listen_at(0),
            Some(range) => self.listen_within(*range.ports().start(), *range.ports().end()),
        };
        let (port, listener) = bound.map_err(|error| {
            let text = match error.kind() {
                io::ErrorKind::AddrInUse => {
                    "All ports for data connections are in use; try again in a minute.".to_string()
                }
                _ => format!("Cannot listen for a data connection: {}.", described(&error)),
            };
            Reply::new(Code::CannotOpenData, text)
        })?;
        self.plan = Plan::Passive(listener, port);
        Ok(port)
    }

    /// Tries each port once, from a random one on; at last those that this session keeps from others.
    fn listen_within(&mut self, first: u16, last: u16) -> io::Result<(u16, OwnedFd)> {
        let count = u32::from(last - first) + 1;
        let start = random::below(count)?;
        for step in 0..count {
            match self.listen_at(first + ((start + step) % count) as u16) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                other => return other,
            }
        }
        while let Some(port) = self.quarantine.give_up_oldest() {
            match self.listen_at(port) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                other => return other,
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    /// Port 0: the system chooses one.
    fn listen_at(&self, port: u16) -> io::Result<(u16, OwnedFd)> {
        let listener = data_socket::listen_at(with_port(self.ends.here, port))?;
        if let Some(dscp) = self.options.dscp {
            // Connections inherit it.
            socket::set_dscp(listener.as_fd(), dscp.get());
        }
        let port = if port == 0 { socket::local_address(listener.as_fd())?.port() } else { port };
        Ok((port, listener))
    }

    /// Where the client is expected to connect to; 0: nowhere.
    pub fn passive_port(&self) -> u16 {
        match &self.plan {
            Plan::Passive(_, port) => *port,
            Plan::Active(_) | Plan::None => 0,
        }
    }

    /// Plans to connect to where the client listens. 501 for any address but his own, unless others are allowed.
    pub fn plan_to_connect(&mut self, target: SocketAddr) -> Result<(), Reply> {
        self.drop_plan();
        let lowest = if self.ends.privileged { 1 } else { FIRST_CLIENT_PORT };
        if target.port() < lowest {
            let text = format!("Data goes to ports from {lowest} on only.");
            return Err(Reply::new(Code::BadArgument, text));
        }
        self.plan = Plan::Active(if target.ip() == self.ends.peer.ip() {
            // The scope of a link-local address is not in EPRT; it is that of the control connection.
            with_port(self.ends.peer, target.port())
        } else if self.ends.foreign {
            target
        } else {
            return Err(Reply::new(Code::BadArgument, "Data goes to your own address only."));
        });
        Ok(())
    }

    /// A new plan takes the place of the old one.
    fn drop_plan(&mut self) {
        if let Plan::Passive(listener, port) = std::mem::replace(&mut self.plan, Plan::None) {
            self.keep_from_others(listener, port);
        }
    }

    /// Nobody waits at this port any more, but somebody may come.
    fn keep_from_others(&mut self, listener: OwnedFd, port: u16) {
        if data_socket::stop_listening(listener.as_fd(), with_port(self.ends.here, port)).is_ok() {
            self.quarantine.hold(listener, port, Instant::now());
        }
    }

    /// Ports that are kept from others: lets go of those that have been for long enough, and says when the next is.
    pub fn release_ports(&mut self) -> Option<Instant> {
        if self.quarantine.next_release().is_some() {
            self.quarantine.release(Instant::now());
        }
        self.quarantine.next_release()
    }

    /// Whether passive connections may come from here.
    pub(super) fn may_connect(&self, address: IpAddr) -> bool {
        if self.ends.proxies.is_empty() {
            self.takes_part(address)
        } else {
            self.ends.proxies.iter().any(|network| network.contains(address))
        }
    }

    pub(super) fn takes_part(&self, address: IpAddr) -> bool {
        self.ends.foreign || address == self.ends.peer.ip()
    }
}

fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// IPv4 clients of a dual-stack listener are IPv4 clients.
fn canonical(address: SocketAddr) -> SocketAddr {
    match (address.ip().to_canonical(), address) {
        (IpAddr::V6(ip), SocketAddr::V6(v6)) => SocketAddrV6::new(ip, v6.port(), 0, v6.scope_id()).into(),
        (ip, _) => SocketAddr::new(ip, address.port()),
    }
}

/// Why there is no data connection.
pub enum NoData {
    /// This is the reply.
    Refused(Reply),
    /// Something came in between.
    Interrupted(Interrupted),
}

impl From<Interrupted> for NoData {
    fn from(interrupted: Interrupted) -> NoData {
        NoData::Interrupted(interrupted)
    }
}

/// For the client, who has no use for numbers.
pub(super) fn described(error: &io::Error) -> &'static str {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)).desc()
}

pub(super) fn refused(text: impl Into<Vec<u8>>) -> NoData {
    NoData::Refused(Reply::new(Code::CannotOpenData, text))
}

impl Session {
    /// Makes the data connection that was planned; a plan serves once.
    pub fn connect_data(&mut self) -> Result<Connection, NoData> {
        let socket = match std::mem::replace(&mut self.data.plan, Plan::None) {
            Plan::None => return Err(refused("Use PASV, EPSV, PORT or EPRT first.")),
            Plan::Passive(listener, port) => {
                let mut disturbed = false;
                let accepted = self.await_client(&listener, port, &mut disturbed);
                if accepted.is_err() || disturbed {
                    self.data.keep_from_others(listener, port);
                }
                accepted?
            }
            Plan::Active(target) => self.call_client(target)?,
        };
        Ok(Connection::plain(socket))
    }

    /// Connects to the client: from the port for data, which only root can bind, or from any.
    fn call_client(&mut self, target: SocketAddr) -> Result<OwnedFd, NoData> {
        let limit = self.data.options.connect_timeout;
        let deadline = Instant::now() + limit.duration();
        // The worker would not connect to anybody else for us, and is right.
        let is_own = target.ip() == self.data.ends.peer.ip();
        let socket = if self.data.options.active_port_20 && is_own {
            self.ask_for_data_socket(target.port())?
        } else {
            let dscp = self.data.options.dscp.map(Count::get);
            socket::connect_from(with_port(self.data.ends.here, 0), target, dscp)
        };
        let failed =
            |error: io::Error| refused(format!("Cannot connect to port {}: {error}.", target.port()));
        let socket = socket.map_err(failed)?;
        if !self.wait_for(socket.as_fd(), PollFlags::POLLOUT, deadline)? {
            let (port, seconds) = (target.port(), limit.seconds());
            return Err(refused(format!("Port {port} of yours did not answer within {seconds} seconds.")));
        }
        match getsockopt(&socket, sockopt::SocketError) {
            Ok(0) => {}
            Ok(errno) => return Err(failed(io::Error::from_raw_os_error(errno))),
            Err(errno) => return Err(failed(errno.into())),
        }
        // As for passive connections.
        let _ = setsockopt(&socket, sockopt::TcpNoDelay, &true);
        Ok(socket)
    }

    /// The worker has the right to use the port for data; it connects to the client's own address only.
    fn ask_for_data_socket(&mut self, port: u16) -> Result<io::Result<OwnedFd>, Interrupted> {
        let (answer, descriptor) = self.worker.ask(&FromSession::BindDataPort { port })?;
        match (answer, descriptor) {
            (ToSession::DataSocket, Some(socket)) => {
                let status = fcntl(&socket, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
                Ok(status.map(|_| socket).map_err(Into::into))
            }
            (ToSession::NoDataSocket { errno }, None) => Ok(Err(io::Error::from_raw_os_error(errno as i32))),
            _ => Err(self.worker.misbehaves().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn port_for(range: Option<&str>, local: &str, peer: &str) -> DataPort {
        let mut options = Config::default().data;
        options.passive_ports = range.map(|range| range.parse().unwrap());
        let (local, peer) = (local.parse().unwrap(), peer.parse().unwrap());
        DataPort::new(
            options,
            Ends {
                local,
                peer,
                here: local,
                proxies: Vec::new(),
                masquerade: None,
                foreign: false,
                privileged: false,
            },
        )
    }

    fn code<T>(result: Result<T, Reply>) -> Option<u16> {
        result.err().map(|reply| reply.code().number())
    }

    #[test]
    fn passive_ports_are_taken_from_the_range_until_there_are_none() {
        let mut first = port_for(Some("47310-47311"), "127.0.0.1:21", "127.0.0.1:40000");
        let mut second = port_for(Some("47310-47311"), "127.0.0.1:21", "127.0.0.1:40000");
        let mut third = port_for(Some("47310-47311"), "127.0.0.1:21", "127.0.0.1:40000");
        let mut ports = [first.listen().unwrap(), second.listen().unwrap()];
        ports.sort_unstable();
        assert_eq!(ports, [47310, 47311]);
        assert_eq!(code(third.listen()), Some(425));
        first.plan = Plan::None;
        assert!(third.listen().is_ok());
    }

    #[test]
    fn a_new_listener_takes_the_place_of_the_old_one() {
        let mut port = port_for(Some("47320-47320"), "127.0.0.1:21", "127.0.0.1:40000");
        for _ in 0..3 {
            assert_eq!(port.listen().ok(), Some(47320));
        }
    }

    #[test]
    fn only_the_clients_own_address_and_high_ports_are_called() {
        let mut port = port_for(None, "127.0.0.1:21", "192.0.2.7:40000");
        assert_eq!(code(port.plan_to_connect("192.0.2.8:5000".parse().unwrap())), Some(501));
        assert_eq!(code(port.plan_to_connect("192.0.2.7:1023".parse().unwrap())), Some(501));
        assert!(matches!(port.plan, Plan::None));
        assert_eq!(code(port.plan_to_connect("192.0.2.7:1024".parse().unwrap())), None);
        assert!(matches!(port.plan, Plan::Active(target) if target == "192.0.2.7:1024".parse().unwrap()));
    }

    #[test]
    fn clients_of_a_dual_stack_listener_are_ipv4_clients() {
        let port = port_for(None, "[::ffff:127.0.0.1]:21", "[::ffff:192.0.2.7]:40000");
        assert_eq!(port.ends.local, "127.0.0.1:21".parse().unwrap());
        assert_eq!(port.ends.peer, "192.0.2.7:40000".parse().unwrap());
    }

    #[test]
    fn a_link_local_client_is_called_on_his_own_link() {
        let mut port = port_for(None, "[fe80::1%3]:21", "[fe80::2%3]:40000");
        assert_eq!(code(port.plan_to_connect("[fe80::2]:5000".parse().unwrap())), None);
        assert!(matches!(port.plan, Plan::Active(target) if target == "[fe80::2%3]:5000".parse().unwrap()));
    }
}
