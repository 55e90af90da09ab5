//! Verbs that say how the next data connection comes about: RFC 959 4.1.2, RFC 2428; what is refused: RFC 2577.

use std::net::IpAddr;

use crate::protocol::address::{self, BadAddress, ExtendedPassive, Protocol};
use crate::protocol::reply::{Code, Reply};
use crate::protocol::verb::Outcome;
use crate::session::Session;

/// PASV: listen for the client. IPv4 only: the reply has no room for anything else.
pub fn pasv(session: &mut Session) -> Outcome {
    not_when_epsv_only(session)?;
    not_after_epsv_all(session)?;
    let IpAddr::V4(local) = session.data.ends.local.ip() else {
        return Ok(Reply::new(Code::BadArgument, "You are connected by IPv6; use EPSV."));
    };
    let data = &session.data;
    let Some(address) = data.options.address_told(local, data.ends.peer.ip(), data.ends.masquerade) else {
        let text = "The address of this server is not known yet. Use EPSV, or connect again later.";
        return Ok(Reply::new(Code::CannotOpenData, text));
    };
    let port = session.data.listen()?;
    Ok(Reply::passive(address, port))
}

/// EPSV [<protocol>|ALL]: listen for the client at the address he is connected to.
pub fn epsv(session: &mut Session, argument: &[u8]) -> Outcome {
    match address::parse_epsv(argument).map_err(|bad| refuse(session, bad))? {
        ExtendedPassive::All => {
            session.data.only_extended_passive = true;
            return Ok(Reply::new(Code::Ok, "EPSV only, from here on."));
        }
        ExtendedPassive::On(protocol) if protocol != Protocol::of(session.data.ends.local.ip()) => {
            return Err(refuse(session, BadAddress::UnknownProtocol));
        }
        ExtendedPassive::On(_) | ExtendedPassive::Same => {}
    }
    Ok(Reply::extended_passive(session.data.listen()?))
}

/// PORT <h1,h2,h3,h4,p1,p2>: connect to the client.
pub fn port(session: &mut Session, argument: &[u8]) -> Outcome {
    active(session)?;
    let target = address::parse_port(argument).map_err(|bad| refuse(session, bad))?;
    session.data.plan_to_connect(target)?;
    Ok(Reply::new(Code::Ok, "Data goes there."))
}

/// EPRT <|protocol|address|port|>: connect to the client.
pub fn eprt(session: &mut Session, argument: &[u8]) -> Outcome {
    active(session)?;
    let target = address::parse_eprt(argument).map_err(|bad| refuse(session, bad))?;
    if Protocol::of(target.ip()) != Protocol::of(session.data.ends.peer.ip()) {
        return Err(refuse(session, BadAddress::UnknownProtocol));
    }
    session.data.plan_to_connect(target)?;
    Ok(Reply::new(Code::Ok, "Data goes there."))
}

fn active(session: &Session) -> Result<(), Reply> {
    not_when_epsv_only(session)?;
    if !session.data.options.active {
        return Err(Reply::new(
            Code::NotImplemented,
            "This server does not connect to clients; use PASV or EPSV.",
        ));
    }
    not_after_epsv_all(session)
}

fn not_when_epsv_only(session: &Session) -> Result<(), Reply> {
    if session.data.options.epsv_only {
        return Err(Reply::new(Code::NotImplemented, "This server has EPSV only."));
    }
    Ok(())
}

fn not_after_epsv_all(session: &Session) -> Result<(), Reply> {
    if session.data.only_extended_passive {
        return Err(Reply::new(Code::BadSequence, "You said EPSV ALL."));
    }
    Ok(())
}

fn refuse(session: &Session, bad: BadAddress) -> Reply {
    match bad {
        BadAddress::Malformed => Reply::new(Code::BadArgument, "This is no address."),
        BadAddress::UnknownProtocol => {
            let protocol = Protocol::of(session.data.ends.local.ip()).number();
            Reply::new(Code::UnknownProtocol, format!("Network protocol not supported, use ({protocol})"))
        }
    }
}
