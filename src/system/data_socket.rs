//! Sockets of data connections, in what they need beyond other sockets: listening on a port of one's own choice,
//! and accepting with a look at who comes.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, Shutdown, SockFlag, SockProtocol, SockType, SockaddrLike, SockaddrStorage, bind,
    listen, setsockopt, shutdown, socket, sockopt,
};

/// Strangers may knock while the client is on his way: room for some, so that they do not keep him out.
const BACKLOG: i32 = 16;

/// Listens on one address, without blocking. Port 0: the system chooses one.
pub fn listen_at(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let listener = socket(family, SockType::Stream, flags, SockProtocol::Tcp)?;
    if address.port() != 0 {
        // Earlier connections of this port may not have been forgotten yet (TIME_WAIT); they are no obstacle.
        setsockopt(&listener, sockopt::ReuseAddr, &true)?;
    }
    // Accepted connections inherit it: no last, short segment ever waits for the client's delayed acknowledgement.
    setsockopt(&listener, sockopt::TcpNoDelay, &true)?;
    bind(listener.as_raw_fd(), &SockaddrStorage::from(address))?;
    listen(&listener, Backlog::new(BACKLOG)?)?;
    Ok(listener)
}

/// Turns away whoever waits and whoever comes, but goes on occupying the address: no process can listen there.
pub fn stop_listening(listener: BorrowedFd<'_>, address: SocketAddr) -> io::Result<()> {
    shutdown(listener.as_raw_fd(), Shutdown::Both)?;
    // Two sockets that are both ready to share an address may, if neither listens.
    setsockopt(&listener, sockopt::ReuseAddr, &false)?;
    match bind(listener.as_raw_fd(), &SockaddrStorage::from(address)) {
        // A port that the system had chosen is lost with the listening, and is ours again.
        Ok(()) => Ok(()),
        // Any other stays.
        Err(Errno::EINVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Accepts somebody, if anybody waits (else `WouldBlock`), and says who it is. IPv4 inside IPv6 is IPv4. The
/// connection does not block.
pub fn accept_from(listener: BorrowedFd<'_>) -> io::Result<(OwnedFd, SocketAddr)> {
    // SAFETY: sockaddr_storage is a structure of integers, for which zeroes are a value.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `storage`, which is that large.
    let raw = unsafe {
        libc::accept4(
            listener.as_raw_fd(),
            (&raw mut storage).cast(),
            &raw mut length,
            libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
        )
    };
    let raw = Errno::result(raw)?;
    // SAFETY: the kernel has just made this descriptor for us.
    let connection = unsafe { OwnedFd::from_raw_fd(raw) };
    // SAFETY: `storage` holds the address that the kernel wrote, `length` bytes of it.
    let peer = unsafe { SockaddrStorage::from_raw((&raw const storage).cast(), Some(length)) }
        .and_then(|address| {
            let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::V4((*v4).into()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into())))
        })
        .ok_or(io::ErrorKind::Unsupported)?;
    Ok((connection, SocketAddr::new(peer.ip().to_canonical(), peer.port())))
}
