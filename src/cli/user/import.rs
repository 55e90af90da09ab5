//! `ftpd user import`: the users of another server, and a word on everything that could not be taken over.

mod formats;
mod pure_ftpd;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use toml_edit::{Item, Table};

use super::edit::Edited;
use super::entry::{Document, faults, put, put_own_uid, set};
use super::{UsersFile, password};
use crate::config::Config;
use crate::ipc::messages::Password;
use crate::system::accounts;
use crate::users::hashes::Hash;

/// A file that users are kept in elsewhere.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Apache's htpasswd: names and hashes
    Htpasswd,
    /// ProFTPD's AuthUserFile, which has the form of passwd(5)
    Proftpd,
    /// Pure-FTPd's pureftpd.passwd, the text that pure-pw makes its database of
    PureFtpd,
    /// The account_info of ftp.py, as JSON
    FtpPy,
}

#[derive(Args, Debug)]
pub struct Import {
    /// What kind of file it is: htpasswd, proftpd, pure-ftpd (pureftpd.passwd) or ftp-py (account_info as JSON)
    #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
    from: Format,
    /// The file to read
    source: PathBuf,
    #[command(flatten)]
    which: UsersFile,
    /// Have all of them run as this system account, whatever the file says
    #[arg(short, long, value_name = "NAME")]
    account: Option<String>,
    /// Have each of them run as a free number of his own, whatever the file says
    #[arg(long, conflicts_with = "account")]
    own_uids: bool,
    /// Replace users of the same name
    #[arg(long)]
    replace: bool,
    /// Say what would be done, and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// A user as another server knows him.
#[derive(Debug, Default, PartialEq)]
struct Foreign {
    /// Where he stands, counted from 1.
    line: usize,
    name: String,
    secret: Secret,
    identity: Identity,
    /// Options of an entry, as text.
    options: Vec<(&'static str, String)>,
    /// What cannot be taken over.
    lost: Vec<String>,
}

/// What his password is kept as.
#[derive(Debug, Default, PartialEq)]
enum Secret {
    #[default]
    None,
    Hash(String),
    Plain(String),
}

/// Whom he ran as.
#[derive(Debug, Default, PartialEq)]
enum Identity {
    #[default]
    Unknown,
    Account(String),
    Number(u32),
}

impl Import {
    /// Adds the users, and says what was lost on the way. The error of users who could not be added at all is the same.
    pub fn run(self) -> Result<String, String> {
        let place = self.source.display();
        let bytes = std::fs::read(&self.source).map_err(|error| format!("{place}: {error}"))?;
        let text = String::from_utf8_lossy(&bytes);
        let found = match self.from {
            Format::Htpasswd => formats::htpasswd(&text),
            Format::Proftpd => formats::proftpd(&text),
            Format::PureFtpd => pure_ftpd::read(&text),
            Format::FtpPy => formats::ftp_py(&text).map_err(|reason| format!("{place}: {reason}"))?,
        };
        let (path, config) = self.which.locate()?;
        let mut edited = Edited::open(&path, true)?;
        let (mut report, mut added, all) = (String::new(), 0, found.len());
        for foreign in found {
            let start = format!("{place}:{}: {}", foreign.line, foreign.name);
            let before = edited.document.clone();
            let mut users = Document::of(&mut edited, &config);
            match self.add(&mut users, &path, foreign) {
                Ok(lost) => {
                    added += 1;
                    lost.iter().for_each(|what| report.push_str(&format!("{start}: {what}\n")));
                }
                Err(reason) => {
                    edited.document = before;
                    let reason = reason.replace('\n', "; ");
                    report.push_str(&format!("{start}: NOT ADDED: {reason}\n"));
                }
            }
        }
        if self.dry_run {
            report.push_str(&format!("{added} of {all} users would be added to {}\n", path.display()));
        } else {
            if added > 0 {
                edited.commit()?;
            }
            report.push_str(&format!("{added} of {all} users were added to {}\n", path.display()));
        }
        if added == all { Ok(report) } else { Err(report.trim_end().to_string()) }
    }

    /// Adds one, and returns what was lost of him.
    fn add(
        &self,
        users: &mut Document<'_>,
        path: &std::path::Path,
        foreign: Foreign,
    ) -> Result<Vec<String>, String> {
        let Foreign { name, secret, identity, options, mut lost, .. } = foreign;
        let is_there = users.entry(&name).is_some();
        if is_there && !self.replace {
            return Err("there is a user of this name already (--replace would take his place)".into());
        }
        let mut table = Table::new();
        let hash = match secret {
            Secret::None => return Err("has no password".into()),
            Secret::Hash(hash) => {
                Hash::read(&hash).map_err(|reason| format!("the password {reason}"))?;
                hash
            }
            Secret::Plain(password) => {
                password::hash(users.config.login.password_hash, &Password::new(password.into_bytes()))?
            }
        };
        put(&mut table, "password", hash.into());
        self.identify(&mut table, users, identity, &mut lost)?;
        for (key, value) in options {
            if let Err(reason) = set(&mut table, key, &value) {
                lost.push(reason);
            }
        }
        match (is_there, users.document.get_mut(&name)) {
            // Comments around the entry stay.
            (true, Some(Item::Table(before))) => {
                before.clear();
                table.into_iter().for_each(|(key, item)| drop(before.insert(&key, item)));
            }
            _ => users.add(&name, table),
        }
        faults(path, users.document, &name, users.config)?;
        Ok(lost)
    }

    fn identify(
        &self,
        table: &mut Table,
        users: &mut Document<'_>,
        identity: Identity,
        lost: &mut Vec<String>,
    ) -> Result<(), String> {
        if let Some(account) = &self.account {
            return set(table, "account", account);
        }
        if self.own_uids {
            return put_own_uid(table, users);
        }
        match identity {
            Identity::Account(name) if name == "root" => Err("ran as root, which nobody does here".into()),
            Identity::Account(name) => set(table, "account", &name),
            Identity::Number(0) => Err("ran as uid 0, which nobody does here".into()),
            Identity::Number(uid) => match accounts::user_name(uid) {
                Some(name) => set(table, "account", &name),
                None if is_in_range(users.config, uid) => set(table, "uid", &uid.to_string()),
                None => {
                    self.fall_back(table, users)?;
                    lost.push(format!("the uid {uid} is no account's and not within uid-range"));
                    Ok(())
                }
            },
            Identity::Unknown => self.fall_back(table, users),
        }
    }

    /// The same as for a new user of whom nothing is said.
    fn fall_back(&self, table: &mut Table, users: &mut Document<'_>) -> Result<(), String> {
        let login = &users.config.login;
        match (login.uid_range, &login.users_account) {
            (Some(_), _) => put_own_uid(table, users),
            (None, Some(_)) => Ok(()),
            (None, None) => {
                Err("whom is he to run as? Say --account or --own-uids, or set users-account".into())
            }
        }
    }
}

fn is_in_range(config: &Config, uid: u32) -> bool {
    config.login.uid_range.is_some_and(|range| range.uids().contains(&uid))
}
