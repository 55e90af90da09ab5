//! A link: one end of a SOCK_SEQPACKET pair that carries the messages of two enums, one each way.
//!
//! The kernel keeps the borders of messages, so there is no length prefix and no partial read. A packet that is
//! cut, does not decode, or carries a descriptor where none is due means that the peer is broken: `Error::Broken`,
//! on which every process but the supervisor ends. End of file is a message too: `receive()` says `None`.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::bytes::Malformed;
use crate::system::memory::wipe;
use crate::system::packet;

/// A value that can cross a process boundary.
pub trait Message: Sized {
    fn encode(&self) -> Vec<u8>;
    fn decode(packet: &[u8]) -> Result<Self, Malformed>;

    /// Whether a descriptor travels with this message. Exactly one must, or none.
    fn carries_descriptor(&self) -> bool {
        false
    }
}

/// Why a link is of no use any more.
#[derive(Debug)]
pub enum Error {
    Broken,
    System(io::Error),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Broken => f.write_str("the process at the other end sent a malformed message"),
            Error::System(error) => write!(f, "link: {error}"),
        }
    }
}

/// One end of a link: sends `Tx`, receives `Rx`.
pub struct Link<Tx, Rx> {
    socket: OwnedFd,
    messages: PhantomData<(Tx, Rx)>,
}

impl<Tx: Message, Rx: Message> Link<Tx, Rx> {
    /// Both ends; they fit together by type and cannot be mixed up.
    pub fn pair() -> io::Result<(Link<Tx, Rx>, Link<Rx, Tx>)> {
        let (left, right) = packet::pair()?;
        Ok((Link { socket: left, messages: PhantomData }, Link { socket: right, messages: PhantomData }))
    }

    /// The end that this connected socket is. If it does not block, neither does the link: what would have to wait is
    /// `Error::System` with `WouldBlock`.
    pub fn over(socket: OwnedFd) -> Link<Tx, Rx> {
        Link { socket, messages: PhantomData }
    }

    /// Sends a message that carries no descriptor.
    pub fn send(&self, message: &Tx) -> Result<(), Error> {
        debug_assert!(!message.carries_descriptor());
        self.send_packet(message, None)
    }

    /// Sends a message that carries no descriptor, unless it would have to wait for the other process to read.
    pub fn send_unless_full(&self, message: &Tx) -> Result<(), Error> {
        debug_assert!(!message.carries_descriptor());
        packet::send_unless_full(self.socket.as_fd(), &message.encode()).map_err(Error::System)
    }

    /// Sends a message with the descriptor it speaks of.
    pub fn send_with(&self, message: &Tx, descriptor: BorrowedFd<'_>) -> Result<(), Error> {
        debug_assert!(message.carries_descriptor());
        self.send_packet(message, Some(descriptor))
    }

    /// Packets may hold passwords: they are overwritten after use, whatever they hold.
    fn send_packet(&self, message: &Tx, descriptor: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        let mut packet = message.encode();
        let sent = packet::send(self.socket.as_fd(), &packet, descriptor);
        wipe(&mut packet);
        sent.map_err(Error::System)
    }

    /// Waits for a message. `None`: the other process is gone.
    pub fn receive(&self) -> Result<Option<(Rx, Option<OwnedFd>)>, Error> {
        let received = packet::receive(self.socket.as_fd()).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => Error::Broken,
            _ => Error::System(error),
        })?;
        let Some((mut packet, descriptor)) = received else { return Ok(None) };
        let message = Rx::decode(&packet);
        wipe(&mut packet);
        let message = message.map_err(|Malformed| Error::Broken)?;
        if message.carries_descriptor() != descriptor.is_some() {
            return Err(Error::Broken);
        }
        Ok(Some((message, descriptor)))
    }
}

impl Error {
    /// Whether it would be no error a little later, on a link that does not block.
    pub fn is_for_now(&self) -> bool {
        matches!(self, Error::System(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl<Tx, Rx> AsFd for Link<Tx, Rx> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
