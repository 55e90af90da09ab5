//! Accepting a data connection, from the client and from nobody else.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};

use super::Session;
use super::data::{NoData, described, refused};
use super::watch::Interrupted;
use crate::ipc::messages::Event;
use crate::protocol::proxy::{Header, HeaderReader, NoHeader};
use crate::system::data_socket;
use crate::system::poll::PollFlags;

impl Session {
    /// Accepts the client. Whoever else comes is turned away, and the waiting goes on; `disturbed`: there was somebody.
    pub(super) fn await_client(
        &mut self,
        listener: &OwnedFd,
        port: u16,
        disturbed: &mut bool,
    ) -> Result<OwnedFd, NoData> {
        let limit = self.data.options.accept_timeout;
        let deadline = Instant::now() + limit.duration();
        loop {
            match data_socket::accept_from(listener.as_fd()) {
                Ok((socket, peer)) => {
                    let mut stranger = peer;
                    if self.data.may_connect(peer.ip()) {
                        match self.whom_it_is_for(&socket, peer, deadline)? {
                            Some(client) if self.data.takes_part(client.ip()) => return Ok(socket),
                            other => stranger = other.unwrap_or(peer),
                        }
                    }
                    *disturbed = true;
                    self.worker.report(Event::Refused {
                        operation: "data connection".into(),
                        path: stranger.to_string().into_bytes(),
                        why: "not the address of the client".into(),
                    });
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        self.wait_for(listener.as_fd(), PollFlags::POLLIN, deadline)?;
                    }
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => {
                        return Err(refused(format!(
                            "Cannot accept a data connection: {}.",
                            described(&error)
                        )));
                    }
                },
            }
            if Instant::now() >= deadline {
                let seconds = limit.seconds();
                return Err(refused(format!("Nobody connected to port {port} within {seconds} seconds.")));
            }
        }
    }

    /// Who is at the other end: he himself, or whom a proxy names. None: the proxy names nobody.
    fn whom_it_is_for(
        &mut self,
        socket: &OwnedFd,
        peer: SocketAddr,
        deadline: Instant,
    ) -> Result<Option<SocketAddr>, Interrupted> {
        if self.data.ends.proxies.is_empty() {
            return Ok(Some(peer));
        }
        let mut header = HeaderReader::default();
        let mut bytes = [0; 512];
        loop {
            let raw = socket.as_raw_fd();
            match recv(raw, &mut bytes, MsgFlags::MSG_PEEK) {
                Ok(0) => return Ok(None),
                Ok(seen) => {
                    let wanted = header.feed(&bytes[..seen]);
                    if recv(raw, &mut bytes[..wanted], MsgFlags::empty()) != Ok(wanted) {
                        return Ok(None);
                    }
                }
                Err(Errno::EAGAIN) => {
                    if !self.wait_for(socket.as_fd(), PollFlags::POLLIN, deadline)? {
                        return Ok(None);
                    }
                }
                Err(Errno::EINTR) => {}
                Err(_) => return Ok(None),
            }
            match header.take() {
                Some(Ok(Header::Client { peer, .. })) => return Ok(Some(peer)),
                Some(Ok(Header::Itself) | Err(NoHeader)) => return Ok(None),
                None => {}
            }
        }
    }
}
