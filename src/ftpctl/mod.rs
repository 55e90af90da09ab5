//! `ftpctl`: what an administrator asks of a daemon that runs, over its control socket. Not a process of the daemon: it
//! asks, prints, and is gone.
//!
//! The declarations below are also `--help`, the list of commands in ftpctl(8), and what shells complete.

mod amounts;
mod bans;
mod connection;
mod metrics;
mod orders;
mod quotas;
mod screen;
mod status;
mod table;
mod throttle;
mod times;
mod top;
mod who;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use serde::Serialize;

use crate::config::{self, Control};
use crate::log::escaped;
use connection::{Connection, Trouble};
use orders::Whom;

/// Control a running ftpd
#[derive(Debug, Parser)]
#[command(name = "ftpctl", version, disable_help_subcommand = true)]
struct Ftpctl {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args, Debug)]
struct Options {
    /// The configuration file of the daemon, which says where its control socket is
    #[arg(short, long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// The control socket of the daemon, in place of the one that the configuration names
    #[arg(short, long, value_name = "PATH", global = true, conflicts_with = "config")]
    socket: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(short, long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say how the daemon is, where it listens, and how many it serves
    Status,
    /// List the clients who are connected
    Who,
    /// Show them again and again, the fastest first; keys sort, and send away
    Top(top::Top),
    /// End the connections of a client, with everything that belongs to them
    Kick(Whom),
    /// Keep somebody from connecting, or from logging in; who is connected stays (see kick)
    Ban(bans::Ban),
    /// End a ban
    Unban(bans::Unban),
    /// List the bans that hold
    Bans,
    /// List what is limited by quotas, as far as somebody has been there: how much there is, and how much may be
    Quotas,
    /// Set how fast data may go in place of what the configuration says; running transfers follow at once
    Throttle(throttle::Throttle),
    /// Log every command of these clients, and whatever else there is, while they are served and when they come again
    Trace(orders::Trace),
    /// Say how much is logged, or log this much from now on, until the configuration is loaded again
    LogLevel {
        /// error, warning, notice, info, debug, or "configured" for what the configuration says
        level: Option<String>,
    },
    /// Print what was counted since the daemon was started, for Prometheus and its like
    Metrics(metrics::Metrics),
    /// Load the configuration again, and wait; if it is of no use, say why: then the old one stays
    Reload,
    /// Refuse new clients, and serve those who are there until they leave
    Drain(orders::Drain),
    /// Stop the daemon: no new clients, transfers that are running may finish; wait until it has ended
    Stop(orders::Stop),
}

/// How a command ended.
type Outcome = Result<(), Trouble>;

/// Runs the command. Exit status: 0 done, 1 the daemon has refused or nobody was concerned, 2 wrong usage, 3 there is no
/// daemon to be reached.
pub fn main() -> ExitCode {
    let Ftpctl { options, command } = Ftpctl::parse();
    match run(&options, command) {
        Ok(()) => ExitCode::SUCCESS,
        // Somebody who does not want to read any more is no failure.
        Err(Trouble::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(trouble) => {
            #[derive(Serialize)]
            struct Failure {
                error: String,
            }
            if options.json {
                let _ = print_json(&Failure { error: trouble.to_string() });
            }
            eprintln!("ftpctl: {}", escaped(trouble.to_string().as_bytes()));
            ExitCode::from(trouble.exit_status())
        }
    }
}

/// What the manual page and the completions are made of.
pub fn command() -> clap::Command {
    Ftpctl::command()
}

fn run(options: &Options, command: Command) -> Outcome {
    if matches!(command, Command::Quotas) {
        return quotas::list(options);
    }
    let daemon = options.connect()?;
    match command {
        Command::Quotas => quotas::list(options),
        Command::Status => status::run(&daemon, options),
        Command::Who => who::run(&daemon, options),
        Command::Kick(whom) => whom.kick(&daemon, options),
        Command::Top(top) => top.run(&daemon),
        Command::Ban(ban) => ban.run(&daemon, options),
        Command::Unban(unban) => unban.run(&daemon, options),
        Command::Bans => bans::list(&daemon, options),
        Command::Throttle(throttle) => throttle.run(&daemon, options),
        Command::Trace(trace) => trace.run(&daemon, options),
        Command::LogLevel { level } => orders::log_level(&daemon, options, level),
        Command::Metrics(metrics) => metrics.run(&daemon, options),
        Command::Reload => orders::reload(&daemon, options),
        Command::Drain(drain) => drain.run(&daemon, options),
        Command::Stop(stop) => stop.run(&daemon, options),
    }
}

impl Options {
    /// Where the ledgers of quotas are: beside the control socket.
    fn ledgers(&self) -> Result<PathBuf, Trouble> {
        let beside = |socket: &Path| socket.parent().unwrap_or(Path::new("/")).join("quota");
        match (&self.socket, &self.config) {
            (Some(path), _) => Ok(beside(path)),
            (None, Some(path)) => match config::control_socket(path) {
                Ok(socket) => Ok(beside(&socket)),
                Err(cause) => Err(Trouble::Configuration { path: path.clone(), cause }),
            },
            (None, None) => {
                let named = config::control_socket(Path::new(config::DEFAULT_PATH));
                Ok(beside(&named.unwrap_or_else(|_| Control::default().socket)))
            }
        }
    }

    fn connect(&self) -> Result<Connection, Trouble> {
        match (&self.socket, &self.config) {
            (Some(path), _) => Connection::open(path),
            (None, Some(path)) => match config::control_socket(path) {
                Ok(socket) => Connection::open(&socket),
                Err(cause) => Err(Trouble::Configuration { path: path.clone(), cause }),
            },
            (None, None) => Options::connect_as_usual(),
        }
    }

    /// A daemon without a configuration file is one with the defaults; and one that is about to load a configuration which
    /// moves the socket is still where it was.
    fn connect_as_usual() -> Result<Connection, Trouble> {
        let usual = Control::default().socket;
        let Ok(named) = config::control_socket(Path::new(config::DEFAULT_PATH)) else {
            return Connection::open(&usual);
        };
        Connection::open(&named).or_else(|trouble| {
            let there = Connection::open(&usual).map_err(|_| trouble)?;
            eprintln!(
                "ftpctl: no daemon listens at {}; there is one at {}",
                named.display(),
                usual.display()
            );
            Ok(there)
        })
    }
}

/// One value, as JSON.
fn print_json(value: &impl Serialize) -> Outcome {
    let mut text = serde_json::to_string_pretty(value).map_err(|error| Trouble::Output(error.into()))?;
    text.push('\n');
    print(&text)
}

fn print(text: &str) -> Outcome {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(Trouble::Output)
}
