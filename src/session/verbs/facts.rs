//! Verbs that set facts of files: MFF and MFCT of draft-somers-ftp-mfxx, and those of SITE that do the same.

use nix::sys::stat::{Mode, umask};
use nix::unistd::{getegid, getgroups};

use crate::config::EventName;
use crate::ipc::messages::Event;
use crate::protocol::path::FtpPath;
use crate::protocol::reply::{Code, Reply};
use crate::protocol::verb::{Outcome, State};
use crate::session::Session;
use crate::session::authorize::Operation;
use crate::session::files::current_umask;
use crate::session::format;
use crate::session::mode::Change;

/// What MFF is to change.
#[derive(Default)]
struct Wanted {
    modified: Option<i64>,
    mode: Option<Change>,
    group: Option<u32>,
}

/// MFF <facts> <path>: set facts, all of them or, as far as that can be known beforehand, none.
pub fn mff(session: &mut Session, facts: &str, path: &FtpPath) -> Outcome {
    let mut wanted = Wanted::default();
    for fact in facts.split(';').filter(|fact| !fact.is_empty()) {
        let Some((name, value)) = fact.split_once('=') else {
            return Ok(Reply::new(Code::BadArgument, "A fact is a name, an equals sign and a value."));
        };
        let understood = match name.to_ascii_lowercase().as_str() {
            "modify" => {
                wanted.modified = format::parse_stamp(value.as_bytes());
                wanted.modified.is_some()
            }
            "unix.mode" => {
                wanted.mode = Change::parse(value);
                wanted.mode.is_some()
            }
            "unix.group" => {
                wanted.group = Some(group_named(session, value)?);
                true
            }
            _ => {
                let text = format!("{name} cannot be set; Modify, UNIX.group and UNIX.mode can.");
                return Ok(Reply::new(Code::NotImplementedForArgument, text));
            }
        };
        if !understood {
            return Ok(Reply::new(Code::BadArgument, format!("{name} cannot be {value}.")));
        }
    }
    for (asked, operation) in [
        (wanted.group.is_some(), Operation::SetGroup),
        (wanted.mode.is_some(), Operation::SetMode),
        (wanted.modified.is_some(), Operation::SetTimes),
    ] {
        if asked {
            session.files.permit(operation, path)?;
        }
    }
    if let Some(gid) = wanted.group {
        change_group(session, path, gid)?;
    }
    if let Some(change) = &wanted.mode {
        change_mode(session, path, change)?;
    }
    if let Some(seconds) = wanted.modified {
        change_times(session, path, None, seconds)?;
    }
    let told = if facts.ends_with(';') { facts.to_string() } else { format!("{facts};") };
    Ok(Reply::new(Code::FileStatus, [told.as_bytes(), b" ", path.as_bytes()].concat()))
}

/// MFMT <time> <path>: set the time of the last change.
pub fn mfmt(session: &mut Session, time: &str, path: &FtpPath) -> Outcome {
    let Some(seconds) = format::parse_stamp(time.as_bytes()) else {
        return Ok(Reply::new(Code::BadArgument, "A time is YYYYMMDDHHMMSS, in UTC."));
    };
    change_times(session, path, None, seconds)?;
    let mut told = b"Modify=".to_vec();
    format::stamp(&mut told, seconds);
    Ok(Reply::new(Code::FileStatus, [&told[..], b"; ", path.as_bytes()].concat()))
}

/// MFCT <time> <path>: no file system of Unix lets anybody set when a file was made, so there is no such command (502).
pub fn mfct(_session: &mut Session, _argument: &[u8]) -> Outcome {
    Ok(Reply::new(Code::NotImplemented, "The time of creation cannot be set here."))
}

/// SITE CHMOD <mode> <path>: change the permissions of a file.
pub fn chmod(session: &mut Session, mode: &str, path: &FtpPath) -> Outcome {
    let Some(change) = Change::parse(mode) else {
        let text = "A mode is three or four octal digits, or letters such as u+rw,go-w.";
        return Ok(Reply::new(Code::BadArgument, text));
    };
    let mode = change_mode(session, path, &change)?;
    Ok(Reply::new(Code::Ok, format!("The mode is {mode:04o}.")))
}

/// SITE CHGRP <group> <path>: give a file to another of the user's groups.
pub fn chgrp(session: &mut Session, group: &str, path: &FtpPath) -> Outcome {
    let gid = group_named(session, group)?;
    change_group(session, path, gid)?;
    Ok(Reply::new(Code::Ok, "The group is changed."))
}

/// SITE UTIME, in both forms that clients use: `<time> <path>`, and `<path> <accessed> <modified> <changed> UTC`. The
/// third time of the latter is the kernel's own.
pub fn utime(session: &mut Session, argument: &[u8]) -> Outcome {
    let usage = || {
        let text = "Usage: SITE UTIME <time> <path>, or <path> <accessed> <modified> <changed> UTC";
        Reply::new(Code::BadArgument, text)
    };
    let (name, accessed, modified) = match times(argument) {
        Some(found) => found,
        None => return Ok(usage()),
    };
    let path = session.resolve(name).filter(|_| !name.is_empty()).ok_or_else(usage)?;
    change_times(session, &path, accessed, modified)?;
    Ok(Reply::new(Code::Ok, "The times are changed."))
}

/// SITE UMASK [<mode>]: what new files and directories do not get.
pub fn site_umask(session: &mut Session, argument: &[u8]) -> Outcome {
    let before = current_umask();
    let argument = argument.trim_ascii();
    if argument.is_empty() {
        return Ok(Reply::new(Code::Ok, format!("The umask is {before:03o}.")));
    }
    session.files.permit(Operation::SetMode, &session.cwd)?;
    let digits = argument.len() <= 4 && argument.iter().all(|byte| (b'0'..=b'7').contains(byte));
    let mask = std::str::from_utf8(argument).ok().and_then(|text| u32::from_str_radix(text, 8).ok());
    let Some(mask) = mask.filter(|mask| digits && *mask <= 0o777) else {
        return Ok(Reply::new(Code::BadArgument, "A umask is an octal number up to 777."));
    };
    umask(Mode::from_bits_truncate(mask));
    Ok(Reply::new(Code::Ok, format!("The umask is {mask:03o}; it was {before:03o}.")))
}

fn change_mode(session: &mut Session, path: &FtpPath, change: &Change) -> Result<u32, Reply> {
    // What the mode is going to be is only known when it is set.
    let wish = || Event::ModeChanged { path: path.as_bytes().to_vec(), mode: 0 };
    session.consent(EventName::ModeChanged, Operation::SetMode, path, wish)?;
    let mode = session.files.set_mode(path, change, current_umask())?;
    session.worker.report(Event::ModeChanged { path: path.as_bytes().to_vec(), mode });
    Ok(mode)
}

fn change_group(session: &mut Session, path: &FtpPath, gid: u32) -> Result<(), Reply> {
    let changed = || Event::GroupChanged { path: path.as_bytes().to_vec(), gid };
    session.consent(EventName::GroupChanged, Operation::SetGroup, path, changed)?;
    session.files.set_group(path, gid)?;
    session.worker.report(changed());
    Ok(())
}

fn change_times(
    session: &mut Session,
    path: &FtpPath,
    accessed: Option<i64>,
    modified: i64,
) -> Result<(), Reply> {
    let changed = || Event::TimeChanged { path: path.as_bytes().to_vec() };
    session.consent(EventName::TimeChanged, Operation::SetTimes, path, changed)?;
    session.files.set_times(path, accessed, modified)?;
    session.worker.report(changed());
    Ok(())
}

/// The number of one of the user's own groups, by its name or number. No other would the kernel allow.
fn group_named(session: &mut Session, name: &str) -> Result<u32, Reply> {
    let own = getgroups().unwrap_or_default();
    let mut own = own.into_iter().chain([getegid()]).map(|gid| gid.as_raw());
    let names = &mut session.names;
    own.find(|&gid| name.parse() == Ok(gid) || names.group(gid) == name.as_bytes())
        .ok_or_else(|| Reply::new(Code::FileUnavailable, "You are not in a group of this name."))
}

/// The path, the time of access if there is one, and that of modification.
fn times(argument: &[u8]) -> Option<(&[u8], Option<i64>, i64)> {
    if let Some(rest) = argument.strip_suffix(b" UTC") {
        let mut words = rest.rsplitn(4, |&byte| byte == b' ');
        let (changed, modified, accessed, path) =
            (words.next()?, words.next()?, words.next()?, words.next()?);
        time(changed)?;
        return Some((path, Some(time(accessed)?), time(modified)?));
    }
    let space = argument.iter().position(|&byte| byte == b' ')?;
    Some((&argument[space + 1..], None, time(&argument[..space])?))
}

/// A time with or without seconds.
fn time(word: &[u8]) -> Option<i64> {
    match word.len() {
        12 => format::parse_stamp(&[word, b"00"].concat()),
        14 => format::parse_stamp(word),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_utime_are_understood() {
        let second = 1_795_264_496;
        assert_eq!(times(b"20261121123456 a file"), Some((&b"a file"[..], None, second)));
        assert_eq!(times(b"202611211234 x"), Some((&b"x"[..], None, second - 56)));
        assert_eq!(
            times(b"a file 19700101000001 20261121123456 20261121123456 UTC"),
            Some((&b"a file"[..], Some(1), second))
        );
        for argument in ["", "x", "x 20261121123456", "20261121123456", "2026112112345 x", "x 1 2 3 UTC"] {
            assert_eq!(times(argument.as_bytes()), None, "{argument}");
        }
    }
}
