//! The listeners: bound from the configuration, or taken from the service manager.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sd_notify::NotifyState;

use crate::log;
use crate::system::{Doing, Failure, process, socket};

/// What the names of listeners begin with that the service manager keeps for us.
const KEPT: &str = "listen-";

/// A listening socket and where it listens.
pub struct Listener {
    /// What the configuration calls it; what the kernel says, where it was handed over.
    pub address: SocketAddr,
    socket: OwnedFd,
}

impl Listener {
    /// In a child: the socket as the child's own.
    pub fn taken_over(&self) -> OwnedFd {
        process::take_over(&self.socket)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Binds all of `addresses`, taking over from `present` what listens there already. Nothing is bound if one cannot be.
pub fn bind(addresses: &[SocketAddr], present: &mut Vec<Listener>) -> Result<Vec<Listener>, Failure> {
    let mut fresh = Vec::new();
    for address in addresses.iter().filter(|address| !present.iter().any(|one| one.address == **address)) {
        let socket = listen_on(*address, is_dual_stack(*address, addresses))
            .doing(|| format!("listen on {address}"))?;
        fresh.push(Listener { address: *address, socket });
    }
    let mut kept = std::mem::take(present);
    kept.retain(|one| addresses.contains(&one.address));
    kept.append(&mut fresh);
    Ok(kept)
}

/// A machine without IPv6 has no `[::]`; what is meant there is every address that it has.
fn listen_on(address: SocketAddr, dual_stack: bool) -> io::Result<OwnedFd> {
    match socket::listen_on(address, dual_stack) {
        Err(error) if dual_stack && is_without_ipv6(&error) => {
            let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port());
            log::warning(format_args!("this machine has no IPv6: listening on {address}"));
            socket::listen_on(address, false)
        }
        bound => bound,
    }
}

fn is_without_ipv6(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

/// `[::]:21` takes IPv4 clients too, unless `0.0.0.0:21` is listened on beside it.
fn is_dual_stack(address: SocketAddr, addresses: &[SocketAddr]) -> bool {
    let beside = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port());
    address.is_ipv6() && address.ip().is_unspecified() && !addresses.contains(&beside)
}

/// The sockets of the service manager (sd_listen_fds(3)).
pub struct Inherited {
    /// Those of a socket unit: what is listened on is its affair.
    pub activated: Vec<Listener>,
    /// Those that an earlier run of this service left with it, for clients who come while there is no daemon.
    pub kept: Vec<Listener>,
}

/// Takes over what the service manager passed, if anything.
pub fn inherited() -> Result<Inherited, Failure> {
    let mut inherited = Inherited { activated: Vec::new(), kept: Vec::new() };
    let passed = sd_notify::listen_fds_with_names()
        .doing(|| "take over the sockets of the service manager (LISTEN_FDS)".into())?;
    for (raw, name) in passed {
        let doing = || format!("take over descriptor {raw}");
        let socket = socket::adopt_listener(raw).doing(doing)?;
        match address_of(&name) {
            Some(address) => inherited.kept.push(Listener { address, socket }),
            None => {
                let address = socket::local_address(socket.as_fd()).doing(doing)?;
                inherited.activated.push(Listener { address, socket });
            }
        }
    }
    Ok(inherited)
}

/// Leaves the listeners with the service manager, where there is one that keeps them: a restart loses nobody then.
pub fn keep(listeners: &[Listener]) {
    for listener in listeners {
        // Whether it does keep them is its affair (FileDescriptorStoreMax=).
        let name = name_of(listener.address);
        let states = [NotifyState::FdStore, NotifyState::FdName(&name)];
        let _ = sd_notify::notify_with_fds(&states, &[listener.as_fd()]);
    }
}

/// The service manager forgets these.
pub fn forget(addresses: impl Iterator<Item = SocketAddr>) {
    for address in addresses {
        let name = name_of(address);
        let _ = sd_notify::notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(&name)]);
    }
}

/// Names of descriptors may not contain colons.
fn name_of(address: SocketAddr) -> String {
    format!("{KEPT}{}", address.to_string().replace(':', "_"))
}

fn address_of(name: &str) -> Option<SocketAddr> {
    name.strip_prefix(KEPT)?.replace('_', ":").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_listener_is_known_by_its_name() {
        for text in ["[::]:21", "192.0.2.1:990", "[fe80::1%3]:21"] {
            let address: SocketAddr = text.parse().unwrap();
            let name = name_of(address);
            assert!(!name.contains(':'), "{name}");
            assert_eq!(address_of(&name), Some(address));
        }
        assert_eq!(address_of("ftpd.socket"), None);
        assert_eq!(address_of("unknown"), None);
    }
}
