//! Large uploads: from the socket to the file by way of a pipe, so that the bytes stay in the kernel (splice(2)).

use std::os::fd::{BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use nix::unistd::{pipe2, read};

use super::Session;
use super::connection::Connection;
use super::copy::{SMALL_BUFFER, UNWATCHED, cut_by, write_all};
use super::error::Error;
use super::transfer::Cut;
use crate::system::poll::PollFlags;

/// The pipe of uploads that turn out to be large: the largest that every user may have (pipe(7)). Smaller ones cost
/// as much as a buffer.
const PIPE: usize = 1024 * 1024;

impl Session {
    /// The bytes go from the socket to the page cache by way of a pipe, without passing through this process. `false`:
    /// the file system cannot do it; what came so far has been written.
    pub(super) fn receive_spliced(
        &mut self,
        from: &Connection,
        file: BorrowedFd<'_>,
        (outlet, inlet): &(OwnedFd, OwnedFd),
    ) -> Result<bool, Cut> {
        let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
        let mut unwatched = 0;
        loop {
            let asked = self.may_move(PIPE)?;
            let received = match splice(from, None, inlet, None, asked, flags) {
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
            self.carried(received);
            self.moved(received as u64);
            let paid = self.pay_for(received);
            let spliced = empty_into(outlet, file, paid)?;
            if paid < received {
                return Err(Error::QuotaExceeded.into());
            }
            if !spliced {
                return Ok(false);
            }
            unwatched += received as u64;
            if received < SMALL_BUFFER.min(asked) {
                self.wait_to_move(from, PollFlags::POLLIN)?;
                unwatched = 0;
            } else if unwatched >= UNWATCHED {
                self.look_up()?;
                unwatched = 0;
            }
        }
    }
}

/// A pipe that holds enough to be worth its while; a user who has many does not get another one.
pub(super) fn wide_pipe() -> Option<(OwnedFd, OwnedFd)> {
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
