//! Packets over SOCK_SEQPACKET pairs, with at most one descriptor each (unix(7), SCM_RIGHTS).

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg,
    socketpair,
};

use super::memory::wipe;

/// A connected pair; both ends are closed on exec.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?)
}

/// Sends one packet. Waits while the peer's queue is full. A peer that is gone is an error, never a signal.
pub fn send(socket: BorrowedFd<'_>, packet: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
    send_flagged(socket, packet, descriptor, MsgFlags::empty())
}

/// Sends one packet, unless the peer's queue is full: that is `WouldBlock`.
pub fn send_unless_full(socket: BorrowedFd<'_>, packet: &[u8]) -> io::Result<()> {
    send_flagged(socket, packet, None, MsgFlags::MSG_DONTWAIT)
}

fn send_flagged(
    socket: BorrowedFd<'_>,
    packet: &[u8],
    descriptor: Option<BorrowedFd<'_>>,
    flags: MsgFlags,
) -> io::Result<()> {
    let raw = descriptor.map(|descriptor| [descriptor.as_raw_fd()]);
    let rights = raw.as_ref().map(|raw| [ControlMessage::ScmRights(raw)]);
    let control = rights.as_ref().map_or(&[][..], |rights| &rights[..]);
    loop {
        match sendmsg::<()>(
            socket.as_raw_fd(),
            &[IoSlice::new(packet)],
            control,
            MsgFlags::MSG_NOSIGNAL | flags,
            None,
        ) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sends one packet without waiting: `WouldBlock` where the peer's queue is full.
pub fn send_now(socket: BorrowedFd<'_>, packet: &[u8]) -> io::Result<()> {
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    nix::sys::socket::send(socket.as_raw_fd(), packet, flags)?;
    Ok(())
}

/// Takes one packet that is there already into `buffer`; its length, or 0 when every sender is gone. `WouldBlock`: there
/// is none. What does not fit is cut.
pub fn receive_now(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(nix::sys::socket::recv(socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT)?)
}

/// Lets the peer's queue hold more, as far as the system allows it (net.core.wmem_max).
pub fn enlarge_queue(socket: BorrowedFd<'_>, bytes: usize) {
    let _ = nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::SndBuf, &bytes);
}

/// The largest packet, in bytes.
pub const MAX_PACKET: usize = 12 * 1024;

/// Most packets fit into this. What a process has not touched since it was forked need not be copied for it, and the
/// stack is touched anyway.
const USUAL_PACKET: usize = 512;

/// Where the rest of a larger packet goes.
static REST: Mutex<[u8; MAX_PACKET - USUAL_PACKET]> = Mutex::new([0; MAX_PACKET - USUAL_PACKET]);

/// Waits for one packet. `None`: the peer is gone. A packet that was cut, or has more than one descriptor, is
/// `InvalidData`; its descriptors are closed. No copy of what the packet held stays behind.
pub fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<(Vec<u8>, Option<OwnedFd>)>> {
    // Room for a few descriptors, so that a peer that sends too many is found out instead of hidden by the kernel.
    let mut control = nix::cmsg_space!([i32; 4]);
    let mut beginning = [0; USUAL_PACKET];
    let mut rest = REST.lock().unwrap_or_else(PoisonError::into_inner);
    let mut parts = [IoSliceMut::new(&mut beginning), IoSliceMut::new(&mut *rest)];
    let message = loop {
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags) {
            Ok(message) => break message,
            Err(Errno::EINTR) => {}
            Err(Errno::ECONNRESET) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    };
    let mut descriptors = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(received) = control {
            // SAFETY: the kernel has just made these descriptors for this process; nobody else owns them.
            descriptors.extend(received.into_iter().map(|raw| unsafe { OwnedFd::from_raw_fd(raw) }));
        }
    }
    if message.flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC) || descriptors.len() > 1 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let length = message.bytes;
    if length == 0 {
        return Ok(None);
    }
    let mut packet = Vec::with_capacity(length);
    for part in [&mut beginning[..], &mut rest[..]] {
        let filled = part.len().min(length - packet.len());
        packet.extend_from_slice(&part[..filled]);
        wipe(&mut part[..filled]);
    }
    Ok(Some((packet, descriptors.pop())))
}
