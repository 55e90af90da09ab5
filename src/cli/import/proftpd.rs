//! proftpd.conf: directives with arguments, a line each, and sections between `<Name argument>` and `</Name>`.

mod settings;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use toml::Value;

pub use settings::ROWS;

use super::draft::{Draft, flag, number};
use crate::config::Facility;

fn first(value: &str) -> &str {
    value.split_whitespace().next().unwrap_or_default()
}

/// A number, with a text for whoever is refused behind it; or `none`.
fn most(draft: &mut Draft, section: &str, key: &str, value: &str) -> Result<(), String> {
    match first(value) {
        "none" => Ok(()),
        count => {
            draft.set(section, key, number(count)?);
            Ok(())
        }
    }
}

/// What follows the list of commands that a limit is for: ours count downloads and uploads together.
fn behind_commands(value: &str) -> &str {
    value.trim_start().split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim_start())
}

/// The address and port of the first listener, of which one or the other is said at a time.
fn listen(draft: &mut Draft, address: Option<&str>, port: Option<u16>) -> Result<(), String> {
    let present = draft.get("listen", "addresses").and_then(|list| list.get(0)).and_then(Value::as_str);
    let any = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 21);
    let mut listener: SocketAddr = present.and_then(|text| text.parse().ok()).unwrap_or(any);
    if let Some(address) = address {
        listener.set_ip(first(address).parse().map_err(|_| "a name; write its address")?);
    }
    if let Some(port) = port {
        listener.set_port(port);
    }
    draft.set("listen", "addresses", vec![Value::from(listener.to_string())]);
    Ok(())
}

/// What may only be done with this letter among the permissions.
fn allowed(draft: &mut Draft, value: &str, letter: char) -> Result<(), String> {
    // Both of these are off unless they are said; what is said later wins over that.
    match flag(value)? {
        true => draft.allow(letter),
        false => draft.forbid(letter),
    }
    Ok(())
}

/// The text in a file.
fn message(draft: &mut Draft, path: &str, key: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{error}; write {key} by hand"))?;
    draft.set("session", key, text.trim_end());
    Ok(())
}

/// The same names, as far as syslog has them for services.
fn facility(draft: &mut Draft, value: &str) -> Result<(), String> {
    let name = value.to_ascii_lowercase();
    match name.parse::<Facility>() {
        Ok(_) => {
            draft.set("log", "facility", name);
            Ok(())
        }
        Err(_) => Err("`facility` in [log] has others".to_string()),
    }
}

/// `~`, a path, with groups that it is for behind it.
fn default_root(draft: &mut Draft, value: &str) -> Result<(), String> {
    let mut words = value.split_whitespace();
    let directory = words.next().unwrap_or_default().trim_matches('"');
    let root = match directory {
        "~" => "home".to_string(),
        "/" => "real".to_string(),
        path if path.starts_with('/') => path.replace('%', "%%"),
        path if path.starts_with("~/") => format!("%h{}", path[1..].replace('%', "%%")),
        _ => return Err("is no absolute path".to_string()),
    };
    match words.next() {
        None => draft.set("session", "root-dir", root),
        Some(groups) if groups.contains(['!', ',']) => {
            return Err("several groups: write [group.NAME] root-dir by hand".to_string());
        }
        Some(group) => draft.set_named("group", group, "root-dir", root),
    }
    Ok(())
}

/// `RETR,STOR 25:1024`: kibibytes a second, and bytes that are free.
fn transfer_rate(draft: &mut Draft, value: &str) -> Result<(), String> {
    let words: Vec<&str> = value.split_whitespace().collect();
    let [verbs, rate] = words[..] else {
        return Err("write download-rate and upload-rate by hand".to_string());
    };
    let rate = rate.split(':').next().unwrap_or_default();
    let whole: f64 = rate.parse().map_err(|_| "is no rate")?;
    for verb in verbs.split(',') {
        let key = match verb.to_ascii_uppercase().as_str() {
            "RETR" => "download-rate",
            "STOR" | "STOU" | "APPE" => "upload-rate",
            _ => return Err("is for a verb that moves no file".to_string()),
        };
        draft.set("session", key, format!("{}K", whole.max(1.0) as u64));
    }
    Ok(())
}

/// Where a directive stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Server,
    Anonymous,
    /// Sections that have no like, with what to do about them.
    Elsewhere(String),
}

/// Makes a configuration of a proftpd.conf.
pub fn translate(text: &str) -> Draft {
    let mut draft = Draft::default();
    for row in ROWS.iter().filter(|row| !row.default.is_empty()) {
        draft.take(row, row.default);
    }
    // What is not said means that sessions see everything.
    draft.set("session", "root-dir", "real");
    let mut places = vec![Place::Server];
    let mut has_tls = false;
    for (index, line) in joined(text) {
        draft.at(index);
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with("</") {
            if places.len() > 1 {
                places.pop();
            }
            continue;
        }
        if let Some(section) = line.strip_prefix('<') {
            places.push(enter(&mut draft, section.trim_end_matches('>'), places.last()));
            continue;
        }
        let (name, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let value = value.trim();
        has_tls |= name.eq_ignore_ascii_case("TLSEngine") && flag(value) == Ok(true);
        match places.last() {
            Some(Place::Elsewhere(_)) => {}
            Some(Place::Anonymous) => anonymous(&mut draft, name, value),
            Some(Place::Server) | None => server(&mut draft, name, value),
        }
    }
    if !has_tls {
        ["certificates", "keys", "min-version"].iter().for_each(|key| draft.remove("tls", key));
        draft.remove("session", "require-tls");
    }
    draft
}

/// Lines, with their numbers; one that ends in a backslash goes on with the next.
fn joined(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (index, line) in text.lines().enumerate() {
        let (part, continued) = line.strip_suffix('\\').map_or((line, false), |part| (part, true));
        match lines.last_mut() {
            Some((_, last)) if goes_on => last.push_str(part),
            _ => lines.push((index + 1, part.to_string())),
        }
        goes_on = continued;
    }
    lines
}

fn enter(draft: &mut Draft, section: &str, outer: Option<&Place>) -> Place {
    let (name, argument) = section.split_once(char::is_whitespace).unwrap_or((section, ""));
    let argument = argument.trim().trim_matches('"');
    let transparent = matches!(name, "Global" | "IfModule" | "IfDefine");
    match (outer, name) {
        (Some(place @ Place::Elsewhere(_)), _) => place.clone(),
        (Some(place), _) if transparent => place.clone(),
        (_, "Anonymous") => {
            draft.set("anonymous", "enabled", true);
            match argument.strip_prefix('~') {
                Some(account) if !account.is_empty() && !account.contains('/') => {
                    draft.set("anonymous", "account", account);
                }
                _ if argument.starts_with('/') => draft.set("anonymous", "root-dir", argument),
                _ => draft.remark(format!("<Anonymous {argument}>: write root-dir in [anonymous] by hand")),
            }
            Place::Anonymous
        }
        (_, "VirtualHost") => {
            draft.remark(format!("<VirtualHost {argument}>: make a [host.NAME] of it"));
            Place::Elsewhere(name.to_string())
        }
        _ => {
            draft.remark(format!("<{name} {argument}>: a [rule.NAME] says what may be done where"));
            Place::Elsewhere(name.to_string())
        }
    }
}

fn server(draft: &mut Draft, name: &str, value: &str) {
    let known = ROWS.iter().find(|row| row.theirs.eq_ignore_ascii_case(name));
    let plain = value.trim_matches('"');
    match known {
        Some(row) => draft.take(row, if row.theirs == "ServerIdent" { value } else { plain }),
        None => draft.remark(format!("{name} has no like here, or is of a module that is not known")),
    }
}

fn anonymous(draft: &mut Draft, name: &str, value: &str) {
    match name {
        "User" => draft.set("anonymous", "account", value),
        "MaxClients" => {
            if let Err(reason) = most(draft, "anonymous", "max-sessions", value) {
                draft.remark(format!("MaxClients {value}: {reason}"));
            }
        }
        "Group" | "UserAlias" | "RequireValidShell" | "AnonRequirePassword" => {}
        _ => draft.remark(format!("{name} in <Anonymous>: see [anonymous]")),
    }
}
