//! Verbs about the session itself, and about how data is represented.

use super::{ENTRIES, listings};
use crate::protocol::protection;
use crate::protocol::reply::{Code, Reply};
use crate::protocol::verb::{self, Outcome};
use crate::session::protection::Clearing;
use crate::session::{End, Mode, Representation, Session};

/// HOST: comes before USER (RFC 7151 3.1).
pub fn host(_session: &mut Session, _name: &[u8]) -> Outcome {
    Ok(Reply::new(Code::BadSequence, "HOST comes before USER, and you are logged in."))
}

/// USER: logs out, and begins another login (RFC 959 4.1.1). This process is its user for good, so whoever serves the client
/// next hears USER again, and answers it. He could not go on with TLS.
pub fn user(session: &mut Session, name: &[u8]) -> Outcome {
    if session.protection.is_some() {
        let text = format!("You are logged in as {}. Say REIN first, or connect again.", session.user);
        return Ok(Reply::new(Code::NotLoggedIn, text));
    }
    session.control.hand_on(&[b"USER ", name].concat());
    session.ending = Some(End::Reinitialized { greeted: true, stays: true });
    Ok(Reply::new(Code::NeedPassword, "Logged out."))
}

/// PASS without USER before it.
pub fn pass(_session: &mut Session, _password: &[u8]) -> Outcome {
    Ok(Reply::new(Code::BadSequence, "You are logged in."))
}

/// ACCT: there are no accounts within accounts.
pub fn acct(_session: &mut Session, _account: &[u8]) -> Outcome {
    Ok(Reply::new(Code::Superfluous, "No account is needed."))
}

/// QUIT: a transfer that is going on ends first, because commands wait for it.
pub fn quit(session: &mut Session) -> Outcome {
    Ok(session.farewell())
}

/// NOOP: nothing.
pub fn noop(_session: &mut Session) -> Outcome {
    Ok(Reply::new(Code::Ok, "Nothing done."))
}

/// SYST: what clients take for "listings look like those of ls".
pub fn syst(_session: &mut Session) -> Outcome {
    Ok(Reply::new(Code::SystemType, "UNIX Type: L8"))
}

/// HELP [<verb>]: what there is.
pub fn help(_session: &mut Session, topic: &[u8]) -> Outcome {
    Ok(verb::help(ENTRIES, topic))
}

/// SITE HELP [<verb>]: what SITE has.
pub fn site_help(_session: &mut Session, topic: &[u8]) -> Outcome {
    match topic.trim_ascii() {
        b"" => Ok(verb::family(ENTRIES, "SITE")),
        topic => Ok(verb::help(ENTRIES, &[b"SITE ", topic].concat())),
    }
}

/// TYPE: A with its only useful form, I, and L 8 (RFC 959 3.1.1, RFC 1123 4.1.2.1).
pub fn representation(session: &mut Session, kind: &[u8]) -> Outcome {
    let kind = kind.trim_ascii().to_ascii_uppercase();
    session.representation = match kind.as_slice() {
        b"A" | b"A N" => Representation::Ascii,
        b"I" | b"L 8" | b"L8" => Representation::Image,
        _ => return Ok(Reply::new(Code::NotImplementedForArgument, "The types are A, A N, I and L 8.")),
    };
    Ok(Reply::new(Code::Ok, format!("The type is {}.", String::from_utf8_lossy(&kind))))
}

/// MODE: stream, or compressed if that is not switched off.
pub fn mode(session: &mut Session, mode: &[u8]) -> Outcome {
    session.mode = match mode.trim_ascii() {
        b"S" | b"s" => Mode::Stream,
        b"Z" | b"z" if session.data.options.mode_z => Mode::Deflate,
        _ if session.data.options.mode_z => {
            return Ok(Reply::new(Code::NotImplementedForArgument, "The modes are S and Z."));
        }
        _ => return Ok(Reply::new(Code::NotImplementedForArgument, "The only mode is S.")),
    };
    Ok(Reply::new(Code::Ok, format!("The mode is {}.", session.mode.letter())))
}

/// OPTS MODE Z LEVEL <0-9>: how much time compression may take. Without a level: what it is.
pub fn opts_mode_z(session: &mut Session, option: &[u8]) -> Outcome {
    if !session.data.options.mode_z {
        return Ok(Reply::new(Code::BadArgument, "The only mode is S."));
    }
    let option = option.trim_ascii().to_ascii_uppercase();
    let words: Vec<&[u8]> = option.split(|&byte| byte == b' ').collect();
    session.deflate_level = match words.as_slice() {
        [b"Z"] => session.deflate_level,
        [b"Z", b"LEVEL", [digit @ b'0'..=b'9']] => u32::from(digit - b'0'),
        _ => return Ok(Reply::new(Code::BadArgument, "Usage: OPTS MODE Z LEVEL <0 to 9>")),
    };
    Ok(Reply::new(Code::Ok, format!("MODE Z LEVEL is {}.", session.deflate_level)))
}

/// STRU: files, nothing else.
pub fn structure(_session: &mut Session, structure: &[u8]) -> Outcome {
    Ok(match structure.trim_ascii() {
        b"F" | b"f" => Reply::new(Code::Ok, "The structure is F."),
        _ => Reply::new(Code::NotImplementedForArgument, "The only structure is F."),
    })
}

/// ALLO <bytes>: whether there is room. Nothing is reserved.
pub fn allo(session: &mut Session, size: &[u8]) -> Outcome {
    let size = std::str::from_utf8(size).ok().and_then(|size| size.split(' ').next());
    let Some(size) = size.and_then(|size| size.parse::<u64>().ok()) else {
        return Ok(Reply::new(Code::BadArgument, "Usage: ALLO <bytes>"));
    };
    let enough = match session.largest_here() {
        Some((largest, _)) if size > largest => false,
        Some(_) | None => session.files.free_space(&session.cwd)? >= size,
    };
    if !enough {
        return Ok(Reply::new(Code::StorageExceeded, "There is not so much room."));
    }
    session.announced = Some(size);
    Ok(Reply::new(Code::Superfluous, "There is room."))
}

/// AUTH: only before login. Whoever has logged in without TLS has told his password already.
pub fn auth(session: &mut Session, _mechanism: &[u8]) -> Outcome {
    Ok(match (session.has_tls, &session.protection) {
        (_, Some(protection)) if protection.is_cleared() => {
            Reply::new(Code::BadSequence, "TLS was ended with CCC; say REIN first.")
        }
        (_, Some(_)) => Reply::new(Code::BadSequence, "This is TLS already."),
        (true, None) => Reply::new(Code::BadSequence, "AUTH comes before the login."),
        (false, None) => Reply::new(Code::NotImplemented, "There is no TLS here."),
    })
}

/// PBSZ <size>: comes before PROT.
pub fn pbsz(session: &mut Session, size: &[u8]) -> Outcome {
    let Some(protection) = &mut session.protection else { return Ok(no_tls()) };
    let reply = protection::buffer_size(size)?;
    protection.size();
    Ok(reply)
}

/// PROT <level>: whether data connections are protected from here on.
pub fn prot(session: &mut Session, level: &[u8]) -> Outcome {
    let required = session.options.require_tls.of_data();
    let Some(protection) = &mut session.protection else { return Ok(no_tls()) };
    let (private, reply) = protection::level(level, protection.is_sized())?;
    if required && !private {
        return Ok(Reply::new(Code::DeniedByPolicy, "Data connections must be private."));
    }
    if protection.is_cleared() && !private {
        return Ok(Reply::new(Code::DeniedByPolicy, "Anybody could have said that, without TLS."));
    }
    protection.set_private(private);
    Ok(reply)
}

fn no_tls() -> Reply {
    Reply::new(Code::BadSequence, "The control connection is not protected; say AUTH TLS before the login.")
}

/// REIN: log out. The reply is the greeting of whoever serves the client next: this process cannot be anybody else.
pub fn rein(session: &mut Session) -> Outcome {
    if is_protected(session) {
        // The last word behind TLS (RFC 4217 11): whoever serves the client next has not got it.
        session.clearing = Some(Clearing::ToBeginAnew);
        return Ok(Reply::new(Code::Ready, "Logged out."));
    }
    session.ending = Some(End::Reinitialized { greeted: false, stays: false });
    Ok(Reply::new(Code::Ready, "Logged out."))
}

/// CCC: the control connection goes on without TLS, for routers that want to read along (RFC 4217 12).
pub fn ccc(session: &mut Session) -> Outcome {
    if !is_protected(session) {
        return Ok(Reply::new(Code::NotProtected, "The control connection is not protected."));
    }
    if !session.options.clear_control || session.options.require_tls.of_login(false) {
        return Ok(Reply::new(Code::DeniedByPolicy, "The control connection stays protected."));
    }
    session.clearing = Some(Clearing::ToGoOn);
    Ok(Reply::new(Code::Ok, "Now end TLS."))
}

fn is_protected(session: &Session) -> bool {
    session.protection.as_ref().is_some_and(|protection| !protection.is_cleared())
}

/// Verbs of RFC 959 that this server does not have.
pub fn not_implemented(_session: &mut Session, _argument: &[u8]) -> Outcome {
    Ok(Reply::new(Code::NotImplemented, "This is not implemented."))
}

/// STAT: how the transfer goes, or how the session is; with a path, a listing over the control connection.
pub fn stat(session: &mut Session, argument: &[u8]) -> Outcome {
    if !argument.is_empty() {
        return listings::stat(session, argument);
    }
    if let Some(progress) = session.progress() {
        return Ok(Reply::new(Code::FileStatus, progress));
    }
    let representation = match session.representation {
        Representation::Ascii => "A",
        Representation::Image => "I",
    };
    let minutes = session.began.elapsed().as_secs() / 60;
    let lines = [
        "The session:".to_string(),
        format!(
            " Logged in as {}, for {minutes} minutes, from {}",
            session.user,
            session.data.ends.peer.ip()
        ),
        format!(" Type {representation}, structure F, mode {}", session.mode.letter()),
        format!(" Working directory {}", session.cwd),
        " No transfer is going on".to_string(),
        "End".to_string(),
    ];
    Ok(Reply::lines(Code::SystemStatus, lines))
}

/// ABOR: ends the transfer that is going on, which gets a reply of its own first (RFC 959 4.1.3).
pub fn abor(session: &mut Session) -> Outcome {
    if session.moving.is_none() && !session.waits {
        return Ok(Reply::new(Code::NothingToAbort, "There is no transfer to abort."));
    }
    session.aborting = true;
    Ok(Reply::new(Code::TransferComplete, "The transfer was aborted."))
}
