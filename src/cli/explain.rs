//! `ftpd explain`: what the configuration says to somebody and to what he would do, with the rule, file and line that decide.

use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::{ConfigFile, print};
use crate::config::{Config, Visitor};
use crate::protocol::path::FtpPath;
use crate::session::Powers;
use crate::session::explanation::Explainer;
use crate::worker::login::{Foreseen, Question, foresee, knows_everything};
use crate::worker::quotas::{self, Who};

/// The exit status where nothing can be said.
const UNKNOWN: u8 = 2;

#[derive(Args, Debug)]
pub struct Explain {
    #[command(flatten)]
    file: ConfigFile,
    /// The user; anonymous for clients without a password
    #[arg(short, long, value_name = "NAME")]
    user: String,
    /// A group, beside those that the user is in; may be given several times
    #[arg(short, long, value_name = "NAME")]
    group: Vec<String>,
    /// The address that the client comes from
    #[arg(short, long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    from: IpAddr,
    /// The virtual host
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// The control connection is protected by TLS
    #[arg(long)]
    tls: bool,
    /// A command of the protocol, such as STOR /in/file, or RNFR /a RNTO /b; without one, only the login is explained
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    line: Vec<String>,
}

impl Explain {
    /// Prints yes or no, and why. Exit status 0: yes; 1: no; 2: it is not known.
    pub fn run(self) -> ExitCode {
        match self.explain() {
            Ok((text, allowed)) => {
                print(&text);
                if allowed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
            Err(reason) => {
                eprintln!("{reason}");
                ExitCode::from(UNKNOWN)
            }
        }
    }

    fn explain(&self) -> Result<(String, bool), String> {
        let config = Config::load(&self.file.config).map_err(|error| error.to_string())?;
        let host = self.host.as_deref();
        if let Some(host) = host.filter(|host| !config.host.contains_key(*host)) {
            return Err(format!("there is no virtual host {host:?}"));
        }
        let question =
            Question { user: &self.user, groups: &self.group, address: self.from, host, tls: self.tls };
        let foreseen = foresee(&config, &question)?;
        let mut text = format!("login of {} from {}: ", self.user, self.from);
        match &foreseen.refusal {
            None => text.push_str(&format!("yes, known to {}, with the right proof\n", foreseen.source)),
            Some((why, None)) => text.push_str(&format!("no, {why}\n")),
            Some((why, Some(spot))) => text.push_str(&format!("no, {why} ({spot})\n")),
        }
        let mut allowed = foreseen.refusal.is_none();
        if !self.line.is_empty() {
            let line = self.line.join(" ");
            let explainer = self.explainer(&config, &foreseen, &mut text);
            for mut explained in explainer.explain(line.as_bytes())? {
                if explained.allowed
                    && let Some(reason) = self.full(&config, &foreseen, explained.path.as_ref())
                {
                    (explained.allowed, explained.reason) = (false, reason);
                }
                let answer = if explained.allowed { "yes" } else { "no" };
                let path = explained.path.map(|path| format!(" at {path}")).unwrap_or_default();
                text.push_str(&format!("{line}{path}: {answer}, {}\n", explained.reason));
                allowed &= explained.allowed;
            }
        }
        Ok((text, allowed))
    }

    /// The quota that has no room for what a command would make.
    fn full(&self, config: &Config, foreseen: &Foreseen, path: Option<&FtpPath>) -> Option<String> {
        let verb = self.line.first()?.to_ascii_uppercase();
        let bytes = match verb.as_str() {
            "STOR" | "STOU" | "APPE" => true,
            "MKD" | "XMKD" => false,
            _ => return None,
        };
        let root = foreseen.root.as_ref()?;
        let place = root.places.iter().find(|place| place.root.is_dir())?;
        let inside = std::ffi::OsStr::from_bytes(path?.as_bytes());
        let real = place.root.join(Path::new(inside).strip_prefix("/").ok()?);
        if !knows_everything() || real.symlink_metadata().is_ok() && verb != "APPE" {
            // What it replaces makes room, for something.
            return None;
        }
        let who =
            Who { name: &foreseen.name, uid: foreseen.uid?, options: &foreseen.options, jail: root.jail };
        quotas::used_up(config, &who, &place.root, real.parent()?, bytes)
    }

    fn explainer(&self, config: &Config, foreseen: &Foreseen, text: &mut String) -> Explainer {
        let visitor = Visitor {
            user: &foreseen.name,
            groups: &foreseen.groups,
            anonymous: foreseen.anonymous,
            host: self.host.as_deref(),
            address: self.from,
        };
        let place =
            foreseen.root.as_ref().and_then(|root| root.places.iter().find(|place| place.root.is_dir()));
        let start = place.map_or_else(|| Path::new("/").to_path_buf(), |place| place.start.clone());
        let start = std::os::unix::ffi::OsStringExt::into_vec(start.into_os_string());
        let said = foreseen.permissions_at.clone();
        let origin = said.unwrap_or_else(|| config.permissions_of(&visitor).1);
        let rules = config.rules_for(&visitor, &start);
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = place.and_then(|place| open(&place.root, flags, Mode::empty()).ok());
        if root.is_none() || !knows_everything() {
            text.push_str("(what there is cannot be looked at: names are taken for what they say)\n");
        }
        let powers = Powers::new(foreseen.options.permissions, origin, rules);
        Explainer::new(root.filter(|_| knows_everything()), powers, &start)
    }
}
