//! The listeners: bound from the configuration, or taken from the service manager.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

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
        let socket = socket::listen_on(*address, is_dual_stack(*address, addresses))
            .doing(|| format!("listen on {address}"))?;
        fresh.push(Listener { address: *address, socket });
    }
    let mut kept = std::mem::take(present);
    kept.retain(|one| addresses.contains(&one.address));
    kept.append(&mut fresh);
    Ok(kept)
}

/// `[::]:21` takes IPv4 clients too, unless `0.0.0.0:21` is listened on beside it.
fn is_dual_stack(address: SocketAddr, addresses: &[SocketAddr]) -> bool {
    let beside = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port());
    address.ip().is_unspecified() && !addresses.contains(&beside)
}

/// The sockets of the service manager, if it passed any (sd_listen_fds(3)).
pub fn inherited() -> Result<Vec<Listener>, Failure> {
    let Ok(passed) = sd_notify::listen_fds() else { return Ok(Vec::new()) };
    passed
        .map(|raw| {
            let socket = socket::adopt_listener(raw).doing(|| format!("take over descriptor {raw}"))?;
            let address =
                socket::local_address(socket.as_fd()).doing(|| format!("take over descriptor {raw}"))?;
            Ok(Listener { address, socket })
        })
        .collect()
}
