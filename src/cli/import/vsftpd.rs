//! vsftpd.conf(5): `name=value`, a line each, without blanks; comments begin with `#`.

mod settings;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use toml::Value;

pub use settings::ROWS;

use super::draft::{Draft, flag, names_in, number};

/// The settings of a file, and the defaults of the others.
struct Settings {
    said: HashMap<&'static str, (usize, String)>,
}

impl Settings {
    fn get(&self, name: &str) -> Option<&str> {
        let default = || ROWS.iter().find(|row| row.theirs == name).map(|row| row.default);
        let value = self.said.get(name).map(|(_, value)| value.as_str()).or_else(default)?;
        (!value.is_empty()).then_some(value)
    }

    fn is(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| flag(value) == Ok(true))
    }

    fn line(&self, name: &str) -> usize {
        self.said.get(name).map_or(0, |(line, _)| *line)
    }
}

/// Makes a configuration of a vsftpd.conf.
pub fn translate(text: &str) -> Draft {
    let mut draft = Draft::default();
    let mut settings = Settings { said: HashMap::new() };
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        draft.at(index + 1);
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        match ROWS.iter().find(|row| row.theirs == name.trim()) {
            Some(row) => drop(settings.said.insert(row.theirs, (index + 1, value.trim().to_string()))),
            None => draft.remark(format!("{} is nothing that vsftpd knows", name.trim())),
        }
    }
    for row in ROWS {
        if let Some(value) = settings.get(row.theirs) {
            draft.at(settings.line(row.theirs));
            draft.take(row, value);
        }
    }
    for part in [listen, accounts, emails, jail, permissions, passive, tls, messages_and_log, rates] {
        part(&settings, &mut draft);
    }
    draft
}

fn listen(settings: &Settings, draft: &mut Draft) {
    let Ok(port) = settings.get("listen_port").map_or(Ok(21), str::parse::<u16>) else {
        draft.at(settings.line("listen_port"));
        return draft.remark("listen_port is no port");
    };
    let mut addresses = Vec::new();
    let mut add = |name: &str, address: Option<&str>, any: IpAddr| match address
        .map_or(Ok(any), str::parse::<IpAddr>)
    {
        Ok(address) => addresses.push(Value::String(SocketAddr::new(address, port).to_string())),
        Err(_) => {
            draft.at(settings.line(name));
            draft.remark(format!("{name} is no address"));
        }
    };
    if settings.is("listen_ipv6") {
        add("listen_address6", settings.get("listen_address6"), Ipv6Addr::UNSPECIFIED.into());
    } else {
        add("listen_address", settings.get("listen_address"), Ipv4Addr::UNSPECIFIED.into());
    }
    match settings.is("implicit_ssl") && settings.is("ssl_enable") {
        // Explicit TLS is offered beside it, which vsftpd cannot.
        true => {
            draft.set("listen", "implicit-addresses", addresses);
            draft.remark(
                "implicit_ssl: clients without TLS are served at the addresses of [listen] too; set them",
            );
        }
        false => draft.set("listen", "addresses", addresses),
    }
}

fn accounts(settings: &Settings, draft: &mut Draft) {
    if !settings.is("local_enable") && !settings.is("guest_enable") {
        draft.at(settings.line("local_enable"));
        draft.set("login", "allow-users", vec![Value::from("anonymous"), Value::from("ftp")]);
        draft.remark("local_enable is off: nobody with an account logs in (allow-users)");
    }
    if !settings.is("userlist_enable") {
        return;
    }
    draft.at(settings.line("userlist_file"));
    let key = if settings.is("userlist_deny") { "reject-users" } else { "allow-users" };
    match settings.get("userlist_file").map(names_in) {
        Some(Ok(names)) => {
            let names: Vec<Value> = names
                .into_iter()
                .filter(|name| name != "anonymous" && name != "ftp")
                .map(Value::from)
                .collect();
            draft.set("login", key, names);
        }
        Some(Err(reason)) => draft.remark(format!("userlist_file: {reason}; fill {key} of [login] by hand")),
        None => {}
    }
}

/// Files of what anonymous clients may, or may not, give as their password.
fn emails(settings: &Settings, draft: &mut Draft) {
    for (wanted, file, key) in [
        ("deny_email_enable", "banned_email_file", "reject-emails"),
        ("secure_email_list_enable", "email_password_file", "allow-emails"),
    ] {
        if !settings.is(wanted) {
            continue;
        }
        draft.at(settings.line(wanted));
        match settings.get(file).map(names_in) {
            Some(Ok(addresses)) => draft.set("anonymous", key, addresses),
            Some(Err(reason)) => draft.remark(format!("{file}: {reason}; fill {key} of [anonymous] by hand")),
            None => {}
        }
    }
}

fn jail(settings: &Settings, draft: &mut Draft) {
    let jailed = settings.is("chroot_local_user");
    let root = |is_jailed: bool| match (is_jailed, settings.get("local_root")) {
        (true, Some(path)) => {
            let token = settings.get("user_sub_token");
            path.replace('%', "%%").replace(token.unwrap_or("\0"), "%u")
        }
        (true, None) => "home".to_string(),
        (false, _) => "real".to_string(),
    };
    if !jailed && settings.get("local_root").is_some() {
        draft.at(settings.line("local_root"));
        draft.remark(
            "local_root without chroot: sessions with root-dir = \"real\" begin in the home directory",
        );
    }
    draft.set("session", "root-dir", root(jailed));
    if settings.is("chroot_list_enable") {
        draft.at(settings.line("chroot_list_file"));
        match names_in(settings.get("chroot_list_file").unwrap_or("/etc/vsftpd.chroot_list")) {
            Ok(names) => {
                for name in names {
                    draft.set_named("user", &name, "root-dir", root(!jailed));
                }
            }
            Err(reason) => {
                draft.remark(format!("chroot_list_file: {reason}; write [user.NAME] root-dir by hand"))
            }
        }
    }
}

fn permissions(settings: &Settings, draft: &mut Draft) {
    let mut letters = String::from("e");
    let mut add = |wanted: bool, more: &str| {
        if wanted {
            letters.push_str(more);
        }
    };
    let writes = settings.is("write_enable");
    add(settings.is("dirlist_enable"), "l");
    add(settings.is("download_enable"), "r");
    add(writes, "adfmw");
    add(writes && settings.is("chmod_enable"), "M");
    add(writes && settings.is("mdtm_write"), "T");
    draft.set("session", "permissions", letters);
    let mut letters = String::from("e");
    let mut add = |wanted: bool, more: &str| {
        if wanted {
            letters.push_str(more);
        }
    };
    add(settings.is("dirlist_enable"), "l");
    add(settings.is("download_enable"), "r");
    add(writes && settings.is("anon_other_write_enable"), "adfoR");
    add(writes && settings.is("anon_mkdir_write_enable"), "m");
    add(writes && settings.is("anon_upload_enable"), "c");
    draft.set("anonymous", "permissions", letters);
}

fn passive(settings: &Settings, draft: &mut Draft) {
    match (settings.get("pasv_min_port").map(number), settings.get("pasv_max_port").map(number)) {
        (Some(Ok(first)), Some(Ok(last))) if first > 0 && last >= first => {
            draft.set("data", "passive-ports", format!("{first}-{last}"));
        }
        (None | Some(Ok(0)), None | Some(Ok(0))) => {}
        _ => {
            draft.at(settings.line("pasv_min_port").max(settings.line("pasv_max_port")));
            draft.remark("pasv_min_port and pasv_max_port are no range");
        }
    }
}

fn tls(settings: &Settings, draft: &mut Draft) {
    if !settings.is("ssl_enable") {
        return;
    }
    if let Some(certificate) = settings.get("rsa_cert_file") {
        draft.set("tls", "certificates", vec![Value::from(certificate)]);
    }
    if let Some(key) = settings.get("rsa_private_key_file") {
        draft.set("tls", "keys", vec![Value::from(key)]);
    }
    draft.set("tls", "session-reuse", if settings.is("require_ssl_reuse") { "require" } else { "prefer" });
    draft.set("tls", "min-version", if settings.is("ssl_tlsv1_2") { "1.2" } else { "1.3" });
    let anonymous = settings.is("force_anon_logins_ssl");
    let required = match (settings.is("force_local_logins_ssl"), settings.is("force_local_data_ssl")) {
        (true, true) if anonymous => "all",
        (true, true) => {
            draft.at(settings.line("force_local_data_ssl"));
            draft
                .remark("data connections of anonymous clients need TLS as well: \"login\" would spare them");
            "all"
        }
        (true, false) if anonymous => "control",
        (true, false) => "login",
        (false, true) => "data",
        (false, false) => "none",
    };
    draft.set("session", "require-tls", required);
    let wanted = match (settings.is("require_cert"), settings.is("validate_cert")) {
        (true, _) => "require",
        (false, true) => "request",
        (false, false) => return,
    };
    match settings.get("ca_certs_file") {
        Some(file) => {
            draft.set("tls", "client-certificates", wanted);
            draft.set("tls", "client-ca-files", vec![Value::from(file)]);
        }
        None => {
            draft.at(settings.line("require_cert").max(settings.line("validate_cert")));
            draft.remark(format!("client-certificates = \"{wanted}\" in [tls] needs client-ca-files"));
        }
    }
}

fn messages_and_log(settings: &Settings, draft: &mut Draft) {
    let name = if settings.is("dirmessage_enable") {
        settings.get("message_file").unwrap_or(".message")
    } else {
        ""
    };
    draft.set("session", "directory-message", name);
    draft.set("server", "process-titles", if settings.is("setproctitle_enable") { "full" } else { "role" });
    let target = match (settings.is("syslog_enable"), settings.get("vsftpd_log_file")) {
        (true, _) => "syslog",
        (false, Some(path)) => path,
        (false, None) => "/var/log/ftpd.log",
    };
    draft.set("log", "to", target);
    let of_wu_ftpd = settings.is("xferlog_std_format") || settings.is("dual_log_enable");
    if let (true, true, Some(path)) =
        (settings.is("xferlog_enable"), of_wu_ftpd, settings.get("xferlog_file"))
    {
        draft.set("log", "xferlog", path);
    }
}

fn rates(settings: &Settings, draft: &mut Draft) {
    for (name, section) in [("anon_max_rate", "anonymous"), ("local_max_rate", "session")] {
        match settings.get(name).map(number) {
            None | Some(Ok(0)) => {}
            Some(Ok(rate)) => {
                for key in ["download-rate", "upload-rate"] {
                    draft.set(section, key, rate.to_string());
                }
            }
            Some(Err(reason)) => {
                draft.at(settings.line(name));
                draft.remark(format!("{name} {reason}"));
            }
        }
    }
}
