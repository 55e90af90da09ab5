//! Where a configuration comes from, so that SIGHUP can read it again.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::values::{AbsolutePath, LogTarget};
use super::{Config, Error, reader};

/// What the command line says in place of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Adjustments {
    /// `--listen`: in place of `addresses`, unless empty.
    pub listen: Vec<SocketAddr>,
    /// `--log`: in place of `to`.
    pub log: Option<LogTarget>,
    /// `--pam-directory`: in place of `pam-directory`.
    pub pam_directory: Option<AbsolutePath>,
}

/// Where a configuration comes from, and whom to tell when it is in force.
pub struct ConfigSource {
    origin: Origin,
    announcement: Option<Box<dyn Announce>>,
}

/// Who tells somebody at the terminal.
pub trait Announce {
    /// The daemon listens on these addresses.
    fn listening(&self, addresses: &[SocketAddr]);
}

#[derive(Debug)]
enum Origin {
    File { path: PathBuf, adjustments: Adjustments },
    CommandLine(Box<Config>),
}

impl ConfigSource {
    /// A file, adjusted by the command line.
    pub fn file(path: PathBuf, adjustments: Adjustments) -> ConfigSource {
        ConfigSource { origin: Origin::File { path, adjustments }, announcement: None }
    }

    /// The command line alone (`ftpd share`): there is nothing to read again.
    pub fn command_line(config: Config) -> ConfigSource {
        ConfigSource { origin: Origin::CommandLine(Box::new(config)), announcement: None }
    }

    /// Tells somebody at the terminal, once the daemon listens.
    pub fn announcing(self, announcement: impl Announce + 'static) -> ConfigSource {
        ConfigSource { announcement: Some(Box::new(announcement)), ..self }
    }

    /// The daemon listens on these addresses. To be called once, by the supervisor.
    pub fn announce(&self, addresses: &[SocketAddr]) {
        if let Some(announcement) = &self.announcement {
            announcement.listening(addresses);
        }
    }

    /// The configuration as it is now: read, adjusted and checked.
    pub fn load(&self) -> Result<Config, Error> {
        let (path, adjustments) = match &self.origin {
            Origin::File { path, adjustments } => (path, adjustments),
            Origin::CommandLine(config) => return Ok(config.as_ref().clone()),
        };
        let mut config = reader::read(path)?;
        if !adjustments.listen.is_empty() {
            config.listen.addresses.clone_from(&adjustments.listen);
            config.places.replaced("listen", "addresses");
        }
        if let Some(target) = &adjustments.log {
            config.log.to = target.clone();
            config.places.replaced("log", "to");
        }
        if let Some(directory) = &adjustments.pam_directory {
            config.login.pam_directory = Some(directory.clone());
            config.places.replaced("login", "pam-directory");
        }
        config.read_banner_files();
        config.refuse_errors()?;
        Ok(config)
    }
}

impl fmt::Debug for ConfigSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin.fmt(f)
    }
}
