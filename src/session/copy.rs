//! Moving bytes between files and data connections. Every loop watches the control connection too, and looks up
//! from time to time where it never has to wait.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::sendfile::sendfile64;
use nix::sys::uio::pread;
use nix::unistd::write;

use super::ascii::{self, FromWire};
use super::connection::Connection;
use super::deflate::{Damaged, Deflater, Inflater};
use super::error::Error;
use super::splice::wide_pipe;
use super::transfer::Cut;
use super::{Mode, Representation, Session};
use crate::system::poll::PollFlags;
use crate::system::socket;

/// How much the kernel is asked to send at once. Smaller slices cost more calls, larger ones let the client's
/// commands wait.
const SLICE: u64 = 4 * 1024 * 1024;
/// While the kernel waits for the client to take a slice, his commands wait too: about this long.
const SLICE_TIME: Duration = Duration::from_millis(50);
/// What a slow client is sent between two looks at his commands.
const SMALLEST_SLICE: u64 = 128 * 1024;
/// The buffer of transfers that begin, and of those that convert.
pub(super) const SMALL_BUFFER: usize = 64 * 1024;
/// The buffer of uploads that turn out to be large, where there is no pipe for them.
const LARGE_BUFFER: usize = 256 * 1024;
/// A transfer that has moved this much without having to wait looks up.
pub(super) const UNWATCHED: u64 = 4 * 1024 * 1024;

/// Bytes on their way to the client.
pub struct Outgoing {
    deflater: Option<Deflater>,
    wire: Vec<u8>,
}

/// Bytes on their way to a file.
struct Incoming {
    inflater: Option<Inflater>,
    /// What the inflater writes to.
    plain: Vec<u8>,
    conversion: FromWire,
    /// What the conversion writes to.
    text: Vec<u8>,
}

impl From<Damaged> for Cut {
    fn from(_: Damaged) -> Cut {
        Cut::Damaged
    }
}

impl Session {
    /// Sends a file from an offset to the size it had when it was opened.
    pub fn send_file(
        &mut self,
        to: &Connection,
        file: BorrowedFd<'_>,
        from: u64,
        size: u64,
    ) -> Result<(), Cut> {
        match (self.representation, self.mode) {
            // Files of /proc and the like say that they are empty.
            _ if size == 0 => self.send_copied(to, file, from, u64::MAX),
            _ if to.is_protected() => self.send_copied(to, file, from, size),
            (Representation::Image, Mode::Stream) => self.send_whole(to, file, from, size),
            (Representation::Ascii, _) | (_, Mode::Deflate) => self.send_copied(to, file, from, size),
        }
    }

    /// The bytes go from the page cache to the socket without passing through this process. A file that the socket takes
    /// at once is over with the first call; for others the kernel waits, which it does better than poll(2), in slices
    /// that are short enough to look up in between.
    fn send_whole(&mut self, to: &Connection, file: BorrowedFd<'_>, from: u64, size: u64) -> Result<(), Cut> {
        let mut offset = i64::try_from(from).map_err(|_| Error::BeyondEnd)?;
        let mut left = size.saturating_sub(from);
        let mut slice = SLICE;
        let mut waits = false;
        while left > 0 {
            let asked = self.may_move(left.min(slice) as usize)?;
            let began = Instant::now();
            match sendfile64(to, file, Some(&mut offset), asked) {
                Ok(0) => return Err(Cut::Shrunk),
                Ok(sent) => {
                    left -= sent as u64;
                    self.carried(sent);
                    self.moved(sent as u64);
                    if left == 0 {
                        break;
                    }
                    if waits {
                        slice = if began.elapsed() > SLICE_TIME { slice / 2 } else { slice * 2 };
                        slice = slice.clamp(SMALLEST_SLICE, SLICE);
                    }
                    // A socket that took a part is full. Who waits for it has looked up.
                    if !waits && left <= SLICE && sent < asked {
                        self.wait_to_move(to, PollFlags::POLLOUT)?;
                    } else {
                        self.look_up()?;
                    }
                }
                // Nothing went within the time that the kernel waits.
                Err(Errno::EAGAIN) => self.wait_to_move(to, PollFlags::POLLOUT)?,
                Err(Errno::EINTR) => {}
                // A file system that cannot do it.
                Err(Errno::EINVAL | Errno::ENOSYS) => return self.send_copied(to, file, offset as u64, size),
                Err(errno) => return Err(cut_by(errno)),
            }
            if !waits && left > SLICE {
                waits = socket::wait_at_most(to.as_fd(), SLICE_TIME).is_ok();
                slice = SMALLEST_SLICE;
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
        let mut text = Vec::new();
        let mut outgoing = self.outgoing();
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
                Representation::Image => self.send_piece(to, &mut outgoing, &buffer[..read])?,
                Representation::Ascii => {
                    text.clear();
                    ascii::to_wire(&buffer[..read], &mut text);
                    self.send_piece(to, &mut outgoing, &text)?;
                }
            }
            unwatched += read as u64;
            if unwatched >= UNWATCHED {
                self.look_up()?;
                unwatched = 0;
            }
        }
        self.buffer = buffer;
        self.send_end(to, outgoing)
    }

    /// What becomes of bytes that are in memory, until they are sent.
    pub fn outgoing(&self) -> Outgoing {
        let deflater = (self.mode == Mode::Deflate).then(|| Deflater::new(self.deflate_level));
        Outgoing { deflater, wire: Vec::new() }
    }

    /// Sends bytes that are in memory, compressed if MODE says so.
    pub fn send_piece(&mut self, to: &Connection, outgoing: &mut Outgoing, bytes: &[u8]) -> Result<(), Cut> {
        let Some(deflater) = &mut outgoing.deflater else { return self.send_bytes(to, bytes, true) };
        outgoing.wire.clear();
        deflater.put(bytes, &mut outgoing.wire)?;
        self.send_bytes(to, &outgoing.wire, false)?;
        self.moved(bytes.len() as u64);
        Ok(())
    }

    /// Everything has been sent; a compressed stream has an end of its own.
    pub fn send_end(&mut self, to: &Connection, mut outgoing: Outgoing) -> Result<(), Cut> {
        let Some(deflater) = &mut outgoing.deflater else { return Ok(()) };
        outgoing.wire.clear();
        deflater.end(&mut outgoing.wire)?;
        self.send_bytes(to, &outgoing.wire, false)
    }

    /// `counted`: these are the bytes that the client asked for.
    fn send_bytes(&mut self, to: &Connection, mut bytes: &[u8], counted: bool) -> Result<(), Cut> {
        while !bytes.is_empty() {
            let asked = self.may_move(bytes.len())?;
            match to.send(&bytes[..asked]) {
                Ok(sent) => {
                    bytes = &bytes[sent..];
                    self.carried(sent);
                    if counted {
                        self.moved(sent as u64);
                    }
                    if sent < asked {
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
        let mut incoming = self.incoming();
        let mut total = 0u64;
        let mut unwatched = 0;
        loop {
            let asked = self.may_move(buffer.len())?;
            let received = match from.receive(&mut buffer[..asked]) {
                Ok(0) => break,
                Ok(received) => received,
                Err(Errno::EAGAIN) => {
                    self.wait_to_move(from, PollFlags::POLLIN)?;
                    unwatched = 0;
                    continue;
                }
                Err(Errno::EINTR) => continue,
                // Old clients never say that this was everything.
                Err(Errno::ENODATA) if self.accepts_unclean_close() => break,
                Err(Errno::ENODATA) => return Err(Cut::Unfinished),
                Err(errno) => return Err(cut_by(errno)),
            };
            self.carried(received);
            self.take_in(&mut incoming, &buffer[..received], file)?;
            total += received as u64;
            unwatched += received as u64;
            if received < asked && total > SMALL_BUFFER as u64 && !from.has_received() {
                // All that was there has been read. A small file, though, is over with the next look.
                self.wait_to_move(from, PollFlags::POLLIN)?;
                unwatched = 0;
            } else if unwatched >= UNWATCHED {
                self.look_up()?;
                unwatched = 0;
            }
            if received == buffer.len() && buffer.len() < LARGE_BUFFER && !from.is_protected() {
                if (self.representation, self.mode) == (Representation::Image, Mode::Stream)
                    && let Some(pipe) = wide_pipe()
                    && self.receive_spliced(from, file, &pipe)?
                {
                    return Ok(());
                }
                buffer.resize(LARGE_BUFFER, 0);
            }
        }
        self.keep_buffer(buffer);
        if incoming.inflater.is_some_and(|inflater| !inflater.is_complete()) {
            return Err(Cut::Truncated);
        }
        if self.representation == Representation::Ascii {
            incoming.text.clear();
            incoming.conversion.end(&mut incoming.text);
            self.write_paid(file, &incoming.text)?;
        }
        Ok(())
    }

    fn incoming(&self) -> Incoming {
        let inflater = (self.mode == Mode::Deflate).then(Inflater::new);
        let plain = if inflater.is_some() { vec![0; LARGE_BUFFER] } else { Vec::new() };
        Incoming { inflater, plain, conversion: FromWire::default(), text: Vec::new() }
    }

    /// Writes what bytes of the wire mean. A few compressed ones may mean very many, during which the client is
    /// heard like at any other time.
    fn take_in(&mut self, incoming: &mut Incoming, mut wire: &[u8], file: BorrowedFd<'_>) -> Result<(), Cut> {
        let Incoming { inflater, plain, conversion, text } = incoming;
        let Some(inflater) = inflater else { return self.write_in(conversion, text, wire, file) };
        let mut unwatched = 0;
        loop {
            let length = inflater.take(&mut wire, plain)?;
            self.write_in(conversion, text, &plain[..length], file)?;
            if wire.is_empty() && length < plain.len() {
                return Ok(());
            }
            unwatched += length as u64;
            if unwatched >= UNWATCHED {
                self.look_up()?;
                unwatched = 0;
            }
        }
    }

    /// Writes bytes, converted if TYPE says so.
    fn write_in(
        &mut self,
        conversion: &mut FromWire,
        text: &mut Vec<u8>,
        bytes: &[u8],
        file: BorrowedFd<'_>,
    ) -> Result<(), Cut> {
        self.moved(bytes.len() as u64);
        match self.representation {
            Representation::Image => self.write_paid(file, bytes)?,
            Representation::Ascii => {
                text.clear();
                conversion.put(bytes, text);
                self.write_paid(file, text)?;
            }
        }
        Ok(())
    }

    /// Counts bytes, for STAT and the log.
    pub(super) fn moved(&mut self, bytes: u64) {
        if let Some(moving) = &mut self.moving {
            moving.bytes += bytes;
            self.page.tell_progress(moving.bytes);
        }
    }

    pub(super) fn wait_to_move(&mut self, connection: &Connection, flags: PollFlags) -> Result<(), Cut> {
        let limit = self.options.stall_timeout;
        if self.wait_for(connection.as_fd(), flags, Instant::now() + limit.duration())? {
            Ok(())
        } else {
            Err(Cut::Stalled(limit.seconds()))
        }
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
pub(super) fn cut_by(errno: Errno) -> Cut {
    match errno {
        Errno::EIO | Errno::ENXIO | Errno::ESTALE | Errno::ENOMEM | Errno::EOVERFLOW => {
            Cut::File(errno.into())
        }
        _ => Cut::Broken,
    }
}

pub(super) fn write_all(file: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Error> {
    while !bytes.is_empty() {
        match write(file, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}
