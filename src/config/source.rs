//! Where a configuration comes from, so that SIGHUP can read it again.

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

/// Where a configuration comes from.
#[derive(Clone, Debug)]
pub enum ConfigSource {
    /// A file, adjusted by the command line.
    File {
        /// The file.
        path: PathBuf,
        /// What the command line says in place of it.
        adjustments: Adjustments,
    },
    /// The command line alone (`ftpd share`): there is nothing to read again.
    CommandLine(Box<Config>),
}

impl ConfigSource {
    /// The configuration as it is now: read, adjusted and checked.
    pub fn load(&self) -> Result<Config, Error> {
        let (path, adjustments) = match self {
            ConfigSource::File { path, adjustments } => (path, adjustments),
            ConfigSource::CommandLine(config) => return Ok(config.as_ref().clone()),
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
        config.refuse_errors()?;
        Ok(config)
    }
}
