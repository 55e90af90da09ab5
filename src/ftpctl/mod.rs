//! `ftpctl`: what an administrator asks of a daemon that runs, over its control socket. Not a process of the daemon: it
//! asks, prints, and is gone.
//!
//! The declarations below are also `--help`, the list of commands in ftpctl(8), and what shells complete.

mod amounts;
mod bans;
mod connection;
mod metrics;
mod orders;
mod screen;
mod status;
mod table;
mod throttle;
mod times;
mod top;
mod who;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use serde::Serialize;

use crate::config::Control;
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
    /// The control socket of the daemon, where the configuration has another (socket in [control])
    #[arg(short, long, value_name = "PATH", global = true)]
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
    let daemon = options.connect()?;
    match command {
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
    fn connect(&self) -> Result<Connection, Trouble> {
        match &self.socket {
            Some(path) => Connection::open(path),
            None => Connection::open(&Control::default().socket),
        }
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
