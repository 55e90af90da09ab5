//! Who is asked whether somebody may come in: anonymous logins, then the sources in their configured order. The first one
//! that knows the name decides.

use std::net::IpAddr;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::unistd::geteuid;

use super::attempt::{Attempt, NotYet, is_proof};
use super::external::{self, Answer};
use super::roots::root;
use super::{Login, Refused, no};
use crate::config::users::{UserEntry, UserOptions};
use crate::config::{Config, Count, HostOptions, SessionOptions, Source, Spot, WeekMinute};
use crate::ipc::messages::Password;
use crate::log;
use crate::system::privileges::Account;
use crate::system::{accounts, memory};
use crate::users::file::{self, Verdict};
use crate::users::{hashes, is_plausible_name};
use crate::worker::pam::{Conversation, Expired, Refusal, Transaction};
use crate::worker::policy::{self, Facts, Proven};

/// Somebody a source has vouched for.
struct Known<'a> {
    name: String,
    account: Account,
    /// The names that count as his groups.
    groups: Vec<String>,
    options: SessionOptions,
    entry: Option<&'a UserOptions>,
    permissions_at: Option<Spot>,
    pam: Option<Transaction>,
    is_anonymous: bool,
}

/// Asks everybody who could know him.
pub fn ask(
    config: &Config,
    attempted: &Attempt<'_>,
    conversation: &mut dyn Conversation,
) -> Result<Login, NotYet> {
    let &Attempt { peer, host, name, password, .. } = attempted;
    if !is_plausible_name(name) {
        return Err(no("not a name that an account could have").into());
    }
    if config.has_anonymous(host) && ["anonymous", "ftp"].iter().any(|known| name.eq_ignore_ascii_case(known))
    {
        return match password {
            Some(_) => Ok(anonymous(config, attempted)?),
            None => Err(NotYet::NeedsPassword),
        };
    }
    // A network that is not welcome costs PAM and the hashes nothing.
    if let Some(objection) = policy::objection_to_address(&config.login, host_options(config, host), peer) {
        return Err(no(objection.to_string()).into());
    }
    // Sessions are forked from this process: what PAM and libc read of others must not be left lying about.
    memory::wipe_freed(true);
    let sources = config.sources(host);
    let mut has_cost = false;
    for (index, source) in sources.iter().enumerate() {
        let is_last = index + 1 == sources.len();
        match source {
            Source::UsersFile => match in_users_file(config, attempted)? {
                Some(Verdict::Right(entry)) => return virtual_user(config, attempted, &entry, conversation),
                Some(Verdict::Wrong) => return Err(no("wrong password (users-file)").into()),
                Some(Verdict::Unknown) => has_cost = true,
                None => {}
            },
            Source::Check if config.check.program.is_none() => {}
            Source::Check => {
                // It cannot be asked about a name alone.
                let Some(password) = password else { return Err(NotYet::NeedsPassword) };
                match external::ask(config, attempted, password)? {
                    Some(Answer::Yes(entry)) => {
                        return virtual_user(config, attempted, &entry, conversation);
                    }
                    Some(Answer::No) => return Err(no("the program of [check] says no").into()),
                    Some(Answer::Unknown) | None => {}
                }
            }
            // Without root nobody can become an account.
            Source::System if !geteuid().is_root() => {}
            // PAM may know names that the machine does not; where others are to be asked, it must be one of an account.
            Source::System if is_last || accounts::by_name(name).is_some() => {
                return system_user(config, attempted, None, conversation);
            }
            Source::System => {}
        }
    }
    let Some(password) = password else { return Err(NotYet::NeedsPassword) };
    if !has_cost {
        hashes::waste_time(None, config.login.password_hash, password.as_bytes());
    }
    Err(no("no source knows the name").into())
}

fn in_users_file(config: &Config, attempted: &Attempt<'_>) -> Result<Option<Verdict>, Refused> {
    let refused = |error: file::Error| no(error.to_string());
    let Some(users) = file::open(config, attempted.host).map_err(refused)? else { return Ok(None) };
    if users.is_exposed() {
        log::warning("users-file: others may read it, or others than its owner may write it");
    }
    let verdict = match attempted.password {
        Some(password) => users.verify(attempted.name, password, config.login.password_hash),
        None => users.find(attempted.name),
    };
    verdict.map(Some).map_err(refused)
}

fn anonymous(config: &Config, attempted: &Attempt<'_>) -> Result<Login, Refused> {
    let &Attempt { peer, host, .. } = attempted;
    if let Some(objection) = policy::objection_to_address(&config.login, host_options(config, host), peer) {
        return Err(no(objection.to_string()));
    }
    let password = attempted.password.map(Password::as_bytes).unwrap_or_default();
    if let Some(objection) = policy::objection_to_email(&config.anonymous, password) {
        let text = "Please give your e-mail address as the password.".to_string();
        return Err(Refused { log: objection.to_string(), texts: vec![text], proved: false });
    }
    // Without a rule for it, it may be a password that somebody has typed by habit.
    if !config.anonymous.allow_emails.is_empty() {
        log::info(format_args!("the anonymous client calls himself {}", log::quoted(password)));
    }
    let account = service_account(&config.anonymous.account)?;
    let known = Known {
        name: "anonymous".into(),
        groups: Vec::new(),
        options: config.anonymous_session(host),
        account,
        entry: None,
        permissions_at: None,
        pam: None,
        is_anonymous: true,
    };
    granted(attempted, known)
}

/// Somebody who is in the users file and has given the password that stands there.
fn virtual_user(
    config: &Config,
    attempted: &Attempt<'_>,
    entry: &UserEntry,
    conversation: &mut dyn Conversation,
) -> Result<Login, NotYet> {
    if entry.own.system {
        if !geteuid().is_root() {
            return Err(no("without root there are no system accounts").into());
        }
        return system_user(config, attempted, Some(entry), conversation);
    }
    let &Attempt { host, name, .. } = attempted;
    let account = account_of(config, name, entry)?;
    let mut groups = match entry.own.uid {
        Some(_) => entry.own.group.iter().cloned().collect(),
        None => accounts::group_names(&account.groups),
    };
    groups.extend(entry.own.groups.iter().cloned());
    let mut options = config.effective_session(host, name, &groups);
    entry.session.apply(&mut options);
    is_proof(config, attempted, name, &options)?;
    // His name is his own; uid and shell of the account that he runs as say nothing of him.
    object(config, attempted, name, None, &groups)?;
    let known = Known {
        name: name.into(),
        account,
        groups,
        options,
        entry: Some(&entry.own),
        permissions_at: entry.permissions_at(),
        pam: None,
        is_anonymous: false,
    };
    Ok(granted(attempted, known)?)
}

/// The account that an entry of the users file means. Without root that is who we are.
pub(super) fn account_of(config: &Config, name: &str, entry: &UserEntry) -> Result<Account, Refused> {
    let own = &entry.own;
    let faults: Vec<String> =
        entry.objections(config.login.uid_range).iter().map(ToString::to_string).collect();
    let mut account = if !geteuid().is_root() {
        accounts::current()
    } else if !faults.is_empty() {
        return Err(no(faults.join("; ")));
    } else if let Some(uid) = own.uid.map(Count::get) {
        account_of_his_own(name, uid, own.group.as_deref())?
    } else {
        let shared = own.account.as_ref().or(config.login.users_account.as_ref());
        let missing = "neither account nor uid says whom he runs as, and there is no users-account";
        service_account(shared.ok_or_else(|| no(entry.problem("account", missing).to_string()))?)?
    };
    if let Some(home) = &own.home {
        account.home = home.to_path_buf();
    }
    Ok(account)
}

/// Who has a number that nobody else has.
fn account_of_his_own(name: &str, uid: u32, group: Option<&str>) -> Result<Account, Refused> {
    if let Some(owner) = accounts::user_name(uid) {
        return Err(no(format!("the uid {uid} belongs to the account {owner:?}")));
    }
    let gid = match group {
        Some(group) => match accounts::group_id(group) {
            Some(0) => return Err(no(format!("the group {group:?} is root's"))),
            Some(gid) => gid,
            None => return Err(no(format!("there is no group {group:?}"))),
        },
        None => match accounts::group_name(uid) {
            Some(owner) => return Err(no(format!("the gid {uid} belongs to the group {owner:?}"))),
            None => uid,
        },
    };
    let (home, shell) = Default::default();
    Ok(Account { name: name.into(), uid, gid, groups: vec![gid], home, shell })
}

/// The account for somebody who has none. Without root that is who we are.
fn service_account(name: &str) -> Result<Account, Refused> {
    if !geteuid().is_root() {
        return Ok(accounts::current());
    }
    let account =
        accounts::by_name(name).ok_or_else(|| no(format!("there is no account {name:?} to run as")))?;
    if account.uid == 0 {
        return Err(no(format!("the account to run as, {name:?}, is root")));
    }
    Ok(account)
}

/// An account of the machine. With an entry of the users file the password has been found right there; then PAM is not
/// asked about it, but about everything else.
fn system_user(
    config: &Config,
    attempted: &Attempt<'_>,
    entry: Option<&UserEntry>,
    conversation: &mut dyn Conversation,
) -> Result<Login, NotYet> {
    let &Attempt { peer, host, name, password, .. } = attempted;
    let account = accounts::by_name(name);
    if account.is_none() && entry.is_some() {
        return Err(no("the users-file says that it is an account of the machine, and there is none").into());
    }
    let options_of = |name: &str, groups: &mut Vec<String>| {
        groups.extend(entry.iter().flat_map(|entry| entry.own.groups.iter().cloned()));
        let mut options = config.effective_session(host, name, groups);
        if let Some(entry) = entry {
            entry.session.apply(&mut options);
        }
        options
    };
    let groups = account.as_ref().map_or_else(Vec::new, |account| accounts::group_names(&account.groups));
    is_proof(config, attempted, name, &options_of(name, &mut groups.clone()))?;
    object(config, attempted, name, account.as_ref(), &groups)?;

    let login = &config.login;
    let mut pam = Transaction::start(&login.pam_service, login.pam_directory.as_deref(), name, peer)
        .map_err(|refusal| no(refusal.to_string()))?;
    if let (None, Some(password)) = (entry, password) {
        pam.authenticate(password, conversation)
            .map_err(|refusal| by_pam(&refusal, pam.take_texts(), None))?;
    }
    pam.account(conversation).map_err(|refusal| {
        let ours = match refusal.expired() {
            Some(Expired::Account) => Some("Your account has expired."),
            Some(Expired::Password) => Some("Your password has expired: change it first."),
            None => None,
        };
        by_pam(&refusal, pam.take_texts(), ours)
    })?;

    let name = pam.user().ok_or_else(|| no("PAM does not say who it is"))?;
    let mut account = accounts::by_name(&name)
        .ok_or_else(|| no(format!("PAM says that it is {name:?}, and there is no such account")))?;
    let mut groups = accounts::group_names(&account.groups);
    object(config, attempted, &name, Some(&account), &groups)?;

    let options = options_of(&account.name, &mut groups);
    // PAM may have made somebody else of him.
    is_proof(config, attempted, &account.name, &options)?;
    if let Some(home) = entry.and_then(|entry| entry.own.home.as_ref()) {
        account.home = home.to_path_buf();
    }
    let texts = pam.take_texts();
    let known = Known {
        name: account.name.clone(),
        account,
        groups,
        options,
        entry: entry.map(|entry| &entry.own),
        permissions_at: entry.and_then(UserEntry::permissions_at),
        pam: Some(pam),
        is_anonymous: false,
    };
    let mut login = granted(attempted, known)?;
    login.texts = texts;
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
    let peer: IpAddr = attempted.peer;
    let facts =
        Facts { peer, name, account, groups, ftpusers: ftpusers.as_deref(), shells: shells.as_deref() };
    match policy::objection(&config.login, host_options(config, attempted.host), &facts) {
        Some(objection) => Err(no(objection.to_string())),
        None => Ok(()),
    }
}

pub(super) fn host_options<'a>(config: &'a Config, host: Option<&str>) -> Option<&'a HostOptions> {
    host.and_then(|host| config.host.get(host)).map(|host| &host.own)
}

/// A file that cannot be read might name anybody, so nobody is let in; one that does not exist names nobody.
pub(super) fn file_if_any(path: &Path) -> Result<Option<String>, Refused> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(no(format!("{}: {error}", path.display()))),
    }
}

/// The last word: whether he may come in here and now, and where he lives.
fn granted(attempted: &Attempt<'_>, known: Known<'_>) -> Result<Login, Refused> {
    let Known { name, account, groups, options, entry, permissions_at, pam, is_anonymous } = known;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs());
    let proven = Proven {
        peer: attempted.peer,
        options: &options,
        entry,
        is_protected: attempted.is_protected,
        is_anonymous,
        today: (seconds / 86_400) as i64,
        minute: WeekMinute::now(),
    };
    if let Some(reservation) = policy::reservation(&proven) {
        let texts = reservation.text().map(String::from).into_iter().collect();
        return Err(Refused { log: reservation.to_string(), texts, proved: true });
    }
    // Who has a number of his own may have a group without a name; a directory is then called like himself.
    let group = accounts::group_name(account.gid).or_else(|| groups.first().cloned());
    let root = root(&options, &name, group.as_deref().unwrap_or(&name), &account)?;
    let host = attempted.host.map(String::from);
    let (environment, texts) = Default::default();
    let by_certificate = attempted.password.is_none();
    Ok(Login {
        name,
        host,
        account,
        groups,
        options,
        permissions_at,
        root,
        environment,
        texts,
        pam,
        by_certificate,
    })
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
    Refused { log, texts, proved: refusal.expired().is_some() }
}
