//! Which options lead into directories that a service may have to itself: /tmp and /var/tmp.

use super::{Config, Host, Problem, RootDir, SessionOverrides};

impl Config {
    /// The first option, if there is one, with which sessions see the /tmp or /var/tmp that everybody has.
    pub fn shows_tmp(&self) -> Option<Problem> {
        let reason = "leads to a /tmp of the service, not to the machine's: systemctl edit ftpd, and add \
                      [Service] PrivateTmp=no";
        let (section, key) = self.first_that_shows_tmp()?;
        Some(self.problem(&section, key, reason.to_string()))
    }

    fn first_that_shows_tmp(&self) -> Option<(String, &'static str)> {
        let named = |kind: &'static str| move |(name, one)| (format!("{kind}.{name}"), one);
        let overrides = self.user.iter().map(named("user")).chain(self.group.iter().map(named("group")));
        let hosts = self.host.iter().map(|(name, host)| (Host::section(name), &host.session));
        let mut roots = std::iter::once(("session".to_string(), &self.session.root_dir)).chain(
            overrides
                .chain(hosts)
                .filter_map(|(section, one): (_, &SessionOverrides)| Some((section, one.root_dir.as_ref()?))),
        );
        if let Some((section, _)) = roots.find(|(_, root)| is_shared(root)) {
            return Some((section, "root-dir"));
        }
        if self.anonymous.enabled && self.anonymous.root_dir.as_deref().is_some_and(is_below_tmp) {
            return Some(("anonymous".into(), "root-dir"));
        }
        let of_host = |host: &Host| host.own.anonymous_root_dir.as_deref().is_some_and(is_below_tmp);
        let (name, _) = self.host.iter().find(|(_, host)| of_host(host))?;
        Some((Host::section(name), "anonymous-root-dir"))
    }
}

fn is_shared(root: &RootDir) -> bool {
    match root {
        RootDir::Home => false,
        RootDir::Real => true,
        RootDir::Template(template) => is_below_tmp(template.to_string().as_ref()),
    }
}

fn is_below_tmp(path: &std::path::Path) -> bool {
    path.starts_with("/tmp") || path.starts_with("/var/tmp")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_option_that_leads_to_tmp_is_named() {
        let named = |text: &str| {
            let config = Config::parse("f".as_ref(), text).unwrap();
            config.first_that_shows_tmp().map(|(section, key)| format!("[{section}] {key}"))
        };
        for text in ["", "anonymous.root-dir = \"/tmp/a\"", "session.root-dir = \"/tmpfs/%u\""] {
            assert_eq!(named(text), None, "{text}");
        }
        for (text, option) in [
            ("session.root-dir = \"real\"", "[session] root-dir"),
            ("session.root-dir = \"/var/tmp/%u\"", "[session] root-dir"),
            ("user.alice.root-dir = \"real\"", "[user.alice] root-dir"),
            ("group.staff.root-dir = \"/tmp\"", "[group.staff] root-dir"),
            ("[anonymous]\nenabled = true\nroot-dir = \"/tmp/drop\"", "[anonymous] root-dir"),
        ] {
            assert_eq!(named(text).as_deref(), Some(option), "{text}");
        }
    }
}
