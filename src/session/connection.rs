//! An open data connection, with TLS around it or without: what bytes go through, and how it ends.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, Shutdown, getsockopt, recv, send, setsockopt, shutdown, sockopt};

use crate::tls::stream::Stream;

/// An open data connection; it does not block.
pub struct Connection {
    socket: OwnedFd,
    tls: Option<RefCell<Stream>>,
}

impl Connection {
    /// Without TLS.
    pub fn plain(socket: OwnedFd) -> Connection {
        Connection { socket, tls: None }
    }

    /// The same, with TLS around it.
    pub fn with_tls(mut self, stream: Stream) -> Connection {
        self.tls = Some(RefCell::new(stream));
        self
    }

    /// Whether there is TLS around it: then its bytes go through `send` and `receive` alone.
    pub fn is_protected(&self) -> bool {
        self.tls.is_some()
    }

    /// Sends what can be sent at once. EAGAIN: nothing can, until the socket can be written.
    pub fn send(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match &self.tls {
            None => send(self.socket.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL),
            Some(tls) => tls.borrow_mut().send(self.socket.as_fd(), bytes).map_err(|error| errno(&error)),
        }
    }

    /// Receives what is there. 0: the client has sent everything. EAGAIN: nothing is there, until the socket can be
    /// read. ENODATA: the client has closed the connection without having said that this was everything.
    pub fn receive(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        match &self.tls {
            None => recv(self.socket.as_raw_fd(), buffer, MsgFlags::empty()),
            Some(tls) => tls.borrow_mut().receive(self.socket.as_fd(), buffer).map_err(|error| errno(&error)),
        }
    }

    /// Whether something has been received for which the socket need not be waited for.
    pub fn has_received(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.borrow_mut().has_received())
    }

    /// Says that no more will be sent. False: there is no way to say so but to close the connection.
    pub fn say_end(&self) -> bool {
        self.tls.as_ref().map(|tls| tls.borrow_mut().say_end()).is_some()
    }

    /// Sends what `send` and `say_end` have left. False: not everything can be sent at once.
    pub fn flush(&self) -> Result<bool, Errno> {
        let Some(tls) = &self.tls else { return Ok(true) };
        match tls.borrow_mut().flush(self.socket.as_fd()).map_err(|error| errno(&error)) {
            Ok(()) => Ok(true),
            Err(Errno::EAGAIN) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Closes this direction.
    pub fn shut_down(&self) {
        let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Write);
    }

    /// Takes what the client still sends, which nobody wants. True: he has closed his end.
    pub fn is_closed_by_client(&self) -> bool {
        let mut nowhere = [0; 4096];
        loop {
            match recv(self.socket.as_raw_fd(), &mut nowhere, MsgFlags::MSG_DONTWAIT) {
                Ok(1..) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return false,
                Ok(0) | Err(_) => return true,
            }
        }
    }

    /// Whether the kernel has heard that the connection broke, since it was last asked.
    pub fn is_broken(&self) -> bool {
        !matches!(getsockopt(&self.socket, sockopt::SocketError), Ok(0))
    }

    /// Ends the connection in a way that nobody can take for the end of a file (RST).
    pub fn reset(self) {
        let at_once = libc::linger { l_onoff: 1, l_linger: 0 };
        let _ = setsockopt(&self.socket, sockopt::Linger, &at_once);
    }
}

/// What TLS says of the socket, as the socket would.
fn errno(error: &io::Error) -> Errno {
    match error.kind() {
        io::ErrorKind::WouldBlock => Errno::EAGAIN,
        io::ErrorKind::UnexpectedEof => Errno::ENODATA,
        _ => error.raw_os_error().map_or(Errno::EPROTO, Errno::from_raw),
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
