//! Everything that a pure-ftpd.conf can say, and what it is here.

use toml::Value;

use super::super::draft::{Kind, Ours, Row, flag, number};
use super::{bind, grant, pair, rates, tls, without};
use crate::config::Facility;

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
        Ours::By("`permissions` in `[session]`, without the letter `o`", |draft, value| {
            without(draft, if flag(value)? { "no" } else { "yes" }, 'o')
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
    row("CertFile", "/etc/ssl/private/pure-ftpd.pem", Ours::Key("tls", "certificates", Kind::OneOf)),
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
        Ours::Already("an upload that replaces a file is only seen when it is complete"),
    ),
    row("Daemonize", "", Ours::Already("`ftpd serve --daemon`, or systemd")),
    row("DisplayDotFiles", "", Ours::Already("LIST -a and MLSD show them")),
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
    row("LimitRecursion", "", Ours::Already("listings are bounded in memory, and can be ended with ABOR")),
    row("LogPID", "", Ours::Fixed("yes", "every line has the number of its session")),
    row("MaxClientsNumber", "50", Ours::Key("listen", "max-sessions", Kind::Count)),
    row("MaxClientsPerIP", "8", Ours::Key("listen", "max-sessions-per-address", Kind::Count)),
    row(
        "MaxDiskUsage",
        "",
        Ours::Fixed("", "uploads stop at the quota, or when the disk is full: 452 and 552"),
    ),
    row("MaxIdleTime", "15", Ours::Key("session", "idle-timeout", Kind::Minutes)),
    row(
        "MaxLoad",
        "",
        Ours::Fixed(
            "0",
            "there, anonymous clients may not download; `max-load` in `[limits]` turns everybody away",
        ),
    ),
    row("MinUID", "100", Ours::Key("login", "min-uid", Kind::Count)),
    row("MySQLConfigFile", "", Ours::Fixed("", "with a `program` in `[check]`, or through PAM")),
    row("NATmode", "", Ours::Fixed("no", "`masquerade-address` in `[data]`")),
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
        Ours::By("`permissions` in `[session]`, without `M`", |draft, value| without(draft, value, 'M')),
    ),
    row(
        "NoRename",
        "",
        Ours::By("`permissions` in `[session]`, without `f`", |draft, value| without(draft, value, 'f')),
    ),
    row(
        "NoTruncate",
        "",
        Ours::By("`permissions` in `[session]`, without `o`", |draft, value| without(draft, value, 'o')),
    ),
    row("PAMAuthentication", "", Ours::Already("system accounts are always checked by PAM")),
    row(
        "PassivePortRange",
        "",
        Ours::By("`passive-ports` in `[data]`", |draft, value| {
            let (first, last) = pair(value)?;
            draft.set("data", "passive-ports", format!("{}-{}", number(first)?, number(last)?));
            Ok(())
        }),
    ),
    row(
        "PerUserLimits",
        "",
        Ours::By("`max-sessions-per-user` in `[session]`", |draft, value| {
            let (user, anonymous) = pair(value)?;
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
    row("PIDFile", "", Ours::Already("`ftpd serve --pid-file`")),
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
            let (files, megabytes) = pair(value)?;
            draft.set("session", "quota-files", number(files)?);
            draft.set("session", "quota-bytes", format!("{}M", number(megabytes)?));
            Ok(())
        }),
    ),
    row(
        "SyslogFacility",
        "",
        Ours::By("`facility` in `[log]`", |draft, value| {
            draft.set("log", "to", "syslog");
            match value.parse::<Facility>() {
                Ok(_) => {
                    draft.set("log", "facility", value);
                    Ok(())
                }
                Err(_) => Err("`facility` in [log] has others".to_string()),
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
            let (files, directories) = pair(value).unwrap_or((value, value));
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
    row("UnixAuthentication", "", Ours::Already("system accounts are always checked by PAM")),
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
