//! The verbs that mean something before login.

use crate::exit::Exit;
use crate::frontend::Frontend;
use crate::ipc::messages::{FromFrontend, Leaving, Password, ToFrontend};
use crate::protocol::introductions;
use crate::protocol::reply::{Code, Reply};
use crate::protocol::verb::{self, Outcome, Run, Verb};

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
    let Ok(chosen) = frontend.config.host_named(&name, frontend.local) else {
        return Ok(Reply::new(Code::NotImplementedForArgument, "There is no such host."));
    };
    frontend.host = chosen.map(String::from);
    Ok(frontend.banner())
}

fn user(frontend: &mut Frontend, name: &[u8]) -> Outcome {
    frontend.user = Some(String::from_utf8_lossy(name).into_owned());
    Ok(Reply::new(Code::NeedPassword, "Password required."))
}

/// One question, one answer. A module of PAM may ask more: then the reply is 331 and the next PASS answers.
fn pass(frontend: &mut Frontend, password: &[u8]) -> Outcome {
    let Some(user) = frontend.user.clone() else {
        return Ok(Reply::new(Code::BadSequence, "Log in with USER first."));
    };
    let host = frontend.host.clone().unwrap_or_default();
    let password = Password::new(password.to_vec());
    let attempt = FromFrontend::Attempt { host, user, password, ahead: frontend.connection.ahead().to_vec() };
    if frontend.worker.send(&attempt).is_err() {
        Exit::PeerGone.now();
    }
    if !frontend.connection.await_worker(&frontend.worker) {
        let _ = frontend.worker.send(&FromFrontend::Left { why: Leaving::Vanished });
        Exit::Served.now();
    }
    let Ok(Some((verdict, None))) = frontend.worker.receive() else { Exit::PeerGone.now() };
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
        ToFrontend::Finish => {
            frontend.connection.send(&Reply::new(Code::NotAvailable, "The server is stopping."));
            let _ = frontend.worker.send(&FromFrontend::Left { why: Leaving::Stopping });
            Exit::Served.now()
        }
        ToFrontend::Serve { .. } | ToFrontend::Welcome(_) => Exit::PeerGone.now(),
    }
}

fn with_texts(code: Code, mut texts: Vec<String>, last: &str) -> Reply {
    texts.push(last.to_owned());
    Reply::lines(code, texts)
}

fn acct(_: &mut Frontend, _: &[u8]) -> Outcome {
    Ok(Reply::new(Code::Superfluous, "No account is needed."))
}

fn rein(frontend: &mut Frontend) -> Outcome {
    frontend.user = None;
    // What was said about the host is forgotten, too (RFC 7151 3).
    frontend.host = frontend.config.host_at(frontend.local).map(String::from);
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
