//! Contradictions between virtual hosts, and between them and the rest.

use super::Findings;
use crate::config::texts::Unreadable;
use crate::config::{Config, Host, HostName};

impl Config {
    /// Virtual hosts, and the banners of all.
    pub(super) fn check_hosts(&self, findings: &mut Findings<'_>) {
        for (name, host) in &self.host {
            let section = Host::section(name);
            self.check_addresses(&section, name, host, findings);
            self.check_names(&section, name, host, findings);
            self.check_accounts(&section, name, host, findings);
            let most = host.own.max_sessions.filter(|most| most.get() > self.listen.max_sessions.get());
            if most.is_some() {
                findings.warning(
                    &section,
                    "max-sessions",
                    "has no effect: it is more than max-sessions in [listen]",
                );
            }
            if host.own.banner.is_some() && host.own.banner_file.is_some() {
                findings.warning(&section, "banner", "has no effect where banner-file can be read");
            }
        }
        if self.sets("server", "banner") && self.server.banner_file.is_some() {
            findings.warning("server", "banner", "has no effect where banner-file can be read");
        }
        for (section, path, why) in self.unreadable_banner_files() {
            match why {
                Unreadable::Bad(reason) => {
                    findings.error(&section, "banner-file", format!("{path}: {reason}"))
                }
                Unreadable::Forbidden(reason) => {
                    findings.warning(&section, "banner-file", format!("{path}: {reason}"));
                }
            }
        }
    }

    fn check_addresses(&self, section: &str, name: &str, host: &Host, findings: &mut Findings<'_>) {
        for (index, address) in host.own.addresses.iter().enumerate() {
            if host.own.addresses[..index].contains(address) {
                findings.error(section, "addresses", format!("{address} is listed twice"));
            }
            for (other, _) in
                self.others_before(name).filter(|(_, host)| host.own.addresses.contains(address))
            {
                findings.error(
                    section,
                    "addresses",
                    format!("{address} is also that of [{}]", Host::section(other)),
                );
            }
            if !self.listen.addresses.iter().any(|listener| address.is_reached_through(*listener)) {
                let reason = format!("nobody can connect to {address}: [listen] addresses does not have it");
                findings.warning(section, "addresses", reason);
            }
        }
    }

    fn check_names(&self, section: &str, name: &str, host: &Host, findings: &mut Findings<'_>) {
        for (index, alias) in host.own.names.iter().enumerate() {
            if host.own.names[..index].contains(alias) {
                findings.error(section, "names", format!("{alias} is listed twice"));
            }
        }
        let own_name: Option<HostName> = name.parse().ok();
        for alias in own_name.iter().chain(&host.own.names) {
            for (other, _) in self.others_before(name).filter(|(other, host)| host.is_called(other, alias)) {
                let reason = format!("{alias} is also a name of [{}]", Host::section(other));
                findings.error(section, "names", reason);
            }
        }
    }

    fn check_accounts(&self, section: &str, name: &str, host: &Host, findings: &mut Findings<'_>) {
        let own = &host.own;
        for (kind, allowed, rejected) in [
            ("users", &own.allow_users, &own.reject_users),
            ("groups", &own.allow_groups, &own.reject_groups),
        ] {
            for account in allowed.iter().filter(|account| rejected.contains(account)) {
                let reason = format!("{account} is also listed in reject-{kind}");
                findings.error(section, &format!("allow-{kind}"), reason);
            }
        }
        if let Some(path) = &own.users_file {
            findings.users_file(section, path);
        }
        if let Some(directory) = &own.anonymous_root_dir {
            match self.has_anonymous(Some(name)) {
                true => findings.directory(section, "anonymous-root-dir", directory),
                false => {
                    findings.warning(
                        section,
                        "anonymous-root-dir",
                        "has no effect: there are no anonymous logins here",
                    );
                }
            }
        }
    }

    /// The hosts before this one: each pair is looked at once.
    fn others_before(&self, name: &str) -> impl Iterator<Item = (&String, &Host)> {
        self.host.iter().take_while(move |(other, _)| other.as_str() < name)
    }
}
