//! What is wrong with the sources of users, although every option by itself is good.

use super::{Config, Findings};
use crate::config::{Host, Source};
use crate::system::program::distrust;

impl Config {
    /// Who is asked about users, and whether they can be.
    pub(super) fn check_sources(&self, findings: &mut Findings<'_>) {
        let of_hosts = self.host.iter().filter_map(|(name, host)| {
            Some((Host::section(name), Some(name.as_str()), host.own.sources.as_ref()?))
        });
        let general = ("login".to_string(), None, &self.login.sources);
        for (section, host, sources) in std::iter::once(general).chain(of_hosts) {
            if sources.is_empty() && !self.has_anonymous(host) {
                findings.error(&section, "sources", "the list is empty: nobody could log in");
            }
            for (index, source) in sources.iter().enumerate() {
                if sources[..index].contains(source) {
                    findings.error(&section, "sources", format!("{source} is listed twice"));
                }
                let is_there = match source {
                    Source::UsersFile => self.users_file(host).is_some() || self.inherited_users.is_some(),
                    Source::Check => self.check.program.is_some(),
                    Source::System => true,
                };
                if !is_there && self.sets(&section, "sources") {
                    findings.warning(
                        &section,
                        "sources",
                        format!("{source} is not configured: it knows nobody"),
                    );
                }
            }
        }
        self.check_program(findings);
    }

    fn check_program(&self, findings: &mut Findings<'_>) {
        let check = &self.check;
        let Some(program) = &check.program else { return };
        if let Some(reason) = distrust(program) {
            findings.error("check", "program", reason);
        }
        for (key, names) in [("account", std::slice::from_ref(&check.account)), ("accounts", &check.accounts)]
        {
            if names.iter().any(|name| name == "root") {
                findings.error("check", key, "cannot be root");
            }
        }
        let lists =
            self.host.values().filter_map(|host| host.own.sources.as_ref()).chain([&self.login.sources]);
        if !lists.into_iter().any(|sources| sources.contains(&Source::Check)) {
            findings.warning("check", "program", "has no effect: sources in [login] does not have \"check\"");
        }
    }
}
