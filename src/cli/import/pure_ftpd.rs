//! pure-ftpd.conf(5): a name and its value, apart by blanks; comments begin with `#`.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use toml::Value;

use super::draft::{Draft, Kind, Ours, Row, flag, number};

const fn row(theirs: &'static str, default: &'static str, ours: Ours) -> Row {
    Row { theirs, default, ours }
}

const JAIL: &str = "`root-dir` in `[session]`";

/// Everything that Pure-FTPd 1.0.51 can be told in a file.
pub const ROWS: &[Row] = &[
    row(
        "AllowAnonymousFXP",
        "",
        Ours::Fixed(
            "no",
            "`foreign-addresses` is for users; anonymous clients have it with that of `[session]`",
        ),
    ),
    row("AllowDotFiles", "", Ours::Fixed("yes", "a `[rule.NAME]` hides or forbids names by pattern")),
    row(
        "AllowOverwrite",
        "",
        Ours::By("`permissions` in `[session]`, without the letter `o`", |draft, value| match flag(value)? {
            true => Ok(()),
            false => draft.without_overwriting(),
        }),
    ),
    row("AllowUserFXP", "no", Ours::Key("session", "foreign-addresses", Kind::Flag)),
    row(
        "AltLog",
        "",
        Ours::By("`xferlog` in `[log]`", |draft, value| match value.split_once(':') {
            Some(("xferlog", path)) => {
                draft.set("log", "xferlog", path);
                Ok(())
            }
            _ => Err("only the xferlog form has its like; `[events]` has a log for programs".to_string()),
        }),
    ),
    row(
        "AnonymousBandwidth",
        "",
        Ours::By("`download-rate` and `upload-rate` in `[anonymous]`", |draft, value| {
            rates(draft, "anonymous", value)
        }),
    ),
    row(
        "AnonymousCanCreateDirs",
        "",
        Ours::By("`permissions` in `[anonymous]`", |draft, value| grant(draft, value, "m", true)),
    ),
    row(
        "AnonymousCantUpload",
        "",
        Ours::By("`permissions` in `[anonymous]`", |draft, value| grant(draft, value, "w", false)),
    ),
    row(
        "AnonymousOnly",
        "",
        Ours::By("`allow-users` in `[login]`", |draft, value| {
            if flag(value)? {
                draft.set("anonymous", "enabled", true);
                draft.set("login", "allow-users", vec![Value::from("anonymous"), Value::from("ftp")]);
            }
            Ok(())
        }),
    ),
    row("AnonymousRatio", "", Ours::Fixed("", "there are no ratios")),
    row("AntiWarez", "", Ours::Fixed("no", "a `[rule.NAME]` makes a drop box: write, no list, no read")),
    row("AutoRename", "", Ours::Fixed("no", "STOU gives a new name; a `[rule.NAME]` forbids overwriting")),
    row("Bind", "", Ours::By("`addresses` in `[listen]`", bind)),
    row("BrokenClientsCompatibility", "", Ours::Fixed("no", "clients of all kinds are tested with")),
    row(
        "CallUploadScript",
        "",
        Ours::By("`[hook.NAME]`", |_, value| match flag(value)? {
            true => Err("make a [hook.NAME] for file_received".to_string()),
            false => Ok(()),
        }),
    ),
    row(
        "CertFile",
        "/etc/ssl/private/pure-ftpd.pem",
        Ours::By("`certificates` in `[tls]`", |draft, value| {
            draft.set("tls", "certificates", vec![Value::from(value)]);
            Ok(())
        }),
    ),
    row(
        "CertFileAndKey",
        "",
        Ours::By("`certificates` and `keys` in `[tls]`", |draft, value| {
            let files: Vec<&str> = value.split_whitespace().map(|file| file.trim_matches('"')).collect();
            let [certificate, key] = files[..] else {
                return Err("is not a certificate and a key".to_string());
            };
            draft.set("tls", "certificates", vec![Value::from(certificate)]);
            draft.set("tls", "keys", vec![Value::from(key)]);
            Ok(())
        }),
    ),
    row(
        "ChrootEveryone",
        "no",
        Ours::By(JAIL, |draft, value| {
            draft.set("session", "root-dir", if flag(value)? { "home" } else { "real" });
            Ok(())
        }),
    ),
    row("ClientCharset", "", Ours::Fixed("UTF-8", "names are bytes, and UTF-8 for clients who ask")),
    row(
        "CreateHomeDir",
        "",
        Ours::By("`make-home` in `[session]`", |draft, value| {
            if flag(value)? {
                draft.set("session", "make-home", true);
            }
            Ok(())
        }),
    ),
    row(
        "CustomerProof",
        "",
        Ours::By("an upload that replaces a file is only seen when it is complete", |_, _| Ok(())),
    ),
    row("Daemonize", "", Ours::By("`ftpd serve --daemon`, or systemd", |_, _| Ok(()))),
    row("DisplayDotFiles", "", Ours::By("LIST -a and MLSD show them", |_, _| Ok(()))),
    row("DontResolve", "", Ours::Fixed("yes", "addresses are logged as they are")),
    row(
        "ExtAuth",
        "",
        Ours::By("`program` in `[check]`", |_, value| {
            Err(format!("write a program for [check], in place of {value}"))
        }),
    ),
    row("FileSystemCharset", "", Ours::Fixed("UTF-8", "names are bytes, and UTF-8 for clients who ask")),
    row("FortunesFile", "", Ours::Fixed("", "`banner-file` in `[server]` has one text")),
    row(
        "IPV4Only",
        "",
        Ours::By("`addresses` in `[listen]`", |draft, value| {
            if flag(value)? {
                draft.set("listen", "addresses", vec![Value::from("0.0.0.0:21")]);
            }
            Ok(())
        }),
    ),
    row("IPV6Only", "", Ours::Fixed("no", "`[::]` takes IPv4 clients too")),
    row(
        "KeepAllFiles",
        "",
        Ours::By("`permissions`, or a write-once `[rule.NAME]`", |_, value| match flag(value)? {
            true => Err("make a [rule.NAME] with write-once".to_string()),
            false => Ok(()),
        }),
    ),
    row("LDAPConfigFile", "", Ours::Fixed("", "through PAM and the name service (pam_ldap, sssd)")),
    row(
        "LimitRecursion",
        "",
        Ours::By("listings are bounded in memory, and can be ended with ABOR", |_, _| Ok(())),
    ),
    row("LogPID", "", Ours::Fixed("yes", "every line has the number of its session")),
    row("MaxClientsNumber", "50", Ours::Key("listen", "max-sessions", Kind::Count)),
    row("MaxClientsPerIP", "8", Ours::Key("listen", "max-sessions-per-address", Kind::Count)),
    row(
        "MaxDiskUsage",
        "",
        Ours::By("uploads stop at the quota, or when the disk is full: 452 and 552", |_, _| Ok(())),
    ),
    row(
        "MaxIdleTime",
        "15",
        Ours::By("`idle-timeout` in `[session]`", |draft, value| {
            draft.set("session", "idle-timeout", number(value)? * 60);
            Ok(())
        }),
    ),
    row("MaxLoad", "", Ours::Fixed("0", "the number of sessions is limited, not the load")),
    row("MinUID", "100", Ours::Key("login", "min-uid", Kind::Count)),
    row("MySQLConfigFile", "", Ours::Fixed("", "with a `program` in `[check]`, or through PAM")),
    row("NATmode", "", Ours::By("`masquerade-address` in `[data]`", |_, _| Ok(()))),
    row(
        "NoAnonymous",
        "",
        Ours::By("`enabled` in `[anonymous]`", |draft, value| {
            draft.set("anonymous", "enabled", !flag(value)?);
            Ok(())
        }),
    ),
    row(
        "NoChmod",
        "",
        Ours::By("`permissions` in `[session]`, without `M`", |draft, value| without(draft, value, "M")),
    ),
    row(
        "NoRename",
        "",
        Ours::By("`permissions` in `[session]`, without `f`", |draft, value| without(draft, value, "f")),
    ),
    row("NoTruncate", "", Ours::Fixed("no", "take the letter `o` out of `permissions`")),
    row("PAMAuthentication", "", Ours::By("system accounts are always checked by PAM", |_, _| Ok(()))),
    row(
        "PassivePortRange",
        "",
        Ours::By("`passive-ports` in `[data]`", |draft, value| {
            let words: Vec<&str> = value.split_whitespace().collect();
            let [first, last] = words[..] else { return Err("is no range".to_string()) };
            draft.set("data", "passive-ports", format!("{}-{}", number(first)?, number(last)?));
            Ok(())
        }),
    ),
    row(
        "PerUserLimits",
        "",
        Ours::By("`max-sessions-per-user` in `[session]`", |draft, value| {
            let Some((user, anonymous)) = value.split_once(':') else {
                return Err("is not two numbers".to_string());
            };
            for (section, key, most) in
                [("session", "max-sessions-per-user", user), ("anonymous", "max-sessions", anonymous)]
            {
                if let most @ 1.. = number(most)? {
                    draft.set(section, key, most);
                }
            }
            Ok(())
        }),
    ),
    row("PGSQLConfigFile", "", Ours::Fixed("", "with a `program` in `[check]`, or through PAM")),
    row("PIDFile", "", Ours::By("`ftpd serve --pid-file`", |_, _| Ok(()))),
    row("ProhibitDotFilesRead", "", Ours::Fixed("no", "a `[rule.NAME]` forbids names by pattern")),
    row("ProhibitDotFilesWrite", "", Ours::Fixed("no", "a `[rule.NAME]` forbids names by pattern")),
    row(
        "PureDB",
        "",
        Ours::By("`users-file` in `[login]`", |_, value| {
            Err(format!("ftpd user import reads the text that {value} was made of, and writes a users file"))
        }),
    ),
    row(
        "Quota",
        "",
        Ours::By("`quota-files` and `quota-bytes` in `[session]`", |draft, value| {
            let Some((files, megabytes)) = value.split_once(':') else {
                return Err("is not two numbers".to_string());
            };
            draft.set("session", "quota-files", number(files)?);
            draft.set("session", "quota-bytes", format!("{}M", number(megabytes)?));
            Ok(())
        }),
    ),
    row(
        "SyslogFacility",
        "",
        Ours::By("`to` in `[log]`", |draft, value| {
            draft.set("log", "to", "syslog");
            match value {
                "ftp" => Ok(()),
                _ => Err("the facility is ftp".to_string()),
            }
        }),
    ),
    row("TLS", "", Ours::By("`certificates` in `[tls]`, `require-tls` in `[session]`", tls)),
    row(
        "TLSCipherSuite",
        "",
        Ours::Fixed("", "`ciphers` in `[tls]` has names of its own; the default is good"),
    ),
    row(
        "TrustedGID",
        "",
        Ours::By("`root-dir` in `[group.NAME]`", |draft, value| {
            match users::get_group_by_gid(number(value)? as u32) {
                Some(group) => {
                    let name = group.name().to_string_lossy().into_owned();
                    draft.set_named("group", &name, "root-dir", "real");
                    Ok(())
                }
                None => Err("this machine has no group with this number".to_string()),
            }
        }),
    ),
    row("TrustedIP", "", Ours::Fixed("", "the firewall keeps the others out")),
    row(
        "Umask",
        "133:022",
        Ours::By("`umask` in `[session]`", |draft, value| {
            let (files, directories) = value.split_once(':').unwrap_or((value, value));
            draft.set("session", "umask", directories);
            // Nothing is executable that a client sends.
            let same = |text: &str| u32::from_str_radix(text, 8).map(|mode| mode & 0o666);
            match same(files) == same(directories) {
                true => Ok(()),
                false => Err(format!(
                    "there is one umask, {directories}; a [rule.NAME] forces another one for files"
                )),
            }
        }),
    ),
    row("UnixAuthentication", "", Ours::By("system accounts are always checked by PAM", |_, _| Ok(()))),
    row(
        "UserBandwidth",
        "",
        Ours::By("`download-rate` and `upload-rate` in `[session]`", |draft, value| {
            rates(draft, "session", value)
        }),
    ),
    row("UserRatio", "", Ours::Fixed("", "there are no ratios")),
    row("VerboseLog", "no", Ours::Key("log", "commands", Kind::Flag)),
];

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
    let (upload, download) = value.split_once(':').unwrap_or((value, value));
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

/// Takes a letter from everybody.
fn without(draft: &mut Draft, value: &str, letter: &str) -> Result<(), String> {
    if flag(value)? {
        let all = crate::config::Permissions::all().to_string();
        let present = draft.get("session", "permissions").and_then(Value::as_str).unwrap_or(&all).to_string();
        draft.set("session", "permissions", present.replace(letter, ""));
    }
    Ok(())
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
