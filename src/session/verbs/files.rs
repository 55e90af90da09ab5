//! Verbs that change files, or tell facts about them, without moving their contents.

use crate::config::EventName;
use crate::ipc::messages::Event;
use crate::protocol::path::FtpPath;
use crate::protocol::reply::{Code, Reply};
use crate::protocol::verb::Outcome;
use crate::session::authorize::Operation;
use crate::session::error::Error;
use crate::session::format;
use crate::session::{Representation, Session};
use crate::system::status::Kind;

/// DELE <path>: remove a file.
pub fn dele(session: &mut Session, path: &FtpPath) -> Outcome {
    let removed = || Event::Removed { path: path.as_bytes().to_vec() };
    session.consent(EventName::Deleted, Operation::RemoveFile, path, removed)?;
    session.files.remove_file(path)?;
    session.worker.report(removed());
    Ok(Reply::new(Code::FileOk, "File removed."))
}

/// RNFR <path>: name what RNTO renames.
pub fn rnfr(session: &mut Session, path: &FtpPath) -> Outcome {
    session.files.renamable(path)?;
    session.renaming = Some(path.clone());
    Ok(Reply::new(Code::NeedMore, "Send RNTO with the new name."))
}

/// RNTO <path>: give the file named by RNFR its new name.
pub fn rnto(session: &mut Session, to: &FtpPath) -> Outcome {
    let Some(from) = session.renaming.take() else {
        return Ok(Reply::new(Code::BadSequence, "Send RNFR first."));
    };
    let renamed = || Event::Renamed { from: from.as_bytes().to_vec(), to: to.as_bytes().to_vec() };
    session.consent(EventName::Renamed, Operation::RenameTo, to, renamed)?;
    session.files.rename(&from, to)?;
    session.worker.report(renamed());
    Ok(Reply::new(Code::FileOk, "Renamed."))
}

/// SIZE <path>: how many bytes RETR would send. In TYPE A nobody knows without reading the file (RFC 3659 4).
pub fn size(session: &mut Session, path: &FtpPath) -> Outcome {
    let status = session.files.status(path)?;
    match (status.kind, session.representation) {
        (Kind::File, Representation::Image) => Ok(Reply::new(Code::FileStatus, status.size.to_string())),
        (Kind::File, Representation::Ascii) => Ok(Reply::new(Code::FileUnavailable, "Use TYPE I for SIZE.")),
        (Kind::Directory, _) => Err(Error::IsADirectory.into()),
        (Kind::Symlink | Kind::Fifo | Kind::Socket | Kind::BlockDevice | Kind::CharacterDevice, _) => {
            Err(Error::NotAFile.into())
        }
    }
}

/// MDTM <path>: when the file was changed (RFC 3659 3).
pub fn mdtm(session: &mut Session, path: &FtpPath) -> Outcome {
    let status = session.files.status(path)?;
    Ok(Reply::new(Code::FileStatus, stamp(status.modified)))
}

fn stamp(seconds: i64) -> String {
    let mut stamp = Vec::new();
    format::stamp(&mut stamp, seconds);
    String::from_utf8_lossy(&stamp).into_owned()
}
