//! Everything that is wrong with a users file, for an administrator: what its text says by itself, and against the
//! accounts of the machine.

use std::collections::BTreeMap;

use super::file::{Error, UsersFile};
use super::hashes::Hash;
use super::is_plausible_name;
use crate::config::users::{HashText, NEXT_UID, UserEntry, UsersText};
use crate::config::{Config, Count, LoginBy, Problem, QuotaOf, RootDir};
use crate::system::accounts;

/// What is wrong with entries. An error: with the whole file, so that nobody in it can log in.
pub fn examine(file: &UsersFile, config: &Config) -> Result<Vec<Problem>, Error> {
    let content = file.read()?;
    let users = content.users()?;
    Ok(problems(&users, config))
}

/// The names of all users, and of all groups that they count as members of.
pub fn names(file: &UsersFile) -> Result<(Vec<String>, Vec<String>), Error> {
    let content = file.read()?;
    let users = content.users()?;
    let names: Vec<String> = users.names().map(String::from).collect();
    let entries = names.iter().filter_map(|name| users.entry(name)?.ok());
    let groups = entries.flat_map(|entry| entry.own.groups).collect();
    Ok((names, groups))
}

fn problems(users: &UsersText<'_>, config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut uids: BTreeMap<u32, &str> = BTreeMap::new();
    let mut quotas: BTreeMap<String, &str> = BTreeMap::new();
    for name in users.names() {
        match users.entry(name) {
            Some(Ok(entry)) => {
                if let Some(uid) = entry.own.uid.map(Count::get)
                    && let Some(other) = uids.insert(uid, name)
                {
                    problems.push(entry.problem("uid", format!("{uid} is also the uid of {other:?}")));
                }
                if let Some(place) = place_with_quota(&entry)
                    && let Some(other) = quotas.insert(place, name)
                {
                    let reason = format!(
                        "cannot be told from that of {other:?}, who has the same account and directory"
                    );
                    problems.push(entry.problem("quota-of", reason));
                }
                problems.extend(problems_of(&entry, name, config));
            }
            Some(Err(error)) => problems.extend(error.problems),
            None => {}
        }
    }
    problems
}

/// Of somebody with a quota of his own, who runs as an account that others may have, too: that account and what he sees
/// as `/`. Whoever has the same has the same files.
fn place_with_quota(entry: &UserEntry) -> Option<String> {
    let session = &entry.session;
    let has_quota = session.quota_bytes.as_ref().is_some_and(|most| most.bytes().is_some())
        || session.quota_files.is_some_and(|most| most.get() > 0);
    if !has_quota || session.quota_of != Some(QuotaOf::User) || entry.own.uid.is_some() || entry.own.system {
        return None;
    }
    let account = entry.own.account.as_deref().unwrap_or_default();
    let root = match &session.root_dir {
        Some(RootDir::Template(template)) => template.constant()?.display().to_string(),
        Some(RootDir::Real) => return None,
        Some(RootDir::Home) | None => entry.own.home.as_ref()?.to_string(),
    };
    Some(format!("{account} {root}"))
}

/// What is wrong with one entry, as far as others do not matter.
pub fn problems_of(entry: &UserEntry, name: &str, config: &Config) -> Vec<Problem> {
    let mut problems = entry.objections(config.login.uid_range);
    if !is_plausible_name(name) || name == NEXT_UID {
        problems.push(entry.problem("password", "belongs to a name that nobody can log in with"));
    }
    match entry.own.password.as_ref().map(HashText::text).map(Hash::read) {
        Some(Ok(_)) => {}
        Some(Err(reason)) => problems.push(entry.problem("password", reason)),
        None if can_do_without_password(entry, name, config) => {}
        None => problems.push(entry.problem("password", "is missing")),
    }
    problems.extend(identity(entry, name, config));
    problems
}

/// Whether a certificate can be enough for him to log in, here or at some virtual host.
fn can_do_without_password(entry: &UserEntry, name: &str, config: &Config) -> bool {
    let of_user = config.user.get(name).and_then(|own| own.login_by);
    if let Some(by) = entry.session.login_by.or(of_user) {
        return by.needs_no_password();
    }
    let of_groups = entry.own.groups.iter().filter_map(|group| config.group.get(group)?.login_by);
    let of_hosts = config.host.values().filter_map(|host| host.session.login_by);
    of_groups.chain(of_hosts).chain([config.session.login_by]).any(LoginBy::needs_no_password)
}

/// What is wrong with whom he is to run as.
fn identity(entry: &UserEntry, name: &str, config: &Config) -> Option<Problem> {
    let own = &entry.own;
    if own.system {
        let is_there = accounts::by_name(name).is_some();
        return (!is_there).then(|| entry.problem("system", format!("there is no account {name:?}")));
    }
    if let Some(uid) = own.uid.map(Count::get) {
        if let Some(owner) = accounts::user_name(uid) {
            return Some(entry.problem("uid", format!("{uid} is the uid of the account {owner:?}")));
        }
        return match &own.group {
            Some(group) => match accounts::group_id(group) {
                Some(0) => Some(entry.problem("group", format!("{group:?} is root's"))),
                Some(_) => None,
                None => Some(entry.problem("group", format!("there is no group {group:?}"))),
            },
            None => accounts::group_name(uid)
                .map(|owner| entry.problem("uid", format!("{uid} is the gid of the group {owner:?}"))),
        };
    }
    let Some(account) = own.account.as_ref().or(config.login.users_account.as_ref()) else {
        // Without root everybody runs as who started the daemon.
        return Some(entry.problem("account", "is missing, as is uid, and there is no users-account"));
    };
    match accounts::by_name(account) {
        Some(account) if account.uid == 0 => Some(entry.problem("account", "cannot be root")),
        Some(_) => None,
        None => Some(entry.problem("account", format!("there is no account {account:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn found(text: &str, config: &str) -> Vec<String> {
        let config = Config::parse(Path::new("f"), config).unwrap();
        let users = UsersText::parse(Some(Path::new("u")), text).unwrap();
        problems(&users, &config).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_entry_is_looked_at() {
        let hash = "password = '$5$rounds=1000$saltsalt$5rMmZvzItwnYc2PeSdWFO569/JUhViTh1X8jpTi.AI0'\n";
        let text = format!(
            "[a]\n{hash}uid = 70000\n[b]\n{hash}uid = 70000\n[c]\n{hash}account = \"root\"\n[d]\n{hash}\n\
             [e]\nuid = 70001\n[f]\npasswort = 1\n[g]\n{hash}uid = 70002\ngroup = \"root\"\n"
        );
        assert_eq!(
            found(&text, "[login]\nuid-range = \"70000-70009\"\n"),
            [
                "u:6: [b] uid: 70000 is also the uid of \"a\"",
                "u:9: [c] account: cannot be root",
                "u:10: [d] account: is missing, as is uid, and there is no users-account",
                "u:13: [e] password: is missing",
                "u:16: [f] passwort: there is no such option (did you mean password?)",
                "u:20: [g] group: \"root\" is root's",
            ]
        );
        assert!(found(&format!("[d]\n{hash}"), "[login]\nusers-account = \"nobody\"\n").is_empty());
    }

    #[test]
    fn two_quotas_that_cannot_be_told_apart_are_found() {
        let hash = "password = '$5$rounds=1000$saltsalt$5rMmZvzItwnYc2PeSdWFO569/JUhViTh1X8jpTi.AI0'\n";
        let users = |second: &str| {
            let first = format!("[a]\n{hash}account = 'nobody'\nhome = '/srv'\nquota-bytes = '1G'\n");
            found(&format!("{first}[b]\n{hash}{second}"), "[login]\nuid-range = \"70000-70009\"\n")
        };
        let same = users("account = 'nobody'\nhome = '/srv'\nquota-files = 3");
        assert_eq!(
            same,
            ["u:6: [b] quota-of: cannot be told from that of \"a\", who has the same account and directory"]
        );
        for other in [
            "account = 'nobody'\nhome = '/srv/b'\nquota-files = 3",
            "uid = 70001\nhome = '/srv'\nquota-files = 3",
            "account = 'nobody'\nhome = '/srv'",
            "account = 'nobody'\nhome = '/srv'\nquota-files = 3\nquota-of = 'root'",
        ] {
            assert_eq!(users(other), [""; 0], "{other}");
        }
    }

    #[test]
    fn whoever_has_a_certificate_may_have_no_password() {
        let complaint = ["u:1: [d] password: is missing"];
        let entry = "[d]\naccount = \"nobody\"\ngroups = [\"g\"]\n";
        for (own, config) in [
            ("", "[session]\nlogin-by = \"certificate\"\n"),
            ("", "[session]\nlogin-by = \"either\"\n"),
            ("", "[user.d]\nlogin-by = \"certificate\"\n"),
            ("", "[group.g]\nlogin-by = \"certificate\"\n"),
            ("", "[host.\"h.example\"]\nlogin-by = \"certificate\"\n"),
            ("login-by = \"certificate\"\n", ""),
        ] {
            assert_eq!(found(&format!("{entry}{own}"), config), [""; 0], "{own}{config}");
        }
        for (own, config) in [
            ("", "[session]\nlogin-by = \"both\"\n"),
            ("", "[user.e]\nlogin-by = \"certificate\"\n"),
            ("", "[group.h]\nlogin-by = \"certificate\"\n"),
            ("login-by = \"password\"\n", "[session]\nlogin-by = \"certificate\"\n"),
        ] {
            assert_eq!(found(&format!("{entry}{own}"), config), complaint, "{own}{config}");
        }
    }
}
