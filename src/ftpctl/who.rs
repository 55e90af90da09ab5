//! `who`: the clients who are connected, and what they do.

use std::net::IpAddr;

use serde::{Serialize, Serializer};

use super::connection::{Connection, Trouble};
use super::table::{Side, Table};
use super::{Options, Outcome, amounts, print, print_json, times};
use crate::ipc::control::{Answer, Doing, Request};
use crate::log::escaped;

/// One client.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    pub id: u64,
    /// The worker.
    pub pid: u32,
    /// None before the login.
    pub user: Option<String>,
    /// The virtual host.
    pub host: Option<String>,
    pub address: IpAddr,
    pub port: u16,
    /// Who speaks for him.
    pub proxy: Option<IpAddr>,
    pub listener: String,
    pub tls: bool,
    #[serde(serialize_with = "times::as_rfc3339")]
    pub since: u64,
    pub state: &'static str,
    /// For how many seconds he has not said anything, while nothing moves.
    pub idle: Option<u64>,
    #[serde(serialize_with = "as_text")]
    pub directory: Vec<u8>,
    /// The last verb.
    #[serde(serialize_with = "as_text")]
    pub command: Vec<u8>,
    pub transfer: Option<Transfer>,
    /// Bytes over data connections, so far.
    pub sent: u64,
    pub received: u64,
}

/// What goes on.
#[derive(Clone, Debug, Serialize)]
pub struct Transfer {
    #[serde(serialize_with = "as_text")]
    pub file: Vec<u8>,
    pub bytes: u64,
    /// How many it will be, if that is known.
    pub size: Option<u64>,
    pub per_cent: Option<u64>,
    pub milliseconds: u64,
    /// Bytes a second, since it began.
    pub rate: Option<u64>,
}

/// What is no UTF-8 in it is shown as what it is not.
fn as_text<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(bytes))
}

/// Everybody, who came first first.
pub fn ask(daemon: &Connection) -> Result<Vec<Seen>, Trouble> {
    let mut seen = Vec::new();
    daemon.ask(&Request::Who, |answer| seen.extend(Seen::of(answer)))?;
    seen.sort_by_key(|one| one.id);
    Ok(seen)
}

impl Seen {
    fn of(answer: Answer) -> Option<Seen> {
        let Answer::Session {
            id,
            pid,
            peer,
            proxy,
            listener,
            user,
            host,
            tls,
            since,
            doing,
            silent,
            verb,
            cwd,
            path,
            bytes,
            size,
            lasts,
            sent,
            received,
        } = answer
        else {
            return None;
        };
        let (state, moves) = match doing {
            Doing::LoggingIn => ("logging in", false),
            Doing::Idle => ("idle", false),
            Doing::Obeying => ("obeying", false),
            Doing::Downloading => ("downloading", true),
            Doing::Uploading => ("uploading", true),
            Doing::Listing => ("listing", true),
            Doing::Digesting => ("digesting", true),
            Doing::Copying => ("copying", true),
            Doing::Removing => ("removing", true),
        };
        // Before his first command, a client has been silent since he came.
        let silent = silent.map_or_else(|| times::now().saturating_sub(since), |millis| millis / 1000);
        Some(Seen {
            id,
            pid,
            user: Some(user).filter(|user| !user.is_empty()),
            host: Some(host).filter(|host| !host.is_empty()),
            address: peer.ip(),
            port: peer.port(),
            proxy: proxy.map(|proxy| proxy.ip()),
            listener: listener.to_string(),
            tls,
            since,
            state,
            idle: (!moves).then_some(silent),
            directory: cwd,
            command: verb,
            transfer: moves.then(|| Transfer {
                file: path,
                bytes,
                size,
                per_cent: size.and_then(|size| amounts::per_cent(bytes, size)),
                milliseconds: lasts,
                rate: amounts::rate(bytes, lasts),
            }),
            sent,
            received,
        })
    }

    /// The name, with that of the virtual host.
    pub fn name(&self) -> String {
        match (&self.user, &self.host) {
            (None, _) => "-".to_string(),
            (Some(user), None) => user.clone(),
            (Some(user), Some(host)) => format!("{user}@{host}"),
        }
    }
}

/// What `who` shows, and `top`.
pub const COLUMNS: &[(&str, Side)] = &[
    ("ID", Side::Right),
    ("USER", Side::Left),
    ("ADDRESS", Side::Left),
    ("TLS", Side::Left),
    ("SINCE", Side::Left),
    ("IDLE", Side::Right),
    ("DIRECTORY", Side::Left),
    ("COMMAND", Side::Left),
    ("FILE", Side::Left),
    ("%", Side::Right),
    ("RATE", Side::Right),
];

/// The values of these columns; `rate` in bytes a second.
pub fn row(one: &Seen, rate: Option<u64>, now: u64) -> Vec<String> {
    let text = |bytes: &[u8]| escaped(bytes).to_string();
    let dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_string());
    let transfer = one.transfer.as_ref();
    vec![
        one.id.to_string(),
        one.name(),
        one.address.to_string(),
        if one.tls { "yes" } else { "no" }.to_string(),
        times::short(one.since, now),
        dash(one.idle.map(times::span)),
        dash(Some(text(&one.directory)).filter(|text| !text.is_empty())),
        match &one.user {
            Some(_) => dash(Some(text(&one.command)).filter(|text| !text.is_empty())),
            None => "(login)".to_string(),
        },
        transfer.map(|transfer| text(&transfer.file)).unwrap_or_default(),
        transfer.and_then(|transfer| transfer.per_cent).map(|share| share.to_string()).unwrap_or_default(),
        rate.map(|rate| format!("{}/s", amounts::bytes(rate))).unwrap_or_default(),
    ]
}

/// Prints them.
pub fn run(daemon: &Connection, options: &Options) -> Outcome {
    let seen = ask(daemon)?;
    if options.json {
        return print_json(&seen);
    }
    let now = times::now();
    let mut table = Table::new(COLUMNS);
    for one in &seen {
        table.row(row(one, one.transfer.as_ref().and_then(|transfer| transfer.rate), now));
    }
    print(&table.text())
}
