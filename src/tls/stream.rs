//! TLS over a socket that does not block. Whoever uses it waits for the socket himself.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
use nix::sys::uio::writev;
use rustls::server::{Accepted, Acceptor};
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection};

use crate::system::memory::wipe;
use crate::system::poll::PollFlags;

/// How much is encrypted at once: the most that rustls buffers, four records in one call.
pub const PIECE: usize = 64 * 1024;

/// How much is read from the socket of a control connection at once.
pub const SMALL: usize = 4 * 1024;

/// A client's first message, as far as it has come.
#[derive(Default)]
pub struct Greeting {
    acceptor: Acceptor,
}

impl Greeting {
    /// What was read already by who did not know that it would be this.
    pub fn feed(&mut self, mut read: &[u8]) -> io::Result<()> {
        while !read.is_empty() && self.acceptor.read_tls(&mut read)? > 0 {}
        Ok(())
    }

    /// Reads what is there. `None`: there has to come more. An error has been told to the client.
    pub fn read(&mut self, socket: BorrowedFd<'_>) -> io::Result<Option<Accepted>> {
        loop {
            match self.acceptor.accept() {
                Ok(Some(accepted)) => return Ok(Some(accepted)),
                Ok(None) => {}
                Err((error, mut alert)) => {
                    let _ = alert.write(&mut Socket(socket));
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            }
            match self.acceptor.read_tls(&mut Socket(socket)) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

/// A connection.
pub struct Stream {
    connection: ServerConnection,
    /// What came from the socket and is not decrypted yet.
    incoming: Vec<u8>,
    from: usize,
    to: usize,
    /// Records are decrypted one by one: behind the client's goodbye may follow what is not for TLS.
    by_record: bool,
    /// So much of a record has yet to be decrypted.
    missing: usize,
    /// The client has closed the socket.
    ended: bool,
    /// What TLS 1.3 says behind the handshake is kept until there is more to send.
    holds_tickets: bool,
}

impl Stream {
    /// Goes on where the greeting ended. `capacity`: how much is read at once. An error has been told to the client.
    pub fn accept(
        accepted: Accepted,
        config: Arc<ServerConfig>,
        capacity: usize,
        socket: BorrowedFd<'_>,
    ) -> io::Result<Stream> {
        match accepted.into_connection(config) {
            Ok(connection) => Ok(Stream {
                connection,
                incoming: vec![0; capacity],
                from: 0,
                to: 0,
                by_record: capacity == SMALL,
                missing: 0,
                ended: false,
                holds_tickets: false,
            }),
            Err((error, mut alert)) => {
                let _ = alert.write(&mut Socket(socket));
                Err(io::Error::new(io::ErrorKind::InvalidData, error))
            }
        }
    }

    /// Keeps tickets until there is more to send, and sends them in one packet with that. A client who is going to send
    /// gets them at the end: many a program only writes and then closes, and if something had come that it has not
    /// read, its kernel would take back what it wrote (RFC 9293 3.6.1).
    pub fn hold_tickets(&mut self) {
        self.holds_tickets = true;
    }

    /// Carries the handshake on. What is returned is to be waited for; nothing: it is done, and everything is sent.
    pub fn shake_hands(&mut self, socket: BorrowedFd<'_>) -> io::Result<Option<PollFlags>> {
        loop {
            // In TLS 1.3 the client has the last word of the handshake itself.
            let newest = self.connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
            if self.holds_tickets && newest && !self.connection.is_handshaking() {
                return Ok(None);
            }
            match self.flush(socket) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Some(PollFlags::POLLOUT));
                }
                Err(error) => return Err(error),
            }
            if !self.connection.is_handshaking() {
                return Ok(None);
            }
            match self.take_in(socket) {
                Ok(()) if self.ended => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Some(PollFlags::POLLIN));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the client has resumed a session that a ticket of this connection's key described.
    pub fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// What was agreed, for people.
    pub fn description(&self) -> String {
        let version =
            self.connection.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS");
        let suite = self.connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        let group = self.connection.negotiated_key_exchange_group().and_then(|group| group.name().as_str());
        let parts = [Some(version), suite, group];
        parts
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ")
            .replace("TLSv1_", "TLSv1.")
            .replace("TLS13_", "TLS_")
    }

    /// Reads what the client sent, as much as is there and fits. 0: he has said that there is no more; `UnexpectedEof`:
    /// he closed the connection without saying so; `WouldBlock`: there is nothing now.
    pub fn receive(&mut self, socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
        let mut received = 0;
        while received < buffer.len() {
            match self.connection.reader().read(&mut buffer[received..]) {
                Ok(0) => break,
                Ok(read) => {
                    received += read;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // What came before it counts; the next look finds it again.
                Err(_) if received > 0 => break,
                Err(error) => return Err(error),
            }
            match self.take_in(socket) {
                Ok(()) => {}
                Err(_) if received > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(received)
    }

    /// Whether there is something to receive for which the socket need not be waited for.
    pub fn has_received(&mut self) -> bool {
        self.ended
            || self.from < self.to
            || self
                .connection
                .process_new_packets()
                .is_ok_and(|state| state.plaintext_bytes_to_read() > 0 || state.peer_has_closed())
    }

    /// Encrypts bytes, as many as it takes at once, and sends what can be sent. `WouldBlock`: wait until the socket
    /// can be written.
    pub fn send(&mut self, socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
        if !std::mem::take(&mut self.holds_tickets) {
            self.flush(socket)?;
        }
        let taken = self.connection.writer().write(&bytes[..bytes.len().min(PIECE)])?;
        match self.flush(socket) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            Ok(()) | Err(_) => Ok(taken),
        }
    }

    /// Sends what is encrypted. `WouldBlock`: not all of it yet.
    pub fn flush(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Socket(socket)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes what is left of the conversation, up to the client's goodbye: a record at a time, since what follows is not
    /// for TLS. A client who goes on without a goodbye is let be. `None`: there has to come more.
    pub fn part(&mut self, socket: BorrowedFd<'_>, parting: &mut Parting) -> io::Result<Option<Vec<u8>>> {
        loop {
            let state = self.connection.process_new_packets().map_err(io::Error::other)?;
            if parting.said.len() + state.plaintext_bytes_to_read() > SMALL {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let _ = self.connection.reader().read_to_end(&mut parting.said);
            parting.is_over = state.peer_has_closed();
            let waiting = &self.incoming[self.from..self.to];
            let is_plain = self.missing == 0 && waiting.first().is_some_and(|kind| !RECORDS.contains(kind));
            if parting.is_over || is_plain {
                return Ok(Some(self.end_of(parting)));
            }
            // What has come is looked at before it is taken for a record.
            let is_new = self.from == self.to && self.missing == 0;
            match if is_new { self.fill(socket) } else { self.take_in(socket) } {
                Ok(()) if self.ended && self.from == self.to => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// What was said, behind TLS and without.
    fn end_of(&mut self, parting: &mut Parting) -> Vec<u8> {
        let mut said = std::mem::take(&mut parting.said);
        said.extend_from_slice(&self.incoming[self.from..self.to]);
        self.from = self.to;
        said
    }

    /// Overwrites what is left of words that were received: rustls decrypts them where they are, and keeps the memory.
    pub fn forget(&mut self) {
        let _ = self.connection.read_tls(&mut Eraser);
    }

    /// Whether something waits to be sent.
    pub fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Says that there is no more (close_notify). It has to be flushed.
    pub fn say_end(&mut self) {
        self.connection.send_close_notify();
    }

    /// Decrypts what has come; reads the socket if nothing has.
    fn take_in(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.fill(socket)?;
        let end = if self.by_record { self.end_of_record()? } else { self.to };
        let mut waiting = &self.incoming[self.from..end];
        self.connection.read_tls(&mut waiting)?;
        let taken = end - self.from - waiting.len();
        self.from += taken;
        self.missing = self.missing.saturating_sub(taken);
        match self.connection.process_new_packets() {
            Ok(_) => Ok(()),
            Err(error) => {
                // The alert that says why.
                let _ = self.connection.write_tls(&mut Socket(socket));
                Err(io::Error::new(io::ErrorKind::InvalidData, error))
            }
        }
    }
}

impl Stream {
    /// Reads the socket if there is nothing left to decrypt.
    fn fill(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let wanted = if self.by_record && self.missing == 0 { HEADER } else { 1 };
        if self.to - self.from < wanted && !self.ended {
            self.incoming.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
            let read = Socket(socket).read(&mut self.incoming[self.to..])?;
            self.to += read;
            self.ended = read == 0;
        }
        Ok(())
    }

    /// Where the record ends that is to be decrypted, or what has come of it. `WouldBlock`: its length has yet to come.
    fn end_of_record(&mut self) -> io::Result<usize> {
        let waiting = &self.incoming[self.from..self.to];
        if self.missing == 0 {
            self.missing = match waiting {
                [_, _, _, high, low, ..] => HEADER + usize::from(u16::from_be_bytes([*high, *low])),
                _ if self.ended => waiting.len(),
                _ => return Err(io::ErrorKind::WouldBlock.into()),
            };
        }
        Ok(self.to.min(self.from + self.missing))
    }
}

/// How far the end of a conversation has come.
#[derive(Default)]
pub struct Parting {
    /// What the client still said behind TLS.
    said: Vec<u8>,
    /// The client has said goodbye.
    is_over: bool,
}

impl Parting {
    /// Whether the client has said goodbye, or goes on without.
    pub fn is_said(&self) -> bool {
        self.is_over
    }
}

/// The length of a record's header (RFC 8446 5.1), and how it begins.
const HEADER: usize = 5;
const RECORDS: std::ops::RangeInclusive<u8> = 20..=23;

/// Brings nothing, and overwrites the memory that it is to bring something to.
struct Eraser;

impl Read for Eraser {
    fn read(&mut self, memory: &mut [u8]) -> io::Result<usize> {
        wipe(memory);
        Err(io::ErrorKind::WouldBlock.into())
    }
}

/// A socket that does not block, as rustls reads and writes it.
struct Socket<'a>(BorrowedFd<'a>);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match recv(self.0.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EINTR) => {}
                done => return Ok(done?),
            }
        }
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match send(self.0.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL) {
                Err(Errno::EINTR) => {}
                done => return Ok(done?),
            }
        }
    }

    /// The socket itself does not block, and SIGPIPE is ignored: writev(2) can be told neither.
    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        loop {
            match writev(self.0, parts) {
                Err(Errno::EINTR) => {}
                done => return Ok(done?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
