//! What is said of the protection of data connections, before login and after it (RFC 4217 8 and 9).

use super::reply::{Code, Reply};
use super::verb::Outcome;

/// The reply to PBSZ: whatever size is proposed, TLS wants none (RFC 4217 8).
pub fn buffer_size(size: &[u8]) -> Outcome {
    match std::str::from_utf8(size).ok().and_then(|size| size.trim().parse::<u32>().ok()) {
        Some(0) => Ok(Reply::new(Code::Ok, "PBSZ 0")),
        Some(_) => Ok(Reply::new(Code::Ok, "PBSZ=0")),
        None => Err(Reply::new(Code::BadArgument, "A size is a number.")),
    }
}

/// PROT: whether data connections are protected from here on, and the reply (RFC 4217 9). `sized`: PBSZ came before.
pub fn level(level: &[u8], sized: bool) -> Result<(bool, Reply), Reply> {
    if !sized {
        return Err(Reply::new(Code::BadSequence, "Say PBSZ 0 first."));
    }
    match level.trim_ascii().to_ascii_uppercase().as_slice() {
        b"P" => Ok((true, Reply::new(Code::Ok, "Data connections are private."))),
        b"C" => Ok((false, Reply::new(Code::Ok, "Data connections are clear."))),
        b"S" | b"E" => Err(Reply::new(Code::NoSuchProtection, "The levels are C and P.")),
        _ => Err(Reply::new(Code::NotImplementedForArgument, "The levels are C and P.")),
    }
}
