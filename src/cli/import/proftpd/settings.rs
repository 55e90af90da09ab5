//! Everything that proftpd.conf can say, and what it is here.

use super::super::draft::{Kind, Ours, Row, flag, number};
use super::{allowed, behind_commands, default_root, facility, first, listen, message, most, transfer_rate};

const fn row(theirs: &'static str, default: &'static str, ours: Ours) -> Row {
    Row { theirs, default, ours }
}

/// What ProFTPD 1.3.8 can be told that is in use: of the core, and of the modules that distributions load.
pub const ROWS: &[Row] = &[
    row("AccessDenyMsg", "", Ours::Fixed("", "a refused login is told nothing that helps guessing")),
    row("AccessGrantMsg", "", Ours::Key("session", "login-message", Kind::Text)),
    row("AdminControlsEngine", "", Ours::Fixed("off", "ftpctl(8) is for root")),
    row(
        "AllowFilter",
        "",
        Ours::Fixed("", "`permissions` say what users may do; a `[rule.NAME]` forbids names"),
    ),
    row("AllowForeignAddress", "off", Ours::Key("session", "foreign-addresses", Kind::Flag)),
    row(
        "AllowOverwrite",
        "off",
        Ours::By("`permissions` in `[session]`, without the letter `o`", |draft, value| {
            allowed(draft, value, 'o')
        }),
    ),
    row("AllowRetrieveRestart", "", Ours::Fixed("on", "REST before RETR is always possible")),
    row(
        "AllowStoreRestart",
        "off",
        Ours::By("`permissions` in `[session]`, without the letter `R`", |draft, value| {
            allowed(draft, value, 'R')
        }),
    ),
    row("AnonRequirePassword", "", Ours::Fixed("off", "an anonymous login has no password")),
    row(
        "AuthOrder",
        "",
        Ours::By("`sources` in `[login]`", |_, value| {
            Err(format!("write sources in [login], in the order of {value}"))
        }),
    ),
    row("AuthPAM", "", Ours::Fixed("on", "system accounts are checked by PAM")),
    row(
        "AuthPAMConfig",
        "proftpd",
        Ours::By("`pam-service` in `[login]`", |draft, value| {
            if value != "proftpd" {
                draft.set("login", "pam-service", value);
            }
            Ok(())
        }),
    ),
    row(
        "AuthUserFile",
        "",
        Ours::By("`users-file` in `[login]`", |_, value| {
            Err(format!("ftpd user import reads {value}, and writes a users file"))
        }),
    ),
    row(
        "AuthGroupFile",
        "",
        Ours::By("`groups` of an entry in the users file", |_, value| {
            Err(format!("write the groups of {value} into the users file"))
        }),
    ),
    row("CommandBufferSize", "", Ours::Key("server", "line-limit", Kind::Count)),
    row("ControlsEngine", "", Ours::Fixed("off", "ftpctl(8) is always there, for root: `[control]`")),
    row("ControlsInterval", "", Ours::Already("orders of ftpctl(8) are obeyed at once")),
    row("ControlsLog", "", Ours::Already("`to` in `[log]` is for all")),
    row("ControlsMaxClients", "", Ours::Already("`max-clients` in `[control]`")),
    row("ControlsSocket", "", Ours::Already("`socket` in `[control]`")),
    row(
        "CreateHome",
        "",
        Ours::By("`make-home` in `[session]`", |draft, value| {
            if flag(first(value))? {
                draft.set("session", "make-home", true);
            }
            Ok(())
        }),
    ),
    row(
        "DefaultAddress",
        "",
        Ours::By("`addresses` in `[listen]`", |draft, value| listen(draft, Some(value), None)),
    ),
    row(
        "DefaultChdir",
        "",
        Ours::Fixed("~", "`/./` in a home directory says where its root is, and where sessions begin"),
    ),
    row("DefaultRoot", "", Ours::By("`root-dir` in `[session]` and `[group.NAME]`", default_root)),
    row("DefaultServer", "", Ours::Already("`[host.NAME]` says which addresses and names it has")),
    row(
        "DefaultTransferMode",
        "",
        Ours::Fixed("ascii", "clients choose with TYPE, and begin with ASCII (RFC 959)"),
    ),
    row("DeferWelcome", "", Ours::Already("the banner tells nothing that an attacker needs")),
    row("DelayEngine", "", Ours::Fixed("on", "`failure-delay` in `[login]` hides what a login has met with")),
    row(
        "DeleteAbortedStores",
        "",
        Ours::Already("an upload that replaces a file is only seen when it is complete"),
    ),
    row(
        "DenyFilter",
        "",
        Ours::Fixed(
            "",
            "there is nothing in a command that could be dangerous; a `[rule.NAME]` forbids names",
        ),
    ),
    row("DirFakeGroup", "", Ours::Fixed("off", "owners are shown as they are")),
    row("DirFakeMode", "", Ours::Fixed("", "modes are shown as they are")),
    row("DirFakeUser", "", Ours::Fixed("off", "owners are shown as they are")),
    row(
        "DisplayChdir",
        "",
        Ours::By("`directory-message` in `[session]`", |draft, value| {
            let name = first(value);
            match name.contains('/') {
                true => Err("the name of a file in each directory is meant".to_string()),
                false => {
                    draft.set("session", "directory-message", name);
                    Ok(())
                }
            }
        }),
    ),
    row("DisplayConnect", "", Ours::Key("server", "banner-file", Kind::Path)),
    row(
        "DisplayLogin",
        "",
        Ours::By("`login-message` in `[session]`", |draft, value| message(draft, value, "login-message")),
    ),
    row(
        "DisplayQuit",
        "",
        Ours::By("`quit-message` in `[session]`", |draft, value| message(draft, value, "quit-message")),
    ),
    row(
        "ExtendedLog",
        "",
        Ours::By("`commands` in `[log]`", |draft, _| {
            draft.set("log", "commands", true);
            Err("every command is in the log (commands), in no file of its own".to_string())
        }),
    ),
    row("FSCachePolicy", "", Ours::Already("nothing is cached")),
    row("Group", "", Ours::Already("`frontend-user` in `[server]`, made by the package")),
    row("GroupOwner", "", Ours::Fixed("", "see the forced group of `[rule.NAME]`")),
    row("HiddenStores", "", Ours::Already("an upload that replaces a file is only seen when it is complete")),
    row("HideFiles", "", Ours::Fixed("none", "a `[rule.NAME]` hides names by pattern")),
    row("HideGroup", "", Ours::Fixed("", "a `[rule.NAME]` hides names by pattern")),
    row("HideUser", "", Ours::Fixed("", "a `[rule.NAME]` hides names by pattern")),
    row("IdentLookups", "", Ours::Fixed("off", "nobody answers such questions any more")),
    row(
        "Include",
        "",
        Ours::By("one file", |_, value| Err(format!("import {value} as well, and put the two together"))),
    ),
    row("ListOptions", "", Ours::Fixed("-l", "LIST has the options that clients send")),
    row("LoadModule", "", Ours::Already("there are no modules")),
    row("LogFormat", "", Ours::Fixed("", "see the formats of `[log]`")),
    row("LoginPasswordPrompt", "", Ours::Fixed("on", "whoever may not log in is asked for a password too")),
    row("MasqueradeAddress", "", Ours::Key("data", "masquerade-address", Kind::Text)),
    row("MaxClients", "", Ours::Key("listen", "max-sessions", Kind::Most)),
    row("MaxClientsPerHost", "", Ours::Key("listen", "max-sessions-per-address", Kind::Most)),
    row("MaxClientsPerUser", "", Ours::Key("session", "max-sessions-per-user", Kind::Most)),
    row("MaxConnectionRate", "", Ours::Fixed("none", "see the rates of `[limits]`")),
    row("MaxConnectionsPerHost", "", Ours::Key("listen", "max-sessions-per-address", Kind::Most)),
    row("MaxHostsPerUser", "", Ours::Fixed("none", "`max-sessions-per-user` in `[session]` counts sessions")),
    row("MaxInstances", "", Ours::Key("listen", "max-sessions", Kind::Most)),
    row("MaxLoginAttempts", "3", Ours::Key("login", "max-failures", Kind::Most)),
    row("MaxRetrieveFileSize", "", Ours::Fixed("*", "only uploads are limited in size (`[rule.NAME]`)")),
    row("MaxStoreFileSize", "", Ours::Fixed("*", "a `[rule.NAME]` limits the size of files")),
    row(
        "MaxTransfersPerHost",
        "",
        Ours::By("`max-transfers-per-address` in `[limits]`", |draft, value| {
            most(draft, "limits", "max-transfers-per-address", behind_commands(value))
        }),
    ),
    row(
        "MaxTransfersPerUser",
        "",
        Ours::By("`max-transfers-per-user` in `[session]`", |draft, value| {
            most(draft, "session", "max-transfers-per-user", behind_commands(value))
        }),
    ),
    row("ModuleControlsACLs", "", Ours::Already("ftpctl(8) is for root")),
    row("ModulePath", "", Ours::Already("there are no modules")),
    row("MultilineRFC2228", "", Ours::Fixed("off", "replies are as RFC 959 has them")),
    row(
        "PassivePorts",
        "",
        Ours::By("`passive-ports` in `[data]`", |draft, value| {
            let words: Vec<&str> = value.split_whitespace().collect();
            let [first, last] = words[..] else { return Err("is no range".to_string()) };
            draft.set("data", "passive-ports", format!("{}-{}", number(first)?, number(last)?));
            Ok(())
        }),
    ),
    row("PathAllowFilter", "", Ours::Fixed("", "a `[rule.NAME]` forbids names by pattern")),
    row("PathDenyFilter", "", Ours::Fixed("", "a `[rule.NAME]` forbids names by pattern")),
    row("PersistentPasswd", "", Ours::Already("accounts are looked up at each login")),
    row(
        "Port",
        "21",
        Ours::By("`addresses` in `[listen]`", |draft, value| {
            let port = value.parse().map_err(|_| "is no port")?;
            match port {
                0 => {
                    Err("a server with port 0 does not listen; name its addresses in [host.NAME]".to_string())
                }
                port => listen(draft, None, Some(port)),
            }
        }),
    ),
    row(
        "QuotaEngine",
        "",
        Ours::Fixed(
            "off",
            "`quota-bytes` and `quota-files` in `[session]`, `[user.NAME]`, `[group.NAME]` and users files",
        ),
    ),
    row("Ratios", "", Ours::Fixed("off", "there are no ratios")),
    row("RequireValidShell", "on", Ours::Key("login", "require-valid-shell", Kind::Flag)),
    row("RLimitCPU", "", Ours::Fixed("none", "pam_limits sets them")),
    row("RLimitMemory", "", Ours::Fixed("none", "pam_limits sets them")),
    row("RLimitOpenFiles", "", Ours::Fixed("none", "pam_limits sets them")),
    row("RootLogin", "", Ours::Fixed("off", "root never logs in")),
    row("RootRevoke", "", Ours::Fixed("on", "a session has no rights but its user's")),
    row("ScoreboardFile", "", Ours::Already("`ftpctl who` asks the daemon")),
    row("ServerAdmin", "", Ours::Already("the banner, if it is to be told")),
    row(
        "ServerIdent",
        "",
        Ours::By("`banner` in `[server]`", |draft, value| {
            let (on, text) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
            if flag(on)? && !text.is_empty() {
                draft.set("server", "banner", text.trim().trim_matches('"'));
            }
            Ok(())
        }),
    ),
    row("ServerLog", "", Ours::Fixed("", "`to` in `[log]` is for all")),
    row("ServerName", "", Ours::Already("`banner` in `[server]` and `[host.NAME]`")),
    row("ServerType", "", Ours::Fixed("standalone", "the daemon listens, or systemd for it (ftpd.socket)")),
    row("ShowSymlinks", "", Ours::Fixed("on", "links are shown as links")),
    row("SQLAuthTypes", "", Ours::Fixed("", "with a `program` in `[check]`, or through PAM")),
    row("StoreUniquePrefix", "", Ours::Fixed("", "STOU chooses the whole name")),
    row("SyslogFacility", "", Ours::By("`facility` in `[log]`", facility)),
    row(
        "SyslogLevel",
        "",
        Ours::By("`level` in `[log]`", |draft, value| {
            let level = match value.to_ascii_lowercase().as_str() {
                "emerg" | "alert" | "crit" | "error" => "error",
                "warn" => "warning",
                "notice" => "notice",
                "debug" => "debug",
                _ => "info",
            };
            draft.set("log", "level", level);
            Ok(())
        }),
    ),
    row(
        "SystemLog",
        "",
        Ours::By("`to` in `[log]`", |draft, value| match value {
            "none" => Err("there is always a log".to_string()),
            path if path.starts_with('/') => {
                draft.set("log", "to", path);
                Ok(())
            }
            _ => Err("is no absolute path".to_string()),
        }),
    ),
    row("tcpNoDelay", "", Ours::Fixed("on", "replies are sent at once")),
    row("TimeoutIdle", "600", Ours::Key("session", "idle-timeout", Kind::Seconds)),
    row("TimeoutLinger", "", Ours::Already("the end of a download is waited for, with a limit")),
    row("TimeoutLogin", "300", Ours::Key("login", "login-timeout", Kind::Seconds)),
    row(
        "TimeoutNoTransfer",
        "",
        Ours::Fixed("0", "`idle-timeout` in `[session]` counts from the last command"),
    ),
    row(
        "TimeoutSession",
        "",
        Ours::By("`session-timeout` in `[session]`", |draft, value| {
            if let seconds @ 1.. = number(first(value))? {
                draft.set("session", "session-timeout", seconds);
            }
            Ok(())
        }),
    ),
    row("TimeoutStalled", "3600", Ours::Key("session", "stall-timeout", Kind::Seconds)),
    row(
        "TimesGMT",
        "on",
        Ours::By("`listing-times` in `[session]`", |draft, value| {
            draft.set("session", "listing-times", if flag(value)? { "utc" } else { "local" });
            Ok(())
        }),
    ),
    row(
        "TLSCACertificateFile",
        "",
        Ours::Fixed("", "`client-ca-files` in `[tls]`, where clients show certificates"),
    ),
    row(
        "TLSCARevocationFile",
        "",
        Ours::Fixed("", "`client-crl-files` in `[tls]`, where clients show certificates"),
    ),
    row(
        "TLSCipherSuite",
        "",
        Ours::Fixed("", "`ciphers` in `[tls]` has names of its own; the default is good"),
    ),
    row("TLSEngine", "", Ours::Already("`certificates` in `[tls]`")),
    row("TLSLog", "", Ours::Fixed("", "`to` in `[log]` is for all")),
    row("TLSOptions", "", Ours::Fixed("", "see `[tls]`; session reuse is `session-reuse` there")),
    row(
        "TLSProtocol",
        "",
        Ours::By("`min-version` in `[tls]`", |draft, value| {
            let old = value
                .split_whitespace()
                .any(|version| matches!(version, "TLSv1" | "TLSv1.1" | "SSLv3" | "SSLv23"));
            let only_newest = value.split_whitespace().all(|version| version == "TLSv1.3");
            draft.set("tls", "min-version", if only_newest { "1.3" } else { "1.2" });
            if old { Err("TLS begins with 1.2".to_string()) } else { Ok(()) }
        }),
    ),
    row("TLSRenegotiate", "", Ours::Fixed("none", "TLS is not renegotiated")),
    row(
        "TLSRequired",
        "",
        Ours::By("`require-tls` in `[session]`", |draft, value| {
            let required = match value.to_ascii_lowercase().as_str() {
                "on" => "all",
                "off" => "none",
                "ctrl" | "auth" => "control",
                "data" | "!data" | "auth+data" => "data",
                _ => return Err("write require-tls in [session] by hand".to_string()),
            };
            draft.set("session", "require-tls", required);
            Ok(())
        }),
    ),
    row("TLSECCertificateFile", "", Ours::Key("tls", "certificates", Kind::OneOf)),
    row("TLSECCertificateKeyFile", "", Ours::Key("tls", "keys", Kind::OneOf)),
    row("TLSRSACertificateFile", "", Ours::Key("tls", "certificates", Kind::OneOf)),
    row("TLSRSACertificateKeyFile", "", Ours::Key("tls", "keys", Kind::OneOf)),
    row(
        "TLSVerifyClient",
        "",
        Ours::By("`client-certificates` in `[tls]`", |_, value| match value {
            "off" => Ok(()),
            _ => Err("see client-certificates in [tls], and name the authority: client-ca-files".to_string()),
        }),
    ),
    row(
        "TransferLog",
        "",
        Ours::By("`xferlog` in `[log]`", |draft, value| {
            if value.starts_with('/') {
                draft.set("log", "xferlog", value);
            }
            Ok(())
        }),
    ),
    row("TransferRate", "", Ours::By("`download-rate` and `upload-rate` in `[session]`", transfer_rate)),
    row(
        "Umask",
        "022",
        Ours::By("`umask` in `[session]`", |draft, value| {
            let mut words = value.split_whitespace();
            let (files, directories) = (words.next().unwrap_or("022"), words.next());
            draft.set("session", "umask", files);
            match directories {
                Some(other) if other != files => {
                    Err(format!("there is one umask, {files}; a [rule.NAME] forces another one"))
                }
                Some(_) | None => Ok(()),
            }
        }),
    ),
    row("UnsetEnv", "", Ours::Already("the environment is emptied")),
    row(
        "UseFtpUsers",
        "",
        Ours::By("`ftpusers-file` in `[login]`", |_, value| match flag(value)? {
            true => Ok(()),
            false => Err("name an ftpusers-file in [login] that does not exist".to_string()),
        }),
    ),
    row("UseGlobbing", "", Ours::Fixed("on", "patterns are bounded")),
    row("UseIPv6", "", Ours::Fixed("on", "[::] takes all clients; name other `addresses` in `[listen]`")),
    row("UseReverseDNS", "", Ours::Fixed("off", "addresses are logged as they are")),
    row("UseSendfile", "", Ours::Already("where it is possible")),
    row("User", "", Ours::Already("`frontend-user` in `[server]`, made by the package")),
    row("UserAlias", "", Ours::Fixed("", "a name is that of the account")),
    row("UserOwner", "", Ours::Fixed("", "see forced owners of `[rule.NAME]`")),
    row("UserPassword", "", Ours::Fixed("", "make a users file: ftpd user add")),
    row(
        "WtmpLog",
        "",
        Ours::By("`utmp` in `[log]`", |_, value| match value.to_ascii_lowercase().as_str() {
            "off" | "none" => Ok(()),
            _ => Err("see utmp in [log]".to_string()),
        }),
    ),
];
