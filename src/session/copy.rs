//! Moving bytes between files and data connections. Every loop watches the control connection too, and looks up
//! from time to time where it never has to wait.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use nix::sys::sendfile::sendfile64;
use nix::sys::socket::{MsgFlags, recv, send};
use nix::sys::uio::pread;
use nix::unistd::{pipe2, read, write};

use super::ascii::{self, FromWire};
use super::data::Connection;
use super::error::Error;
use super::transfer::Cut;
use super::{Representation, Session};
use crate::system::poll::PollFlags;

/// How much the kernel is asked to send at once. Smaller slices cost more calls, larger ones let the client's
/// commands wait.
const SLICE: u64 = 4 * 1024 * 1024;
/// The buffer of transfers that begin, and of those that convert.
const SMALL_BUFFER: usize = 64 * 1024;
/// The buffer of uploads that turn out to be large, where there is no pipe for them.
const LARGE_BUFFER: usize = 256 * 1024;
/// The pipe of uploads that turn out to be large: the largest that every user may have (pipe(7)). Smaller ones cost
/// as much as a buffer.
const PIPE: usize = 1024 * 1024;
/// A transfer that has moved this much without having to wait looks up.
const UNWATCHED: u64 = 4 * 1024 * 1024;

impl Session {
    /// Sends a file from an offset to the size it had when it was opened.
    pub fn send_file(
        &mut self,
        to: &Connection,
        file: BorrowedFd<'_>,
        from: u64,
        size: u64,
    ) -> Result<(), Cut> {
        match self.representation {
            Representation::Ascii => self.send_copied(to, file, from, size),
            // Files of /proc and the like say that they are empty.
            Representation::Image if size == 0 => self.send_copied(to, file, from, u64::MAX),
            Representation::Image => self.send_whole(to, file, from, size),
        }
    }

    /// The bytes go from the page cache to the socket without passing through this process.
    fn send_whole(&mut self, to: &Connection, file: BorrowedFd<'_>, from: u64, size: u64) -> Result<(), Cut> {
        let mut offset = i64::try_from(from).map_err(|_| Error::BeyondEnd)?;
        let mut left = size.saturating_sub(from);
        let mut unwatched = 0;
        while left > 0 {
            let slice = left.min(SLICE);
            match sendfile64(to, file, Some(&mut offset), slice as usize) {
                Ok(0) => return Err(Cut::Shrunk),
                Ok(sent) => {
                    let sent = sent as u64;
                    left -= sent;
                    unwatched += sent;
                    self.moved(sent);
                    if left == 0 {
                        break;
                    }
                    if sent < slice {
                        self.wait_to_move(to, PollFlags::POLLOUT)?;
                        unwatched = 0;
                    } else if unwatched >= UNWATCHED {
                        self.look_up()?;
                        unwatched = 0;
                    }
                }
                Err(Errno::EAGAIN) => self.wait_to_move(to, PollFlags::POLLOUT)?,
                Err(Errno::EINTR) => {}
                // A file system that cannot do it.
                Err(Errno::EINVAL | Errno::ENOSYS) => return self.send_copied(to, file, offset as u64, size),
                Err(errno) => return Err(cut_by(errno)),
            }
        }
        Ok(())
    }

    /// The bytes pass through a buffer, and are converted if TYPE says so. `size` u64::MAX: to the end, wherever it is.
    fn send_copied(
        &mut self,
        to: &Connection,
        file: BorrowedFd<'_>,
        from: u64,
        size: u64,
    ) -> Result<(), Cut> {
        let mut buffer = self.take_buffer();
        let mut wire = Vec::new();
        let mut at = from;
        let mut unwatched = 0;
        while at < size {
            let want = (size - at).min(buffer.len() as u64) as usize;
            let read = match pread(file, &mut buffer[..want], i64::try_from(at).map_err(|_| Error::TooLarge)?)
            {
                Ok(0) if size == u64::MAX => break,
                Ok(0) => return Err(Cut::Shrunk),
                Ok(read) => read,
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(Cut::File(errno.into())),
            };
            at += read as u64;
            match self.representation {
                Representation::Image => self.send_bytes(to, &buffer[..read])?,
                Representation::Ascii => {
                    wire.clear();
                    ascii::to_wire(&buffer[..read], &mut wire);
                    self.send_bytes(to, &wire)?;
                }
            }
            unwatched += read as u64;
            if unwatched >= UNWATCHED {
                self.look_up()?;
                unwatched = 0;
            }
        }
        self.buffer = buffer;
        Ok(())
    }

    /// Sends bytes that are in memory.
    pub fn send_bytes(&mut self, to: &Connection, mut bytes: &[u8]) -> Result<(), Cut> {
        while !bytes.is_empty() {
            match send(to.as_fd().as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL) {
                Ok(sent) => {
                    bytes = &bytes[sent..];
                    self.moved(sent as u64);
                    if !bytes.is_empty() {
                        self.wait_to_move(to, PollFlags::POLLOUT)?;
                    }
                }
                Err(Errno::EAGAIN) => self.wait_to_move(to, PollFlags::POLLOUT)?,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(cut_by(errno)),
            }
        }
        Ok(())
    }

    /// Writes what comes until the client has closed his end.
    pub fn receive_file(&mut self, from: &Connection, file: BorrowedFd<'_>) -> Result<(), Cut> {
        let mut buffer = self.take_buffer();
        let mut conversion = FromWire::default();
        let mut converted = Vec::new();
        let mut total = 0u64;
        let mut unwatched = 0;
        loop {
            let received = match recv(from.as_fd().as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(0) => break,
                Ok(received) => received,
                Err(Errno::EAGAIN) => {
                    self.wait_to_move(from, PollFlags::POLLIN)?;
                    unwatched = 0;
                    continue;
                }
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(cut_by(errno)),
            };
            self.moved(received as u64);
            match self.representation {
                Representation::Image => write_all(file, &buffer[..received])?,
                Representation::Ascii => {
                    converted.clear();
                    conversion.put(&buffer[..received], &mut converted);
                    write_all(file, &converted)?;
                }
            }
            total += received as u64;
            unwatched += received as u64;
            if received < buffer.len() && total > SMALL_BUFFER as u64 {
                // All that was there has been read. A small file, though, is over with the next look.
                self.wait_to_move(from, PollFlags::POLLIN)?;
                unwatched = 0;
            } else if unwatched >= UNWATCHED {
                self.look_up()?;
                unwatched = 0;
            }
            if received == buffer.len() && buffer.len() < LARGE_BUFFER {
                if self.representation == Representation::Image
                    && let Some(pipe) = wide_pipe()
                    && self.receive_spliced(from, file, &pipe)?
                {
                    return Ok(());
                }
                buffer.resize(LARGE_BUFFER, 0);
            }
        }
        if self.representation == Representation::Ascii {
            converted.clear();
            conversion.end(&mut converted);
            write_all(file, &converted)?;
        }
        self.keep_buffer(buffer);
        Ok(())
    }

    /// The bytes go from the socket to the page cache by way of a pipe, without passing through this process. `false`:
    /// the file system cannot do it; what came so far has been written.
    fn receive_spliced(
        &mut self,
        from: &Connection,
        file: BorrowedFd<'_>,
        (outlet, inlet): &(OwnedFd, OwnedFd),
    ) -> Result<bool, Cut> {
        let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
        let mut unwatched = 0;
        loop {
            let received = match splice(from, None, inlet, None, PIPE, flags) {
                Ok(0) => return Ok(true),
                Ok(received) => received,
                Err(Errno::EAGAIN) => {
                    self.wait_to_move(from, PollFlags::POLLIN)?;
                    unwatched = 0;
                    continue;
                }
                Err(Errno::EINTR) => continue,
                Err(Errno::EINVAL) => return Ok(false),
                Err(errno) => return Err(cut_by(errno)),
            };
            self.moved(received as u64);
            if !empty_into(outlet, file, received)? {
                return Ok(false);
            }
            unwatched += received as u64;
            if received < SMALL_BUFFER {
                self.wait_to_move(from, PollFlags::POLLIN)?;
                unwatched = 0;
            } else if unwatched >= UNWATCHED {
                self.look_up()?;
                unwatched = 0;
            }
        }
    }

    /// Counts bytes, for STAT and the log.
    fn moved(&mut self, bytes: u64) {
        if let Some(moving) = &mut self.moving {
            moving.bytes += bytes;
        }
    }

    fn wait_to_move(&mut self, connection: &Connection, flags: PollFlags) -> Result<(), Cut> {
        let deadline = Instant::now() + self.options.stall_timeout.duration();
        if self.wait_for(connection.as_fd(), flags, deadline)? { Ok(()) } else { Err(Cut::Stalled) }
    }

    pub(super) fn take_buffer(&mut self) -> Vec<u8> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(SMALL_BUFFER, 0);
        buffer
    }

    /// A large buffer is given back, so that a session that does nothing is small.
    pub(super) fn keep_buffer(&mut self, buffer: Vec<u8>) {
        if buffer.len() == SMALL_BUFFER {
            self.buffer = buffer;
        }
    }
}

/// The connection broke, or (sendfile alone can say so) the file could not be read.
fn cut_by(errno: Errno) -> Cut {
    match errno {
        Errno::EIO | Errno::ENXIO | Errno::ESTALE | Errno::ENOMEM | Errno::EOVERFLOW => {
            Cut::File(errno.into())
        }
        _ => Cut::Broken,
    }
}

/// A pipe that holds enough to be worth its while; a user who has many does not get another one.
fn wide_pipe() -> Option<(OwnedFd, OwnedFd)> {
    let pipe = pipe2(OFlag::O_CLOEXEC).ok()?;
    fcntl(&pipe.1, FcntlArg::F_SETPIPE_SZ(PIPE as i32)).ok()?;
    Some(pipe)
}

/// Writes what a pipe holds. `false`: it had to be copied, the file system cannot take it as it is.
fn empty_into(outlet: &OwnedFd, file: BorrowedFd<'_>, mut left: usize) -> Result<bool, Error> {
    while left > 0 {
        match splice(outlet, None, file, None, left, SpliceFFlags::SPLICE_F_MOVE) {
            Ok(written) => left -= written,
            Err(Errno::EINTR) => {}
            Err(Errno::EINVAL) => {
                let mut buffer = vec![0; left];
                while left > 0 {
                    let taken = read(outlet, &mut buffer[..left])?;
                    write_all(file, &buffer[..taken])?;
                    left -= taken;
                }
                return Ok(false);
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(true)
}

fn write_all(file: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Error> {
    while !bytes.is_empty() {
        match write(file, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}
