//! Rules about files: whom they are about, what they match, and which of them decides. Pure: paths are text here, which the
//! session has freed of symbolic links before.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use super::permissions::{Letter, Permissions};
use super::reader::bare_or_quoted;
use super::{Config, RuleOptions};

/// A `[rule.NAME]` section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rule {
    /// What it is called.
    pub name: String,
    /// What it says.
    pub options: RuleOptions,
}

impl Rule {
    /// The section of a rule of this name, as the file has it between the brackets.
    pub fn section(name: &str) -> String {
        format!("rule.{}", bare_or_quoted(name))
    }

    /// Whether it is about this visitor.
    fn is_about(&self, visitor: &Visitor<'_>) -> bool {
        let options = &self.options;
        let is_anybody = options.users.is_empty() && options.groups.is_empty();
        // The account of anonymous clients has groups, too; but they are nobody in particular.
        let is_member =
            !visitor.anonymous && visitor.groups.iter().any(|group| options.groups.contains(group));
        let named = |names: &[String], name: &str| names.iter().any(|own| own == name);
        (is_anybody || is_member || named(&options.users, visitor.user))
            && options.anonymous.is_none_or(|anonymous| anonymous == visitor.anonymous)
            && (options.hosts.is_empty() || visitor.host.is_some_and(|host| named(&options.hosts, host)))
            && (options.networks.is_empty()
                || options.networks.iter().any(|network| network.contains(visitor.address)))
    }

    /// Whether it gives the right to change something.
    pub(super) fn gives_writing(&self) -> bool {
        self.options.give.may_write() || self.options.permissions.is_some_and(Permissions::may_write)
    }
}

/// Somebody who has logged in, as far as rules ask.
#[derive(Clone, Copy, Debug)]
pub struct Visitor<'a> {
    /// The name that was proved, or `anonymous`.
    pub user: &'a str,
    /// The names of his groups.
    pub groups: &'a [String],
    /// Whether he has not proved anything.
    pub anonymous: bool,
    /// The virtual host that serves him, if there is one.
    pub host: Option<&'a str>,
    /// His address.
    pub address: IpAddr,
}

/// Where something stands that was decided: section, file and line, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spot {
    /// The section, without brackets.
    pub section: String,
    /// The file; None for a default, and for what the command line says.
    pub file: Option<PathBuf>,
    /// The line, counted from 1, where it is known.
    pub line: Option<usize>,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "[{}], {}:{line}", self.section, file.display()),
            (Some(file), None) => write!(f, "[{}] in {}", self.section, file.display()),
            (None, _) => write!(f, "the default of [{}]", self.section),
        }
    }
}

/// The rules that hold for one session, the first one first.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    file: Option<PathBuf>,
    /// Where the session begins.
    home: Vec<Vec<u8>>,
    rules: Vec<Selected>,
}

#[derive(Clone, Debug)]
struct Selected {
    rule: Rule,
    /// Where its options stand: their names, and the line of each.
    lines: Vec<(String, usize)>,
}

/// Something that rules are asked about.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The names from the root down.
    pub path: &'a [&'a [u8]],
    /// How many of them are in directories that tell large letters from small ones: the first ones.
    pub exact: usize,
    /// Whether it is a directory. Asked only where a rule makes a difference.
    pub is_directory: &'a dyn Fn() -> bool,
}

impl Config {
    /// Where an option stands.
    pub fn spot(&self, section: &str, key: &str) -> Spot {
        let line = self.places.line(section, key);
        let file = self.places.file().filter(|_| line.is_some()).map(PathBuf::from);
        Spot { section: section.to_string(), file, line }
    }

    /// The permission letters of a visitor where no rule says otherwise, and what says so: his own section, one of his
    /// groups, the virtual host, or what holds for all.
    pub fn permissions_of(&self, visitor: &Visitor<'_>) -> (Permissions, Spot) {
        let said = |section: String, permissions: Option<Permissions>| Some((permissions?, section));
        let of_group = |group: &String| {
            let overrides = self.group.get(group)?;
            said(format!("group.{}", bare_or_quoted(group)), overrides.permissions)
        };
        let own = || match visitor.anonymous {
            true => said("anonymous".into(), Some(self.anonymous.permissions)),
            false => {
                let overrides = self.user.get(visitor.user);
                let user = format!("user.{}", bare_or_quoted(visitor.user));
                overrides
                    .and_then(|overrides| said(user, overrides.permissions))
                    .or_else(|| visitor.groups.iter().rev().find_map(of_group))
            }
        };
        let of_host = || {
            let (name, host) = self.host.get_key_value(visitor.host?)?;
            said(super::Host::section(name), host.session.permissions)
        };
        let (permissions, section) =
            own().or_else(of_host).unwrap_or_else(|| (self.session.permissions, "session".to_string()));
        (permissions, self.spot(&section, "permissions"))
    }

    /// Whether a rule gives this visitor the right to change something.
    pub fn gives_writing(&self, visitor: &Visitor<'_>) -> bool {
        self.rules.iter().any(|rule| rule.is_about(visitor) && rule.gives_writing())
    }

    /// The rules that hold for this visitor, whose session begins in `home` as he sees it.
    pub fn rules_for(&self, visitor: &Visitor<'_>, home: &[u8]) -> Rules {
        let selected = self.rules.iter().filter(|rule| rule.is_about(visitor)).map(|rule| Selected {
            rule: rule.clone(),
            lines: self.places.lines_of(&Rule::section(&rule.name)),
        });
        Rules {
            rules: selected.collect(),
            file: self.places.file().map(PathBuf::from),
            home: home
                .split(|&byte| byte == b'/')
                .filter(|name| !name.is_empty())
                .map(<[u8]>::to_vec)
                .collect(),
        }
    }
}

impl Rules {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The first rule that matches and says something, and what it says. `says` is also told how far above the place the
    /// directory is that the rule names: 0, it names the place itself.
    pub fn first<T>(
        &self,
        place: Place<'_>,
        says: impl Fn(&RuleOptions, usize) -> Option<T>,
    ) -> Option<(usize, T)> {
        let home: Vec<&[u8]> = self.home.iter().map(Vec::as_slice).collect();
        self.rules.iter().enumerate().find_map(|(index, selected)| {
            let options = &selected.rule.options;
            // Most say nothing about the matter, which is found out sooner than whether they match.
            says(options, 0).as_ref()?;
            let above = options.matches(place, &home)?;
            Some((index, says(options, above)?))
        })
    }

    /// Whether the first rule that mentions the letter gives it; and which rule that is.
    pub fn letter(&self, letter: Letter, place: Place<'_>) -> Option<(usize, bool)> {
        self.first(place, |options, _| {
            if options.give.allows(letter) || options.take.allows(letter) {
                return Some(options.give.allows(letter));
            }
            options.permissions.map(|permissions| permissions.allows(letter))
        })
    }

    /// A rule that names this directory or something in it, if there is one: with the directory it would move away.
    pub fn in_directory(&self, place: Place<'_>) -> Option<usize> {
        let home: Vec<&[u8]> = self.home.iter().map(Vec::as_slice).collect();
        let mut patterns = self.rules.iter().map(|selected| &selected.rule.options.paths);
        patterns.position(|paths| {
            paths.iter().any(|one| match one.is_of_any_place() {
                true => one.above(place.path, place.exact, &home).any(|up| up == 0),
                false => one.could_be_in(place.path, place.exact, &home),
            })
        })
    }

    /// A rule that names this place or something that would be in it: a directory that comes there from somewhere else, or
    /// a link to one, would bring what the rule has never been asked about.
    pub fn expecting(&self, place: Place<'_>) -> Option<usize> {
        let home: Vec<&[u8]> = self.home.iter().map(Vec::as_slice).collect();
        let mut patterns = self.rules.iter().map(|selected| &selected.rule.options.paths);
        patterns.position(|paths| {
            let mut fixed = paths.iter().filter(|one| one.is_of_some_depth());
            fixed.any(|one| one.could_be_in(place.path, place.exact, &home))
        })
    }

    /// A rule about some names in one of these directories that is not about the same names in the other.
    pub fn about_names_in(&self, place: Place<'_>, and_not_in: Place<'_>) -> Option<usize> {
        let home: Vec<&[u8]> = self.home.iter().map(Vec::as_slice).collect();
        self.rules.iter().position(|selected| {
            let options = &selected.rule.options;
            !options.names.is_empty()
                && options.nearest(place, &home).is_some()
                && options.nearest(and_not_in, &home).is_none()
        })
    }

    /// A rule that does not let every file be in the first of these directories, and is not about the other one.
    pub fn particular_in(&self, place: Place<'_>, and_not_in: Place<'_>) -> Option<usize> {
        let home: Vec<&[u8]> = self.home.iter().map(Vec::as_slice).collect();
        self.rules.iter().position(|selected| {
            let options = &selected.rule.options;
            let of_names =
                !options.names.is_empty() && (options.forbid == Some(true) || options.hide == Some(true));
            (of_names || options.max_file_size.is_some_and(|size| size.bytes().is_some()))
                && options.nearest(place, &home).is_some()
                && options.nearest(and_not_in, &home).is_none()
        })
    }

    /// What a rule is called.
    pub fn name(&self, index: usize) -> &str {
        &self.rules[index].rule.name
    }

    /// What a rule says.
    pub fn options(&self, index: usize) -> &RuleOptions {
        &self.rules[index].rule.options
    }

    /// Where a rule says it.
    pub fn origin(&self, index: usize, key: &str) -> Spot {
        let Selected { rule, lines } = &self.rules[index];
        let line = lines.iter().find(|(known, _)| known == key).map(|(_, line)| *line);
        Spot { section: Rule::section(&rule.name), file: self.file.clone(), line }
    }

    /// Lets the rules hold also for what their paths lead to, where they lead through symbolic links: `real` tells the
    /// same place without links, from names to names, if there is such a place.
    pub fn follow_links(&mut self, real: impl Fn(&[Vec<u8>]) -> Option<Vec<Vec<u8>>>) {
        let home: Vec<&[u8]> = self.home.iter().map(Vec::as_slice).collect();
        for selected in &mut self.rules {
            let patterns = &mut selected.rule.options.paths;
            let led = patterns.iter().filter_map(|pattern| {
                let (names, said) = pattern.literal(&home);
                let real = real(&names).filter(|real| *real != names)?;
                Some(pattern.rebased(real, said))
            });
            let led: Vec<_> = led.collect();
            patterns.extend(led);
        }
    }
}

impl RuleOptions {
    /// How far above the place the nearest directory is that `paths` name; None: it is in none of them.
    fn nearest(&self, place: Place<'_>, home: &[&[u8]]) -> Option<usize> {
        if self.paths.is_empty() {
            return Some(place.path.len());
        }
        self.paths.iter().filter_map(|pattern| pattern.above(place.path, place.exact, home).min()).min()
    }

    /// The same with the farthest one.
    fn farthest(&self, place: Place<'_>, home: &[&[u8]]) -> Option<usize> {
        if self.paths.is_empty() {
            return Some(place.path.len());
        }
        self.paths.iter().filter_map(|pattern| pattern.above(place.path, place.exact, home).max()).max()
    }

    /// Whether the rule is about this place: how far above it the directory is that the rule names.
    fn matches(&self, place: Place<'_>, home: &[&[u8]]) -> Option<usize> {
        let above = self.nearest(place, home)?;
        let reaches = self.recursive || above == 0 || above == 1 && !(place.is_directory)();
        if !reaches {
            return None;
        }
        let reach = if self.recursive { self.farthest(place, home)? } else { above };
        // A name that `paths` say is one of the names that may match, too.
        let first = place.path.len().saturating_sub(reach + 1);
        let is_named =
            |at: usize| self.names.iter().any(|pattern| pattern.matches(place.path[at], at < place.exact));
        (self.names.is_empty() || (first..place.path.len()).any(is_named)).then_some(above)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    fn config(text: &str) -> Config {
        Config::parse(Path::new("f"), text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    fn somebody<'a>(user: &'a str, groups: &'a [String], address: &str) -> Visitor<'a> {
        Visitor {
            user,
            groups,
            anonymous: user == "anonymous",
            host: None,
            address: address.parse().unwrap(),
        }
    }

    fn names(path: &str) -> Vec<&[u8]> {
        path.split('/').filter(|name| !name.is_empty()).map(str::as_bytes).collect()
    }

    /// Whether the first rule that mentions `d` gives it, and which one that is.
    fn deletes(rules: &Rules, path: &str, directory: bool) -> Option<(usize, bool)> {
        rules.letter(
            Letter::Delete,
            Place { path: &names(path), exact: usize::MAX, is_directory: &|| directory },
        )
    }

    #[test]
    fn rules_stay_in_the_order_of_the_file() {
        let text = "[rule.z]\n[rule.a]\n[rule.m]\n";
        let order = |config: &Config| config.rules.iter().map(|rule| rule.name.clone()).collect::<Vec<_>>();
        assert_eq!(order(&config(text)), ["z", "a", "m"]);
        assert_eq!(order(&config(&config(text).to_toml())), ["z", "a", "m"]);
    }

    #[test]
    fn a_rule_is_about_whom_it_names() {
        let config = config(
            "[rule.a]\nusers = [\"eve\"]\ngroups = [\"staff\"]\nnetworks = [\"192.0.2.0/24\"]\n[rule.b]\nanonymous = false\n",
        );
        let count = |visitor: Visitor<'_>| config.rules_for(&visitor, b"/").rules.len();
        let staff = ["staff".to_string()];
        assert_eq!(count(somebody("eve", &[], "192.0.2.1")), 2);
        assert_eq!(count(somebody("bob", &staff, "::ffff:192.0.2.1")), 2);
        assert_eq!(count(somebody("bob", &staff, "198.51.100.1")), 1);
        assert_eq!(count(somebody("bob", &[], "192.0.2.1")), 1);
        // The account of anonymous clients may be in any group.
        assert_eq!(count(somebody("anonymous", &staff, "192.0.2.1")), 0);
    }

    #[test]
    fn what_is_said_is_found_again() {
        let config = config(
            "[session]\npermissions = \"elr\"\n[group.staff]\npermissions = \"el\"\n[rule.a]\ntake = \"d\"\n",
        );
        let of =
            |user, groups: &[String]| config.permissions_of(&somebody(user, groups, "::1")).1.to_string();
        assert_eq!(of("eve", &[]), "[session], f:2");
        assert_eq!(of("eve", &["staff".into()]), "[group.staff], f:4");
        assert_eq!(of("anonymous", &[]), "the default of [anonymous]");
        let rules = config.rules_for(&somebody("eve", &[], "::1"), b"/");
        assert_eq!(rules.origin(0, "take").to_string(), "[rule.a], f:6");
    }

    #[test]
    fn links_lead_rules_along() {
        let config = config("[rule.a]\npaths = [\"~/in/*\"]\ntake = \"d\"\n");
        let mut rules = config.rules_for(&somebody("eve", &[], "::1"), b"/home/eve");
        let led = |path: &[Vec<u8>]| {
            let home_and_in: [&[u8]; 3] = [b"home", b"eve", b"in"];
            assert_eq!(path, home_and_in);
            Some(vec![b"data".to_vec()])
        };
        assert_eq!(deletes(&rules, "/data/x", false), None);
        rules.follow_links(led);
        assert_eq!(deletes(&rules, "/data/x", false), Some((0, false)));
        assert_eq!(deletes(&rules, "/home/eve/in/x/y", false), Some((0, false)));
    }

    /// What the manual says, in as many words: no cleverness, one path, no patterns.
    fn simply(rule: &(String, String, bool, bool), path: &str, directory: bool) -> bool {
        let (base, name, recursive, _) = rule;
        let inside = path == base || path.starts_with(&format!("{}/", base.trim_end_matches('/')));
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let parent = if parent.is_empty() { "/" } else { parent };
        let reached = *recursive || path == base || parent == base && path != "/" && !directory;
        let from = base.trim_end_matches('/').rfind('/').unwrap_or(0);
        let named = || name.is_empty() || path[from..].split('/').any(|part| part == name);
        inside && reached && named()
    }

    proptest! {
        #[test]
        fn the_first_rule_that_matches_decides(
            said in prop::collection::vec(("(/[ab]){1,3}", "[ab]?", any::<bool>(), any::<bool>()), 0..5),
            path in "(/[ab]){1,5}",
            directory: bool,
        ) {
            let mut text = String::new();
            for (index, (base, name, recursive, gives)) in said.iter().enumerate() {
                text.push_str(&format!("[rule.r{index}]\npaths = [\"{base}\"]\nrecursive = {recursive}\n"));
                if !name.is_empty() {
                    text.push_str(&format!("names = [\"{name}\"]\n"));
                }
                text.push_str(if *gives { "give = \"d\"\n" } else { "take = \"d\"\n" });
            }
            let rules = config(&text).rules_for(&somebody("eve", &[], "::1"), b"/");
            let expected = said.iter().position(|rule| simply(rule, &path, directory));
            let found = deletes(&rules, &path, directory);
            prop_assert_eq!(found, expected.map(|index| (index, said[index].3)), "{}", text);
        }
    }
}
