//! Verbs about directories.

use crate::config::EventName;
use crate::ipc::messages::Event;
use crate::protocol::path::FtpPath;
use crate::protocol::reply::{Code, Reply};
use crate::protocol::verb::Outcome;
use crate::session::Session;
use crate::session::authorize::Operation;

/// PWD: where we are.
pub fn pwd(session: &mut Session) -> Outcome {
    Ok(Reply::path_created(session.cwd.as_bytes(), "is the working directory."))
}

/// CWD <path>: go there.
pub fn cwd(session: &mut Session, path: &FtpPath) -> Outcome {
    session.files.enter(path)?;
    session.cwd = path.clone();
    session.page.tell_cwd(path.as_bytes());
    let mut lines = session.message_of_directory();
    lines.push(b"Directory changed.".to_vec());
    Ok(Reply::lines(Code::FileOk, lines))
}

/// CDUP: go to the parent directory.
pub fn cdup(session: &mut Session) -> Outcome {
    let parent = session.cwd.parent();
    cwd(session, &parent)
}

/// MKD <path>: make a directory.
pub fn mkd(session: &mut Session, path: &FtpPath) -> Outcome {
    let made = || Event::DirectoryMade { path: path.as_bytes().to_vec() };
    session.consent(EventName::DirectoryMade, Operation::MakeDirectory, path, made)?;
    session.files.make_directory(path)?;
    session.worker.report(made());
    Ok(Reply::path_created(path.as_bytes(), "created."))
}

/// RMD <path>: remove an empty directory.
pub fn rmd(session: &mut Session, path: &FtpPath) -> Outcome {
    let removed = || Event::DirectoryRemoved { path: path.as_bytes().to_vec() };
    session.consent(EventName::DirectoryRemoved, Operation::RemoveDirectory, path, removed)?;
    session.files.remove_directory(path)?;
    session.worker.report(removed());
    Ok(Reply::new(Code::FileOk, "Directory removed."))
}
