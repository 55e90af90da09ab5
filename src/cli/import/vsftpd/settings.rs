//! Everything that vsftpd.conf can say, and what it is here.

use toml::Value;

use super::super::draft::{Draft, Kind, Ours, Row, flag};
use crate::config::CommandName;

const fn row(theirs: &'static str, default: &'static str, ours: Ours) -> Row {
    Row { theirs, default, ours }
}

const ANONYMOUS: &str = "`permissions` in `[anonymous]`";
const WRITE: &str = "`permissions` in `[session]`";
const USERLIST: &str = "`allow-users` or `reject-users` in `[login]`";
const JAIL: &str = "`root-dir` in `[session]` and `[user.NAME]`";
const LISTEN: &str = "`addresses` in `[listen]`";
const EMAILS: &str = "`allow-emails` and `reject-emails` in `[anonymous]`";
const CLIENTS: &str = "`client-certificates` in `[tls]`";
const SECURE: &str = "`require-tls` in `[session]`";

/// Commands, with commas between them.
fn refused_commands(draft: &mut Draft, value: &str) -> Result<(), String> {
    let names: Result<Vec<CommandName>, String> = value.split(',').map(|name| name.trim().parse()).collect();
    let names: Vec<Value> = names?.iter().map(|name| Value::from(name.to_string())).collect();
    draft.set("session", "refused-commands", names);
    Ok(())
}

/// Everything that vsftpd 3.0.5 can be told.
pub const ROWS: &[Row] = &[
    // What it does.
    row("allow_anon_ssl", "", Ours::Fixed("YES", "whoever says AUTH TLS gets TLS")),
    row(
        "allow_writeable_chroot",
        "",
        Ours::Fixed("YES", "a session cannot leave its root, whoever may write to it"),
    ),
    row("anon_mkdir_write_enable", "NO", Ours::Already(ANONYMOUS)),
    row("anon_other_write_enable", "NO", Ours::Already(ANONYMOUS)),
    row("anon_upload_enable", "NO", Ours::Already(ANONYMOUS)),
    row("anon_world_readable_only", "", Ours::Fixed("NO", "the rights of the account decide")),
    row("anonymous_enable", "YES", Ours::Key("anonymous", "enabled", Kind::Flag)),
    row("ascii_download_enable", "", Ours::Fixed("YES", "clients choose with TYPE")),
    row("ascii_upload_enable", "", Ours::Fixed("YES", "clients choose with TYPE")),
    row("async_abor_enable", "", Ours::Fixed("YES", "ABOR is heard during transfers")),
    row("background", "", Ours::Already("`ftpd serve --daemon`, or systemd")),
    row("check_shell", "YES", Ours::Key("login", "require-valid-shell", Kind::Flag)),
    row("chmod_enable", "YES", Ours::Already(WRITE)),
    row("chown_uploads", "", Ours::Fixed("NO", "see forced owners of `[rule.NAME]`")),
    row("chroot_list_enable", "NO", Ours::Already(JAIL)),
    row("chroot_local_user", "NO", Ours::Already(JAIL)),
    row("connect_from_port_20", "NO", Ours::Key("data", "active-port-20", Kind::Flag)),
    row("debug_ssl", "", Ours::Fixed("NO", "`level` in `[log]` says more")),
    row(
        "delete_failed_uploads",
        "",
        Ours::Already("an upload that replaces a file is only seen when it is complete"),
    ),
    row("deny_email_enable", "NO", Ours::Already(EMAILS)),
    row("dirlist_enable", "YES", Ours::Already(WRITE)),
    row("dirmessage_enable", "NO", Ours::Already("`directory-message` in `[session]`")),
    row("download_enable", "YES", Ours::Already(WRITE)),
    row("dual_log_enable", "NO", Ours::Already("`to` and `xferlog` in `[log]`")),
    row("force_dot_files", "", Ours::Fixed("NO", "LIST -a and MLSD show them")),
    row("force_anon_data_ssl", "NO", Ours::Already(SECURE)),
    row("force_anon_logins_ssl", "NO", Ours::Already(SECURE)),
    row("force_local_data_ssl", "YES", Ours::Already(SECURE)),
    row("force_local_logins_ssl", "YES", Ours::Already(SECURE)),
    row(
        "guest_enable",
        "",
        Ours::By("`users-file` in `[login]`: virtual users with `run-as`", |_, value| match flag(value)? {
            true => Err("make a users file (ftpd-users(5)) of the guests' database, and name it: users-file"
                .to_string()),
            false => Ok(()),
        }),
    ),
    row("hide_ids", "", Ours::Fixed("NO", "names of owners are shown as the session's user could see them")),
    row("implicit_ssl", "NO", Ours::Already("`implicit-addresses` in `[listen]`")),
    row("isolate", "", Ours::Fixed("YES", "processes of one session see none of another")),
    row("isolate_network", "", Ours::Fixed("YES", "a frontend cannot open connections (Landlock, seccomp)")),
    row("listen", "", Ours::Already(LISTEN)),
    row("listen_ipv6", "", Ours::Already(LISTEN)),
    row("local_enable", "NO", Ours::Already("`allow-users` in `[login]`")),
    row(
        "lock_upload_files",
        "",
        Ours::Fixed("YES", "what is being replaced stays readable until the upload is complete"),
    ),
    row("log_ftp_protocol", "NO", Ours::Key("log", "commands", Kind::Flag)),
    row("ls_recurse_enable", "", Ours::Fixed("YES", "LIST -R is bounded and can be ended with ABOR")),
    row("mdtm_write", "YES", Ours::Already("MFMT, with the letter `T` of `permissions`")),
    row("no_anon_password", "", Ours::Fixed("NO", "any password does")),
    row("no_log_lock", "", Ours::Fixed("YES", "the log never waits")),
    row("one_process_model", "", Ours::Fixed("NO", "privileges are separated")),
    row("passwd_chroot_enable", "", Ours::Fixed("YES", "`/./` in a home directory")),
    row("pasv_addr_resolve", "", Ours::Already("a name in `masquerade-address`")),
    row("pasv_enable", "", Ours::Fixed("YES", "passive mode cannot be switched off")),
    row("pasv_promiscuous", "NO", Ours::Key("session", "foreign-addresses", Kind::Flag)),
    row("port_enable", "YES", Ours::Key("data", "active", Kind::Flag)),
    row(
        "port_promiscuous",
        "",
        Ours::By("`foreign-addresses` in `[session]`", |draft, value| {
            if flag(value)? {
                draft.set("session", "foreign-addresses", true);
            }
            Ok(())
        }),
    ),
    row("require_cert", "NO", Ours::Already(CLIENTS)),
    row("require_ssl_reuse", "YES", Ours::Already("`session-reuse` in `[tls]`")),
    row("reverse_lookup_enable", "", Ours::Fixed("NO", "addresses are logged as they are")),
    row("run_as_launching_user", "", Ours::Fixed("NO", "start it as that user, or see ftpd share")),
    row("secure_email_list_enable", "NO", Ours::Already(EMAILS)),
    row("session_support", "", Ours::Fixed("YES", "PAM sessions are opened and closed")),
    row("setproctitle_enable", "NO", Ours::Already("`process-titles` in `[server]`")),
    row("ssl_enable", "NO", Ours::Already("`certificates` in `[tls]`")),
    row("ssl_request_cert", "", Ours::Already(CLIENTS)),
    row("ssl_sslv2", "", Ours::Fixed("NO", "it is broken")),
    row("ssl_sslv3", "", Ours::Fixed("NO", "it is broken")),
    row("ssl_tlsv1", "", Ours::Fixed("NO", "TLS begins with 1.2")),
    row("ssl_tlsv1_1", "", Ours::Fixed("NO", "TLS begins with 1.2")),
    row("ssl_tlsv1_2", "YES", Ours::Already("`min-version` in `[tls]`")),
    row("ssl_tlsv1_3", "", Ours::Fixed("YES", "TLS 1.3 is always spoken")),
    row("strict_ssl_read_eof", "NO", Ours::Key("tls", "accept-unclean-close", Kind::NotFlag)),
    row("strict_ssl_write_shutdown", "", Ours::Fixed("YES", "the end of a download is waited for")),
    row("syslog_enable", "NO", Ours::Already("`to` in `[log]`")),
    row(
        "tcp_wrappers",
        "",
        Ours::Fixed("NO", "`allow-networks` and `reject-networks` in `[login]`, or the firewall"),
    ),
    row("text_userdb_names", "", Ours::Fixed("YES", "owners are shown by name")),
    row("tilde_user_enable", "", Ours::Fixed("NO", "`~` is a name like others")),
    row(
        "use_localtime",
        "NO",
        Ours::By("`listing-times` in `[session]`", |draft, value| {
            draft.set("session", "listing-times", if flag(value)? { "local" } else { "utc" });
            Ok(())
        }),
    ),
    row("use_sendfile", "", Ours::Fixed("YES", "where it is possible")),
    row("userlist_deny", "YES", Ours::Already(USERLIST)),
    row("userlist_enable", "NO", Ours::Already(USERLIST)),
    row("userlist_log", "", Ours::Fixed("YES", "refused logins are logged with the reason")),
    row("validate_cert", "NO", Ours::Already(CLIENTS)),
    row("virtual_use_local_privs", "", Ours::Already("`permissions` of the entry in the users file")),
    row("write_enable", "NO", Ours::Already(WRITE)),
    row(
        "xferlog_enable",
        "NO",
        Ours::Already("transfers are always in the log; `xferlog` in `[log]` is a file of its own"),
    ),
    row("xferlog_std_format", "NO", Ours::Already("`xferlog` in `[log]`")),
    // Numbers.
    row("accept_timeout", "60", Ours::Key("data", "accept-timeout", Kind::Seconds)),
    row("anon_max_rate", "", Ours::Already("`download-rate` and `upload-rate` in `[anonymous]`")),
    row("anon_umask", "077", Ours::Key("anonymous", "umask", Kind::Octal)),
    row("chown_upload_mode", "", Ours::Already("see the forced mode of `[rule.NAME]`")),
    row("connect_timeout", "60", Ours::Key("data", "connect-timeout", Kind::Seconds)),
    row("data_connection_timeout", "300", Ours::Key("session", "stall-timeout", Kind::Seconds)),
    row("delay_failed_login", "1", Ours::Key("login", "failure-delay", Kind::Seconds)),
    row("delay_successful_login", "", Ours::Fixed("0", "who has the password need not wait")),
    row("file_open_mode", "", Ours::Fixed("0666", "`umask` takes from it")),
    row("ftp_data_port", "", Ours::Fixed("20", "data connections come from port 20 or from any")),
    row("idle_session_timeout", "300", Ours::Key("session", "idle-timeout", Kind::Seconds)),
    row("listen_port", "21", Ours::Already(LISTEN)),
    row("local_max_rate", "", Ours::Already("`download-rate` and `upload-rate` in `[session]`")),
    row("local_umask", "077", Ours::Key("session", "umask", Kind::Octal)),
    row("max_clients", "2000", Ours::Key("listen", "max-sessions", Kind::Count)),
    row("max_login_fails", "3", Ours::Key("login", "max-failures", Kind::Count)),
    row("max_per_ip", "50", Ours::Key("listen", "max-sessions-per-address", Kind::Count)),
    row("pasv_max_port", "", Ours::Already("`passive-ports` in `[data]`")),
    row("pasv_min_port", "", Ours::Already("`passive-ports` in `[data]`")),
    row("trans_chunk_size", "", Ours::Fixed("0", "the size is chosen by measurement")),
    // Texts.
    row("anon_root", "", Ours::Key("anonymous", "root-dir", Kind::Path)),
    row("banned_email_file", "/etc/vsftpd.banned_emails", Ours::Already(EMAILS)),
    row("banner_file", "", Ours::Key("server", "banner-file", Kind::Path)),
    row("ca_certs_file", "", Ours::Already("`client-ca-files` in `[tls]`, where clients show certificates")),
    row("chown_username", "", Ours::Already("see forced owners of `[rule.NAME]`")),
    row("chroot_list_file", "", Ours::Already(JAIL)),
    row("cmds_allowed", "", Ours::Fixed("", "`permissions` say what users may do")),
    row("cmds_denied", "", Ours::By("`refused-commands` in `[session]`", refused_commands)),
    row("deny_file", "", Ours::Fixed("", "a `[rule.NAME]` forbids names by pattern")),
    row("dsa_cert_file", "", Ours::Fixed("", "TLS has no DSA any more")),
    row("dsa_private_key_file", "", Ours::Fixed("", "TLS has no DSA any more")),
    row("email_password_file", "/etc/vsftpd.email_passwords", Ours::Already(EMAILS)),
    row("ftp_username", "ftp", Ours::Key("anonymous", "account", Kind::Text)),
    row("ftpd_banner", "", Ours::Key("server", "banner", Kind::Text)),
    row("guest_username", "", Ours::Already("`run-as` of the entry in the users file")),
    row("hide_file", "", Ours::Fixed("", "a `[rule.NAME]` hides names by pattern")),
    row("listen_address", "", Ours::Already(LISTEN)),
    row("listen_address6", "", Ours::Already(LISTEN)),
    row("local_root", "", Ours::Already(JAIL)),
    row("message_file", ".message", Ours::Already("`directory-message` in `[session]`")),
    row("nopriv_user", "", Ours::Already("`frontend-user` in `[server]`, made by the package")),
    row(
        "pam_service_name",
        "",
        Ours::By("`pam-service` in `[login]`", |draft, value| {
            draft.set("login", "pam-service", value);
            Ok(())
        }),
    ),
    row("pasv_address", "", Ours::Key("data", "masquerade-address", Kind::Text)),
    row("rsa_cert_file", "/usr/share/ssl/certs/vsftpd.pem", Ours::Already("`certificates` in `[tls]`")),
    row("rsa_private_key_file", "", Ours::Already("`keys` in `[tls]`")),
    row("secure_chroot_dir", "", Ours::Already("needs no directory")),
    row("ssl_ciphers", "", Ours::Fixed("", "`ciphers` in `[tls]` has names of its own; the default is good")),
    row("ssl_sni_hostname", "", Ours::Fixed("", "certificates are chosen by the name that clients ask for")),
    row(
        "user_config_dir",
        "",
        Ours::By("`[user.NAME]`", |_, value| Err(format!("make a [user.NAME] of each file in {value}"))),
    ),
    row("user_sub_token", "", Ours::Already(JAIL)),
    row("userlist_file", "/etc/vsftpd.user_list", Ours::Already(USERLIST)),
    row("vsftpd_log_file", "", Ours::Already("`to` in `[log]`")),
    row("xferlog_file", "/var/log/xferlog", Ours::Already("`xferlog` in `[log]`")),
];
