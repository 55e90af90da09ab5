//! What no option can know alone: contradictions between options, and files that must be there. One `if` and one
//! sentence each.

mod certificates;
mod hooks;
mod hosts;
mod limits;
mod log;
mod rules;
mod sources;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::error::plain;
use super::permissions::Permissions;
use super::values::LogTarget;
use super::{AbsolutePath, Config, Host, Masquerade, Problem, RequireTls, RootDir};

/// Something that [`Config::check`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The daemon cannot work with this.
    Error(Problem),
    /// The daemon does what is asked, but it is probably not what is meant.
    Warning(Problem),
}

/// Findings, as they come.
struct Findings<'a> {
    config: &'a Config,
    found: Vec<Finding>,
}

impl Findings<'_> {
    fn error(&mut self, section: &str, key: &str, reason: impl Into<String>) {
        self.found.push(Finding::Error(self.config.problem(section, key, reason.into())));
    }

    fn warning(&mut self, section: &str, key: &str, reason: impl Into<String>) {
        self.found.push(Finding::Warning(self.config.problem(section, key, reason.into())));
    }

    /// What a directory that must be there says when it is not.
    fn directory(&mut self, section: &str, key: &str, path: &Path) {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => self.error(section, key, format!("{} is no directory", path.display())),
            Err(error) => self.unreachable(section, key, path, &error),
        }
    }

    /// What a users file should not be.
    fn users_file(&mut self, section: &str, path: &AbsolutePath) {
        match File::open(&**path).and_then(|file| file.metadata()) {
            Ok(metadata) if !metadata.is_file() => {
                self.error(section, "users-file", format!("{path} is no file"));
            }
            Ok(metadata) if metadata.permissions().mode() & 0o007 != 0 => {
                self.warning(section, "users-file", format!("{path} is open to every user of the machine"));
            }
            Ok(_) => {}
            Err(error) => self.unreachable(section, "users-file", path, &error),
        }
    }

    /// A file or directory that cannot be looked at. Somebody who may not look (an administrator who checks the
    /// file without being root) is told so, no more.
    fn unreachable(&mut self, section: &str, key: &str, path: &Path, error: &io::Error) {
        let reason = format!("{}: {}", path.display(), plain(error));
        match error.kind() {
            io::ErrorKind::PermissionDenied => self.warning(section, key, reason),
            _ => self.error(section, key, reason),
        }
    }
}

impl Config {
    /// What is wrong, or looks wrong, although every option by itself is good. Looks at files, never at accounts or
    /// the network.
    pub fn check(&self) -> Vec<Finding> {
        let mut findings = Findings { config: self, found: Vec::new() };
        self.check_listen(&mut findings);
        self.check_login(&mut findings);
        self.check_sources(&mut findings);
        self.check_anonymous(&mut findings);
        self.check_sessions(&mut findings);
        self.check_data(&mut findings);
        self.check_hosts(&mut findings);
        self.check_limits(&mut findings);
        self.check_rules(&mut findings);
        self.check_tls(&mut findings);
        self.check_certificates(&mut findings);
        self.check_hooks(&mut findings);
        self.check_log(&mut findings);
        if let LogTarget::File(path) = &self.log.to
            && let Some(directory) = path.parent()
        {
            findings.directory("log", "to", directory);
        }
        findings.found
    }

    fn check_listen(&self, findings: &mut Findings<'_>) {
        let listen = &self.listen;
        if listen.addresses.is_empty() {
            findings.error("listen", "addresses", "the list is empty: nobody could connect");
        }
        for (index, address) in listen.addresses.iter().enumerate() {
            if listen.addresses[..index].contains(address) {
                findings.error("listen", "addresses", format!("{address} is listed twice"));
            }
        }
        for (key, marked) in [("passive-only", &listen.passive_only), ("proxied", &listen.proxied)] {
            for address in marked.iter().filter(|address| !listen.addresses.contains(address)) {
                findings.warning("listen", key, format!("{address} is not one of addresses"));
            }
        }
        match (listen.proxied.is_empty(), listen.trusted_proxies.is_empty()) {
            (false, true) => {
                findings.error("listen", "proxied", "nobody could connect: trusted-proxies is empty");
            }
            (true, false) => findings.warning("listen", "trusted-proxies", "has no effect without proxied"),
            (true, true) | (false, false) => {}
        }
        let set = |key| self.sets("listen", key);
        if listen.spare_workers.get() > listen.max_sessions.get() && set("spare-workers") {
            findings.warning("listen", "spare-workers", "is more than max-sessions");
        }
        if listen.max_sessions_per_address.get() > listen.max_sessions.get()
            && set("max-sessions-per-address")
        {
            findings.warning(
                "listen",
                "max-sessions-per-address",
                "has no effect: it is more than max-sessions",
            );
        }
    }

    fn check_login(&self, findings: &mut Findings<'_>) {
        let login = &self.login;
        for (kind, allowed, rejected) in [
            ("users", &login.allow_users, &login.reject_users),
            ("groups", &login.allow_groups, &login.reject_groups),
        ] {
            for name in allowed.iter().filter(|name| rejected.contains(name)) {
                let reason = format!("{name} is also listed in reject-{kind}");
                findings.error("login", &format!("allow-{kind}"), reason);
            }
        }
        if login.pam_service.is_empty() || login.pam_service.contains('/') {
            findings.error("login", "pam-service", "is the name of a file below /etc/pam.d, without a slash");
        }
        if let Some(directory) = &login.pam_directory {
            let service = directory.join(&login.pam_service);
            if let Err(error) = File::open(&service) {
                findings.unreachable("login", "pam-directory", &service, &error);
            }
        } else if !["/etc/pam.d", "/usr/lib/pam.d"]
            .iter()
            .any(|at| Path::new(at).join(&login.pam_service).exists())
        {
            let reason =
                format!("there is no /etc/pam.d/{}: nobody could log in with PAM", login.pam_service);
            findings.warning("login", "pam-service", reason);
        }
        let is_default = login.ftpusers_file == super::LoginOptions::default().ftpusers_file;
        if !is_default && let Err(error) = File::open(&*login.ftpusers_file) {
            let reason = format!("{}: {}", login.ftpusers_file, plain(&error));
            findings.warning("login", "ftpusers-file", reason);
        }
        if let Some(account) = login.users_account.as_deref().filter(|account| *account == "root") {
            findings.error("login", "users-account", format!("cannot be {account}"));
        }
        if let Some(path) = &login.users_file {
            findings.users_file("login", path);
        }
        let delays = login.failure_delay.seconds() * login.max_failures.get();
        if delays >= login.login_timeout.seconds() {
            let reason =
                format!("is over before max-failures is reached: the delays alone take {delays} seconds");
            findings.warning("login", "login-timeout", reason);
        }
    }

    fn check_anonymous(&self, findings: &mut Findings<'_>) {
        let anonymous = &self.anonymous;
        if !anonymous.enabled && !self.host.keys().any(|host| self.has_anonymous(Some(host))) {
            return;
        }
        if anonymous.account == "root" {
            findings.error("anonymous", "account", "anonymous sessions never run as root");
        }
        if anonymous.permissions.may_write() {
            findings.warning("anonymous", "permissions", "lets anybody who can connect change files");
        }
        if let Some(directory) = &anonymous.root_dir {
            findings.directory("anonymous", "root-dir", directory);
        }
    }

    fn check_sessions(&self, findings: &mut Findings<'_>) {
        if let Some(skeleton) = &self.session.home_skeleton {
            findings.directory("session", "home-skeleton", skeleton);
        }
        let sections = [("user", &self.user), ("group", &self.group)];
        let overrides = sections.iter().flat_map(|(kind, sections)| {
            sections.iter().map(move |(name, section)| {
                (
                    format!("{kind}.{}", super::reader::bare_or_quoted(name)),
                    section.permissions,
                    section.root_dir.as_ref(),
                )
            })
        });
        let hosts = self.host.iter().map(|(name, host)| {
            (super::Host::section(name), host.session.permissions, host.session.root_dir.as_ref())
        });
        let session = ("session".to_string(), Some(self.session.permissions), Some(&self.session.root_dir));
        for (section, permissions, root_dir) in std::iter::once(session).chain(hosts).chain(overrides) {
            if permissions == Some(Permissions::default()) {
                findings.warning(&section, "permissions", "allows nothing at all");
            }
            if let Some(RootDir::Template(template)) = root_dir
                && let Some(directory) = template.constant()
            {
                findings.directory(&section, "root-dir", &directory);
            }
        }
    }

    fn check_tls(&self, findings: &mut Findings<'_>) {
        let tls = &self.tls;
        for (key, files) in [("certificates", &tls.certificates), ("keys", &tls.keys)] {
            for path in files {
                if let Err(error) = File::open(&**path) {
                    findings.unreachable("tls", key, path, &error);
                }
            }
        }
        if !tls.keys.is_empty() && tls.keys.len() != tls.certificates.len() {
            findings.error("tls", "keys", "are as many as there are certificates, or none");
        }
        if !tls.ciphers.is_empty() && !tls.ciphers.iter().any(|name| tls.min_version.has_cipher(name)) {
            findings.error("tls", "ciphers", format!("has none for TLS {}", tls.min_version));
        }
        if !tls.certificates.is_empty() {
            return;
        }
        if !self.listen.implicit_addresses.is_empty() {
            findings.error(
                "listen",
                "implicit-addresses",
                "needs a certificate: [tls] certificates is empty",
            );
        }
        let of_hosts = self.host.iter().map(|(name, host)| (Host::section(name), host.session.require_tls));
        let own = [("user", &self.user), ("group", &self.group)].into_iter().flat_map(|(kind, sections)| {
            sections.iter().map(move |(name, section)| {
                (format!("{kind}.{}", super::reader::bare_or_quoted(name)), section.require_tls)
            })
        });
        for (section, required) in
            own.chain(of_hosts).chain([("session".to_string(), Some(self.session.require_tls))])
        {
            if required.is_some_and(|required| required != RequireTls::None) {
                findings.error(&section, "require-tls", "needs a certificate: [tls] certificates is empty");
            }
        }
    }

    fn check_data(&self, findings: &mut Findings<'_>) {
        let data = &self.data;
        if let Some(range) = data.passive_ports {
            for address in
                self.listen.addresses.iter().filter(|address| range.ports().contains(&address.port()))
            {
                findings.error(
                    "data",
                    "passive-ports",
                    format!("contains port {}, which is listened on", address.port()),
                );
            }
            if *range.ports().start() < 1024 {
                findings.error("data", "passive-ports", "has ports below 1024, which sessions may not open");
            }
        }
        if !data.masquerade_exempt.is_empty()
            && data.masquerade_map.is_empty()
            && data.masquerade_address.is_none()
        {
            let reason = "has no effect: there is neither masquerade-address nor masquerade-map";
            findings.warning("data", "masquerade-exempt", reason);
        }
        let named = matches!(data.masquerade_address, Some(Masquerade::Name(_)));
        if !named && self.sets("data", "masquerade-refresh") {
            findings.warning("data", "masquerade-refresh", "has no effect: masquerade-address is no name");
        }
        if data.epsv_only && (data.masquerade_address.is_some() || !data.masquerade_map.is_empty()) {
            findings.warning("data", "epsv-only", "leaves no use for masquerade addresses: EPSV tells none");
        }
        if !data.active && data.active_port_20 && self.sets("data", "active-port-20") {
            findings.warning("data", "active-port-20", "has no effect: active is false");
        }
    }
}
