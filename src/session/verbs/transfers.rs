//! Verbs that move the contents of files: each opens the file, makes the connection, and lets the bytes run.

use std::os::fd::AsFd;

use crate::config::EventName;
use crate::ipc::messages::{Direction, Event, Outcome as Ending};
use crate::protocol::path::FtpPath;
use crate::protocol::reply::{Code, Reply};
use crate::protocol::verb::Outcome;
use crate::session::authorize::Operation;
use crate::session::error::Error;
use crate::session::upload::Start;
use crate::session::{Representation, Session};

/// The name that STOU begins with where the client gives none.
const UNIQUE_NAME: &[u8] = b"upload";

/// RETR <path>: send a file to the client.
pub fn retr(session: &mut Session, path: &FtpPath) -> Outcome {
    let mut from = restart(session)?;
    let range = session.range.take();
    let opened = session.files.open(path)?;
    let mut end = opened.size;
    if let Some(range) = range {
        if session.representation == Representation::Ascii {
            return Ok(Reply::new(Code::NotImplementedForArgument, "Use TYPE I for RANG."));
        }
        if range.start >= opened.size {
            return Err(Error::BeyondEnd.into());
        }
        (from, end) = (range.start, range.end.min(opened.size));
    }
    if from > opened.size {
        return Err(Error::BeyondEnd.into());
    }
    session.consent(EventName::FileSent, Operation::Read, path, || moved(Direction::Out, path))?;
    let announcement = format!("Sending {path} ({} bytes).", end - from);
    let data = session.begin_transfer(Direction::Out, path, announcement)?;
    if opened.size > 0 {
        session.page.tell_size(end - from);
    }
    let sent = session.send_file(&data, opened.file.as_fd(), from, end);
    session.end_transfer(data, sent)
}

/// STOR <path>: receive a file from the client.
pub fn stor(session: &mut Session, path: &FtpPath) -> Outcome {
    let start = match restart(session)? {
        0 => Start::New,
        offset => Start::Resume(offset),
    };
    receive(session, path, start)
}

/// APPE <path>: receive what belongs at the end of a file.
pub fn appe(session: &mut Session, path: &FtpPath) -> Outcome {
    session.restart = 0;
    receive(session, path, Start::Append)
}

/// STOU [<name>]: receive a file under a name that nothing has yet.
pub fn stou(session: &mut Session, name: &[u8]) -> Outcome {
    session.restart = 0;
    let name = if name.is_empty() { UNIQUE_NAME } else { name };
    let Some(path) = session.cwd.join(name) else {
        return Ok(Reply::new(Code::BadArgument, "No file can have such a name."));
    };
    receive(session, &path, Start::Unique)
}

/// REST <offset>: where the transfer that follows begins, in bytes of the file. In TYPE A those are not what the
/// client counts, so there is no REST.
pub fn rest(session: &mut Session, offset: &[u8]) -> Outcome {
    let digits = offset.iter().all(u8::is_ascii_digit);
    let offset = std::str::from_utf8(offset).ok().and_then(|offset| offset.parse::<u64>().ok());
    let Some(offset) = offset.filter(|offset| digits && i64::try_from(*offset).is_ok()) else {
        return Ok(Reply::new(Code::BadArgument, "An offset is a number of bytes."));
    };
    if offset > 0 && session.representation == Representation::Ascii {
        return Ok(no_restart());
    }
    session.restart = offset;
    session.range = None;
    Ok(Reply::new(Code::NeedMore, format!("The transfer will begin at {offset}.")))
}

/// What REST said; it serves once.
fn restart(session: &mut Session) -> Result<u64, Reply> {
    let offset = std::mem::take(&mut session.restart);
    if offset > 0 && session.representation == Representation::Ascii {
        return Err(no_restart());
    }
    Ok(offset)
}

fn no_restart() -> Reply {
    Reply::new(Code::NotImplementedForArgument, "Use TYPE I for REST.")
}

fn receive(session: &mut Session, path: &FtpPath, start: Start) -> Outcome {
    if session.range.take().is_some() {
        return Ok(Reply::new(
            Code::BadSequence,
            "RANG is for RETR and HASH; an upload begins where REST says.",
        ));
    }
    session.consent_to_store(EventName::FileReceived, start, path, || moved(Direction::In, path))?;
    let mut payment = session.files.begin_payment(path, start)?;
    let upload = session.files.upload(path, start)?;
    if let Some(payment) = &mut payment {
        payment.is_for(&upload)?;
    }
    let path = upload.path().clone();
    let announcement = match start {
        // RFC 1123 4.1.2.9 prescribes the form.
        Start::Unique => format!("FILE: {path}"),
        Start::New | Start::Resume(_) | Start::Append => format!("Receiving {path}."),
    };
    session.refuse_announced(&upload)?;
    session.refuse_what_cannot_be_given(&upload)?;
    let limit = session.limit_size(&upload)?;
    let data = session.begin_transfer(Direction::In, &path, announcement)?;
    session.payment = payment;
    let stored = match session.receive_file(&data, upload.descriptor()) {
        Ok(()) => session.finish(upload).map(drop),
        Err(cut) => Err(session.give_up(upload, cut)),
    };
    drop(limit);
    session.end_transfer(data, stored)
}

/// A transfer that is yet to be, for who is asked about it.
fn moved(direction: Direction, path: &FtpPath) -> Event {
    let path = path.as_bytes().to_vec();
    let outcome = Ending::Complete;
    Event::Transferred { direction, path, bytes: 0, micros: 0, ascii: false, outcome, left: None }
}
