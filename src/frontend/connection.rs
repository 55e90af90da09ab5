//! The control connection before login. Lines are looked at with MSG_PEEK and taken from the socket one at a time, so
//! that nothing behind the line that logs somebody in is lost to his session.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};

use crate::ipc::messages::{Leaving, LoginLink, ToFrontend};
use crate::protocol::line::{LineBuffer, TooLong};
use crate::protocol::proxy::{Header, HeaderReader, NoHeader};
use crate::protocol::reply::Reply;
use crate::system::memory::wipe;
use crate::system::poll::{CLIENT_GONE, PollFlags, wait};
use crate::tls::stream::{Parting, Stream};

/// How long a client may leave replies unread.
const SEND_LIMIT: Duration = Duration::from_secs(10);

/// How long a client is let say goodbye first.
const POLITENESS: Duration = Duration::from_millis(300);

/// What there is to do.
pub enum Heard {
    /// The client sent a line.
    Line(Vec<u8>),
    /// The client sent a line over the limit, which was skipped.
    TooLong,
    /// The client is gone.
    Vanished,
    /// The worker has a message, or is gone.
    Worker,
    /// The deadline is reached.
    Nothing,
}

/// A client.
pub struct Connection {
    socket: OwnedFd,
    lines: LineBuffer,
    /// What somebody else has read from the connection and not obeyed, or what was decrypted beyond the last line.
    ahead: Vec<u8>,
    tls: Option<Stream>,
    broken: bool,
}

impl Connection {
    /// The control connection, which must not block, and what has been read from it already.
    pub fn new(socket: OwnedFd, ahead: Vec<u8>, line_limit: usize) -> Connection {
        Connection { socket, lines: LineBuffer::new(line_limit), ahead, tls: None, broken: false }
    }

    /// What has been read and not obeyed yet.
    pub fn ahead(&self) -> &[u8] {
        &self.ahead
    }

    /// Takes what has been read and not obeyed yet.
    pub fn take_ahead(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.ahead)
    }

    /// Whether something has come in that nobody has obeyed.
    pub fn has_more(&self) -> bool {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        !self.ahead.is_empty() || matches!(recv(self.socket.as_raw_fd(), &mut [0], flags), Ok(1..))
    }

    /// What is heard and said from here on passes through TLS.
    pub fn protect(&mut self, tls: Stream) {
        self.tls = Some(tls);
    }

    /// The connection and its TLS, for the relay.
    pub fn take_protected(&mut self) -> Option<(OwnedFd, Stream)> {
        Some((self.socket.try_clone().ok()?, self.tls.take()?))
    }

    /// Ends TLS and goes on without it. False: the client does not let it end.
    pub fn clear(&mut self, deadline: Instant) -> bool {
        let Some(mut tls) = self.tls.take() else { return false };
        match part(&self.socket, &mut tls, deadline) {
            Ok(ahead) => {
                self.ahead.extend(ahead);
                true
            }
            Err(_) => false,
        }
    }

    /// Waits for a line of the client or a message of the worker.
    pub fn hear(&mut self, worker: &LoginLink, deadline: Instant) -> Heard {
        loop {
            if !self.ahead.is_empty() {
                let taken = self.lines.feed(&self.ahead);
                wipe(&mut self.ahead[..taken]);
                self.ahead.drain(..taken);
                self.answer_telnet();
                if let Some(heard) = self.heard() {
                    return heard;
                }
            }
            if self.ahead.is_empty() && self.tls.is_some() {
                match self.decrypt() {
                    Ok(()) => continue,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => return Heard::Vanished,
                }
            }
            let watched = [(self.socket.as_fd(), PollFlags::POLLIN), (worker.as_fd(), PollFlags::POLLIN)];
            let Ok([client, message]) = wait(watched, Some(deadline)) else { return Heard::Vanished };
            if !message.is_empty() {
                return Heard::Worker;
            }
            if client.is_empty() {
                return Heard::Nothing;
            }
            if self.tls.is_none() && !self.read() {
                return Heard::Vanished;
            }
            if let Some(heard) = self.heard() {
                return heard;
            }
        }
    }

    /// Reads what a proxy sends first, and nothing behind it. Else: why the connection is of no use.
    pub fn read_header(&mut self, worker: &LoginLink, deadline: Instant) -> Result<Header, Leaving> {
        let mut header = HeaderReader::default();
        loop {
            let watched = [(self.socket.as_fd(), PollFlags::POLLIN), (worker.as_fd(), PollFlags::POLLIN)];
            let Ok([client, message]) = wait(watched, Some(deadline)) else { return Err(Leaving::Vanished) };
            if !message.is_empty() {
                return Err(match worker.receive() {
                    Ok(Some((ToFrontend::Finish(why), None))) => why,
                    // Nothing else is due; whoever tells the worker finds out what is wrong with him.
                    Ok(_) | Err(_) => Leaving::Stopping,
                });
            }
            if client.is_empty() {
                return Err(Leaving::LoginTimeout);
            }
            let alive = take_from(self.socket.as_fd(), |seen| header.feed(seen));
            match header.take() {
                Some(Ok(header)) => return Ok(header),
                Some(Err(NoHeader)) => return Err(Leaving::Abuse),
                None => {}
            }
            if !alive {
                return Err(Leaving::Vanished);
            }
        }
    }

    /// Waits without listening to the client. True: the worker has said something, or one of the two is gone.
    pub fn rest(&self, worker: &LoginLink, until: Instant) -> bool {
        let watched = [(worker.as_fd(), PollFlags::POLLIN), (self.socket.as_fd(), CLIENT_GONE)];
        !matches!(wait(watched, Some(until)), Ok([message, client]) if message.is_empty() && client.is_empty())
    }

    fn heard(&mut self) -> Option<Heard> {
        match self.lines.take()? {
            Ok(line) => Some(Heard::Line(line)),
            Err(TooLong) => Some(Heard::TooLong),
        }
    }

    /// Waits for the worker's answer. False: the client went away meanwhile.
    pub fn await_worker(&mut self, worker: &LoginLink) -> bool {
        let watched = [(self.socket.as_fd(), CLIENT_GONE), (worker.as_fd(), PollFlags::POLLIN)];
        matches!(wait(watched, None), Ok([_, message]) if !message.is_empty())
    }

    /// Takes bytes from the socket, but nothing behind the end of a line. False: there will be none.
    fn read(&mut self) -> bool {
        let alive = take_from(self.socket.as_fd(), |seen| self.lines.feed(seen));
        self.answer_telnet();
        alive
    }

    fn answer_telnet(&mut self) {
        let answers = self.lines.telnet_answers();
        if !answers.is_empty() {
            self.write(&answers);
        }
    }

    /// Takes what the client said behind TLS.
    fn decrypt(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        let mut buffer = [0; 2048];
        let received = tls.receive(self.socket.as_fd(), &mut buffer)?;
        if received == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        tls.forget();
        self.ahead.extend_from_slice(&buffer[..received]);
        wipe(&mut buffer[..received]);
        Ok(())
    }

    /// Sends a reply. That it cannot be sent shows when the next line is read.
    pub fn send(&mut self, reply: &Reply) {
        let mut bytes = Vec::with_capacity(128);
        reply.encode(&mut bytes);
        self.write(&bytes);
    }

    fn send_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(tls) = &mut self.tls {
            return tls.send(self.socket.as_fd(), bytes);
        }
        loop {
            match send(self.socket.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EINTR) => {}
                done => return Ok(done?),
            }
        }
    }

    fn write(&mut self, mut bytes: &[u8]) {
        let deadline = Instant::now() + SEND_LIMIT;
        while !bytes.is_empty() && !self.broken {
            match self.send_some(bytes) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let ready = wait([(self.socket.as_fd(), PollFlags::POLLOUT)], Some(deadline));
                    self.broken = !matches!(ready, Ok([ready]) if !ready.is_empty());
                }
                Err(_) => self.broken = true,
            }
        }
    }
}

/// Hears the client's goodbye behind TLS and answers it; what was read behind it. Clients exist that take a goodbye which
/// comes together with the reply before it for the end of the connection, others wait for it: it is said first only to
/// who says nothing for a while.
pub fn part(socket: &OwnedFd, tls: &mut Stream, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut parting = Parting::default();
    let mut polite_until = Some(Instant::now() + POLITENESS);
    let ahead = loop {
        let flags = match tls.flush(socket.as_fd()) {
            Ok(()) => match tls.part(socket.as_fd(), &mut parting)? {
                Some(ahead) => break ahead,
                None => PollFlags::POLLIN,
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => PollFlags::POLLOUT,
            Err(error) => return Err(error),
        };
        let until = polite_until.map_or(deadline, |until| until.min(deadline));
        match wait([(socket.as_fd(), flags)], Some(until))? {
            [ready] if !ready.is_empty() => {}
            _ if polite_until.take().is_some() => tls.say_end(),
            _ => return Err(io::ErrorKind::TimedOut.into()),
        }
    };
    if polite_until.is_some() && parting.is_said() {
        tls.say_end();
        while let Err(error) = tls.flush(socket.as_fd()) {
            let waits = error.kind() == io::ErrorKind::WouldBlock;
            match wait([(socket.as_fd(), PollFlags::POLLOUT)], Some(deadline))? {
                [ready] if waits && !ready.is_empty() => {}
                _ => return Err(error),
            }
        }
    }
    Ok(ahead)
}

/// Takes as many bytes from the socket as somebody wants who sees what is there. False: there will be none.
fn take_from(socket: BorrowedFd<'_>, wanted: impl FnOnce(&[u8]) -> usize) -> bool {
    let mut buffer = [0; 2048];
    let raw = socket.as_raw_fd();
    let seen = match recv(raw, &mut buffer, MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT) {
        Ok(0) => return false,
        Ok(seen) => seen,
        Err(Errno::EAGAIN | Errno::EINTR) => return true,
        Err(_) => return false,
    };
    let taken = wanted(&buffer[..seen]);
    let received = recv(raw, &mut buffer[..taken], MsgFlags::MSG_DONTWAIT);
    wipe(&mut buffer[..seen]);
    received == Ok(taken)
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
