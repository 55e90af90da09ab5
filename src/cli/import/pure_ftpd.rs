//! pure-ftpd.conf(5): a name and its value, apart by blanks; comments begin with `#`. Debian has a directory in its place.

mod settings;

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;

use toml::Value;

pub use settings::ROWS;

use super::draft::{Draft, Row, flag, number};

/// `ADDRESS,PORT`, `,PORT` or an address.
fn bind(draft: &mut Draft, value: &str) -> Result<(), String> {
    let (address, port) = value.split_once(',').unwrap_or((value, "21"));
    let ip = match address.trim() {
        "" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        address => address.parse().map_err(|_| "a name; write its address")?,
    };
    let port = match port.trim() {
        "ftp" => 21,
        port => port.parse().map_err(|_| "is no port")?,
    };
    draft.set("listen", "addresses", vec![Value::from(SocketAddr::new(ip, port).to_string())]);
    Ok(())
}

/// Kibibytes a second: `UPLOAD:DOWNLOAD`, or one for both.
fn rates(draft: &mut Draft, section: &str, value: &str) -> Result<(), String> {
    let (upload, download) = pair(value).unwrap_or((value, value));
    for (key, rate) in [("upload-rate", upload), ("download-rate", download)] {
        if let (rate @ 1.., false) = (number(rate.trim()).unwrap_or(0), rate.is_empty()) {
            draft.set(section, key, format!("{rate}K"));
        }
    }
    Ok(())
}

/// Gives a letter to anonymous clients: where the flag has this value.
fn grant(draft: &mut Draft, value: &str, letter: &str, when: bool) -> Result<(), String> {
    let present = draft.get("anonymous", "permissions").and_then(Value::as_str).unwrap_or("elr").to_string();
    if flag(value)? == when {
        draft.set("anonymous", "permissions", format!("{present}{letter}"));
    }
    Ok(())
}

/// Takes a letter from everybody, if the flag says so.
fn without(draft: &mut Draft, value: &str, letter: char) -> Result<(), String> {
    if flag(value)? {
        draft.forbid(letter);
    }
    Ok(())
}

/// Two values, apart by a colon or by blanks.
fn pair(value: &str) -> Result<(&str, &str), String> {
    let (first, second) =
        value.split_once([':', ' ', '\t']).ok_or_else(|| "is not two values".to_string())?;
    Ok((first.trim(), second.trim()))
}

fn tls(draft: &mut Draft, value: &str) -> Result<(), String> {
    let required = match number(value)? {
        0 => {
            draft.remove("tls", "certificates");
            draft.remove("tls", "keys");
            return Ok(());
        }
        1 => "none",
        2 => "login",
        3 => "all",
        _ => return Err("is none of 0 to 3".to_string()),
    };
    draft.set("session", "require-tls", required);
    Ok(())
}

/// Makes a configuration of a pure-ftpd.conf.
pub fn translate(text: &str) -> Draft {
    let mut draft = Draft::default();
    let mut said: Vec<&str> = Vec::new();
    let mut found: Vec<(usize, &Row, &str)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some((name, value)) = line.split_once(char::is_whitespace) else {
            if !line.is_empty() {
                draft.at(index + 1);
                draft.remark(format!("{line} has no value"));
            }
            continue;
        };
        match ROWS.iter().find(|row| row.theirs.eq_ignore_ascii_case(name)) {
            Some(row) => {
                said.push(row.theirs);
                found.push((index + 1, row, value.trim()));
            }
            None => {
                draft.at(index + 1);
                draft.remark(format!("{name} is nothing that Pure-FTPd knows"));
            }
        }
    }
    // Without TLS, the certificate that it would take is not there.
    let has_tls = found.iter().any(|(_, row, value)| row.theirs == "TLS" && *value != "0");
    for row in ROWS.iter().filter(|row| !said.contains(&row.theirs) && !row.default.is_empty()) {
        if has_tls || row.theirs != "CertFile" {
            draft.at(0);
            draft.take(row, row.default);
        }
    }
    if !said.contains(&"NoAnonymous") {
        draft.set("anonymous", "enabled", true);
    }
    found.sort_by_key(|(_, row, _)| row.theirs == "TLS");
    for (line, row, value) in found {
        draft.at(line);
        draft.take(row, value);
    }
    draft
}

/// Names of Debian's files that are others in a pure-ftpd.conf.
const RENAMED: &[(&str, &str)] = &[("FSCharset", "FileSystemCharset")];

/// What checks logins: of these, only what has a link in `auth` is in use.
const LOGINS: &[&str] = &[
    "ExtAuth",
    "LDAPConfigFile",
    "MySQLConfigFile",
    "PGSQLConfigFile",
    "PAMAuthentication",
    "PureDB",
    "UnixAuthentication",
];

/// Makes a configuration of a directory such as Debian's /etc/pure-ftpd: in `conf`, a file for each setting, with its value
/// in the first line that is no comment; in `auth`, links to those of them that check logins.
pub fn read_directory(directory: &Path) -> io::Result<Draft> {
    let (conf, auth) = match directory.join("conf").is_dir() {
        true => (directory.join("conf"), directory.join("auth")),
        false => (directory.to_path_buf(), directory.join("../auth")),
    };
    let linked: Vec<_> = match fs::read_dir(&auth) {
        Ok(links) => links.filter_map(|link| fs::read_link(link.ok()?.path()).ok()).collect(),
        Err(_) => Vec::new(),
    };
    let mut names: Vec<String> =
        fs::read_dir(&conf)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.retain(|name| {
        name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(|c| c.is_ascii_alphanumeric())
    });
    names.retain(|name| !LOGINS.contains(&name.as_str()) || linked.iter().any(|link| link.ends_with(name)));
    names.sort();
    let mut text = String::new();
    for name in names {
        let content = fs::read(conf.join(&name))?;
        let content = String::from_utf8_lossy(&content);
        let value = content.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        let known =
            RENAMED.iter().find(|(theirs, _)| *theirs == name).map_or(name.as_str(), |(_, known)| known);
        text.extend([known, " ", value.unwrap_or_default(), "\n"]);
    }
    let mut draft = translate(&text);
    draft.without_lines();
    Ok(draft)
}
