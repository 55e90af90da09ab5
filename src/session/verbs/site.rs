//! Verbs behind SITE about the session and about whole trees. Those that set facts of files are in `facts`, those that
//! copy in `copies`.

use std::time::{Duration, SystemTime};

use super::copies::two_paths;
use crate::config::EventName;
use crate::ipc::messages::{Direction, Event};
use crate::protocol::path::FtpPath;
use crate::protocol::reply::{Code, Reply};
use crate::protocol::verb::Outcome;
use crate::session::Session;
use crate::session::arguments;
use crate::session::authorize::Operation;
use crate::session::files::removal::{Removal, Step};
use crate::session::format;
use crate::session::transfer::Cut;

/// How many names of a tree are removed between two looks at the client.
const UNWATCHED: u64 = 100;

/// SITE IDLE [<seconds>]: how long the client may be silent. Never longer than the configuration says.
pub fn idle(session: &mut Session, argument: &[u8]) -> Outcome {
    let most = session.options.idle_timeout.duration().as_secs();
    let argument = argument.trim_ascii();
    if !argument.is_empty() {
        let Some(seconds) = arguments::number(argument).filter(|seconds| (1..=most).contains(seconds)) else {
            return Ok(Reply::new(Code::BadArgument, format!("From 1 to {most} seconds.")));
        };
        session.idle = Duration::from_secs(seconds);
    }
    let text =
        format!("Silence ends the session after {} seconds; the most is {most}.", session.idle.as_secs());
    Ok(Reply::new(Code::Ok, text))
}

/// SITE TIME: what the server's clock says, in UTC.
pub fn time(_session: &mut Session) -> Outcome {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
    let mut stamp = Vec::new();
    format::stamp(&mut stamp, now.cast_signed());
    Ok(Reply::new(Code::Ok, stamp))
}

/// SITE QUOTA: what has been used and may be used in the working directory.
pub fn quota(session: &mut Session) -> Outcome {
    let kernels = session.files.quota()?;
    let mut lines = vec!["Quotas in this directory:".to_string()];
    let limit = |most: u64| if most == u64::MAX { "none".to_string() } else { most.to_string() };
    for quota in session.files.quotas_in(&session.cwd)? {
        let (used, most) = (quota.used(), quota.most());
        lines.push(format!(" {}:", quota.title()));
        lines.push(format!(" Bytes: {} in use, limit {}", used.bytes, limit(most.bytes)));
        lines.push(format!(" Files: {} in use, limit {}", used.files, limit(most.files)));
    }
    if let Some(quota) = kernels {
        let limit = |soft: u64, hard: u64| {
            let told = |limit: u64| if limit == 0 { "none".to_string() } else { limit.to_string() };
            format!("limit {}, for a while {}", told(soft), told(hard))
        };
        lines.extend([
            " What is yours on this file system:".to_string(),
            format!(" Bytes: {} in use, {}", quota.bytes, limit(quota.soft_bytes, quota.hard_bytes)),
            format!(" Files: {} in use, {}", quota.files, limit(quota.soft_files, quota.hard_files)),
        ]);
    }
    if lines.len() == 1 {
        return Ok(Reply::new(Code::Ok, "There is no quota here."));
    }
    lines.push("End".to_string());
    Ok(Reply::lines(Code::Ok, lines))
}

/// SITE SYMLINK <target> <link>: make a symbolic link. Names with spaces need quotes.
pub fn symlink(session: &mut Session, argument: &[u8]) -> Outcome {
    let (target, link) = two_paths(session, argument, "SITE SYMLINK <target> <link>")?;
    let linked = || Event::Linked { path: link.as_bytes().to_vec(), target: target.as_bytes().to_vec() };
    session.consent(EventName::Linked, Operation::Link, &link, linked)?;
    session.files.make_link(&target, &link)?;
    session.worker.report(linked());
    Ok(Reply::new(Code::FileOk, "Link made."))
}

/// SITE MKDIR <path>: make a directory, and those above it that are missing.
pub fn mkdir(session: &mut Session, path: &FtpPath) -> Outcome {
    let wish = || Event::DirectoryMade { path: path.as_bytes().to_vec() };
    session.consent(EventName::DirectoryMade, Operation::MakeDirectory, path, wish)?;
    for made in session.files.make_path(path)? {
        session.worker.report(Event::DirectoryMade { path: made.as_bytes().to_vec() });
    }
    Ok(Reply::path_created(path.as_bytes(), "is there."))
}

/// SITE RMDIR <path>: remove a directory and all that is in it.
pub fn rmdir(session: &mut Session, path: &FtpPath) -> Outcome {
    let removed = || Event::DirectoryRemoved { path: path.as_bytes().to_vec() };
    session.consent(EventName::DirectoryRemoved, Operation::RemoveDirectory, path, removed)?;
    let removal = Removal::begin(&session.files, path)?;
    session.begin_work(Direction::Removal, path);
    let done = remove(session, removal);
    session.end_work(done)?;
    session.worker.report(removed());
    Ok(Reply::new(Code::FileOk, "The directory and all that was in it is removed."))
}

fn remove(session: &mut Session, mut removal: Removal) -> Result<(), Cut> {
    session.obey_out_of_turn(true)?;
    let mut watched = 0;
    loop {
        match removal.step(&session.files)? {
            Step::Further => {}
            Step::Directory(path) => {
                session.worker.report(Event::DirectoryRemoved { path: path.as_bytes().to_vec() });
            }
            Step::Done => return Ok(()),
        }
        if removal.seen() >= watched + UNWATCHED {
            watched = removal.seen();
            session.look_up_from_work()?;
        }
    }
}
