//! TCP sockets as the processes need them: listening, accepting, options, what the kernel knows of a connection.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockProtocol, SockType, SockaddrStorage, accept4, bind, connect,
    getsockname, listen, setsockopt, socket, sockopt,
};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Listens on an address, without blocking. `dual_stack`: an IPv6 wildcard takes IPv4 clients too.
pub fn listen_on(address: SocketAddr, dual_stack: bool) -> io::Result<OwnedFd> {
    let listener = new_stream(address, SockFlag::SOCK_NONBLOCK)?;
    setsockopt(&listener, sockopt::ReuseAddr, &true)?;
    if address.is_ipv6() {
        setsockopt(&listener, sockopt::Ipv6V6Only, &!dual_stack)?;
    }
    bind(listener.as_raw_fd(), &storage(address))?;
    listen(&listener, Backlog::new(BACKLOG)?)?;
    Ok(listener)
}

/// A connection on its way from `local` (with its port) to `peer`: not waited for.
pub fn connect_from(local: SocketAddr, peer: SocketAddr, dscp: Option<u32>) -> io::Result<OwnedFd> {
    let stream = new_stream(peer, SockFlag::SOCK_NONBLOCK)?;
    if let Some(dscp) = dscp {
        set_dscp(stream.as_fd(), dscp);
    }
    setsockopt(&stream, sockopt::ReuseAddr, &true)?;
    bind(stream.as_raw_fd(), &storage(local))?;
    match connect(stream.as_raw_fd(), &storage(peer)) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(stream),
        Err(error) => Err(error.into()),
    }
}

fn new_stream(address: SocketAddr, flags: SockFlag) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    Ok(socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC | flags, SockProtocol::Tcp)?)
}

fn storage(address: SocketAddr) -> SockaddrStorage {
    SockaddrStorage::from(address)
}

/// Accepts a client, if one waits. The connection does not block.
pub fn accept(listener: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let raw = accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// The address of this end.
pub fn local_address(socket: BorrowedFd<'_>) -> io::Result<SocketAddr> {
    internet_address(&getsockname::<SockaddrStorage>(socket.as_raw_fd())?)
}

/// The address of the other end.
pub fn peer_address(socket: BorrowedFd<'_>) -> io::Result<SocketAddr> {
    internet_address(&nix::sys::socket::getpeername::<SockaddrStorage>(socket.as_raw_fd())?)
}

/// IPv4 clients of a dual-stack listener appear as what they are, not as IPv4-mapped IPv6 addresses.
fn internet_address(address: &SockaddrStorage) -> io::Result<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Ok(SocketAddr::V4(SocketAddrV4::from(*v4)));
    }
    let v6 = address.as_sockaddr_in6().ok_or(io::ErrorKind::Unsupported)?;
    let v6 = SocketAddrV6::from(*v6);
    match v6.ip().to_ipv4_mapped() {
        Some(v4) => Ok(SocketAddr::new(IpAddr::V4(v4), v6.port())),
        None => Ok(SocketAddr::V6(v6)),
    }
}

/// How often a silent client is asked whether he is there, within as much time as he was left alone before.
const KEEPALIVE_PROBES: u32 = 6;

/// Options of every control connection: answers leave at once, and a client that is gone is found out. `keepalive`:
/// after so many seconds of silence he is asked whether he is there, after twice as many he is not; 0: never.
pub fn prepare_control(connection: BorrowedFd<'_>, keepalive: u32, dscp: Option<u32>) -> io::Result<()> {
    setsockopt(&connection, sockopt::TcpNoDelay, &true)?;
    if keepalive > 0 {
        let interval = keepalive.div_ceil(KEEPALIVE_PROBES);
        setsockopt(&connection, sockopt::TcpKeepIdle, &keepalive)?;
        setsockopt(&connection, sockopt::TcpKeepInterval, &interval)?;
        setsockopt(&connection, sockopt::TcpKeepCount, &KEEPALIVE_PROBES)?;
        setsockopt(&connection, sockopt::KeepAlive, &true)?;
    }
    if let Some(dscp) = dscp {
        set_dscp(connection, dscp);
    }
    // The "urgent" byte of a Telnet Synch stays in the stream, where the line reader expects it (RFC 854).
    Ok(setsockopt(&connection, sockopt::OobInline, &true)?)
}

/// How routers shall treat the connection (RFC 2474). An IPv6 socket may carry IPv4 too, so both protocols are told; the
/// one that the socket does not have refuses, which is no loss.
pub fn set_dscp(socket: BorrowedFd<'_>, dscp: u32) {
    // The two lowest bits are those of ECN, which the kernel keeps.
    let traffic_class = (dscp << 2) as i32;
    let _ = setsockopt(&socket, sockopt::Ipv4Tos, &traffic_class);
    let _ = setsockopt(&socket, sockopt::Ipv6TClass, &traffic_class);
}

/// Two ends of a connection within this machine; neither blocks.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(nix::sys::socket::socketpair(AddressFamily::Unix, SockType::Stream, None, flags)?)
}

/// How long nothing has come in on this connection, as the kernel saw it (tcp(7), TCP_INFO).
pub fn silence(connection: BorrowedFd<'_>) -> io::Result<Duration> {
    // SAFETY: tcp_info is a structure of integers, for which zeroes are a value.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `info`, which is that large.
    let result = unsafe {
        libc::getsockopt(
            connection.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    Errno::result(result)?;
    Ok(Duration::from_millis(u64::from(info.tcpi_last_data_recv)))
}

/// For a connection that much is sent over: full segments only, and from here on a call that sends waits in the kernel,
/// but no longer than this; then it has sent a part, or fails with EAGAIN.
pub fn wait_at_most(connection: BorrowedFd<'_>, limit: Duration) -> io::Result<()> {
    let limit = nix::sys::time::TimeVal::new(limit.as_secs() as i64, i64::from(limit.subsec_micros()));
    setsockopt(&connection, sockopt::TcpNoDelay, &false)?;
    setsockopt(&connection, sockopt::SendTimeout, &limit)?;
    let flags = nix::fcntl::OFlag::empty();
    nix::fcntl::fcntl(connection, nix::fcntl::FcntlArg::F_SETFL(flags))?;
    Ok(())
}

/// Whether bytes have come in that nobody has read.
pub fn has_unread(connection: BorrowedFd<'_>) -> bool {
    super::poll::readable_within(connection, Duration::ZERO)
}

/// Sends a last line to a client that is not served, without waiting for him.
pub fn refuse(connection: BorrowedFd<'_>, line: &[u8]) {
    use nix::sys::socket::{MsgFlags, Shutdown, send, shutdown};
    let _ = send(connection.as_raw_fd(), line, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL);
    let _ = shutdown(connection.as_raw_fd(), Shutdown::Write);
}

/// Sockets that were handed over by the service manager, from descriptor 3 on (sd_listen_fds(3)).
pub fn adopt_listener(raw: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the service manager opened the descriptor for this process, and it is adopted once, at start.
    let listener = unsafe { OwnedFd::from_raw_fd(raw) };
    if !nix::sys::socket::getsockopt(&listener, sockopt::AcceptConn)? {
        return Err(io::Error::other("not a listening socket"));
    }
    nix::fcntl::fcntl(&listener, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))?;
    Ok(listener)
}
