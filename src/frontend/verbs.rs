//! The verbs that mean something before login.

use crate::config::{HostName, LoginBy};
use crate::exit::Exit;
use crate::frontend::{Frontend, farewell};
use crate::ipc::messages::{FromFrontend, Leaving, Password, Security, ToFrontend};
use crate::protocol::introductions;
use crate::protocol::protection;
use crate::protocol::reply::{Code, Reply};
use crate::protocol::verb::{self, Outcome, Run, Verb};
use crate::tls::MAX_HANDSHAKES;

/// What a client has said of data connections who speaks TLS from the beginning: that is older than PBSZ and PROT.
pub const IMPLICIT: Security = Security::Tls { sized: true, private: true };

/// What documents say of a row stands in the table of the session.
const fn row(
    name: &'static str,
    run: Run<Frontend>,
    help: &'static str,
    rfc: &'static str,
) -> Verb<Frontend> {
    Verb::new(name, run, rfc, help).for_anybody()
}

/// The table. Every other verb is answered 530 or 500.
pub const VERBS: &[Verb<Frontend>] = &[
    row("HOST", Run::Text(host), "HOST <name>: choose a virtual host", "7151"),
    row("USER", Run::Text(user), "USER <name>: say who you are", "959 4.1.1"),
    row("PASS", Run::OptionalText(pass), "PASS <password>: prove it", "959 4.1.1"),
    row("ACCT", Run::OptionalText(acct), "ACCT <account>: not needed", "959 4.1.1"),
    row("REIN", Run::Bare(rein), "REIN: log out, to log in again", "959 4.1.1"),
    row("AUTH", Run::Text(auth), "AUTH TLS: speak TLS", "4217 4"),
    row("PBSZ", Run::Text(pbsz), "PBSZ 0: what comes before PROT", "4217 8"),
    row("PROT", Run::Text(prot), "PROT P|C: protect data connections, or not", "4217 9"),
    row("QUIT", Run::Bare(quit), "QUIT: leave", "959 4.1.1"),
    row("BYE", Run::Bare(quit), "BYE: another name of QUIT", ""),
    row("NOOP", Run::Bare(noop), "NOOP: do nothing", "959 4.1.3"),
    row("SYST", Run::Bare(syst), "SYST: say what system this is", "959 4.1.3"),
    row("FEAT", Run::Bare(feat), "FEAT: list the extensions of this server", "2389 3"),
    row("HELP", Run::OptionalText(help), "HELP [<command>]: explain the commands", "959 4.1.3"),
    row("OPTS UTF8", Run::OptionalText(opts_utf8), "OPTS UTF8 [ON|OFF]: names are UTF-8", "2640"),
    row("LANG", Run::OptionalText(lang), "LANG [<language>]: that of replies", "2640 4.1"),
    row("CLNT", Run::Text(clnt), "CLNT <name>: what the client is called", ""),
    row("CSID", Run::Text(csid), "CSID <facts>: what client and server are", ""),
    row("STAT", Run::Bare(stat), "STAT: say how things are", "959 4.1.3"),
];

/// Before USER, as often as a client likes: the last one counts (RFC 7151 3.1).
fn host(frontend: &mut Frontend, name: &[u8]) -> Outcome {
    if frontend.config.host.is_empty() {
        return Ok(Reply::new(Code::NotImplemented, "There are no virtual hosts."));
    }
    if frontend.user.is_some() {
        return Ok(Reply::new(Code::BadSequence, "HOST comes before USER."));
    }
    let Some(name) = std::str::from_utf8(name).ok().and_then(|name| name.trim_ascii().parse().ok()) else {
        return Ok(Reply::new(Code::BadArgument, "Usage: HOST <name>"));
    };
    let config = &frontend.config;
    let Ok(chosen) = config.host_named(&name, frontend.local) else {
        return Ok(Reply::new(Code::NotImplementedForArgument, "There is no such host."));
    };
    // The certificate was for the name of the handshake (RFC 7151 3.2.2).
    let differs = |asked: &HostName| *asked != name && config.host_named(asked, frontend.local) != Ok(chosen);
    if frontend.server_name.as_ref().is_some_and(differs) {
        let text = "That is not the host of the TLS handshake.";
        return Ok(Reply::new(Code::NotImplementedForArgument, text));
    }
    frontend.host = chosen.map(String::from);
    frontend.has_chosen = true;
    Ok(frontend.banner())
}

fn user(frontend: &mut Frontend, name: &[u8]) -> Outcome {
    let name = String::from_utf8_lossy(name).into_owned();
    if frontend.security == Security::Plain
        && frontend.config.is_refused_without_tls(frontend.host.as_deref(), &name)
    {
        return Ok(Reply::new(Code::NotLoggedIn, "This login needs TLS; say AUTH TLS first."));
    }
    let by = frontend.config.login_by(frontend.host.as_deref(), &name);
    frontend.user = Some(name.clone());
    if frontend.is_certified && by.is_none_or(LoginBy::needs_no_password) {
        return attempt(frontend, name, None);
    }
    Ok(Reply::new(Code::NeedPassword, "Password required."))
}

/// PASS. A module of PAM may ask more: then the reply is 331 and the next PASS answers.
fn pass(frontend: &mut Frontend, password: &[u8]) -> Outcome {
    let Some(user) = frontend.user.clone() else {
        return Ok(Reply::new(Code::BadSequence, "Log in with USER first."));
    };
    attempt(frontend, user, Some(Password::new(password.to_vec())))
}

/// One question, one answer.
fn attempt(frontend: &mut Frontend, user: String, password: Option<Password>) -> Outcome {
    let host = frontend.host.clone().unwrap_or_default();
    let ahead = frontend.connection.ahead().to_vec();
    let attempt = FromFrontend::Attempt { host, user, password, security: frontend.security, ahead };
    if frontend.worker.send(&attempt).is_err() {
        Exit::PeerGone.now();
    }
    if !frontend.connection.await_worker(&frontend.worker) {
        let _ = frontend.worker.send(&FromFrontend::Left { why: Leaving::Vanished });
        Exit::Served.now();
    }
    let verdict = match frontend.worker.receive() {
        // Relaying begins when nothing of the password is left here.
        Ok(Some((ToFrontend::GrantedBehindTls, Some(session)))) => {
            frontend.session = Some(session);
            return Ok(Reply::new(Code::LoggedIn, ""));
        }
        Ok(Some((verdict, None))) => verdict,
        Ok(_) | Err(_) => Exit::PeerGone.now(),
    };
    match verdict {
        // The session has the connection now and greets the client itself.
        ToFrontend::Granted => Exit::Served.now(),
        ToFrontend::Ask { texts, prompt } => Ok(with_texts(Code::NeedPassword, texts, &prompt)),
        ToFrontend::Denied { texts } => {
            frontend.user = None;
            Ok(with_texts(Code::NotLoggedIn, texts, "Login incorrect."))
        }
        ToFrontend::Enough { texts } => {
            Ok(with_texts(Code::NotLoggedIn, texts, "Login incorrect. Goodbye.").and_close())
        }
        ToFrontend::Finish(why) => {
            frontend.connection.send(&farewell(why));
            let _ = frontend.worker.send(&FromFrontend::Left { why });
            Exit::Served.now()
        }
        ToFrontend::Serve { .. }
        | ToFrontend::Welcome(_)
        | ToFrontend::GrantedBehindTls
        | ToFrontend::Identity { .. }
        | ToFrontend::NoIdentity
        | ToFrontend::Clear
        | ToFrontend::CertificateAccepted
        | ToFrontend::CertificateRefused(_)
        | ToFrontend::Signature { .. } => Exit::PeerGone.now(),
    }
}

fn with_texts(code: Code, mut texts: Vec<String>, last: &str) -> Reply {
    texts.push(last.to_owned());
    Reply::lines(code, texts)
}

/// AUTH <mechanism>: the handshake follows the reply. Two of the names are older than PROT, and mean what it says.
fn auth(frontend: &mut Frontend, mechanism: &[u8]) -> Outcome {
    if frontend.tls.is_none() {
        return Ok(Reply::new(Code::NotImplemented, "There is no TLS here."));
    }
    if frontend.security != Security::Plain {
        return Ok(Reply::new(Code::BadSequence, "This is TLS already."));
    }
    if frontend.handshakes >= MAX_HANDSHAKES {
        return Ok(Reply::new(Code::NotAvailable, "That was said often enough.").and_close());
    }
    let private = match mechanism.trim_ascii().to_ascii_uppercase().as_slice() {
        b"TLS" | b"TLS-C" => false,
        b"SSL" | b"TLS-P" => true,
        _ => return Ok(Reply::new(Code::NotImplementedForArgument, "The mechanisms are TLS and SSL.")),
    };
    // Whoever was named before was named by somebody whom nobody can be sure of.
    frontend.user = None;
    frontend.upgrading = Some(Security::Tls { sized: private, private });
    Ok(Reply::new(Code::Secure, "Begin the handshake."))
}

fn pbsz(frontend: &mut Frontend, size: &[u8]) -> Outcome {
    let Security::Tls { private, .. } = frontend.security else { return Ok(no_tls()) };
    let reply = protection::buffer_size(size)?;
    frontend.security = Security::Tls { sized: true, private };
    Ok(reply)
}

fn prot(frontend: &mut Frontend, level: &[u8]) -> Outcome {
    let Security::Tls { sized, .. } = frontend.security else { return Ok(no_tls()) };
    let (private, reply) = protection::level(level, sized)?;
    frontend.security = Security::Tls { sized, private };
    Ok(reply)
}

fn no_tls() -> Reply {
    Reply::new(Code::BadSequence, "Say AUTH TLS first.")
}

fn acct(_: &mut Frontend, _: &[u8]) -> Outcome {
    Ok(Reply::new(Code::Superfluous, "No account is needed."))
}

fn rein(frontend: &mut Frontend) -> Outcome {
    frontend.user = None;
    // What was said about the host is forgotten, too (RFC 7151 3).
    frontend.host = frontend.config.host_at(frontend.local).map(String::from);
    (frontend.has_chosen, frontend.server_name) = (false, None);
    frontend.clearing = frontend.security != Security::Plain;
    Ok(frontend.banner())
}

fn quit(_: &mut Frontend) -> Outcome {
    Ok(Reply::new(Code::Closing, "Goodbye.").and_close())
}

fn noop(_: &mut Frontend) -> Outcome {
    Ok(Reply::new(Code::Ok, "Done."))
}

fn syst(_: &mut Frontend) -> Outcome {
    Ok(Reply::new(Code::SystemType, "UNIX Type: L8"))
}

fn feat(frontend: &mut Frontend) -> Outcome {
    let config = &frontend.config;
    let offered = |verb: &str| match verb {
        "HOST" => !config.host.is_empty(),
        "AUTH" | "PBSZ" | "PROT" => frontend.tls.is_some(),
        "CCC" => frontend.tls.is_some() && config.session.clear_control,
        verb => config.data.offers(verb),
    };
    Ok(verb::features(frontend.entries, &[], offered))
}

fn help(frontend: &mut Frontend, topic: &[u8]) -> Outcome {
    Ok(verb::help(frontend.entries, topic))
}

fn opts_utf8(_: &mut Frontend, state: &[u8]) -> Outcome {
    Ok(introductions::names(state))
}

fn lang(_: &mut Frontend, language: &[u8]) -> Outcome {
    Ok(introductions::language(language))
}

fn clnt(_: &mut Frontend, _: &[u8]) -> Outcome {
    Ok(introductions::client())
}

fn csid(_: &mut Frontend, _: &[u8]) -> Outcome {
    Ok(introductions::server())
}

fn stat(_: &mut Frontend) -> Outcome {
    Ok(Reply::lines(Code::SystemStatus, ["Status:", " Not logged in.", "End of status."]))
}
