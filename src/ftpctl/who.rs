//! `who`: the clients who are connected.

use std::net::IpAddr;

use serde::Serialize;

use super::connection::{Connection, Trouble};
use super::table::{Side, Table};
use super::{Options, Outcome, print, print_json, times};
use crate::ipc::control::{Answer, Request};

/// One client.
#[derive(Serialize)]
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
}

/// Everybody, who came first first.
pub fn ask(daemon: &Connection) -> Result<Vec<Seen>, Trouble> {
    let mut seen = Vec::new();
    daemon.ask(&Request::Who, |answer| {
        if let Answer::Session { id, pid, peer, proxy, listener, user, host, tls, since } = answer {
            seen.push(Seen {
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
            });
        }
    })?;
    seen.sort_by_key(|one| one.id);
    Ok(seen)
}

/// Prints them.
pub fn run(daemon: &Connection, options: &Options) -> Outcome {
    let seen = ask(daemon)?;
    if options.json {
        return print_json(&seen);
    }
    let now = times::now();
    let mut table = Table::new(&[
        ("ID", Side::Right),
        ("USER", Side::Left),
        ("ADDRESS", Side::Left),
        ("TLS", Side::Left),
        ("SINCE", Side::Left),
    ]);
    for one in seen {
        let user = match (one.user, one.host) {
            (None, _) => "-".to_string(),
            (Some(user), None) => user,
            (Some(user), Some(host)) => format!("{user}@{host}"),
        };
        table.row(vec![
            one.id.to_string(),
            user,
            one.address.to_string(),
            if one.tls { "yes" } else { "no" }.to_string(),
            times::short(one.since, now),
        ]);
    }
    print(&table.text())
}
