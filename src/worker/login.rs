//! The login decision: who somebody is, what he may see, and that his PAM session opens and closes.
//!
//! [`decide`] asks, in this order: may this name try at all (policy); is it anonymous; is it in the users file and
//! is the password right; otherwise, does PAM know the password, may the account be used now, and who does PAM say
//! it is. Policy is asked again about the account that comes out. Nothing here sleeps: the time of an answer, the
//! same for every failure, is kept by the worker's loop.
//!
//! A name that policy objects to is not given to PAM, which might count the failure and lock an account that only
//! an administrator uses.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::pam::{Conversation, Expired, Refusal, Transaction};
use super::policy::{self, Facts};
use super::virtual_users::{self, Verdict, VirtualUser};
use crate::config::{Config, RootDir, SessionOptions};
use crate::ipc::messages::Password;
use crate::log;
use crate::system::privileges::{self, Account};
use crate::system::{accounts, memory};

/// No, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The reason, for the log.
    pub log: String,
    /// What the client may read, a line each: the words of PAM's modules, and what somebody may know who gave the
    /// right password.
    pub texts: Vec<String>,
}

/// Where a session may live: the first place that can be opened is taken. They are to be opened as the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Whether the root is a jail; otherwise it is the whole file system.
    pub jail: bool,
    /// At least one place, the preferred one first.
    pub places: Vec<Place>,
}

/// A place for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The directory that the session sees as `/`.
    pub root: PathBuf,
    /// Where the session starts: absolute, as seen from inside the root.
    pub start: PathBuf,
}

/// A login that was granted. Only this module can make one.
pub struct Login {
    name: String,
    host: Option<String>,
    account: Account,
    options: SessionOptions,
    root: Root,
    environment: Vec<(OsString, OsString)>,
    texts: Vec<String>,
    pam: Option<Transaction>,
}

/// Somebody who wants to log in.
pub struct Attempt<'a> {
    /// The client's address.
    pub peer: IpAddr,
    /// The virtual host that serves him, if there is one.
    pub host: Option<&'a str>,
    /// Who he says he is.
    pub name: &'a str,
    /// What he proves it with.
    pub password: &'a Password,
}

/// Decides about an attempt. May take as long as PAM's modules do, and as long as the client needs to answer what they
/// ask.
pub fn decide(
    config: &Config,
    attempted: &Attempt<'_>,
    conversation: &mut dyn Conversation,
) -> Result<Login, Refused> {
    attempt(config, attempted, conversation)
}

impl Login {
    /// The name that was proved: of the account, of the virtual user, or `anonymous`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The virtual host that serves him, if there is one.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The account that the session runs as.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The options of the session, with what the configuration says of this user and his groups.
    pub fn options(&self) -> &SessionOptions {
        &self.options
    }

    /// Where the session may live.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The environment that PAM wants; complete after [`Login::open_session`].
    pub fn environment(&self) -> &[(OsString, OsString)] {
        &self.environment
    }

    /// What PAM's modules have said since the last time, for the client.
    pub fn take_texts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.texts)
    }

    /// Opens the PAM session in this process, which the session process is then to be forked from: limits, umask,
    /// keyring and login id are inherited. A refusal refuses the login. Without PAM there is nothing to open.
    pub fn open_session(&mut self) -> Result<(), Refused> {
        // Not the supervisor's, which root's keys may be in. The modules may put some into the new one.
        privileges::new_session_keyring().map_err(|failure| no(failure.to_string()))?;
        let Some(pam) = &mut self.pam else { return Ok(()) };
        let opened = establish(pam, &mut self.account).and_then(|()| {
            pam.open_session().map_err(|refusal| {
                // What the modules say here is about the machine: the password was right.
                self.texts.extend(pam.take_texts());
                Refused { log: refusal.to_string(), texts: self.texts.clone() }
            })
        });
        if let Err(refused) = opened {
            self.pam = None;
            return Err(refused);
        }
        self.environment = pam.environment();
        self.texts.extend(pam.take_texts());
        Ok(())
    }

    /// Closes the PAM session, if one is open, and ends PAM: to be called when the session process is gone. Dropping
    /// the login does the same.
    pub fn close_session(self) {}

    /// In a process that was forked from the one that decided: lets go of PAM without closing anything.
    pub fn abandon_in_child(&mut self) {
        // The transaction knows that this is not the process that began it.
        self.pam = None;
        memory::wipe_freed(false);
        memory::give_back_freed();
    }
}

/// Lets the modules set up credentials, and finds out which groups the account has then (pam_group(8) adds some).
fn establish(pam: &mut Transaction, account: &mut Account) -> Result<(), Refused> {
    let refused = |log: String, texts| Refused { log, texts };
    let failed = |failure: crate::system::Failure| refused(failure.to_string(), Vec::new());
    let own = accounts::current_groups().map_err(failed)?;
    accounts::replace_groups(&account.groups).map_err(failed)?;
    let established = pam.establish_credentials();
    let groups = accounts::current_groups();
    accounts::replace_groups(&own).map_err(failed)?;
    established.map_err(|refusal| refused(refusal.to_string(), pam.take_texts()))?;
    let added: Vec<u32> =
        groups.map_err(failed)?.into_iter().filter(|group| !account.groups.contains(group)).collect();
    account.groups.extend(added);
    Ok(())
}

fn attempt(
    config: &Config,
    attempted: &Attempt<'_>,
    conversation: &mut dyn Conversation,
) -> Result<Login, Refused> {
    let &Attempt { host, name, password, .. } = attempted;
    if !policy::is_plausible_name(name) {
        return Err(no("not a name that an account could have"));
    }
    if config.has_anonymous(host) && ["anonymous", "ftp"].iter().any(|known| name.eq_ignore_ascii_case(known))
    {
        return anonymous(config, host);
    }
    // Sessions are forked from this process: what PAM and libc read of others must not be left lying about.
    memory::wipe_freed(true);
    let users = virtual_users::open(config, host).map_err(|error| no(error.to_string()))?;
    if let Some(users) = users {
        if users.is_exposed() {
            log::warning("users-file: others may read it, or others than its owner may write it");
        }
        match users.verify(name, password).map_err(|error| no(error.to_string()))? {
            Verdict::Right(user) => return virtual_user(config, attempted, &user),
            Verdict::Wrong => return Err(no("wrong password (users-file)")),
            Verdict::Unknown => {}
        }
    }
    if !geteuid().is_root() {
        return Err(no("unknown user; without root there are no system accounts"));
    }
    system_user(config, attempted, conversation)
}

fn anonymous(config: &Config, host: Option<&str>) -> Result<Login, Refused> {
    let account = service_account(Some(&config.anonymous.account))?;
    granted("anonymous".into(), host, account, config.anonymous_session(host))
}

fn virtual_user(config: &Config, attempted: &Attempt<'_>, user: &VirtualUser) -> Result<Login, Refused> {
    let &Attempt { host, name, .. } = attempted;
    let account = service_account(user.account.as_deref())?;
    let groups = accounts::group_names(&account.groups);
    // His name is his own, the groups are those of the account that he runs as; uid and shell say nothing of him.
    object(config, attempted, name, None, &groups)?;
    let mut options = config.effective_session(host, name, &groups);
    if let Some(root_dir) = &user.root_dir {
        options.root_dir = root_dir.clone();
    }
    if let Some(permissions) = user.permissions {
        options.permissions = permissions;
    }
    granted(name.into(), host, account, options)
}

/// The account for somebody who has none. Without root that is who we are.
fn service_account(name: Option<&str>) -> Result<Account, Refused> {
    if !geteuid().is_root() {
        return Ok(accounts::current());
    }
    let name = name.ok_or_else(|| no("the users-file names no account to run as"))?;
    let account =
        accounts::by_name(name).ok_or_else(|| no(format!("there is no account {name:?} to run as")))?;
    if account.uid == 0 {
        return Err(no(format!("the account to run as, {name:?}, is root")));
    }
    Ok(account)
}

fn system_user(
    config: &Config,
    attempted: &Attempt<'_>,
    conversation: &mut dyn Conversation,
) -> Result<Login, Refused> {
    let &Attempt { peer, host, name, password } = attempted;
    let account = accounts::by_name(name);
    let groups = account.as_ref().map_or_else(Vec::new, |account| accounts::group_names(&account.groups));
    object(config, attempted, name, account.as_ref(), &groups)?;

    let login = &config.login;
    let mut pam = Transaction::start(&login.pam_service, login.pam_directory.as_deref(), name, peer)
        .map_err(|refusal| no(refusal.to_string()))?;
    pam.authenticate(password, conversation).map_err(|refusal| by_pam(&refusal, pam.take_texts(), None))?;
    pam.account(conversation).map_err(|refusal| {
        let ours = match refusal.expired() {
            Some(Expired::Account) => Some("Your account has expired."),
            Some(Expired::Password) => Some("Your password has expired: change it first."),
            None => None,
        };
        by_pam(&refusal, pam.take_texts(), ours)
    })?;

    let name = pam.user().ok_or_else(|| no("PAM does not say who it is"))?;
    let account = accounts::by_name(&name)
        .ok_or_else(|| no(format!("PAM says that it is {name:?}, and there is no such account")))?;
    let groups = accounts::group_names(&account.groups);
    object(config, attempted, &name, Some(&account), &groups)?;

    let options = config.effective_session(host, &account.name, &groups);
    let mut login = granted(account.name.clone(), host, account, options)?;
    login.texts = pam.take_texts();
    login.pam = Some(pam);
    Ok(login)
}

/// Reads the files that policy wants to know, and asks it.
fn object(
    config: &Config,
    attempted: &Attempt<'_>,
    name: &str,
    account: Option<&Account>,
    groups: &[String],
) -> Result<(), Refused> {
    let ftpusers = file_if_any(&config.login.ftpusers_file)?;
    let shells = file_if_any(Path::new("/etc/shells"))?;
    let facts = Facts { name, account, groups, ftpusers: ftpusers.as_deref(), shells: shells.as_deref() };
    let host = attempted.host.and_then(|host| config.host.get(host)).map(|host| &host.own);
    match policy::objection(&config.login, host, &facts) {
        Some(objection) => Err(no(objection.to_string())),
        None => Ok(()),
    }
}

/// A file that cannot be read might name anybody, so nobody is let in; one that does not exist names nobody.
fn file_if_any(path: &Path) -> Result<Option<String>, Refused> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(no(format!("{}: {error}", path.display()))),
    }
}

fn granted(
    name: String,
    host: Option<&str>,
    account: Account,
    options: SessionOptions,
) -> Result<Login, Refused> {
    let root = root(&options, &name, &account)?;
    let host = host.map(String::from);
    Ok(Login { name, host, account, options, root, environment: Vec::new(), texts: Vec::new(), pam: None })
}

fn root(options: &SessionOptions, name: &str, account: &Account) -> Result<Root, Refused> {
    let home = Some(&account.home).filter(|home| home.is_absolute());
    let expand = |template: &crate::config::Template| {
        let home = home.map_or(Path::new("/nonexistent"), PathBuf::as_path);
        template.expand(name, home).ok_or_else(|| no("the name cannot be part of a path"))
    };
    let jailed = |root: PathBuf| Place { root, start: "/".into() };
    let in_the_open = |start: PathBuf| Place { root: "/".into(), start };
    let preferred = match &options.root_dir {
        RootDir::Home => home.cloned().map(jailed),
        RootDir::Real => home.cloned().map(in_the_open),
        RootDir::Template(template) => Some(jailed(expand(template)?)),
    };
    let jail = options.root_dir != RootDir::Real;
    let fallback = options.missing_home.as_ref().map(expand).transpose()?;
    let fallback = fallback.map(|directory| if jail { jailed(directory) } else { in_the_open(directory) });
    let places: Vec<Place> = preferred.into_iter().chain(fallback).collect();
    if places.is_empty() {
        return Err(Refused {
            log: "the account has no home directory, and there is no missing-home".into(),
            texts: vec!["Your home directory is missing.".into()],
        });
    }
    Ok(Root { jail, places })
}

fn no(log: impl Into<String>) -> Refused {
    Refused { log: log.into(), texts: Vec::new() }
}

/// `ours` is what we add to PAM's own words, unless they are enough.
fn by_pam(refusal: &Refusal, mut texts: Vec<String>, ours: Option<&str>) -> Refused {
    let log = match texts.is_empty() {
        true => refusal.to_string(),
        false => format!("{refusal}: {:?}", texts.join(" ")),
    };
    if texts.is_empty() {
        texts.extend(ours.map(String::from));
    }
    Refused { log, texts }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Account {
        Account {
            name: "alice".into(),
            uid: 1001,
            gid: 1001,
            groups: vec![1001],
            home: "/home/alice".into(),
            shell: "/bin/sh".into(),
        }
    }

    /// Where alice may live, as (root, start).
    fn places(root_dir: &str, missing_home: Option<&str>, account: &Account) -> Vec<(String, String)> {
        let options = SessionOptions {
            root_dir: root_dir.parse().unwrap(),
            missing_home: missing_home.map(|template| template.parse().unwrap()),
            ..SessionOptions::default()
        };
        let root = root(&options, "alice", account).map_or_else(|_| Vec::new(), |root| root.places);
        root.into_iter()
            .map(|place| (place.root.display().to_string(), place.start.display().to_string()))
            .collect()
    }

    fn at(root: &str, start: &str) -> (String, String) {
        (root.into(), start.into())
    }

    #[test]
    fn a_jail_is_the_home_or_a_directory_of_a_template() {
        assert_eq!(places("home", None, &alice()), [at("/home/alice", "/")]);
        assert_eq!(places("/srv/%u/x", None, &alice()), [at("/srv/alice/x", "/")]);
        assert_eq!(places("%h/ftp", None, &alice()), [at("/home/alice/ftp", "/")]);
    }

    #[test]
    fn without_a_jail_the_session_starts_at_home() {
        assert_eq!(places("real", None, &alice()), [at("/", "/home/alice")]);
    }

    #[test]
    fn the_fallback_for_a_missing_home_is_of_the_same_kind() {
        assert_eq!(
            places("home", Some("/srv/none"), &alice()),
            [at("/home/alice", "/"), at("/srv/none", "/")]
        );
        assert_eq!(
            places("real", Some("/srv/%u"), &alice()),
            [at("/", "/home/alice"), at("/", "/srv/alice")]
        );
    }

    #[test]
    fn an_account_without_a_home_needs_a_fallback() {
        let homeless = Account { home: PathBuf::new(), ..alice() };
        assert!(places("home", None, &homeless).is_empty());
        assert_eq!(places("home", Some("/srv/none"), &homeless), [at("/srv/none", "/")]);
    }
}
