//! What a frontend does after a login behind TLS, and nothing else: it decrypts what the client says for his session,
//! and encrypts what the session says for the client.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, Shutdown, recv, send, shutdown};

use super::connection::part;
use crate::ipc::messages::{FromFrontend, LoginLink, ToFrontend};
use crate::system::memory::{self, wipe};
use crate::system::poll::{CLIENT_GONE, PollFlags, wait};
use crate::system::title;
use crate::tls::stream::Stream;

/// How long the last words may take when the session has ended.
const FAREWELL: Duration = Duration::from_secs(2);

/// How much is carried at once.
const PIECE: usize = 4096;

/// Both connections, and what is on its way.
struct Relay {
    client: OwnedFd,
    stream: Stream,
    session: OwnedFd,
    /// From the client, not yet taken by the session.
    inward: Vec<u8>,
    /// From the session, not yet encrypted.
    outward: Vec<u8>,
    /// The client will say nothing more, and the session knows.
    client_ended: bool,
    session_ended: bool,
}

/// Carries words until the session has ended and everything is said, or the client takes nothing more, or TLS is to end;
/// `limit`: how long that may take.
pub fn run(client: OwnedFd, stream: Stream, session: OwnedFd, worker: &LoginLink, limit: Duration) {
    title::set("ftpd: relay");
    memory::give_back_freed();
    memory::give_back_stack();
    let mut relay = Relay {
        client,
        stream,
        session,
        inward: Vec::new(),
        outward: Vec::new(),
        client_ended: false,
        session_ended: false,
    };
    let mut until = None;
    loop {
        if relay.carry_inward().and_then(|()| relay.carry_outward()).is_err() {
            return;
        }
        if relay.session_ended {
            until.get_or_insert_with(|| Instant::now() + FAREWELL);
            if relay.outward.is_empty() && !relay.stream.wants_write() {
                break;
            }
        }
        if until.is_some_and(|until| Instant::now() >= until) {
            return;
        }
        match relay.wait(worker, until) {
            Ok(false) => {}
            Ok(true) => return relay.obey(worker, limit),
            Err(_) => return,
        }
    }
    relay.close();
}

impl Relay {
    fn carry_inward(&mut self) -> io::Result<()> {
        loop {
            if self.inward.is_empty() && !self.client_ended {
                let mut bytes = [0; PIECE];
                match self.stream.receive(self.client.as_fd(), &mut bytes) {
                    Ok(0) => self.end_of_client(),
                    Ok(length) => {
                        self.stream.forget();
                        self.inward.extend_from_slice(&bytes[..length]);
                        wipe(&mut bytes[..length]);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => self.end_of_client(),
                }
            }
            if self.inward.is_empty() {
                return Ok(());
            }
            let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
            match send(self.session.as_raw_fd(), &self.inward, flags) {
                Ok(sent) => {
                    wipe(&mut self.inward[..sent]);
                    drop(self.inward.drain(..sent));
                }
                Err(Errno::EAGAIN) => return Ok(()),
                Err(Errno::EINTR) => {}
                // What the session has said before it ended is still to be carried.
                Err(_) => {
                    self.inward.clear();
                    self.client_ended = true;
                }
            }
        }
    }

    /// The session sees what it would see on the client's own connection.
    fn end_of_client(&mut self) {
        self.client_ended = true;
        let _ = shutdown(self.session.as_raw_fd(), Shutdown::Write);
    }

    /// An error: the client takes nothing more.
    fn carry_outward(&mut self) -> io::Result<()> {
        loop {
            if self.outward.is_empty() && !self.session_ended {
                let mut bytes = [0; PIECE];
                match recv(self.session.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
                    Ok(length @ 1..) => self.outward.extend_from_slice(&bytes[..length]),
                    Err(Errno::EAGAIN | Errno::EINTR) => {}
                    Ok(0) | Err(_) => {
                        self.session_ended = true;
                        self.stream.say_end();
                    }
                }
            }
            let sent = match self.outward.is_empty() {
                true => return or_later(self.stream.flush(self.client.as_fd())),
                false => self.stream.send(self.client.as_fd(), &self.outward),
            };
            match sent {
                Ok(sent) => drop(self.outward.drain(..sent)),
                Err(error) => return or_later(Err(error)),
            }
        }
    }

    /// The worker says that TLS is to end, or is gone. The session has said everything that is for this side of it.
    fn obey(mut self, worker: &LoginLink, limit: Duration) {
        let deadline = Instant::now() + limit;
        match worker.receive() {
            Ok(Some((ToFrontend::Clear, None))) => {}
            Ok(None) => return self.say_the_rest(),
            Ok(Some(_)) | Err(_) => return,
        }
        while !self.session_ended {
            match self.carry_outward() {
                Ok(()) if self.outward.is_empty() && !self.stream.wants_write() => break,
                Ok(()) => {}
                Err(_) => return,
            }
            match wait([(self.client.as_fd(), PollFlags::POLLOUT)], Some(deadline)) {
                Ok([ready]) if !ready.is_empty() => {}
                Ok(_) | Err(_) => return,
            }
        }
        let mut ahead = std::mem::take(&mut self.inward);
        if let Ok(said) = part(&self.client, &mut self.stream, deadline) {
            ahead.extend(said);
            let _ = worker.send(&FromFrontend::Cleared { ahead });
        }
    }

    /// The worker has left, since the session has ended: what it said last is still on its way to the client.
    fn say_the_rest(mut self) {
        let until = Instant::now() + FAREWELL;
        while self.carry_outward().is_ok() {
            let watched = match (self.stream.wants_write() || !self.outward.is_empty(), self.session_ended) {
                (true, _) => (self.client.as_fd(), PollFlags::POLLOUT),
                (false, false) => (self.session.as_fd(), PollFlags::POLLIN),
                (false, true) => return self.close(),
            };
            if !matches!(wait([watched], Some(until)), Ok([ready]) if !ready.is_empty()) {
                return;
            }
        }
    }

    /// True: the worker has something to say.
    fn wait(&mut self, worker: &LoginLink, until: Option<Instant>) -> io::Result<bool> {
        let mut client = PollFlags::empty();
        let mut session = PollFlags::empty();
        if !self.client_ended {
            client |= CLIENT_GONE;
            if self.inward.is_empty() {
                client |= PollFlags::POLLIN;
            } else {
                session |= PollFlags::POLLOUT;
            }
        }
        if self.stream.wants_write() || !self.outward.is_empty() {
            client |= PollFlags::POLLOUT;
        }
        if self.outward.is_empty() && !self.session_ended {
            session |= PollFlags::POLLIN;
        }
        // What needs no watching is not watched: a connection that has ended would be ready for ever. The worker ends
        // together with the session, or we with him.
        let client_socket = if client.is_empty() { worker.as_fd() } else { self.client.as_fd() };
        let session_socket = if self.session_ended { worker.as_fd() } else { self.session.as_fd() };
        let told = (worker.as_fd(), PollFlags::POLLIN);
        let [heard, _, told] = wait([(client_socket, client), (session_socket, session), told], until)?;
        // He is gone, and the session is so busy that it does not read: it hears of it all the same.
        if !client.is_empty() && heard.intersects(CLIENT_GONE | PollFlags::POLLERR) && !self.inward.is_empty()
        {
            self.inward.clear();
            self.end_of_client();
        }
        Ok(!told.is_empty())
    }

    /// Unread input would make the kernel reset the connection, and with it the last reply; the end is announced by a
    /// shutdown, since the worker has the connection open too.
    fn close(self) {
        let _ = shutdown(self.client.as_raw_fd(), Shutdown::Write);
        let mut bytes = [0; PIECE];
        while let Ok(1..) = recv(self.client.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {}
    }
}

fn or_later(sent: io::Result<()>) -> io::Result<()> {
    match sent {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        other => other,
    }
}
