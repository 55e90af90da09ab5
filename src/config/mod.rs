//! What an administrator may say: the list of options, values that cannot be bad, and the documents made of them.
//!
//! `options` is the list. Everything else is derived from it: the structs of [`Config`], their defaults, the reader,
//! `ftpd show-config`, etc/ftpd.toml and ftpd.toml(5). No policy lives here: a value says what is meant, the process
//! that uses it decides.

mod accounts;
mod certificates;
mod check;
mod commands;
mod control;
mod data;
mod declare;
mod error;
mod events;
mod frequency;
mod hosts;
mod hours;
mod log;
mod networks;
mod options;
mod patterns;
mod permissions;
mod quotas;
mod rate;
mod reader;
mod rules;
mod size;
mod source;
mod texts;
mod tls;
mod tmp;
pub mod users;
mod value;
mod values;

use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::path::Path;

pub use accounts::{Date, EmailPattern, HashKind, Origin, Source, UidRange};
pub use certificates::{CertificateField, CertificateMatch, ClientCertificates, LoginBy, is_certificate_of};
pub use check::Finding;
pub use commands::CommandName;
pub use control::control_socket;
pub use data::{AddressMap, Masquerade, Network};
pub use declare::{OptionDoc, SectionDoc};
pub use error::{Error, Problem};
pub use events::{EventName, HookTime};
pub use frequency::{Frequency, Tempo};
pub use hosts::{Host, HostAddress, HostName, NoSuchHost};
pub use hours::{Hours, WeekMinute, next_change};
pub use log::{Facility, LOG_TOKENS, LinePrefix, LogFormat, SyslogFormat, TRANSFER_TOKENS, TransferLine};
pub use options::{
    Anonymous, CheckOptions, Control, Data, Events, HookOptions, HostOptions, Limits, Listen,
    ListenerOptions, LogOptions, LoginOptions, Metrics, NAMED_SECTIONS, NetworkOptions, QuotaOptions,
    RuleOptions, SECTIONS, Server, SessionOptions, SessionOverrides, Tls,
};
pub use patterns::{NamePattern, PathPattern};
pub use permissions::{Letter, Permissions};
pub use quotas::{QuotaOf, QuotaPath};
pub use rate::Rate;
pub use reader::bare_or_quoted;
pub use rules::{Place, Rule, Rules, Spot, Visitor};
pub use size::Size;
pub use source::{Adjustments, Announce, ConfigSource};
pub use texts::{Banner, FileName, Message};
pub use tls::{Alpn, CipherName, GroupName, RequireTls, SessionReuse, TlsVersion};
pub use value::Value;
pub use values::{
    AbsolutePath, CommandExcess, Count, ListingTimes, LogLevel, LogTarget, OctalMode, PortRange,
    ProcessTitles, RootDir, Seconds, Template,
};

use declare::Options;
use reader::Places;

/// Where the configuration is, unless the command line says otherwise.
pub const DEFAULT_PATH: &str = "/etc/ftpd/ftpd.toml";

/// The whole configuration of a daemon. Every process inherits it from the one it was forked from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `[listen]`
    pub listen: Listen,
    /// `[server]`
    pub server: Server,
    /// `[limits]`
    pub limits: Limits,
    /// `[login]`
    pub login: LoginOptions,
    /// `[check]`
    pub check: CheckOptions,
    /// `[anonymous]`
    pub anonymous: Anonymous,
    /// What of `[session]` stands in `[anonymous]`.
    pub anonymous_overrides: SessionOverrides,
    /// `[session]`
    pub session: SessionOptions,
    /// `[data]`
    pub data: Data,
    /// `[tls]`
    pub tls: Tls,
    /// `[control]`
    pub control: Control,
    /// `[metrics]`
    pub metrics: Metrics,
    /// `[log]`
    pub log: LogOptions,
    /// `[events]`
    pub events: Events,
    /// `[user.NAME]`: what of `[session]` is different for a user.
    pub user: BTreeMap<String, SessionOverrides>,
    /// `[group.NAME]`: what of `[session]` is different for the members of a group.
    pub group: BTreeMap<String, SessionOverrides>,
    /// `[host.NAME]`: virtual hosts.
    pub host: BTreeMap<String, Host>,
    /// `[listener.ADDRESS]`: what holds for those who come in at a listener.
    pub listener: BTreeMap<String, ListenerOptions>,
    /// `[hook.NAME]`: programs that events start.
    pub hook: BTreeMap<String, HookOptions>,
    /// `[network.NAME]`: networks with limits of their own.
    pub network: BTreeMap<String, NetworkOptions>,
    /// `[quota.NAME]`: directories with a limit to what is in them.
    pub quota: BTreeMap<String, QuotaOptions>,
    /// `[rule.NAME]`: rules about files and directories, in the order of the file.
    pub rules: Vec<Rule>,
    /// What stood in the banner files when the configuration was read.
    banners: texts::Banners,
    /// A descriptor with the text of a users file, in place of `login.users-file`: `ftpd share --user` has no file.
    /// The worker reads it (from offset 0, with pread), every other process closes it.
    pub inherited_users: Option<RawFd>,
    /// Where in the file each option stands, for messages.
    places: Places,
}

impl Config {
    /// The first option, if there is one, for which root gives files to others (chown(2)).
    pub fn gives_files_away(&self) -> Option<Problem> {
        let gives = |rule: &&Rule| rule.options.owner.is_some() || rule.options.group.is_some();
        let rule = self.rules.iter().find(gives)?;
        let key = if rule.options.owner.is_some() { "owner" } else { "group" };
        let whose = if key == "group" { " for users who are not in the group" } else { "" };
        let reason = format!(
            "needs CAP_CHOWN{whose}, which the daemon has not: systemctl edit ftpd, and add \
             [Service] CapabilityBoundingSet=CAP_CHOWN"
        );
        Some(self.problem(&Rule::section(&rule.name), key, reason))
    }

    /// Reads a configuration file and checks it as far as [`Config::check`] can. An error lists everything that is
    /// wrong, a line each.
    pub fn load(path: &Path) -> Result<Config, Error> {
        let mut config = reader::read(path)?;
        config.read_banner_files();
        config.refuse_errors()?;
        Ok(config)
    }

    /// Reads the text of a configuration file. What options say together, and files, are not looked at.
    pub fn parse(path: &Path, text: &str) -> Result<Config, Error> {
        reader::parse(path, text)
    }

    /// A problem with an option, with the file and line where it stands.
    pub(crate) fn problem(&self, section: &str, key: &str, reason: String) -> Problem {
        self.places.problem(section, key, reason)
    }

    /// Whether the file sets this option.
    pub(crate) fn sets(&self, section: &str, key: &str) -> bool {
        self.places.sets(section, key)
    }

    /// An error that lists what [`Config::check`] says is wrong, if there is anything.
    fn refuse_errors(&self) -> Result<(), Error> {
        let problems: Vec<Problem> = self
            .check()
            .into_iter()
            .filter_map(|finding| match finding {
                Finding::Error(problem) => Some(problem),
                Finding::Warning(_) => None,
            })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(Error { problems }) }
    }

    /// What stands in a section of a fixed name beside its own options.
    fn write_guests(&self, section: &str, text: &mut String) {
        if section == "anonymous" {
            self.anonymous_overrides.write(text);
        }
    }

    /// The configuration as TOML that reads back as the same configuration.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        self.write_sections(&mut text);
        for (name, host) in &self.host {
            text.push_str(&format!("\n[{}]\n", Host::section(name)));
            host.write(&mut text);
        }
        for (address, listener) in &self.listener {
            text.push_str(&format!("\n[listener.{}]\n", reader::bare_or_quoted(address)));
            listener.write(&mut text);
        }
        for (name, hook) in &self.hook {
            text.push_str(&format!("\n[hook.{}]\n", reader::bare_or_quoted(name)));
            hook.write(&mut text);
        }
        for (name, network) in &self.network {
            text.push_str(&format!("\n[network.{}]\n", reader::bare_or_quoted(name)));
            network.write(&mut text);
        }
        for (name, quota) in &self.quota {
            text.push_str(&format!("\n[quota.{}]\n", reader::bare_or_quoted(name)));
            quota.write(&mut text);
        }
        for rule in &self.rules {
            text.push_str(&format!("\n[{}]\n", Rule::section(&rule.name)));
            rule.options.write(&mut text);
        }
        for (kind, overrides) in [("user", &self.user), ("group", &self.group)] {
            for (name, overrides) in overrides {
                text.push_str(&format!("\n[{kind}.{}]\n", reader::bare_or_quoted(name)));
                overrides.write(&mut text);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Config {
        Config::parse(Path::new("f"), text).unwrap_or_else(|error| panic!("{error}"))
    }

    fn refused(text: &str) -> String {
        Config::parse(Path::new("f"), text).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_file_means_the_defaults() {
        assert_eq!(read(""), Config::default());
    }

    #[test]
    fn the_effective_configuration_reads_back_as_itself() {
        let config = read(
            "[data]\npassive-ports = \"50000-50999\"\n[log]\nto = \"/var/log/a \\\"b\\\"\"\n\
             [user.\"a.b\"]\npermissions = \"elr\"\n[group.x]\nroot-dir = \"/srv/%u\"\n",
        );
        let again = read(&config.to_toml());
        assert_eq!(again, config);
    }

    #[test]
    fn an_error_names_file_line_section_key_and_reason() {
        assert_eq!(
            refused("\n[data]\npassive-ports = \"50000-40000\"\n"),
            "f:3: [data] passive-ports: 50000-40000 is an empty range"
        );
        assert_eq!(
            refused("data.passive-ports = 3"),
            "f:1: [data] passive-ports: wants a range of ports, such as \"50000-50999\", not the number 3"
        );
        assert_eq!(
            refused("[listen]\nmax-sesions = 3"),
            "f:2: [listen] max-sesions: there is no such option (did you mean max-sessions?)"
        );
        assert_eq!(refused("[lissen]\n"), "f:1: [lissen]: there is no such section (did you mean [listen]?)");
        assert_eq!(
            refused("[listen]\nspare-workers = 0"),
            "f:2: [listen] spare-workers: 0 is not from 1 to 256"
        );
        assert_eq!(
            refused("[listen]\naddresses = [\n  \"[::]:21\",\n  \"[::]\",\n]"),
            "f:4: [listen] addresses: \"[::]\" is no address with a port, such as \"[::]:21\" or \"192.0.2.1:21\""
        );
    }

    #[test]
    fn every_problem_is_reported_not_only_the_first() {
        let text = refused("[log]\nlevel = \"loud\"\ncommands = 1\n");
        assert_eq!(
            text,
            "f:2: [log] level: \"loud\" is none of \"error\", \"warning\", \"notice\", \"info\", \"debug\"\n\
             f:3: [log] commands: wants true or false, not the number 1"
        );
    }

    proptest! {
        #[test]
        fn any_value_of_any_option_is_refused_or_reads_back(
            section in 0..SECTIONS.len(), option: prop::sample::Index, value in "([0-9]{1,6}|\"[ -~]{0,12}\"|true|\\[\\]|[ -~]{0,12})"
        ) {
            let section = &SECTIONS[section];
            let key = section.options[option.index(section.options.len())].key;
            if let Ok(config) = Config::parse(Path::new("f"), &format!("[{}]\n{key} = {value}\n", section.name)) {
                prop_assert_eq!(Config::parse(Path::new("f"), &config.to_toml()), Ok(config));
            }
        }

        #[test]
        fn no_text_makes_it_stumble(text: String) {
            let _ = Config::parse(Path::new("f"), &text);
        }
    }
}
