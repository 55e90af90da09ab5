//! Verbs that list directories, and those that say what listings contain.

use super::ENTRIES;
use crate::config::ListingTimes;
use crate::ipc::messages::Direction;
use crate::protocol::path::FtpPath;
use crate::protocol::reply::{Code, Reply, encode_inner};
use crate::protocol::verb::{self, Outcome};
use crate::session::Session;
use crate::session::error::Error;
use crate::session::facts::Facts;
use crate::session::listing::{self, Form, Listing, Settings};

/// How much of a listing is made at once.
const PIECE: usize = 64 * 1024;

/// LIST [<path>]: a listing for people.
pub fn list(session: &mut Session, argument: &[u8]) -> Outcome {
    send(session, argument, Form::List)
}

/// NLST [<path>]: names, as RETR takes them.
pub fn nlst(session: &mut Session, argument: &[u8]) -> Outcome {
    send(session, argument, Form::Names)
}

/// MLSD [<path>]: a listing for programs.
pub fn mlsd(session: &mut Session, argument: &[u8]) -> Outcome {
    send(session, argument, Form::Facts)
}

/// MLST [<path>]: the facts of one name, over the control connection.
pub fn mlst(session: &mut Session, path: &FtpPath) -> Outcome {
    let facts = listing::describe(&session.files, &mut session.names, path, session.facts)?;
    let title = format!("Facts of {path}:");
    Ok(Reply::lines(Code::FileOk, [title.into_bytes(), [b" ", &facts[..]].concat(), b"End".to_vec()]))
}

/// STAT <path>: a listing over the control connection. It may be longer than what fits into memory.
pub fn stat(session: &mut Session, argument: &[u8]) -> Outcome {
    let mut listing = begin(session, argument, Form::List)?;
    let code = Code::FileStatus;
    session.control.queue_bytes().extend_from_slice(format!("{}-Listing:\r\n", code.number()).as_bytes());
    let mut piece = Vec::new();
    loop {
        piece.clear();
        let more = listing.fill(&session.files, &mut session.names, &mut piece, PIECE);
        let lines =
            piece.strip_suffix(b"\r\n").into_iter().flat_map(|lines| lines.split(|&byte| byte == b'\n'));
        for line in lines {
            encode_inner(line.strip_suffix(b"\r").unwrap_or(line), session.control.queue_bytes());
        }
        match more {
            Ok(true) => {
                if let Err(end) = session.drain() {
                    session.ending = Some(end);
                    return Ok(Reply::new(code, "End"));
                }
            }
            Ok(false) => return Ok(Reply::new(code, "End")),
            Err(error) => return Ok(Reply::new(code, format!("End, before its time: {error}"))),
        }
    }
}

/// OPTS MLST [<facts>]: choose what MLSD and MLST tell (RFC 3659 7.9).
pub fn opts_mlst(session: &mut Session, facts: &[u8]) -> Outcome {
    session.facts = Facts::selected(facts.trim_ascii());
    Ok(Reply::new(Code::Ok, format!("MLST OPTS {}", session.facts.chosen())))
}

/// FEAT: what goes beyond RFC 959.
pub fn feat(session: &mut Session) -> Outcome {
    let offered = |verb: &str| match verb {
        verb if session.refuses(verb) => false,
        "HOST" => session.has_hosts,
        "AUTH" | "PBSZ" | "PROT" => session.has_tls,
        "CCC" => session.has_tls && session.options.clear_control,
        verb => session.data.options.offers(verb),
    };
    let chosen = [format!("MLST {}", session.facts.feature()), session.algorithm.feature()];
    Ok(verb::features(ENTRIES, &chosen, offered))
}

fn begin(session: &Session, argument: &[u8], form: Form) -> Result<Listing, Reply> {
    let settings = Settings {
        local_times: session.options.listing_times == ListingTimes::Local,
        sort_limit: session.options.sort_limit.get() as usize,
        facts: session.facts,
    };
    Listing::begin(&session.files, &session.cwd, argument, form, settings).map_err(|error| {
        match (form, error) {
            // RFC 3659 7.2.1 wants this code where MLSD is given something that is there, but no directory.
            (Form::Facts, Error::NotADirectory) => Reply::new(Code::BadArgument, error.to_string()),
            (Form::Facts | Form::List | Form::Names, _) => error.into(),
        }
    })
}

/// Sends a listing over a data connection, a piece at a time. TYPE changes nothing: it is text for people.
fn send(session: &mut Session, argument: &[u8], form: Form) -> Outcome {
    session.restart = 0;
    let mut listing = begin(session, argument, form)?;
    let path = session.cwd.clone();
    let data = session.begin_transfer(Direction::Listing, &path, "Sending the listing.".into())?;
    let mut outgoing = session.outgoing();
    let mut piece = Vec::with_capacity(PIECE + PIECE / 16);
    let sent = loop {
        piece.clear();
        let more = match listing.fill(&session.files, &mut session.names, &mut piece, PIECE) {
            Ok(more) => more,
            Err(error) => break Err(error.into()),
        };
        if let Err(cut) = session.send_piece(&data, &mut outgoing, &piece) {
            break Err(cut);
        }
        if !more {
            break session.send_end(&data, outgoing);
        }
        if let Err(interrupted) = session.look_up() {
            break Err(interrupted.into());
        }
    };
    session.end_transfer(data, sent)
}
