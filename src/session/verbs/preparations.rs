//! Verbs that come before the work: who the client is, and what a transfer will need.

use crate::protocol::command::Command;
use crate::protocol::introductions;
use crate::protocol::path::FtpPath;
use crate::protocol::reply::{Code, Reply};
use crate::protocol::verb::{Outcome, State};
use crate::session::Session;
use crate::session::upload::Start;

/// LANG [<language>].
pub fn lang(_session: &mut Session, language: &[u8]) -> Outcome {
    Ok(introductions::language(language))
}

/// OPTS UTF8 [ON|OFF].
pub fn opts_utf8(_session: &mut Session, state: &[u8]) -> Outcome {
    Ok(introductions::names(state))
}

/// CLNT <name>.
pub fn clnt(_session: &mut Session, _name: &[u8]) -> Outcome {
    Ok(introductions::client())
}

/// CSID <facts>.
pub fn csid(_session: &mut Session, _facts: &[u8]) -> Outcome {
    Ok(introductions::server())
}

/// AVBL [<path>]: how many bytes can be stored there.
pub fn avbl(session: &mut Session, path: &FtpPath) -> Outcome {
    let free = session.files.available(path)?;
    Ok(Reply::new(Code::FileStatus, free.to_string()))
}

/// PRET <command>: what the next transfer will be, said before PASV. If it cannot be, there is no need to listen.
pub fn pret(session: &mut Session, line: &[u8]) -> Outcome {
    let command = Command::parse(line);
    let path = |session: &Session| match command.argument.as_slice() {
        b"" => Err(Reply::new(Code::BadArgument, "Usage: PRET <command>, with its argument")),
        name => session
            .resolve(name)
            .ok_or_else(|| Reply::new(Code::BadArgument, "No file can have such a name.")),
    };
    match command.verb.as_str() {
        "RETR" => session.files.open(&path(session)?).map(drop)?,
        "STOR" => session.files.storable(&path(session)?, Start::New)?,
        "APPE" => session.files.storable(&path(session)?, Start::Append)?,
        "STOU" | "LIST" | "NLST" | "MLSD" => {}
        _ => {
            let text = "PRET is for RETR, STOR, APPE, STOU, LIST, NLST and MLSD.";
            return Ok(Reply::new(Code::NotImplementedForArgument, text));
        }
    }
    Ok(Reply::new(Code::Ok, "Go on with PASV or EPSV."))
}
