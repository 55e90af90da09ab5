//! `ftpd user list`, `show` and `check`: what stands in a users file, for people.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use toml_edit::DocumentMut;
use unicode_width::UnicodeWidthStr;

use crate::config::users::{HashText, UserEntry, UsersText};
use crate::config::{Config, Count, HashKind, RootDir};
use crate::users::examine::examine;
use crate::users::file::UsersFile;
use crate::users::hashes::Hash;

/// A line for each user: name, whom he runs as, where he lives, what his password is hashed with, and why he cannot log in.
pub fn list(path: &Path, config: &Config) -> Result<String, String> {
    let content = open(path)?.read().map_err(|error| error.to_string())?;
    let users = content.users().map_err(|error| error.to_string())?;
    let mut rows = vec![["NAME", "RUNS AS", "ROOT", "HASH", "STATE"].map(String::from)];
    for name in users.names() {
        rows.push(match users.entry(name) {
            Some(Ok(entry)) => [
                name.to_string(),
                runs_as(&entry, name, config),
                lives_in(&entry, config),
                hash_kind(&entry).map_or_else(|_| "-".into(), |kind| kind.to_string()),
                state(&entry),
            ],
            Some(Err(_)) | None => [name, "-", "-", "-", "faulty, see ftpd user check"].map(String::from),
        });
    }
    let widths: Vec<usize> =
        (0..5).map(|column| rows.iter().map(|row| row[column].width()).max().unwrap_or(0)).collect();
    let line = |row: &[String; 5]| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width.saturating_sub(cell.width()) + 2)));
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    Ok(rows.iter().map(line).collect())
}

/// What the file says of one user; of his password, the kind of the hash.
pub fn show(path: &Path, name: &str) -> Result<String, String> {
    let content = open(path)?.read().map_err(|error| error.to_string())?;
    let users = content.users().map_err(|error| error.to_string())?;
    let entry = match users.entry(name) {
        Some(entry) => entry.map_err(|error| error.to_string())?,
        None => return Err(format!("{}: there is no user {name:?}", path.display())),
    };
    let kind = match hash_kind(&entry) {
        Ok(kind) => kind.to_string(),
        Err(reason) => reason,
    };
    let mut document: DocumentMut = content
        .text()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| format!("{}: is not UTF-8", path.display()))?;
    let others: Vec<String> =
        document.iter().map(|(other, _)| other.to_string()).filter(|other| other != name).collect();
    others.iter().for_each(|other| drop(document.remove(other)));
    document.set_trailing("");
    if let Some(table) = document.get_mut(name).and_then(|item| item.as_table_mut()) {
        table.decor_mut().set_prefix("");
    }
    if let Some(table) = document.get_mut(name).and_then(|item| item.as_table_like_mut()) {
        table.remove("password");
    }
    Ok(format!("{document}# password: {kind}\n"))
}

/// What is wrong with the file. Nothing is: how many users there are, and who could do with a better hash.
pub fn check(path: &Path, config: &Config) -> Result<String, String> {
    let file = open(path)?;
    let mut problems: Vec<String> = Vec::new();
    if file.is_exposed() {
        problems.push(format!("{}: is open to others; chmod 600 {0}", path.display()));
    }
    let found = examine(&file, config).map_err(|error| error.to_string())?;
    problems.extend(found.iter().map(ToString::to_string));
    if !problems.is_empty() {
        return Err(problems.join("\n"));
    }
    let content = file.read().map_err(|error| error.to_string())?;
    let users = content.users().map_err(|error| error.to_string())?;
    let mut text = String::new();
    for name in users.names() {
        text.push_str(&advice(&users, name, config.login.password_hash).unwrap_or_default());
    }
    Ok(format!("{text}{}: {} users, ok\n", path.display(), users.count()))
}

/// Nobody changes a hash but who knows the password, so that is all that can be done about a weaker one.
fn advice(users: &UsersText<'_>, name: &str, wanted: HashKind) -> Option<String> {
    let kind = hash_kind(&users.entry(name)?.ok()?).ok()?;
    let rank = |kind| HashKind::ALL.iter().position(|other| *other == kind);
    (rank(kind) > rank(wanted))
        .then(|| format!("{name}: hashed with {kind}; a new password would be hashed with {wanted}\n"))
}

/// Whom an entry of a document runs as, in words.
pub fn identity(document: &DocumentMut, name: &str, config: &Config) -> String {
    let text = document.to_string();
    let entry = UsersText::parse(None, &text).ok().and_then(|users| users.entry(name)?.ok());
    entry.map_or_else(|| "-".into(), |entry| runs_as(&entry, name, config))
}

fn runs_as(entry: &UserEntry, name: &str, config: &Config) -> String {
    let own = &entry.own;
    match (own.uid.map(Count::get), own.account.as_ref().or(config.login.users_account.as_ref())) {
        _ if own.system => format!("the account {name}"),
        (Some(uid), _) => format!("uid {uid}"),
        (None, Some(account)) => account.clone(),
        (None, None) => "-".into(),
    }
}

fn lives_in(entry: &UserEntry, config: &Config) -> String {
    let root = entry.session.root_dir.as_ref().unwrap_or(&config.session.root_dir);
    match (root, &entry.own.home) {
        (RootDir::Home, Some(home)) => home.to_string(),
        (root, _) => root.to_string(),
    }
}

fn hash_kind(entry: &UserEntry) -> Result<HashKind, String> {
    let hash = entry.own.password.as_ref().ok_or("is missing")?;
    Hash::read(HashText::text(hash)).map(|hash| hash.kind)
}

fn state(entry: &UserEntry) -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs());
    let today = (seconds / 86_400) as i64;
    match entry.own.expires {
        _ if entry.own.disabled => "disabled".into(),
        Some(date) if today >= date.days() => format!("expired {date}"),
        Some(date) => format!("until {date}"),
        None if hash_kind(entry).is_err() => "no password that is taken".into(),
        None => String::new(),
    }
}

fn open(path: &Path) -> Result<UsersFile, String> {
    UsersFile::open(path).map_err(|error| error.to_string())
}
