//! The network of a world: a loopback interface that is up, and more addresses on it, by rtnetlink(7).

use std::net::IpAddr;
use std::os::fd::AsRawFd;

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

/// The loopback interface is the first one of every network namespace.
const LOOPBACK: u32 = 1;

/// Brings 127.0.0.0/8 and ::1 to life in the calling thread's network namespace.
pub fn bring_up_loopback() {
    const RTM_NEWLINK: u16 = 16;
    const IFF_UP: u32 = 1;
    // struct ifinfomsg: family, padding, type, index, flags, which of them change.
    let mut message = vec![0; 4];
    message.extend(LOOPBACK.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    ask_kernel(RTM_NEWLINK, 0, &message);
}

/// Gives the loopback interface one more address.
pub fn add_address(address: impl Into<IpAddr>) {
    const RTM_NEWADDR: u16 = 20;
    const NLM_F_CREATE: u16 = 0x400;
    const IFA_LOCAL: u16 = 2;
    const IFA_F_NODAD: u8 = 2;
    let (family, octets) = match address.into() {
        IpAddr::V4(address) => (nix::libc::AF_INET, address.octets().to_vec()),
        IpAddr::V6(address) => (nix::libc::AF_INET6, address.octets().to_vec()),
    };
    // struct ifaddrmsg: family, prefix length, flags, scope, interface; then one attribute.
    let mut message = vec![family as u8, octets.len() as u8 * 8, IFA_F_NODAD, 0];
    message.extend(LOOPBACK.to_ne_bytes());
    message.extend((4 + octets.len() as u16).to_ne_bytes());
    message.extend(IFA_LOCAL.to_ne_bytes());
    message.extend(octets);
    ask_kernel(RTM_NEWADDR, NLM_F_CREATE, &message);
}

/// Sends one request and waits for the kernel's word that it was obeyed.
fn ask_kernel(kind: u16, flags: u16, message: &[u8]) {
    const NLM_F_REQUEST_ACK: u16 = 1 | 4;
    let socket =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)
            .expect("a netlink socket");
    let mut packet = Vec::new();
    packet.extend((16 + message.len() as u32).to_ne_bytes());
    packet.extend(kind.to_ne_bytes());
    packet.extend((NLM_F_REQUEST_ACK | flags).to_ne_bytes());
    packet.extend([0; 8]);
    packet.extend(message);
    sendto(socket.as_raw_fd(), &packet, &NetlinkAddr::new(0, 0), MsgFlags::empty()).expect("netlink request");
    let mut answer = [0; 1024];
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty()).expect("netlink answer");
    assert!(length >= 20, "netlink answer is too short");
    let errno = i32::from_ne_bytes(answer[16..20].try_into().expect("four bytes"));
    assert_eq!(errno, 0, "netlink request {kind} was refused");
}
