//! Verbs that copy files on this side of the network, without their bytes going over it: SITE COPY, and SITE CPFR with
//! SITE CPTO. A copy is like an upload: complete or not there.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::fcntl::copy_file_range;
use nix::unistd::read;

use crate::config::EventName;
use crate::ipc::messages::{Direction, Event};
use crate::protocol::path::FtpPath;
use crate::protocol::reply::{Code, Reply};
use crate::protocol::verb::{Outcome, State};
use crate::session::Session;
use crate::session::arguments;
use crate::session::error::Error;
use crate::session::files::current_umask;
use crate::session::transfer::Cut;
use crate::session::upload::{Start, Upload};
use crate::system::clone::clone_contents;
use crate::system::status;

/// How much the kernel is asked to copy at once.
const SLICE: usize = 8 * 1024 * 1024;
/// The same, where the bytes pass through this process.
const PIECE: usize = 256 * 1024;

/// SITE COPY <from> <to>: copy a file. Names with spaces need quotes.
pub fn copy(session: &mut Session, argument: &[u8]) -> Outcome {
    let (from, to) = two_paths(session, argument, "SITE COPY <from> <to>")?;
    copy_file(session, &from, &to)?;
    Ok(Reply::new(Code::FileOk, "Copied."))
}

/// SITE CPFR <path>: name what SITE CPTO copies.
pub fn cpfr(session: &mut Session, path: &FtpPath) -> Outcome {
    session.files.open(path)?;
    session.copying = Some(path.clone());
    Ok(Reply::new(Code::NeedMore, "Send SITE CPTO with the name of the copy."))
}

/// SITE CPTO <path>: copy the file named by SITE CPFR.
pub fn cpto(session: &mut Session, to: &FtpPath) -> Outcome {
    let Some(from) = session.copying.take() else {
        return Ok(Reply::new(Code::BadSequence, "Send SITE CPFR first."));
    };
    copy_file(session, &from, to)?;
    Ok(Reply::new(Code::FileOk, "Copied."))
}

/// Two paths in one argument, or how it should have been said.
pub fn two_paths(session: &Session, argument: &[u8], usage: &str) -> Result<(FtpPath, FtpPath), Reply> {
    let Some((first, second)) = arguments::two_names(argument) else {
        let text = format!("Usage: {usage}, with names in quotes that have spaces");
        return Err(Reply::new(Code::BadArgument, text));
    };
    session
        .resolve(&first)
        .zip(session.resolve(&second))
        .ok_or_else(|| Reply::new(Code::BadArgument, "No file can have such a name."))
}

fn copy_file(session: &mut Session, from: &FtpPath, to: &FtpPath) -> Result<(), Reply> {
    let opened = session.files.open(from)?;
    let copied = |to: &FtpPath| Event::Copied { from: from.as_bytes().to_vec(), to: to.as_bytes().to_vec() };
    session.consent_to_store(EventName::Copied, Start::New, to, || copied(to))?;
    let mode = status::status_of(opened.file.as_fd()).map_err(Error::from)?.mode & !current_umask();
    let mut payment = session.files.begin_payment(to, Start::New)?;
    let upload = session.files.upload_whole(to, mode)?;
    if let Some(payment) = &mut payment {
        payment.is_for(&upload)?;
    }
    session.refuse_what_cannot_be_given(&upload)?;
    let limit = session.limit_size(&upload)?;
    session.payment = payment;
    session.begin_work(Direction::Copy, to);
    let done = match copy_contents(session, opened.file.as_fd(), upload.descriptor()) {
        Ok(()) => session.finish(upload),
        Err(cut) => {
            session.explain(&upload, &cut);
            session.end_upload(upload, Upload::discard);
            Err(cut)
        }
    };
    drop(limit);
    let stored = session.end_work(done)?;
    session.worker.report(copied(stored.as_ref().unwrap_or(to)));
    Ok(())
}

/// All bytes, in the cheapest way that the file systems know: shared, copied by the kernel, or copied here.
fn copy_contents(session: &mut Session, from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Cut> {
    session.obey_out_of_turn(true)?;
    if session.payment.is_some() {
        // Each piece is paid for before it is written.
        return copy_through(session, from, to);
    }
    if clone_contents(from, to).is_ok() {
        session.moved(status::status_of(to).map_or(0, |status| status.size));
        return Ok(());
    }
    let mut copied = 0u64;
    loop {
        match copy_file_range(from, None, to, None, SLICE) {
            // Files of /proc and the like have bytes that only read(2) finds.
            Ok(0) if copied == 0 => return copy_through(session, from, to),
            Ok(0) => return Ok(()),
            Ok(length) => {
                copied += length as u64;
                session.moved(length as u64);
                session.look_up_from_work()?;
            }
            Err(Errno::EINTR) => {}
            Err(Errno::EXDEV | Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP | Errno::EBADF) => {
                return copy_through(session, from, to);
            }
            Err(errno) => return Err(Error::from(errno).into()),
        }
    }
}

/// The bytes pass through this process, from where both files are.
fn copy_through(session: &mut Session, from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Cut> {
    let mut buffer = vec![0; PIECE];
    loop {
        let length = match read(from, &mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(Error::from(errno).into()),
        };
        session.write_paid(to, &buffer[..length])?;
        session.moved(length as u64);
        session.look_up_from_work()?;
    }
}
