//! Commands that change something: who is served, and by what configuration.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use clap::Args;
use ipnet::IpNet;
use serde::Serialize;

use super::connection::{Connection, Trouble};
use super::status::Status;
use super::{Options, Outcome, print, print_json};
use crate::ipc::control::{self, Request};

/// Which clients are meant.
#[derive(Args, Debug)]
pub struct Whom {
    /// The number of a client, as "ftpctl who" shows it, the name of a user, or an address or network such as 192.0.2.0/24
    #[arg(value_name = "ID|USER|ADDRESS")]
    whom: String,
    /// It is the name of a user, whatever it looks like
    #[arg(short, long)]
    user: bool,
}

/// Who is watched.
#[derive(Args, Debug)]
pub struct Trace {
    /// The number of a client, the name of a user, or an address or network
    #[arg(value_name = "ID|USER|ADDRESS", required_unless_present = "off")]
    whom: Option<String>,
    /// It is the name of a user, whatever it looks like
    #[arg(short, long)]
    user: bool,
    /// Not any more; without a name, nobody is
    #[arg(long)]
    off: bool,
}

/// How the daemon is drained.
#[derive(Args, Debug)]
pub struct Drain {
    /// Serve new clients again
    #[arg(long, conflicts_with = "wait")]
    off: bool,
    /// Wait until the last client has left; at most so many seconds, if a number follows
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "4294967295")]
    wait: Option<u32>,
}

/// How the daemon is stopped.
#[derive(Args, Debug)]
pub struct Stop {
    /// How long transfers may go on, in place of shutdown-grace
    #[arg(short, long, value_name = "SECONDS")]
    grace: Option<u32>,
    /// End transfers, too; the same as --grace 0
    #[arg(long, conflicts_with = "grace")]
    now: bool,
    /// Do not wait until the daemon has ended
    #[arg(long)]
    no_wait: bool,
}

#[derive(Serialize)]
struct Concerned {
    count: u64,
}

/// Between two looks at who is left.
const LOOK_EVERY: Duration = Duration::from_millis(200);

impl Whom {
    /// `kick`: nobody there to be sent away is a failure.
    pub fn kick(&self, daemon: &Connection, options: &Options) -> Outcome {
        let count = daemon.order(&Request::Kick { whom: self.meaning() })?;
        if count == 0 {
            return Err(Trouble::Refused(format!("{} is not connected", self.whom)));
        }
        match options.json {
            true => print_json(&Concerned { count }),
            false => print(&format!("{count} {} sent away\n", if count == 1 { "client" } else { "clients" })),
        }
    }

    fn meaning(&self) -> control::Whom {
        meaning(&self.whom, self.user)
    }
}

/// Whom a word of the command line means; `user`: certainly a user.
fn meaning(word: &str, user: bool) -> control::Whom {
    if user {
        return control::Whom::User(word.into());
    }
    if let Ok(id) = word.trim_start_matches('#').parse() {
        return control::Whom::Id(id);
    }
    let address = word.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    match address.ok().or_else(|| word.parse().ok()) {
        Some(network) => control::Whom::Network { address: network.network(), prefix: network.prefix_len() },
        None => control::Whom::User(word.into()),
    }
}

impl Trace {
    /// `trace`. That nobody is there yet is no failure: who comes is traced.
    pub fn run(&self, daemon: &Connection, options: &Options) -> Outcome {
        let whom = self.whom.as_ref().map(|word| meaning(word, self.user));
        let count = daemon.order(&Request::Trace { whom, on: !self.off })?;
        match (options.json, self.off) {
            (true, _) => print_json(&Concerned { count }),
            (false, true) => print("not traced any more\n"),
            (false, false) => print(&format!("traced in the log; {count} of them connected now\n")),
        }
    }
}

/// `log-level`.
pub fn log_level(daemon: &Connection, options: &Options, level: Option<String>) -> Outcome {
    if let Some(level) = level {
        let level = if level == "configured" { String::new() } else { level };
        daemon.order(&Request::LogLevel { level })?;
    }
    let status = Status::of(daemon)?;
    #[derive(Serialize)]
    struct Level<'a> {
        log_level: &'a str,
    }
    match options.json {
        true => print_json(&Level { log_level: status.log_level() }),
        false => print(&format!("{}\n", status.log_level())),
    }
}

/// `reload`.
pub fn reload(daemon: &Connection, options: &Options) -> Outcome {
    let count = daemon.order(&Request::Reload)?;
    if options.json { print_json(&Concerned { count }) } else { print("configuration reloaded\n") }
}

impl Drain {
    /// `drain`.
    pub fn run(&self, daemon: &Connection, options: &Options) -> Outcome {
        let mut count = daemon.order(&Request::Drain { draining: !self.off })?;
        if let Some(seconds) = self.wait {
            let until = Instant::now().checked_add(Duration::from_secs(seconds.into()));
            while count > 0 {
                if until.is_some_and(|until| Instant::now() >= until) {
                    let clients = if count == 1 { "client is" } else { "clients are" };
                    return Err(Trouble::Refused(format!("{count} {clients} still connected")));
                }
                std::thread::sleep(LOOK_EVERY);
                count = Status::of(daemon)?.sessions();
            }
        }
        match (options.json, self.off) {
            (true, _) => print_json(&Concerned { count }),
            (false, true) => print("new clients are served again\n"),
            (false, false) => print(&format!(
                "new clients are refused; {count} {} connected\n",
                if count == 1 { "is" } else { "are" }
            )),
        }
    }
}

impl Stop {
    /// `stop`.
    pub fn run(&self, daemon: &Connection, options: &Options) -> Outcome {
        let grace = if self.now { Some(0) } else { self.grace };
        daemon.order(&Request::Stop { grace })?;
        if self.no_wait {
            return if options.json { print_json(&Concerned { count: 1 }) } else { print("stopping\n") };
        }
        daemon.wait_for_end();
        if options.json { print_json(&Concerned { count: 1 }) } else { print("stopped\n") }
    }
}
