//! `ftpd check`: everything that can be known about a configuration without serving it.

use std::path::Path;
use std::process::ExitCode;

use super::{print, refuse};
use crate::config::{Config, Finding, Host, Problem, Rule, Source, bare_or_quoted};
use crate::session::ENTRIES;
use crate::users::{examine as users_files, file, uids};
use crate::worker::keys;

/// Says what is wrong, or that nothing is. Exit status 1 if the daemon would refuse to start.
pub fn run(path: &Path) -> ExitCode {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => return refuse(&error.to_string()),
    };
    match examine(&config) {
        Ok(problems) => problems.iter().for_each(|problem| eprintln!("warning: {problem}")),
        Err(problem) => return refuse(&problem.to_string()),
    }
    print(&format!("{}: ok\n", path.display()))
}

/// What looks wrong with a configuration that was read; or why the daemon would not start with it.
pub fn examine(config: &Config) -> Result<Vec<Problem>, Problem> {
    let mut problems: Vec<Problem> = config
        .check()
        .into_iter()
        .map(|finding| match finding {
            Finding::Error(problem) | Finding::Warning(problem) => problem,
        })
        .collect();
    let hosts = config.host.keys().map(|host| Some(host.as_str()));
    for host in std::iter::once(None).chain(hosts.filter(|host| config.has_users_file(*host))) {
        problems.extend(users_file(config, host)?);
    }
    problems.extend(certificates(config)?);
    problems.extend(missing_accounts(config));
    problems.extend(unknown_commands(config));
    problems.extend(taken_uids(config));
    Ok(problems)
}

/// What is wrong with the users file of a virtual host, or of none, for who may read it: with all of it, or with entries,
/// which only shuts out those users.
fn users_file(config: &Config, host: Option<&str>) -> Result<Vec<Problem>, Problem> {
    let Ok(Some(file)) = file::open(config, host) else { return Ok(Vec::new()) };
    match users_files::examine(&file, config) {
        Ok(problems) => Ok(problems),
        Err(file::Error::Content(mut error)) => match error.problems.pop() {
            Some(problem) => Err(problem),
            None => Ok(Vec::new()),
        },
        Err(error @ file::Error::System(_)) => {
            let path = config.users_file(host).map(|path| path.to_path_buf());
            Err(Problem { path, line: None, column: None, place: None, reason: error.to_string() })
        }
    }
}

/// Whether certificates and keys can be used, for who may read them; and what looks wrong with them.
fn certificates(config: &Config) -> Result<Vec<Problem>, Problem> {
    let problem = |reason| config.problem("tls", "certificates", reason);
    let tls = &config.tls;
    let files =
        [&tls.certificates, &tls.keys, &tls.ocsp_responses, &tls.client_ca_files, &tls.client_crl_files];
    let of_hosts = config
        .host
        .values()
        .flat_map(|host| [&host.own.certificates, &host.own.keys, &host.own.ocsp_responses]);
    let files = files.into_iter().chain(of_hosts).flatten();
    let unreadable = files
        .map(|path| std::fs::File::open(&**path))
        .any(|file| file.is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied));
    if unreadable {
        return Ok(Vec::new());
    }
    match keys::examine(config) {
        Ok(warnings) => Ok(warnings.into_iter().map(problem).collect()),
        Err(reason) => Err(problem(reason)),
    }
}

/// Commands that are refused and that nobody could say.
fn unknown_commands(config: &Config) -> Vec<Problem> {
    let of_users = config.user.iter().map(|(name, own)| (format!("user.{}", bare_or_quoted(name)), own));
    let of_groups = config.group.iter().map(|(name, own)| (format!("group.{}", bare_or_quoted(name)), own));
    let of_hosts = config.host.iter().map(|(name, host)| (Host::section(name), &host.session));
    let others = of_users.chain(of_groups).chain(of_hosts);
    let mut lists = vec![("session".to_string(), &config.session.refused_commands)];
    lists.extend(others.filter_map(|(section, own)| Some((section, own.refused_commands.as_ref()?))));
    let mut problems = Vec::new();
    for (section, names) in lists {
        for name in names.iter().filter(|name| !ENTRIES.iter().any(|entry| name.names(entry.name))) {
            problems.push(config.problem(
                &section,
                "refused-commands",
                format!("there is no command {name}"),
            ));
        }
    }
    problems
}

/// Who has numbers already that are for users of files.
fn taken_uids(config: &Config) -> Vec<Problem> {
    let Some(range) = config.login.uid_range else { return Vec::new() };
    let problem = |what: String| config.problem("login", "uid-range", what);
    let mut problems = Vec::new();
    for taken in uids::subordinate() {
        if taken.start() <= range.uids().end() && range.uids().start() <= taken.end() {
            let (first, last) = taken.into_inner();
            problems.push(problem(format!("{first}-{last} is for containers: see subuid(5) and subgid(5)")));
        }
    }
    for (path, what) in [("/etc/passwd", "uid of the account"), ("/etc/group", "gid of the group")] {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        for (name, number) in text.lines().filter_map(numbered) {
            if range.uids().contains(&number) {
                problems.push(problem(format!("{number} is the {what} {name}")));
            }
        }
    }
    problems
}

/// The name and the number of a line of passwd(5) or group(5).
fn numbered(line: &str) -> Option<(&str, u32)> {
    let mut fields = line.split(':');
    Some((fields.next()?, fields.nth(1)?.parse().ok()?))
}

/// Accounts and groups that are named and do not exist. The daemon starts without them: they may come from a
/// directory service that is not there yet.
fn missing_accounts(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut user = |section: &str, key: &str, name: &str| {
        if users::get_user_by_name(name).is_none() {
            problems.push(config.problem(section, key, format!("there is no user {name:?}")));
        }
    };
    if config.sets("server", "frontend-user") {
        user("server", "frontend-user", &config.server.frontend_user);
    }
    if config.anonymous.enabled {
        user("anonymous", "account", &config.anonymous.account);
    }
    if let Some(account) = &config.login.users_account {
        user("login", "users-account", account);
    }
    if config.check.program.is_some() {
        user("check", "account", &config.check.account);
        config.check.accounts.iter().for_each(|account| user("check", "accounts", account));
    }
    let login = &config.login;
    let mut lists = vec![
        ("login".to_string(), "allow-users", &login.allow_users),
        ("login".to_string(), "reject-users", &login.reject_users),
    ];
    let mut groups = vec![
        ("login".to_string(), "allow-groups", &login.allow_groups),
        ("login".to_string(), "reject-groups", &login.reject_groups),
    ];
    for (name, host) in &config.host {
        let section = || Host::section(name);
        lists.push((section(), "allow-users", &host.own.allow_users));
        lists.push((section(), "reject-users", &host.own.reject_users));
        groups.push((section(), "allow-groups", &host.own.allow_groups));
        groups.push((section(), "reject-groups", &host.own.reject_groups));
    }
    for rule in &config.rules {
        if let Some(owner) = &rule.options.owner {
            user(&Rule::section(&rule.name), "owner", owner);
        }
    }
    let Some((known_users, known_groups)) = known_without_account(config) else { return problems };
    for (section, key, names) in lists {
        names.iter().filter(|name| !known_users.contains(name)).for_each(|name| user(&section, key, name));
    }
    for (section, key, names) in groups {
        let is_unknown = |name: &&String| {
            !known_groups.contains(name) && users::get_group_by_name(name.as_str()).is_none()
        };
        for name in names.iter().filter(is_unknown) {
            problems.push(config.problem(&section, key, format!("there is no group {name:?}")));
        }
    }
    problems
}

/// The users and groups that are known to users files alone, which lists may name as well. None: that cannot be told, since
/// a file cannot be read, or a program is asked.
fn known_without_account(config: &Config) -> Option<(Vec<String>, Vec<String>)> {
    let mut known = (vec!["anonymous".to_string()], Vec::new());
    let hosts = config.host.keys().map(|host| Some(host.as_str()));
    for host in std::iter::once(None).chain(hosts) {
        let asks_program = config.check.program.is_some() && config.sources(host).contains(&Source::Check);
        if asks_program {
            return None;
        }
        if let Some(file) = file::open(config, host).ok()? {
            let (users, groups) = users_files::names(&file).ok()?;
            known.0.extend(users);
            known.1.extend(groups);
        }
    }
    Some(known)
}
