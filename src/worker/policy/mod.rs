//! Who may come in. Pure: facts in, an objection out, which is for the log.
//!
//! There are two questions. May this name, account and address try a password at all ([`objection`])? And somebody who has
//! given the right one: is he to come in here and now ([`reservation`])? What the second one says, he may read.

mod reservation;

pub use reservation::{Proven, minutes_left, reservation};

use std::fmt;
use std::net::IpAddr;

use crate::config::{Anonymous, EmailPattern, HostOptions, LoginOptions, Network};
use crate::system::privileges::Account;

/// What is known about who wants to log in, and the files that have a say.
pub struct Facts<'a> {
    /// Where he is.
    pub peer: IpAddr,
    /// The name that was given, or that PAM made of it.
    pub name: &'a str,
    /// The account of this name, if there is one. (PAM may know names that the machine does not.)
    pub account: Option<&'a Account>,
    /// The names of the account's groups.
    pub groups: &'a [String],
    /// What the ftpusers file says. `None`: there is no such file.
    pub ftpusers: Option<&'a str>,
    /// What /etc/shells says. `None`: there is no such file, so every shell is valid.
    pub shells: Option<&'a str>,
}

/// Why somebody may not log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objection {
    /// The account is uid 0.
    Root,
    /// The uid is below min-uid.
    SystemAccount {
        /// The uid that it has.
        uid: u32,
        /// The uid that it must have at least.
        least: u32,
    },
    /// The ftpusers file names him.
    Ftpusers,
    /// The shell is not in /etc/shells.
    Shell(String),
    /// reject-users names him.
    RejectedUser,
    /// reject-groups names this group of his.
    RejectedGroup(String),
    /// There are allow-users or allow-groups, and neither has him.
    NotAllowed,
    /// reject-networks has this one, and he is in it.
    RejectedNetwork(Network),
    /// There are allow-networks, and none has him.
    NotAllowedNetwork,
    /// An anonymous client has given a password that none of allow-emails describes, or that reject-emails does.
    Email,
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Objection::Root => f.write_str("root does not log in"),
            Objection::SystemAccount { uid, least } => write!(f, "uid {uid} is below min-uid {least}"),
            Objection::Ftpusers => f.write_str("named in the ftpusers file"),
            Objection::Shell(shell) => write!(f, "the shell {shell} is not in /etc/shells"),
            Objection::RejectedUser => f.write_str("named in reject-users"),
            Objection::RejectedGroup(group) => write!(f, "the group {group} is named in reject-groups"),
            Objection::NotAllowed => f.write_str("neither allow-users nor allow-groups has him"),
            Objection::RejectedNetwork(network) => write!(f, "{network} is named in reject-networks"),
            Objection::NotAllowedNetwork => f.write_str("the address is in none of allow-networks"),
            Objection::Email => f.write_str("the password is no e-mail address that is allowed"),
        }
    }
}

/// Whether anything speaks against clients of this address, at the virtual host if there is one, whoever they are.
pub fn objection_to_address(
    options: &LoginOptions,
    host: Option<&HostOptions>,
    peer: IpAddr,
) -> Option<Objection> {
    let general = (&options.allow_networks, &options.reject_networks);
    let of_host = host.map(|host| (&host.allow_networks, &host.reject_networks));
    [Some(general), of_host].into_iter().flatten().find_map(|(allowed, rejected)| {
        if let Some(network) = rejected.iter().find(|network| network.contains(peer)) {
            return Some(Objection::RejectedNetwork(*network));
        }
        let is_allowed = allowed.is_empty() || allowed.iter().any(|network| network.contains(peer));
        (!is_allowed).then_some(Objection::NotAllowedNetwork)
    })
}

/// Whether anything speaks against the password of an anonymous client, which is to be an e-mail address.
pub fn objection_to_email(options: &Anonymous, password: &[u8]) -> Option<Objection> {
    let fits = |patterns: &[EmailPattern]| patterns.iter().any(|pattern| pattern.fits(password));
    let is_allowed = options.allow_emails.is_empty() || fits(&options.allow_emails);
    (!is_allowed || fits(&options.reject_emails)).then_some(Objection::Email)
}

/// Whether anything speaks against this login, at the virtual host if there is one. What denies wins over what allows.
pub fn objection(options: &LoginOptions, host: Option<&HostOptions>, facts: &Facts<'_>) -> Option<Objection> {
    let Facts { name, account, groups, .. } = *facts;
    if let Some(objection) = objection_to_address(options, host, facts.peer) {
        return Some(objection);
    }
    if let Some(account) = account {
        if account.uid == 0 {
            return Some(Objection::Root);
        }
        let least = options.min_uid.get();
        if account.uid < least {
            return Some(Objection::SystemAccount { uid: account.uid, least });
        }
    }
    // The name as given and the name of the account: the database may know an account by several.
    let own_name = account.map_or(name, |account| account.name.as_str());
    let is_named_in = |names: &[String]| names.iter().any(|entry| entry == name || entry == own_name);
    if facts.ftpusers.is_some_and(|file| entries(file).any(|entry| entry == name || entry == own_name)) {
        return Some(Objection::Ftpusers);
    }
    let general = Lists {
        allow_users: &options.allow_users,
        reject_users: &options.reject_users,
        allow_groups: &options.allow_groups,
        reject_groups: &options.reject_groups,
    };
    let of_host = host.map(|host| Lists {
        allow_users: &host.allow_users,
        reject_users: &host.reject_users,
        allow_groups: &host.allow_groups,
        reject_groups: &host.reject_groups,
    });
    let mut lists = [Some(general), of_host].into_iter().flatten();
    if let Some(objection) = lists.find_map(|lists| lists.objection(is_named_in, groups)) {
        return Some(objection);
    }
    if let (true, Some(account), Some(shells)) = (options.require_valid_shell, account, facts.shells) {
        let shell = account.shell.to_string_lossy();
        // passwd(5): an empty field means /bin/sh.
        let shell = if shell.is_empty() { "/bin/sh" } else { &*shell };
        if !valid_shells(shells).any(|valid| valid == shell) {
            return Some(Objection::Shell(shell.into()));
        }
    }
    None
}

/// Who is let in and who is not, by name and by group.
struct Lists<'a> {
    allow_users: &'a [String],
    reject_users: &'a [String],
    allow_groups: &'a [String],
    reject_groups: &'a [String],
}

impl Lists<'_> {
    fn objection(&self, is_named_in: impl Fn(&[String]) -> bool, groups: &[String]) -> Option<Objection> {
        if is_named_in(self.reject_users) {
            return Some(Objection::RejectedUser);
        }
        if let Some(group) = groups.iter().find(|group| self.reject_groups.contains(group)) {
            return Some(Objection::RejectedGroup(group.clone()));
        }
        let is_anybody_allowed = self.allow_users.is_empty() && self.allow_groups.is_empty();
        let is_in_an_allowed_group = groups.iter().any(|group| self.allow_groups.contains(group));
        if !is_anybody_allowed && !is_named_in(self.allow_users) && !is_in_an_allowed_group {
            return Some(Objection::NotAllowed);
        }
        None
    }
}

/// The names in an ftpusers file: one a line, `#` begins a comment.
fn entries(file: &str) -> impl Iterator<Item = &str> {
    file.lines().filter_map(|line| line.split('#').next()).map(str::trim).filter(|entry| !entry.is_empty())
}

/// The shells in /etc/shells, as getusershell(3) reads it: from the first slash of a line to white space or `#`.
fn valid_shells(file: &str) -> impl Iterator<Item = &str> {
    let is_end = |character: char| character == '#' || character.is_whitespace();
    file.lines().filter_map(move |line| {
        let line = line.split('#').next()?;
        let shell = &line[line.find('/')?..];
        shell.split(is_end).next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Count;

    fn alice() -> Account {
        Account {
            name: "alice".into(),
            uid: 1001,
            gid: 1001,
            groups: vec![1001, 50],
            home: "/home/alice".into(),
            shell: "/bin/sh".into(),
        }
    }

    fn least(uid: u32) -> Count<1, { u32::MAX }> {
        Count::new(uid).unwrap()
    }

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
    const SHELLS: &str = "# valid shells\n/bin/sh\n/bin/bash # the usual\n";

    /// What speaks against this account, with these options changed.
    fn against(account: &Account, change: impl FnOnce(&mut LoginOptions)) -> Option<Objection> {
        let mut options = LoginOptions::default();
        change(&mut options);
        let groups = ["alice".to_string(), "staff".to_string()];
        let facts = Facts {
            peer: PEER,
            name: &account.name,
            account: Some(account),
            groups: &groups,
            ftpusers: Some("root\nbin # system\n#alice\n"),
            shells: Some(SHELLS),
        };
        objection(&options, None, &facts)
    }

    #[test]
    fn an_ordinary_account_may_try() {
        assert_eq!(against(&alice(), |_| {}), None);
    }

    #[test]
    fn root_may_not_even_where_min_uid_is_zero() {
        let root = Account { uid: 0, ..alice() };
        assert_eq!(against(&root, |options| options.min_uid = least(1)), Some(Objection::Root));
    }

    #[test]
    fn a_uid_below_the_least_may_not() {
        let daemon = Account { uid: 999, ..alice() };
        assert_eq!(against(&daemon, |_| {}), Some(Objection::SystemAccount { uid: 999, least: 1000 }));
        assert_eq!(against(&daemon, |options| options.min_uid = least(999)), None);
    }

    #[test]
    fn ftpusers_is_a_list_of_those_who_may_not() {
        let bin = Account { name: "bin".into(), ..alice() };
        assert_eq!(against(&bin, |_| {}), Some(Objection::Ftpusers));
    }

    #[test]
    fn ftpusers_holds_for_the_name_as_given_too() {
        let options = LoginOptions::default();
        let account = alice();
        let facts = Facts {
            peer: PEER,
            name: "al",
            account: Some(&account),
            groups: &[],
            ftpusers: Some("al\n"),
            shells: None,
        };
        assert_eq!(objection(&options, None, &facts), Some(Objection::Ftpusers));
    }

    #[test]
    fn a_shell_must_be_listed_unless_that_is_switched_off() {
        let hers = |shell: &str| Account { shell: shell.into(), ..alice() };
        let denied = Some(Objection::Shell("/usr/sbin/nologin".into()));
        assert_eq!(against(&hers("/usr/sbin/nologin"), |_| {}), denied);
        assert_eq!(against(&hers("/usr/sbin/nologin"), |options| options.require_valid_shell = false), None);
        assert_eq!(against(&hers("/bin/bash"), |_| {}), None);
        assert_eq!(against(&hers(""), |_| {}), None);
    }

    #[test]
    fn without_a_file_of_shells_every_shell_is_valid() {
        let account = Account { shell: "/odd".into(), ..alice() };
        let facts = Facts {
            peer: PEER,
            name: "alice",
            account: Some(&account),
            groups: &[],
            ftpusers: None,
            shells: None,
        };
        assert_eq!(objection(&LoginOptions::default(), None, &facts), None);
    }

    #[test]
    fn rejecting_wins_over_allowing() {
        let both = |options: &mut LoginOptions| {
            options.allow_users = vec!["alice".into()];
            options.reject_users = vec!["alice".into()];
        };
        assert_eq!(against(&alice(), both), Some(Objection::RejectedUser));
        let by_group = |options: &mut LoginOptions| {
            options.allow_users = vec!["alice".into()];
            options.reject_groups = vec!["staff".into()];
        };
        assert_eq!(against(&alice(), by_group), Some(Objection::RejectedGroup("staff".into())));
    }

    #[test]
    fn one_list_of_the_allowed_shuts_out_all_others() {
        let users = |options: &mut LoginOptions| options.allow_users = vec!["bob".into()];
        assert_eq!(against(&alice(), users), Some(Objection::NotAllowed));
        let groups = |options: &mut LoginOptions| {
            options.allow_users = vec!["bob".into()];
            options.allow_groups = vec!["staff".into()];
        };
        assert_eq!(against(&alice(), groups), None);
    }

    #[test]
    fn the_lists_of_a_host_hold_beside_the_general_ones() {
        let account = alice();
        let groups = ["staff".to_string()];
        let facts = Facts {
            peer: PEER,
            name: "alice",
            account: Some(&account),
            groups: &groups,
            ftpusers: None,
            shells: None,
        };
        let at = |options: &LoginOptions, change: fn(&mut HostOptions)| {
            let mut host = HostOptions::default();
            change(&mut host);
            objection(options, Some(&host), &facts)
        };
        let anybody = LoginOptions::default();
        assert_eq!(at(&anybody, |_| {}), None);
        assert_eq!(at(&anybody, |host| host.allow_users = vec!["bob".into()]), Some(Objection::NotAllowed));
        assert_eq!(at(&anybody, |host| host.allow_groups = vec!["staff".into()]), None);
        assert_eq!(
            at(&anybody, |host| host.reject_users = vec!["alice".into()]),
            Some(Objection::RejectedUser)
        );
        let nobody = LoginOptions { reject_users: vec!["alice".into()], ..LoginOptions::default() };
        assert_eq!(
            at(&nobody, |host| host.allow_users = vec!["alice".into()]),
            Some(Objection::RejectedUser)
        );
    }

    #[test]
    fn a_name_without_an_account_is_checked_by_name() {
        let options = LoginOptions { reject_users: vec!["ghost".into()], ..LoginOptions::default() };
        let facts = |name| Facts {
            peer: PEER,
            name,
            account: None,
            groups: &[],
            ftpusers: Some("eve"),
            shells: Some(SHELLS),
        };
        assert_eq!(objection(&options, None, &facts("ghost")), Some(Objection::RejectedUser));
        assert_eq!(objection(&options, None, &facts("eve")), Some(Objection::Ftpusers));
        assert_eq!(objection(&options, None, &facts("mallory")), None);
    }

    #[test]
    fn an_anonymous_client_may_have_to_say_who_he_is() {
        let patterns =
            |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<EmailPattern>>();
        let with = |allowed: &[&str], rejected: &[&str], password: &str| {
            let options = Anonymous {
                allow_emails: patterns(allowed),
                reject_emails: patterns(rejected),
                ..Anonymous::default()
            };
            objection_to_email(&options, password.as_bytes()).is_none()
        };
        assert!(with(&[], &[], "") && with(&["*@*.*"], &[], "a@b.c") && with(&[], &["x@*"], "a@b.c"));
        assert!(!with(&["*@*.*"], &[], "guest") && !with(&["*@*.*"], &["*@b.c"], "a@B.C"));
    }

    #[test]
    fn a_network_is_rejected_before_it_is_allowed() {
        let networks =
            |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Network>>();
        let with = |allowed: &[&str], rejected: &[&str]| {
            let options = LoginOptions {
                allow_networks: networks(allowed),
                reject_networks: networks(rejected),
                ..LoginOptions::default()
            };
            objection_to_address(&options, None, PEER)
        };
        assert_eq!(with(&[], &[]), None);
        assert_eq!(with(&["192.0.2.0/24"], &[]), None);
        assert_eq!(with(&["198.51.100.0/24"], &[]), Some(Objection::NotAllowedNetwork));
        let rejected = Some(Objection::RejectedNetwork("192.0.2.7".parse().unwrap()));
        assert_eq!(with(&["192.0.2.0/24"], &["192.0.2.7"]), rejected);
        let host = HostOptions { allow_networks: networks(&["::1"]), ..HostOptions::default() };
        let at_host = objection_to_address(&LoginOptions::default(), Some(&host), PEER);
        assert_eq!(at_host, Some(Objection::NotAllowedNetwork));
    }
}
