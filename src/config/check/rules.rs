//! Rules that contradict themselves, that nobody meets, and that can never decide anything.

use super::Findings;
use crate::config::permissions::Permissions;
use crate::config::{Config, Rule, RuleOptions};

impl Config {
    /// What is wrong with rules.
    pub(super) fn check_rules(&self, findings: &mut Findings<'_>) {
        for (index, rule) in self.rules.iter().enumerate() {
            let section = Rule::section(&rule.name);
            let options = &rule.options;
            self.check_selection(&section, options, findings);
            self.check_box(&section, options, findings);
            let both = options.give.without(options.give.without(options.take));
            if !both.is_empty() {
                findings.error(&section, "take", format!("takes {both}, which give gives"));
            }
            if options.permissions.is_some() && !(options.give.is_empty() && options.take.is_empty()) {
                let reason = "say all letters there; give and take change them, and need none beside them";
                findings.warning(&section, "permissions", reason);
            }
            if options.owner.as_deref() == Some("root") {
                findings.error(&section, "owner", "files that clients upload never belong to root");
            }
            if options.retention_days.is_some() && options.write_once != Some(true) {
                findings.warning(&section, "retention-days", "has no effect without write-once");
            }
            if matters(options).is_empty() {
                findings.warning(&section, "paths", "the rule says nothing about what it is about");
            }
            for (key, earlier) in self.overruled(index) {
                let reason = format!("has no effect: [{}] decides it before", Rule::section(&earlier.name));
                findings.warning(&section, key, reason);
            }
            if self.anonymous.enabled && self.is_open_to_anybody(rule) {
                let key = if options.permissions.is_some() { "permissions" } else { "give" };
                findings.warning(&section, key, "lets anybody who can connect change files");
            }
        }
    }

    fn check_selection(&self, section: &str, options: &RuleOptions, findings: &mut Findings<'_>) {
        for host in options.hosts.iter().filter(|host| !self.host.contains_key(*host)) {
            findings.error(section, "hosts", format!("there is no [{}]", crate::config::Host::section(host)));
        }
        let named = options.users.iter().any(|user| user == "anonymous");
        if options.anonymous == Some(true) && !(options.users.is_empty() || named) {
            findings.warning(section, "users", "nobody is meant: anonymous is true");
        }
        if options.anonymous == Some(true) && options.users.is_empty() && !options.groups.is_empty() {
            findings.warning(section, "groups", "nobody is meant: anonymous clients are in no group");
        }
        if !options.recursive && options.paths.is_empty() {
            findings.error(section, "recursive", "has no directory to be about: paths is empty");
        }
    }

    fn check_box(&self, section: &str, options: &RuleOptions, findings: &mut Findings<'_>) {
        if options.drop_box != Some(true) {
            return;
        }
        if options.paths.is_empty() {
            findings.error(section, "drop-box", "needs paths: a drop box is a directory");
        }
        if !options.names.is_empty() || !options.recursive {
            findings.error(
                section,
                "drop-box",
                "is about all of a directory; names and recursive make no sense",
            );
        }
    }

    /// Whether the rule lets anonymous clients write, who could not without it.
    fn is_open_to_anybody(&self, rule: &Rule) -> bool {
        let options = &rule.options;
        let is_meant = options.anonymous != Some(false)
            && (options.users.is_empty() && options.groups.is_empty()
                || options.users.iter().any(|user| user == "anonymous"));
        let gives = options.permissions.unwrap_or_default().with(options.give);
        // To create files in a drop box is what a drop box is for.
        let wanted: Permissions = match options.drop_box {
            Some(true) => gives.without(Permissions::CREATE),
            Some(false) | None => gives,
        };
        is_meant && wanted.without(self.anonymous.permissions).may_write()
    }

    /// What a rule says that an earlier one has always said before.
    fn overruled(&self, index: usize) -> Vec<(&'static str, &Rule)> {
        let rule = &self.rules[index].options;
        let mut found = Vec::new();
        for (key, letters) in matters(rule) {
            let earlier = self.rules[..index].iter().find(|earlier| {
                let decides = |other: &(&str, Permissions)| match letters.is_empty() {
                    true => other.0 == key,
                    false => letters.without(other.1).is_empty(),
                };
                covers(&earlier.options, rule) && matters(&earlier.options).iter().any(decides)
            });
            found.extend(earlier.map(|earlier| (key, earlier)));
        }
        found
    }
}

/// What a rule says something about: the options, and of which letters those are that are about letters.
fn matters(options: &RuleOptions) -> Vec<(&'static str, Permissions)> {
    let no_letters = Permissions::default();
    let said = [
        ("permissions", options.permissions.is_some(), Permissions::all()),
        ("give", !options.give.is_empty(), options.give),
        ("take", !options.take.is_empty(), options.take),
        ("hide", options.hide.is_some(), no_letters),
        ("forbid", options.forbid.is_some(), no_letters),
        ("drop-box", options.drop_box.is_some(), no_letters),
        ("write-once", options.write_once.is_some(), no_letters),
        ("max-file-size", options.max_file_size.is_some(), no_letters),
        ("umask", options.umask.is_some(), no_letters),
        ("file-mode", options.file_mode.is_some(), no_letters),
        ("directory-mode", options.directory_mode.is_some(), no_letters),
        ("owner", options.owner.is_some(), no_letters),
        ("group", options.group.is_some(), no_letters),
    ];
    said.into_iter().filter(|(_, said, _)| *said).map(|(key, _, letters)| (key, letters)).collect()
}

/// Whether the earlier rule is about everybody and everything that the later one is about.
fn covers(earlier: &RuleOptions, later: &RuleOptions) -> bool {
    let whom = |options: &RuleOptions| {
        (
            options.users.clone(),
            options.groups.clone(),
            options.anonymous,
            options.hosts.clone(),
            options.networks.clone(),
        )
    };
    let everybody = RuleOptions::default();
    let is_about_them = whom(earlier) == whom(&everybody) || whom(earlier) == whom(later);
    let is_about_names = earlier.names.is_empty() || earlier.names == later.names;
    let is_about_paths = earlier.paths.is_empty() || earlier.paths == later.paths;
    is_about_them
        && is_about_names
        && is_about_paths
        && (earlier.recursive || earlier.recursive == later.recursive)
}
