//! Verbs that tell the digest of a file: HASH (draft-bryan-ftpext-hash) with RANG (draft-bryan-ftp-range) and OPTS HASH,
//! and what clients used before those. All of them read the bytes as they are stored, whatever TYPE says.

use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::uio::pread;

use crate::ipc::messages::Direction;
use crate::protocol::path::FtpPath;
use crate::protocol::reply::{Code, Reply};
use crate::protocol::verb::{Outcome, State};
use crate::session::Session;
use crate::session::arguments::{self, Ranged};
use crate::session::authorize::Operation;
use crate::session::digest::{Algorithm, Digest};
use crate::session::error::Error;
use crate::session::transfer::Cut;
use crate::system::status::{Kind, Look};

/// How much is read at once, and between two looks at the client.
const PIECE: usize = 256 * 1024;
const UNWATCHED: u64 = 2 * 1024 * 1024;

/// HASH <path>: the digest of the file, or of what RANG said.
pub fn hash(session: &mut Session, name: &[u8]) -> Outcome {
    let range = session.range.take();
    let path = resolve(session, name)?;
    let algorithm = session.algorithm;
    let (digest, range) = digest_of(session, &path, range, algorithm)?;
    let last = range.end.saturating_sub(1).max(range.start);
    let text = format!("{} {}-{last} {digest} ", algorithm.name(), range.start);
    Ok(Reply::new(Code::FileStatus, [text.as_bytes(), name].concat()))
}

/// OPTS HASH [<algorithm>]: which one HASH uses.
pub fn opts_hash(session: &mut Session, name: &[u8]) -> Outcome {
    let name = name.trim_ascii();
    if !name.is_empty() {
        let Some(algorithm) = Algorithm::named(name) else {
            let names: Vec<&str> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
            return Ok(Reply::new(Code::BadArgument, format!("There are {}.", names.join(", "))));
        };
        session.algorithm = algorithm;
    }
    Ok(Reply::new(Code::Ok, session.algorithm.name()))
}

/// RANG <first> <last>: what the next HASH or RETR is about, in bytes of the file. `RANG 1 0` takes it back.
pub fn rang(session: &mut Session, argument: &[u8]) -> Outcome {
    let numbers: Vec<Option<u64>> = argument
        .split(|&byte| byte == b' ')
        .filter(|word| !word.is_empty())
        .map(|word| arguments::number(word).filter(|number| i64::try_from(*number).is_ok()))
        .collect();
    session.restart = 0;
    session.range = None;
    match numbers[..] {
        [Some(1), Some(0)] => Ok(Reply::new(Code::NeedMore, "The whole file is meant again.")),
        [Some(first), Some(last)] if first <= last => {
            session.range = Some(first..last + 1);
            Ok(Reply::new(Code::NeedMore, format!("Bytes {first} to {last} are meant.")))
        }
        _ => Ok(Reply::new(Code::BadArgument, "Usage: RANG <first> <last>, not backwards")),
    }
}

/// XCRC <path> [<start> <end>].
pub fn xcrc(session: &mut Session, argument: &[u8]) -> Outcome {
    older(session, argument, Algorithm::Crc32)
}

/// XMD5 <path> [<start> <end>].
pub fn xmd5(session: &mut Session, argument: &[u8]) -> Outcome {
    older(session, argument, Algorithm::Md5)
}

/// XSHA, XSHA1 <path> [<start> <end>].
pub fn xsha1(session: &mut Session, argument: &[u8]) -> Outcome {
    older(session, argument, Algorithm::Sha1)
}

/// XSHA256 <path> [<start> <end>].
pub fn xsha256(session: &mut Session, argument: &[u8]) -> Outcome {
    older(session, argument, Algorithm::Sha256)
}

/// XSHA512 <path> [<start> <end>].
pub fn xsha512(session: &mut Session, argument: &[u8]) -> Outcome {
    older(session, argument, Algorithm::Sha512)
}

/// MD5 <path>: the reply names the file, too (draft-twine-ftpmd5).
pub fn md5(session: &mut Session, argument: &[u8]) -> Outcome {
    let (path, _) = ranged(session, argument)?;
    let (digest, _) = digest_of(session, &path, None, Algorithm::Md5)?;
    let text = [argument, b" ", digest.to_uppercase().as_bytes()].concat();
    Ok(Reply::new(Code::FileDigest, text))
}

/// The reply is the digest and nothing else, in upper case. `end` is the byte behind the last that counts.
fn older(session: &mut Session, argument: &[u8], algorithm: Algorithm) -> Outcome {
    let (path, range) = ranged(session, argument)?;
    let (digest, _) = digest_of(session, &path, range, algorithm)?;
    Ok(Reply::new(Code::FileOk, digest.to_uppercase()))
}

/// A name may end with two numbers, or begin with a quote: if there is such a file, it is meant.
fn ranged(session: &Session, argument: &[u8]) -> Result<(FtpPath, Option<Range<u64>>), Reply> {
    let whole = resolve(session, argument)?;
    match session.files.permit(Operation::Read, &whole) {
        Ok(object) => {
            let found = session.files.look(&object, Look { follow: true, created: false });
            if found.is_ok_and(|status| status.kind == Kind::File) {
                return Ok((whole, None));
            }
        }
        Err(error @ (Error::Forbidden(_) | Error::NameForbidden)) => return Err(error.into()),
        // The name may be a shorter one.
        Err(_) => drop(session.files.take_refusal()),
    }
    match arguments::ranged(argument) {
        Some(Ranged { path, range: None }) => Ok((resolve(session, &path)?, None)),
        Some(Ranged { path, range: Some((start, end)) }) if start < end => {
            Ok((resolve(session, &path)?, Some(start..end)))
        }
        Some(_) => Err(Reply::new(Code::BadArgument, "The end must be behind the start.")),
        None => {
            Err(Reply::new(Code::BadArgument, "Behind the path there may be two numbers: start and end."))
        }
    }
}

fn resolve(session: &Session, name: &[u8]) -> Result<FtpPath, Reply> {
    session.resolve(name).ok_or_else(|| Reply::new(Code::BadArgument, "No file can have such a name."))
}

/// The digest of these bytes of a file, and which bytes there were.
fn digest_of(
    session: &mut Session,
    path: &FtpPath,
    range: Option<Range<u64>>,
    algorithm: Algorithm,
) -> Result<(String, Range<u64>), Reply> {
    let opened = session.files.open(path)?;
    let range = match range {
        Some(range) if range.start >= opened.size => return Err(Error::BeyondEnd.into()),
        Some(range) => range.start..range.end.min(opened.size),
        // Files of /proc and the like say that they are empty: they end where they end.
        None if opened.size == 0 => 0..u64::MAX,
        None => 0..opened.size,
    };
    if opened.size > 0 && session.options.hash_limit.is_exceeded_by(range.end - range.start) {
        return Err(Error::TooMuchToHash.into());
    }
    session.begin_work(Direction::Digest, path);
    let mut digest = Digest::new(algorithm);
    let done = read_into(session, opened.file.as_fd(), &range, &mut digest);
    let end = session.end_work(done)?;
    Ok((digest.finish(), range.start..end))
}

/// Reads these bytes, and says where they ended.
fn read_into(
    session: &mut Session,
    file: BorrowedFd<'_>,
    range: &Range<u64>,
    digest: &mut Digest,
) -> Result<u64, Cut> {
    session.obey_out_of_turn(true)?;
    let mut buffer = vec![0; PIECE.min(usize::try_from(range.end - range.start).unwrap_or(PIECE))];
    let mut at = range.start;
    let mut unwatched = 0;
    while at < range.end {
        let want = usize::try_from(range.end - at).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = match pread(file, &mut buffer[..want], i64::try_from(at).map_err(|_| Error::TooLarge)?) {
            Ok(0) if range.end == u64::MAX => break,
            Ok(0) => return Err(Cut::Shrunk),
            Ok(read) => read,
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(Error::from(errno).into()),
        };
        digest.put(&buffer[..read]);
        at += read as u64;
        unwatched += read as u64;
        session.moved(read as u64);
        if session.options.hash_limit.is_exceeded_by(at - range.start) {
            return Err(Error::TooMuchToHash.into());
        }
        if unwatched >= UNWATCHED {
            session.look_up_from_work()?;
            unwatched = 0;
        }
    }
    Ok(at)
}
