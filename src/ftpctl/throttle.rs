//! `throttle`: other rates than the configured ones, until the daemon ends.

use clap::Args;
use serde::Serialize;

use super::connection::{Connection, Trouble};
use super::table::{Side, Table};
use super::{Options, Outcome, amounts, print, print_json};
use crate::config::Size;
use crate::ipc::control::{Answer, Rate, Request, Slow};

/// Whose rates, and which.
#[derive(Args, Debug)]
pub struct Throttle {
    /// The number of a client, the name of a user, or "all"; if not given, what is set is listed
    #[arg(value_name = "ID|USER|all")]
    whom: Option<String>,
    /// It is the name of a group of users
    #[arg(short, long, conflicts_with_all = ["network", "user"])]
    group: bool,
    /// It is the name of a [network.NAME]
    #[arg(short, long, conflicts_with = "user")]
    network: bool,
    /// It is the name of a user, whatever it looks like
    #[arg(short, long)]
    user: bool,
    /// Downloads: bytes a second, such as 500K or 2M; 0 is without limit, "configured" what the configuration says
    #[arg(long, value_name = "RATE", requires = "whom", value_parser = rate)]
    down: Option<Rate>,
    /// Uploads, likewise
    #[arg(long, value_name = "RATE", requires = "whom", value_parser = rate)]
    up: Option<Rate>,
}

#[derive(Serialize)]
struct Set {
    whom: String,
    direction: &'static str,
    /// None: without limit.
    bytes_per_second: Option<u64>,
}

#[derive(Serialize)]
struct Concerned<'a> {
    whom: &'a str,
}

fn rate(text: &str) -> Result<Rate, String> {
    match text {
        "configured" => Ok(Rate::Configured),
        size => size.parse::<Size>().map(|size| Rate::Limit(size.bytes().unwrap_or(0))),
    }
}

impl Throttle {
    /// Sets or lists.
    pub fn run(&self, daemon: &Connection, options: &Options) -> Outcome {
        let Some(whom) = &self.whom else { return list(daemon, options) };
        if self.down.is_none() && self.up.is_none() {
            return Err(Trouble::Refused("say --down or --up, or both".into()));
        }
        let slow = match (self.group, self.network, self.user, whom.as_str()) {
            (true, _, _, name) => Slow::Group(name.into()),
            (_, true, _, name) => Slow::Network(name.into()),
            (_, _, true, name) => Slow::User(name.into()),
            (_, _, _, "all") => Slow::All,
            (_, _, _, word) => match word.trim_start_matches('#').parse() {
                Ok(id) => Slow::Id(id),
                Err(_) => Slow::User(word.into()),
            },
        };
        let of = |rate: &Option<Rate>| rate.clone().unwrap_or(Rate::Unchanged);
        daemon.order(&Request::Throttle { whom: slow, down: of(&self.down), up: of(&self.up) })?;
        if options.json { print_json(&Concerned { whom }) } else { print("set\n") }
    }
}

fn list(daemon: &Connection, options: &Options) -> Outcome {
    let mut set = Vec::new();
    daemon.ask(&Request::Throttled, |answer| {
        if let Answer::Throttled { whom, is_up, rate } = answer {
            let direction = if is_up { "up" } else { "down" };
            set.push(Set { whom, direction, bytes_per_second: Some(rate).filter(|rate| *rate != 0) });
        }
    })?;
    set.sort_by(|one, other| (&one.whom, one.direction).cmp(&(&other.whom, other.direction)));
    if options.json {
        return print_json(&set);
    }
    let mut table = Table::new(&[("WHOM", Side::Left), ("DIRECTION", Side::Left), ("RATE", Side::Right)]);
    for Set { whom, direction, bytes_per_second } in set {
        let rate = bytes_per_second.map_or("no limit".into(), |rate| format!("{}/s", amounts::bytes(rate)));
        table.row(vec![whom, direction.to_string(), rate]);
    }
    print(&table.text())
}
