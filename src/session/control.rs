//! The session's end of the control connection: lines in, replies out, neither ever waited for here.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, Shutdown, recv, send, shutdown};

use crate::protocol::command::Command;
use crate::protocol::line::{LineBuffer, TooLong, as_sent};
use crate::protocol::reply::Reply;
use crate::system::poll::PollFlags;

/// How many lines may wait; a client that sends more is read when these are done.
const MAX_WAITING: usize = 64;
/// Replies that wait for the client to read them; above this no further command is obeyed.
const MAX_UNSENT: usize = 64 * 1024;

/// The client has closed his end; poll(2) tells it also where nothing is read.
const HANGUP: PollFlags = PollFlags::from_bits_retain(libc::POLLRDHUP);

/// A line, or that it was too long to be one.
pub type Line = Result<Vec<u8>, TooLong>;

/// The control connection.
pub struct Control {
    socket: OwnedFd,
    partial: LineBuffer,
    waiting: VecDeque<Line>,
    unsent: Vec<u8>,
    /// Since when the client has not read a reply.
    clogged_since: Option<Instant>,
    /// The client will send nothing more.
    ended: bool,
    /// QUIT waits: what comes behind it is not read.
    quitting: bool,
    /// Somebody else can serve the client when he says USER again.
    hands_over: bool,
    /// REIN or USER waits: what comes behind it is not ours.
    reinitializing: bool,
    /// What was read behind it.
    ahead: Vec<u8>,
}

impl Control {
    /// Takes over the connection, which does not block from here on, and what was read from it already. `hands_over`:
    /// whether USER ends the session, as REIN does.
    pub fn new(socket: OwnedFd, ahead: &[u8], line_limit: usize, hands_over: bool) -> io::Result<Control> {
        nix::fcntl::fcntl(&socket, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))?;
        let mut control = Control {
            socket,
            partial: LineBuffer::new(line_limit),
            waiting: VecDeque::new(),
            unsent: Vec::new(),
            clogged_since: None,
            ended: false,
            quitting: false,
            hands_over,
            reinitializing: false,
            ahead: Vec::new(),
        };
        control.take_in(ahead);
        Ok(control)
    }

    /// Goes on with another connection to the same client, of which this was read already.
    pub fn replace(&mut self, socket: OwnedFd, ahead: &[u8]) -> io::Result<()> {
        nix::fcntl::fcntl(&socket, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))?;
        self.socket = socket;
        self.ended = false;
        self.take_in(ahead);
        Ok(())
    }

    /// The next line.
    pub fn next_line(&mut self) -> Option<Line> {
        self.waiting.pop_front()
    }

    /// A line that is not the next one yet.
    pub fn waiting(&self, index: usize) -> Option<&Line> {
        self.waiting.get(index)
    }

    /// Takes a line out of turn.
    pub fn take_waiting(&mut self, index: usize) -> Option<Line> {
        self.waiting.remove(index)
    }

    /// Whether the client is gone without having said goodbye.
    pub fn vanished(&self) -> bool {
        self.ended && !self.quitting
    }

    /// Puts a reply behind those that wait to be sent.
    pub fn queue(&mut self, reply: &Reply) {
        reply.encode(&mut self.unsent);
    }

    /// Puts bytes of a reply that is made piece by piece behind those that wait to be sent.
    pub fn queue_bytes(&mut self) -> &mut Vec<u8> {
        &mut self.unsent
    }

    /// Whether the client should read something before he is obeyed again.
    pub fn is_clogged(&self) -> bool {
        self.unsent.len() > MAX_UNSENT
    }

    /// Whether everything has been sent.
    pub fn is_flushed(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Since when replies wait for a client who does not read.
    pub fn clogged_since(&self) -> Option<Instant> {
        self.clogged_since
    }

    /// Sends what can be sent now. A connection that broke has ended.
    pub fn flush(&mut self) {
        while !self.unsent.is_empty() {
            let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
            match send(self.socket.as_raw_fd(), &self.unsent, flags) {
                Ok(sent) => {
                    self.unsent.drain(..sent);
                    self.clogged_since = None;
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    self.clogged_since.get_or_insert_with(Instant::now);
                    return;
                }
                Err(_) => {
                    self.unsent.clear();
                    self.clogged_since = None;
                    self.ended = true;
                    self.quitting = false;
                    return;
                }
            }
        }
    }

    /// Reads what is there.
    pub fn fill(&mut self) {
        let mut bytes = [0; 4096];
        let length = match recv(self.socket.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
            Ok(0) => {
                self.ended = true;
                return;
            }
            Ok(length) => length,
            Err(Errno::EAGAIN | Errno::EINTR) => return,
            Err(_) => {
                self.ended = true;
                return;
            }
        };
        self.take_in(&bytes[..length]);
    }

    /// Divides what was read into lines, up to one that ends this session.
    fn take_in(&mut self, mut rest: &[u8]) {
        while !rest.is_empty() {
            if self.reinitializing {
                self.ahead.extend_from_slice(rest);
                break;
            }
            let taken = self.partial.feed(rest);
            rest = &rest[taken..];
            let Some(line) = self.partial.take() else { continue };
            self.quitting |= line.as_ref().is_ok_and(|line| is_verb(line, &["QUIT", "BYE"]));
            self.reinitializing |= line
                .as_ref()
                .is_ok_and(|line| is_verb(line, &["REIN"]) || self.hands_over && is_another_login(line));
            self.waiting.push_back(line);
        }
        self.unsent.extend(self.partial.telnet_answers());
    }

    /// What poll(2) shall look for; nothing: the socket must not be polled, it would be ready for ever.
    pub fn interest(&self) -> PollFlags {
        let mut interest = PollFlags::empty();
        if !self.ended && !self.quitting {
            interest |= HANGUP;
            if self.waiting.len() < MAX_WAITING && !self.reinitializing && !self.is_clogged() {
                interest |= PollFlags::POLLIN;
            }
        }
        if !self.unsent.is_empty() {
            interest |= PollFlags::POLLOUT;
        }
        interest
    }

    /// Acts on what poll(2) found.
    pub fn woken(&mut self, ready: PollFlags) {
        let hung_up = ready.intersects(HANGUP | PollFlags::POLLHUP | PollFlags::POLLERR);
        if ready.contains(PollFlags::POLLIN) {
            self.fill();
        } else if hung_up {
            self.ended = true;
        }
        if ready.contains(PollFlags::POLLOUT) {
            self.flush();
        }
    }

    /// What whoever serves the client next is to obey first.
    pub fn hand_on(&mut self, line: &[u8]) {
        self.ahead.splice(..0, as_sent(line));
    }

    /// What was read behind the line that ended this session.
    pub fn take_ahead(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.ahead)
    }

    /// The last thing that happens here. Unread input would make the kernel reset the connection and with it the
    /// last reply; the end is announced by a shutdown, since the worker has the connection open too.
    pub fn close(mut self) {
        self.flush();
        let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Write);
        let mut bytes = [0; 4096];
        while let Ok(1..) = recv(self.socket.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {}
    }
}

/// Seen from afar, before its turn: a client that says goodbye may close his end while data still moves, and what
/// follows a logout is for somebody else.
fn is_verb(line: &[u8], verbs: &[&str]) -> bool {
    let said = line.trim_ascii_end();
    verbs.iter().any(|verb| said.eq_ignore_ascii_case(verb.as_bytes()))
}

/// USER with a name: without one it is a mistake, and the session goes on.
fn is_another_login(line: &[u8]) -> bool {
    let command = Command::parse(line);
    command.verb == "USER" && !command.argument.is_empty()
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::reply::Code;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    fn connected() -> (TcpStream, Control) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let control = Control::new(listener.accept().unwrap().0.into(), b"", 4096, false).unwrap();
        (client, control)
    }

    /// Reads until the condition holds; loopback may need a moment.
    fn fill_until(control: &mut Control, done: impl Fn(&Control) -> bool) {
        while !done(control) {
            control.fill();
        }
    }

    #[test]
    fn lines_of_one_packet_wait_in_order() {
        let (mut client, mut control) = connected();
        client.write_all(b"NOOP\r\nPWD\r\nSY").unwrap();
        fill_until(&mut control, |control| control.waiting(1).is_some());
        assert_eq!(control.next_line(), Some(Ok(b"NOOP".to_vec())));
        assert_eq!(control.next_line(), Some(Ok(b"PWD".to_vec())));
        assert_eq!(control.next_line(), None);
    }

    #[test]
    fn who_says_goodbye_has_not_vanished() {
        let (mut client, mut control) = connected();
        client.write_all(b"QUIT\r\n").unwrap();
        drop(client);
        fill_until(&mut control, |control| control.ended);
        assert!(!control.vanished() && control.interest().is_empty());

        let (client, mut control) = connected();
        drop(client);
        fill_until(&mut control, |control| control.ended);
        assert!(control.vanished());
    }

    #[test]
    fn a_client_that_does_not_read_is_not_read_either() {
        let (client, mut control) = connected();
        let reply = Reply::new(Code::Ok, "x".repeat(60_000));
        while !control.is_clogged() {
            control.queue(&reply);
            control.flush();
        }
        control.queue(&reply);
        control.flush();
        assert!(control.clogged_since().is_some());
        assert!(!control.interest().contains(PollFlags::POLLIN));
        drop(client);
    }

    #[test]
    fn the_last_reply_arrives_though_more_was_said() {
        let (mut client, mut control) = connected();
        client.write_all(b"QUIT\r\nNOOP\r\nNOOP\r\n").unwrap();
        fill_until(&mut control, |control| control.waiting(0).is_some());
        control.queue(&Reply::new(Code::Closing, "Goodbye."));
        control.close();
        let mut heard = String::new();
        client.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "221 Goodbye.\r\n");
    }
}
