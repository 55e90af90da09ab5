//! What a login would come to if the password were right: for `ftpd explain`. The same questions are asked of the same
//! functions as when somebody logs in; only PAM and programs that check passwords are not asked.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::unistd::geteuid;

use super::roots::{Root, root};
use super::sources;
use crate::config::users::UserEntry;
use crate::config::{Config, SessionOptions, Source, Spot, WeekMinute};
use crate::system::accounts;
use crate::system::privileges::Account;
use crate::users::file::{self, Verdict};
use crate::users::is_plausible_name;
use crate::worker::policy::{self, Facts, Proven};

/// Who would log in, and how.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// His name.
    pub user: &'a str,
    /// The names of groups that he is taken to be in, beside those that he is in.
    pub groups: &'a [String],
    /// Where he is.
    pub address: IpAddr,
    /// The virtual host, if any.
    pub host: Option<&'a str>,
    /// Whether the control connection is protected by TLS.
    pub tls: bool,
}

/// What his login would come to.
#[derive(Debug)]
pub struct Foreseen {
    /// Why it would be refused, with the option that says so if one does.
    pub refusal: Option<(String, Option<Spot>)>,
    /// Who would vouch for him, in words.
    pub source: String,
    /// The name that he would have.
    pub name: String,
    /// Whether he would be nobody in particular.
    pub anonymous: bool,
    /// The names that count as his groups.
    pub groups: Vec<String>,
    /// The options of his session.
    pub options: SessionOptions,
    /// Where his permissions are said, if an entry of a users file does.
    pub permissions_at: Option<Spot>,
    /// Where his session would live, as far as that is known.
    pub root: Option<Root>,
    /// Whom it would run as, as far as that is known.
    pub uid: Option<u32>,
}

/// Looks ahead. An error: a file that has a say cannot be read.
pub fn foresee(config: &Config, question: &Question<'_>) -> Result<Foreseen, String> {
    let Question { user, host, .. } = *question;
    let is_anonymous = ["anonymous", "ftp"].iter().any(|known| user.eq_ignore_ascii_case(known));
    if config.has_anonymous(host) && is_anonymous {
        return Ok(anonymous(config, question));
    }
    for source in config.sources(host) {
        match source {
            Source::UsersFile => {
                let users = file::open(config, host).map_err(|error| error.to_string())?;
                let found =
                    users.map(|users| users.find(user)).transpose().map_err(|error| error.to_string())?;
                if let Some(Verdict::Right(entry)) = found {
                    return known(config, question, Some(&entry), "the users file");
                }
            }
            Source::System if accounts::by_name(user).is_some() => {
                return known(config, question, None, "the accounts of the machine");
            }
            Source::Check | Source::System => {}
        }
    }
    let mut foreseen = known(config, question, None, "nobody")?;
    let reason = "no source is known to know the name (PAM and programs are not asked here)";
    foreseen.refusal.get_or_insert((reason.to_string(), None));
    Ok(foreseen)
}

fn anonymous(config: &Config, question: &Question<'_>) -> Foreseen {
    let Question { host, address, .. } = *question;
    let options = config.anonymous_session(host);
    let account = accounts::by_name(&config.anonymous.account);
    let root = account.as_ref().and_then(|account| root(&options, "anonymous", "anonymous", account).ok());
    let objection = policy::objection_to_address(&config.login, sources::host_options(config, host), address);
    let refusal = objection
        .map(|objection| said(config, question, &objection.to_string()))
        .or_else(|| reserved(config, question, &options, None, true))
        .or_else(|| {
            account.is_none().then(|| ("there is no account for anonymous sessions".to_string(), None))
        });
    let source = "anonymous logins".to_string();
    let uid = account.map(|account| account.uid);
    let (name, groups, permissions_at) = ("anonymous".to_string(), Vec::new(), None);
    Foreseen { refusal, source, name, anonymous: true, groups, options, permissions_at, root, uid }
}

fn known(
    config: &Config,
    question: &Question<'_>,
    entry: Option<&UserEntry>,
    source: &str,
) -> Result<Foreseen, String> {
    let Question { user, host, address, .. } = *question;
    let is_account = entry.is_none_or(|entry| entry.own.system);
    let account: Option<Account> = match entry.filter(|_| !is_account) {
        Some(entry) => sources::account_of(config, user, entry).ok(),
        None => accounts::by_name(user),
    };
    let has_number = entry.is_some_and(|entry| entry.own.uid.is_some());
    let mut groups = match (&account, entry) {
        (_, Some(entry)) if has_number => entry.own.group.iter().cloned().collect(),
        (Some(account), _) => accounts::group_names(&account.groups),
        (None, _) => Vec::new(),
    };
    groups.extend(entry.iter().flat_map(|entry| entry.own.groups.iter().cloned()));
    groups
        .extend(question.groups.iter().filter(|group| !groups.contains(group)).cloned().collect::<Vec<_>>());
    let mut options = config.effective_session(host, user, &groups);
    if let Some(entry) = entry {
        entry.session.apply(&mut options);
    }
    let ftpusers = sources::file_if_any(&config.login.ftpusers_file).map_err(|refused| refused.log)?;
    let shells = sources::file_if_any(std::path::Path::new("/etc/shells")).map_err(|refused| refused.log)?;
    let facts = Facts {
        peer: address,
        name: user,
        account: account.as_ref().filter(|_| is_account),
        groups: &groups,
        ftpusers: ftpusers.as_deref(),
        shells: shells.as_deref(),
    };
    let objection = policy::objection(&config.login, sources::host_options(config, host), &facts);
    let implausible = (!is_plausible_name(user)).then_some("not a name that an account could have");
    let refusal = implausible
        .map(|reason| (reason.to_string(), None))
        .or_else(|| objection.map(|objection| said(config, question, &objection.to_string())))
        .or_else(|| reserved(config, question, &options, entry, false));
    let root = account.as_ref().and_then(|account| {
        let group = accounts::group_name(account.gid).or_else(|| groups.first().cloned());
        root(&options, user, group.as_deref().unwrap_or(user), account).ok()
    });
    let permissions_at = entry.and_then(UserEntry::permissions_at);
    let (source, name) = (source.to_string(), user.to_string());
    let uid = account.map(|account| account.uid);
    Ok(Foreseen { refusal, source, name, anonymous: false, groups, options, permissions_at, root, uid })
}

/// What speaks against somebody with the right password.
fn reserved(
    config: &Config,
    question: &Question<'_>,
    options: &SessionOptions,
    entry: Option<&UserEntry>,
    is_anonymous: bool,
) -> Option<(String, Option<Spot>)> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs());
    let proven = Proven {
        peer: question.address,
        options,
        entry: entry.map(|entry| &entry.own),
        is_protected: question.tls,
        is_anonymous,
        today: (seconds / 86_400) as i64,
        minute: WeekMinute::now(),
    };
    policy::reservation(&proven).map(|reservation| said(config, question, &reservation.to_string()))
}

/// The reason, with the option that it names, where the configuration sets that.
fn said(config: &Config, question: &Question<'_>, reason: &str) -> (String, Option<Spot>) {
    let sections = [
        format!("user.{}", question.user),
        question.host.map(crate::config::Host::section).unwrap_or_default(),
        "session".to_string(),
        "login".to_string(),
    ];
    let keys = [
        "reject-users",
        "reject-groups",
        "allow-users",
        "allow-groups",
        "reject-networks",
        "allow-networks",
        "min-uid",
        "login-networks",
        "login-hours",
        "require-tls",
        "require-valid-shell",
    ];
    let wanted = if reason.contains("TLS") { "require-tls" } else { reason };
    let spot = keys.iter().filter(|key| wanted.contains(**key)).find_map(|key| {
        sections.iter().map(|section| config.spot(section, key)).find(|spot| spot.line.is_some())
    });
    (reason.to_string(), spot)
}

/// Whether this process can know as much as the daemon does.
pub fn knows_everything() -> bool {
    geteuid().is_root()
}
