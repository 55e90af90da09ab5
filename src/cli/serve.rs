//! `ftpd serve`: the daemon of the configuration file, in the foreground or in the background.

use std::cell::Cell;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{ConfigFile, Serving, absolute, refuse};
use crate::config::{Adjustments, Announce, ConfigSource, Finding, LogTarget};
use crate::log;
use crate::supervisor;
use crate::system::background::{Background, PidFile, detach};
use crate::system::init::leave_process_one;

#[derive(Args, Debug)]
pub struct Serve {
    #[command(flatten)]
    file: ConfigFile,
    /// Listen here, in place of the configured addresses; may be given several times
    #[arg(short, long, value_name = "ADDRESS")]
    listen: Vec<SocketAddr>,
    /// Log there, in place of the configured target: syslog, journal, stderr, or a file
    #[arg(long, value_name = "TARGET")]
    log: Option<LogTarget>,
    /// Look for PAM services there, in place of /etc/pam.d
    #[arg(long, value_name = "DIRECTORY")]
    pam_directory: Option<PathBuf>,
    /// Go on in the background as soon as clients can connect; the command ends then
    #[arg(long)]
    daemon: bool,
    /// Write the process number of the daemon there, for as long as it runs
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
}

impl Serve {
    /// Serves until told to stop.
    pub fn run(self) -> ExitCode {
        self.start().unwrap_or_else(|reason| refuse(&reason))
    }

    fn start(self) -> Result<ExitCode, String> {
        let Serve { file, listen, log, pam_directory, daemon, pid_file } = self;
        // What is relative is meant from here, also after a reload in the background.
        let path = std::path::absolute(&file.config).map_err(|error| error.to_string())?;
        let pam_directory = pam_directory.map(absolute).transpose()?;
        let pid_file = pid_file.map(absolute).transpose()?;
        let source = ConfigSource::file(path, Adjustments { listen, log, pam_directory });
        let config = source.load().map_err(|error| error.to_string())?;
        for finding in config.check() {
            match finding {
                Finding::Warning(problem) => eprintln!("warning: {problem}"),
                Finding::Error(problem) => eprintln!("{problem}"),
            }
        }
        if daemon && config.log.to == LogTarget::Stderr {
            return Err("--daemon leaves the terminal: the log cannot go to standard error".to_string());
        }
        leave_process_one().map_err(|failure| failure.to_string())?;
        let background = if daemon { Some(detach().map_err(|failure| failure.to_string())?) } else { None };
        let pid_file = pid_file.map(|path| PidFile::create(path.as_ref())).transpose();
        let pid_file = pid_file.map_err(|failure| failure.to_string())?;
        let source = match background {
            Some(background) => source.announcing(Starter(Cell::new(Some(background)))),
            None if io::stdout().is_terminal() => {
                source.announcing(Serving { what: "the accounts of this machine".to_string(), user: None })
            }
            None => source,
        };
        let status = supervisor::run(config, source);
        drop(pid_file);
        Ok(status)
    }
}

/// Who started a daemon in the background.
struct Starter(Cell<Option<Background>>);

impl Announce for Starter {
    fn listening(&self, _: &[SocketAddr]) {
        if let Some(Err(failure)) = self.0.take().map(Background::ready) {
            log::error(&failure);
        }
    }
}
