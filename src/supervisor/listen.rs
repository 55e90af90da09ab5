//! The listeners: bound from the configuration, or taken from the service manager.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::log;
use crate::system::{Doing, Failure, socket};

/// A listening socket and where it listens.
pub struct Listener {
    /// What the configuration calls it; what the kernel says, where it was handed over.
    pub address: SocketAddr,
    socket: OwnedFd,
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

/// The sockets of the service manager, if it passed any (sd_listen_fds(3)).
pub fn inherited() -> Result<Vec<Listener>, Failure> {
    sd_notify::listen_fds()
        .doing(|| "take over the sockets of the service manager (LISTEN_FDS)".into())?
        .map(|raw| {
            let socket = socket::adopt_listener(raw).doing(|| format!("take over descriptor {raw}"))?;
            let address =
                socket::local_address(socket.as_fd()).doing(|| format!("take over descriptor {raw}"))?;
            Ok(Listener { address, socket })
        })
        .collect()
}
