//! The command line: what can be asked of the `ftpd` command, and who obeys.
//!
//! The declarations below are also `--help` and the list of commands in ftpd(8).

mod cert;
mod check;
mod doctor;
mod explain;
mod generate;
mod import;
mod manual;
mod password;
mod serve;
mod share;
mod user;
mod verbs;

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{AbsolutePath, Adjustments, Announce, ConfigSource, DEFAULT_PATH};

/// A file transfer daemon for real Unix accounts
#[derive(Debug, Parser)]
#[command(name = "ftpd", version, args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Ftpd {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Serve,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve clients (also without a command)
    Serve(serve::Serve),
    /// Check a configuration, and say what is wrong with it
    Check(ConfigFile),
    /// Hold a configuration against the machine, and say what to do
    Doctor(doctor::Doctor),
    /// Make a configuration of that of vsftpd, ProFTPD or Pure-FTPd
    Import(import::Import),
    /// Print the configuration in force, with all defaults, as TOML
    ShowConfig(ConfigFile),
    /// Say what the configuration lets somebody do, and what in it decides that
    Explain(explain::Explain),
    /// Hand a directory to somebody: no root, no configuration
    Share(share::Share),
    /// Make a certificate for TLS
    #[command(subcommand)]
    Cert(cert::Cert),
    /// Change the file of users who have no account on the machine
    #[command(subcommand)]
    User(user::User),
    /// Read a password from standard input and print its hash for the users file
    HashPassword(password::HashPassword),
    /// Print what is committed under man/ and etc/
    #[command(hide = true)]
    Generate {
        /// What to print
        document: generate::Document,
    },
}

#[derive(Args, Debug)]
struct ConfigFile {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_PATH)]
    config: PathBuf,
}

/// Runs the command.
pub fn main() -> ExitCode {
    let Ftpd { command, serve } = Ftpd::parse();
    match command.unwrap_or(Command::Serve(serve)) {
        Command::Serve(serve) => serve.run(),
        Command::Check(file) => check::run(&file.config),
        Command::Doctor(doctor) => doctor.run(),
        Command::Import(import) => import.run(),
        Command::ShowConfig(file) => file.show(),
        Command::Explain(explain) => explain.run(),
        Command::Share(share) => share.run(),
        Command::Cert(cert) => cert.run(),
        Command::User(user) => user.run(),
        Command::HashPassword(hash) => hash.run(),
        Command::Generate { document } => print(&document.text()),
    }
}

impl ConfigFile {
    fn show(&self) -> ExitCode {
        match ConfigSource::file(self.config.clone(), Adjustments::default()).load() {
            Ok(config) => print(&config.to_toml()),
            Err(error) => refuse(&error.to_string()),
        }
    }
}

/// A path of the command line, which may be relative to where the command was started.
fn absolute(path: PathBuf) -> Result<AbsolutePath, String> {
    let whole = std::path::absolute(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let text = whole.to_str().ok_or_else(|| format!("{}: the path is not UTF-8", path.display()))?;
    text.parse()
}

/// What is printed once the daemon listens.
struct Serving {
    /// What is served, in words.
    what: String,
    /// The only user there is, if there is only one.
    user: Option<String>,
}

impl Announce for Serving {
    /// Where it listens, how to connect, how to stop.
    fn listening(&self, addresses: &[SocketAddr]) {
        let mut text = format!("Serving {}.\n", self.what);
        for address in addresses {
            text.push_str(&format!("  listening on  {address}\n"));
        }
        if let Some(address) = addresses.first() {
            let host = match address.ip() {
                ip if ip.is_unspecified() => own_address(),
                IpAddr::V6(ip) => format!("[{ip}]"),
                IpAddr::V4(ip) => ip.to_string(),
            };
            let user = self.user.as_ref().map(|name| format!("{name}@")).unwrap_or_default();
            let port = address.port();
            text.push_str(&format!("  connect with  lftp ftp://{user}{host}:{port}\n"));
            text.push_str(&format!("  or            curl ftp://{user}{host}:{port}/\n"));
        }
        text.push_str("  stop with     Ctrl-C\n");
        print(&text);
    }
}

/// An address of this machine by which others may reach it.
fn own_address() -> String {
    nix::ifaddrs::getifaddrs()
        .ok()
        .into_iter()
        .flatten()
        .filter_map(|interface| Some(interface.address?.as_sockaddr_in()?.ip()))
        .find(|ip| !ip.is_loopback() && !ip.is_link_local())
        .map_or_else(|| "localhost".to_string(), |ip| ip.to_string())
}

/// Prints to standard output. Somebody who does not want to read it any more is no failure.
fn print(text: &str) -> ExitCode {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => refuse(&error.to_string()),
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}

/// Says on standard error why nothing is done.
fn refuse(reason: &str) -> ExitCode {
    eprintln!("{reason}");
    ExitCode::FAILURE
}
