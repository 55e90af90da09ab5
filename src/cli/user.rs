//! `ftpd user`: the users file, changed safely. What is declared here is also `--help` and part of ftpd(8).

mod edit;
mod entry;
mod import;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use toml_edit::Table;

use super::password;
use super::{print, refuse};
use crate::config::{Config, DEFAULT_PATH};
use crate::ipc::messages::Password;
use crate::users::hashes::Hash;
use edit::Edited;
use entry::{Document, faults, put, put_own_uid, set};

#[derive(Debug, Subcommand)]
pub enum User {
    /// Add a user
    Add(Add),
    /// Give a user a new password
    Passwd(NewPassword),
    /// Change options of a user
    Set(Set),
    /// Remove a user; what belongs to him stays
    Del(One),
    /// List the users
    List(UsersFile),
    /// Print what the file says of a user, without the hash of his password
    Show(One),
    /// Say what is wrong with the file; exit status 1 if anything is
    Check(UsersFile),
    /// Add the users of another server
    Import(import::Import),
}

/// Which users file is meant.
#[derive(Args, Debug)]
pub struct UsersFile {
    /// The configuration that names the users file
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_PATH)]
    config: PathBuf,
    /// The users file of this virtual host
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// This users file, whatever the configuration names
    #[arg(short, long, value_name = "FILE", conflicts_with = "host")]
    file: Option<PathBuf>,
}

/// A user of the file.
#[derive(Args, Debug)]
pub struct One {
    /// His name
    name: String,
    #[command(flatten)]
    which: UsersFile,
}

/// Where a password comes from, if it is not asked for.
#[derive(Args, Debug)]
struct PasswordSource {
    /// Read the password from standard input, not from the terminal
    #[arg(long)]
    password_stdin: bool,
    /// Read a hash from standard input that was made elsewhere, in the form of crypt(5)
    #[arg(long, conflicts_with = "password_stdin")]
    hash_stdin: bool,
}

#[derive(Args, Debug)]
pub struct Add {
    /// His name
    name: String,
    #[command(flatten)]
    which: UsersFile,
    #[command(flatten)]
    password: PasswordSource,
    #[command(flatten)]
    identity: Identity,
    /// His home directory
    #[arg(long, value_name = "DIRECTORY")]
    home: Option<String>,
    /// The letters of what he may do
    #[arg(long, value_name = "LETTERS")]
    permissions: Option<String>,
    /// The first day on which he cannot log in any more, such as 2027-12-31
    #[arg(long, value_name = "DATE")]
    expires: Option<String>,
    /// Any other option of an entry, as KEY=VALUE; may be given several times
    #[arg(short, long, value_name = "OPTION")]
    set: Vec<String>,
}

/// Whom a new user runs as. With none of these: as a number of his own, if there is `uid-range`, else as `users-account`.
#[derive(Args, Debug)]
#[group(multiple = false)]
struct Identity {
    /// Have him run as this system account
    #[arg(short, long, value_name = "NAME")]
    account: Option<String>,
    /// Have him run as this number
    #[arg(long, value_name = "NUMBER")]
    uid: Option<u32>,
    /// Have him run as a number of his own, which is free
    #[arg(long)]
    own_uid: bool,
    /// Have him run as the account that `users-account` names
    #[arg(long)]
    shared: bool,
    /// He is the account of the machine that has this name, with another password
    #[arg(long)]
    system: bool,
}

#[derive(Args, Debug)]
pub struct NewPassword {
    /// His name
    name: String,
    #[command(flatten)]
    which: UsersFile,
    #[command(flatten)]
    password: PasswordSource,
}

#[derive(Args, Debug)]
pub struct Set {
    /// His name
    name: String,
    /// Options, each as KEY=VALUE; KEY= alone removes one
    #[arg(required = true, value_name = "OPTION")]
    options: Vec<String>,
    #[command(flatten)]
    which: UsersFile,
}

impl User {
    /// Does what was asked.
    pub fn run(self) -> ExitCode {
        let done = match self {
            User::Add(add) => add.run(),
            User::Passwd(new) => new.run(),
            User::Set(set) => set.run(),
            User::Del(one) => one.delete(),
            User::List(which) => which.locate().and_then(|(path, config)| show::list(&path, &config)),
            User::Show(one) => one.which.locate().and_then(|(path, _)| show::show(&path, &one.name)),
            User::Check(which) => which.locate().and_then(|(path, config)| show::check(&path, &config)),
            User::Import(import) => import.run(),
        };
        match done {
            Ok(text) => print(&text),
            Err(reason) => refuse(&reason),
        }
    }
}

impl UsersFile {
    /// The file, and the configuration that it belongs to.
    fn locate(&self) -> Result<(PathBuf, Config), String> {
        // What else is wrong with the configuration is no reason not to change users; the file may not be there yet.
        let config = match std::fs::read_to_string(&self.config) {
            Ok(text) => Config::parse(&self.config, &text).map_err(|error| error.to_string())?,
            Err(_) if self.file.is_some() && self.config.as_os_str() == DEFAULT_PATH => Config::default(),
            Err(error) => return Err(format!("{}: {error}", self.config.display())),
        };
        if let Some(file) = &self.file {
            return Ok((file.clone(), config));
        }
        if let Some(host) = self.host.as_ref().filter(|host| !config.host.contains_key(*host)) {
            return Err(format!("{}: there is no virtual host {host:?}", self.config.display()));
        }
        let path = config.users_file(self.host.as_deref()).map(|path| path.to_path_buf());
        let path = path.ok_or_else(|| {
            format!(
                "{}: [login] users-file is not set; name a file there, or with --file",
                self.config.display()
            )
        })?;
        Ok((path, config))
    }
}

impl PasswordSource {
    /// The hash of the new password.
    fn hash(&self, user: &str, config: &Config) -> Result<String, String> {
        if self.hash_stdin {
            let line = password::from_stdin()?;
            let hash = str::from_utf8(line.as_bytes()).map_err(|_| "the hash is not UTF-8".to_string())?;
            Hash::read(hash).map_err(|reason| format!("what came {reason}"))?;
            return Ok(hash.to_string());
        }
        let password: Password = match self.password_stdin {
            true => password::from_stdin()?,
            false => password::ask_for_new(user)?,
        };
        password::hash(config.login.password_hash, &password)
    }
}

impl Add {
    fn run(self) -> Result<String, String> {
        let (path, config) = self.which.locate()?;
        let name = self.name.as_str();
        let mut edited = Edited::open(&path, true)?;
        let mut users = Document::of(&mut edited, &config);
        if users.entry(name).is_some() {
            return Err(format!("{}: there is a user {name:?} already", path.display()));
        }
        let mut table = Table::new();
        put(&mut table, "password", "".into());
        self.identity.put(&mut table, &mut users)?;
        for (key, value) in
            [("home", &self.home), ("permissions", &self.permissions), ("expires", &self.expires)]
        {
            if let Some(value) = value {
                set(&mut table, key, value)?;
            }
        }
        self.set.iter().try_for_each(|option| assign(&mut table, option))?;
        // What is wrong with the options is told before anybody types a password twice.
        let hash = "$5$rounds=1000$saltsalt$5rMmZvzItwnYc2PeSdWFO569/JUhViTh1X8jpTi.AI0";
        put(&mut table, "password", hash.into());
        users.add(name, table);
        faults(&path, users.document, name, &config)?;
        let hash = self.password.hash(name, &config)?;
        if let Some(table) = users.entry(name) {
            put(table, "password", hash.into());
        }
        let who = show::identity(users.document, name, &config);
        edited.commit()?;
        Ok(format!("{name} was added and runs as {who}\n"))
    }
}

impl Identity {
    fn put(&self, table: &mut Table, users: &mut Document<'_>) -> Result<(), String> {
        let login = &users.config.login;
        if let Some(account) = &self.account {
            set(table, "account", account)
        } else if let Some(uid) = self.uid {
            set(table, "uid", &uid.to_string())
        } else if self.system {
            set(table, "system", "true")
        } else if self.own_uid || (!self.shared && login.uid_range.is_some()) {
            put_own_uid(table, users)
        } else if login.users_account.is_some() {
            Ok(())
        } else {
            Err("whom is he to run as? Say --account, or set uid-range or users-account in the configuration"
                .into())
        }
    }
}

impl NewPassword {
    fn run(self) -> Result<String, String> {
        let (path, config) = self.which.locate()?;
        let name = self.name.as_str();
        // Nobody waits for the lock while somebody thinks of a password.
        known(&mut Edited::open(&path, false)?, name)?;
        let hash = self.password.hash(name, &config)?;
        let mut edited = Edited::open(&path, false)?;
        put(known(&mut edited, name)?, "password", hash.into());
        edited.commit()?;
        Ok(format!("{name} has a new password\n"))
    }
}

impl Set {
    fn run(self) -> Result<String, String> {
        let (path, config) = self.which.locate()?;
        let name = self.name.as_str();
        let mut edited = Edited::open(&path, false)?;
        let table = known(&mut edited, name)?;
        self.options.iter().try_for_each(|option| assign(table, option))?;
        faults(&path, &edited.document, name, &config)?;
        edited.commit()?;
        Ok(format!("{name} was changed\n"))
    }
}

impl One {
    fn delete(self) -> Result<String, String> {
        let (path, config) = self.which.locate()?;
        let mut edited = Edited::open(&path, false)?;
        if !Document::of(&mut edited, &config).remove(&self.name) {
            return Err(unknown(&edited, &self.name));
        }
        edited.commit()?;
        Ok(format!("{} was removed\n", self.name))
    }
}

/// The entry of somebody who must be there.
fn known<'a>(edited: &'a mut Edited, name: &str) -> Result<&'a mut Table, String> {
    let unknown = unknown(edited, name);
    edited.document.get_mut(name).and_then(|item| item.as_table_mut()).ok_or(unknown)
}

fn unknown(edited: &Edited, name: &str) -> String {
    format!("{}: there is no user {name:?}", edited.path().display())
}

/// KEY=VALUE.
fn assign(table: &mut Table, option: &str) -> Result<(), String> {
    let Some((key, value)) = option.split_once('=') else {
        return Err(format!("{option:?} is no option with a value, such as permissions=elr"));
    };
    let (key, value) = (key.trim(), value.trim());
    match (key, value) {
        ("password", _) => Err("a password is set with \"ftpd user passwd\"".into()),
        (_, "") if table.remove(key).is_some() => Ok(()),
        (_, "") => Err(format!("{key}: is not set")),
        (_, _) => set(table, key, value),
    }
}
