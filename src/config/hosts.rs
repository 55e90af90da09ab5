//! Virtual hosts: by what they are chosen, and which one serves a client. Pure: what a host means for a login is the
//! worker's business.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::str::FromStr;

use toml::de::DeTable;

use super::declare::Options;
use super::reader::{Reader, bare_or_quoted};
use super::value::text_values;
use super::{AbsolutePath, Config, HostOptions, SessionOptions, SessionOverrides, Source};

/// A `[host.NAME]` section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Host {
    /// What only hosts have.
    pub own: HostOptions,
    /// What of `[session]` is different for its users.
    pub session: SessionOverrides,
}

impl Host {
    /// The section of a host of this name, as the file has it between the brackets.
    pub fn section(name: &str) -> String {
        format!("host.{}", bare_or_quoted(name))
    }

    /// Takes what a table of the file says; `place` is its name, for messages.
    pub(super) fn read(&mut self, table: &DeTable<'_>, reader: &mut Reader<'_>, place: &str) {
        for (key, value) in table {
            if self.own.read_option(key, value, reader, place)
                || self.session.read_option(key, value, reader, place)
            {
                continue;
            }
            if value.get_ref().is_table() {
                let reason = "a name with dots in it stands in quotes, as in [host.\"ftp.example.org\"]";
                reader.wrong(key.span().start, format!("[{place}.{}]", key.get_ref()), reason.into());
                continue;
            }
            let keys = [HostOptions::KEYS, SessionOverrides::KEYS].concat();
            reader.unknown_option(place, key, &keys);
        }
    }

    /// Appends the options that are set, as TOML.
    pub(super) fn write(&self, text: &mut String) {
        self.own.write(text);
        self.session.write(text);
    }

    /// Whether clients who connected to this address may choose it by name.
    fn is_open_to(&self, local: SocketAddr) -> bool {
        self.own.addresses.is_empty() || self.own.addresses.iter().any(|address| address.covers(local))
    }

    /// Whether this is one of its names; that of its section is one.
    pub(super) fn is_called(&self, section: &str, name: &HostName) -> bool {
        section.parse().as_ref() == Ok(name) || self.own.names.contains(name)
    }
}

/// There is no such host, or none for clients of this address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchHost;

impl Config {
    /// The certificates that clients are shown, those of virtual hosts among them, each once.
    pub fn certificate_files(&self) -> BTreeSet<&Path> {
        let of_hosts = self.host.values().flat_map(|host| &host.own.certificates);
        self.tls.certificates.iter().chain(of_hosts).map(|path| &**path).collect()
    }

    /// The host that serves clients who connected to this address and have not named any; `None`: no virtual host. The
    /// closest description of the address wins.
    pub fn host_at(&self, local: SocketAddr) -> Option<&str> {
        let addresses = self
            .host
            .iter()
            .flat_map(|(name, host)| host.own.addresses.iter().map(move |address| (name, address)));
        addresses
            .filter(|(_, address)| address.covers(local))
            .reduce(|best, other| if other.1.closeness() > best.1.closeness() { other } else { best })
            .map(|(name, _)| name.as_str())
    }

    /// The host of this name, as a client says it who connected to this address (HOST, RFC 7151). The address itself
    /// is a name of what serves there anyway.
    pub fn host_named(&self, name: &HostName, local: SocketAddr) -> Result<Option<&str>, NoSuchHost> {
        let named =
            self.host.iter().find(|(section, host)| host.is_called(section, name) && host.is_open_to(local));
        match (named, name) {
            (Some((section, _)), _) => Ok(Some(section)),
            (None, HostName::Address(address)) if *address == local.ip().to_canonical() => {
                Ok(self.host_at(local))
            }
            (None, HostName::Address(_) | HostName::Domain(_)) => Err(NoSuchHost),
        }
    }

    /// What a frontend's choice means: the section of a host, or nothing where the client named none.
    pub fn host_chosen(&self, section: &str, local: SocketAddr) -> Result<Option<&str>, NoSuchHost> {
        if section.is_empty() {
            return Ok(self.host_at(local));
        }
        match self.host.get_key_value(section) {
            Some((section, host)) if host.is_open_to(local) => Ok(Some(section)),
            Some(_) | None => Err(NoSuchHost),
        }
    }

    /// The file of users without accounts that counts at this host.
    pub fn users_file(&self, host: Option<&str>) -> Option<&AbsolutePath> {
        let own = host.and_then(|name| self.host.get(name)).and_then(|host| host.own.users_file.as_ref());
        own.or(self.login.users_file.as_ref())
    }

    /// Whether this host has a users file of its own.
    pub fn has_users_file(&self, host: Option<&str>) -> bool {
        host.and_then(|name| self.host.get(name)).is_some_and(|host| host.own.users_file.is_some())
    }

    /// Who is asked about users of this host, in this order.
    pub fn sources(&self, host: Option<&str>) -> &[Source] {
        let own = host.and_then(|name| self.host.get(name)).and_then(|host| host.own.sources.as_ref());
        own.unwrap_or(&self.login.sources)
    }

    /// Whether anonymous logins are possible at this host.
    pub fn has_anonymous(&self, host: Option<&str>) -> bool {
        let own = host.and_then(|name| self.host.get(name)).and_then(|host| host.own.anonymous);
        own.unwrap_or(self.anonymous.enabled)
    }

    /// The `[session]` options of a user at a host: first `[session]`, then the `[host.NAME]` section, then the
    /// `[group.NAME]` sections in the order of `groups` (the system's list, which has the user's primary group
    /// first), then `[user.NAME]`. What comes later wins, option by option.
    pub fn effective_session(&self, host: Option<&str>, user: &str, groups: &[String]) -> SessionOptions {
        let mut session = self.session.clone();
        let of_host = host.and_then(|name| self.host.get(name)).map(|host| &host.session);
        let of_groups = groups.iter().filter_map(|group| self.group.get(group));
        for overrides in of_host.into_iter().chain(of_groups).chain(self.user.get(user)) {
            overrides.apply(&mut session);
        }
        session
    }

    /// The `[session]` options of anonymous sessions: `[session]`, then the `[host.NAME]` section, then what of them
    /// stands in `[anonymous]`, with the root
    /// directory and the permissions of `[anonymous]`; the host may have a root directory of its own for them. No
    /// `[user.NAME]` or `[group.NAME]` applies.
    pub fn anonymous_session(&self, host: Option<&str>) -> SessionOptions {
        let host = host.and_then(|name| self.host.get(name));
        let mut session = self.session.clone();
        if let Some(host) = host {
            host.session.apply(&mut session);
        }
        self.anonymous_overrides.apply(&mut session);
        let own_root = host.and_then(|host| host.own.anonymous_root_dir.as_ref());
        session.root_dir = match own_root.or(self.anonymous.root_dir.as_ref()) {
            Some(directory) => super::RootDir::Template(directory.into()),
            None => super::RootDir::Home,
        };
        session.permissions = self.anonymous.permissions;
        let overridden = self.anonymous_overrides.max_sessions_per_user.flatten();
        session.max_sessions_per_user = self.anonymous.max_sessions.or(overridden);
        session
    }
}

/// An address of this machine, alone or with a port. `[::]` is any address, `0.0.0.0` any IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostAddress {
    ip: IpAddr,
    port: Option<u16>,
}

impl HostAddress {
    /// Whether a connection to this address is meant.
    pub fn covers(self, local: SocketAddr) -> bool {
        let ip = local.ip().to_canonical();
        let is_ip = match self.ip {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => true,
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => ip.is_ipv4(),
            IpAddr::V4(_) | IpAddr::V6(_) => self.ip == ip,
        };
        is_ip && self.port.is_none_or(|port| port == local.port())
    }

    /// Whether somebody who listens there could take a connection that is meant.
    pub fn is_reached_through(self, listener: SocketAddr) -> bool {
        let address = |ip| SocketAddr::new(ip, listener.port());
        match listener.ip() {
            any if any.is_unspecified() && self.ip.is_unspecified() => {
                self.covers(address(Ipv4Addr::LOCALHOST.into()))
            }
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => self.covers(address(self.ip)),
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => self.ip.is_ipv4() && self.covers(address(self.ip)),
            ip => self.covers(address(ip)),
        }
    }

    /// The larger, the less is covered beside what is meant.
    fn closeness(self) -> (bool, bool) {
        (!self.ip.is_unspecified(), self.port.is_some())
    }
}

impl FromStr for HostAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<HostAddress, String> {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(HostAddress { ip: ip.to_canonical(), port: None });
        }
        match text.parse::<SocketAddr>() {
            Ok(address) => Ok(HostAddress { ip: address.ip().to_canonical(), port: Some(address.port()) }),
            Err(_) => Err(format!(
                "{text:?} is no address, such as \"192.0.2.1\", \"192.0.2.1:2121\" or \"[::]:2121\""
            )),
        }
    }
}

impl fmt::Display for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.ip, port).fmt(f),
            None => self.ip.fmt(f),
        }
    }
}

/// What a client may call a host: a name of the DNS, or an address (RFC 7151 3.1). Letters are the same in both cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostName {
    /// In lower case, without a dot at the end.
    Domain(String),
    /// IPv4, or IPv6 in brackets.
    Address(IpAddr),
}

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<HostName, String> {
        if let Some(literal) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'))
            && let Ok(ip) = literal.parse::<Ipv6Addr>()
        {
            return Ok(HostName::Address(IpAddr::V6(ip).to_canonical()));
        }
        if let Ok(ip) = text.parse::<Ipv4Addr>() {
            return Ok(HostName::Address(ip.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_letter = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_');
        let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_letter);
        match name.len() <= 253 && name.split('.').all(is_label) {
            true => Ok(HostName::Domain(name.to_ascii_lowercase())),
            false => Err(format!("{text:?} is no name of a host, such as \"ftp.example.org\"")),
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostName::Domain(name) => f.write_str(name),
            HostName::Address(IpAddr::V4(ip)) => ip.fmt(f),
            HostName::Address(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

text_values! {
    HostAddress: "address, or address with a port".into();
    HostName: "name of a host".into();
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const HOSTS: &str = "[host.any]\naddresses = [\"[::]:2121\"]\n[host.four]\naddresses = [\"192.0.2.4\"]\n\
        [host.close]\naddresses = [\"192.0.2.4:2122\", \"[2001:db8::1]:21\"]\n\
        [host.\"ftp.Example.org\"]\nnames = [\"mirror.example.org\", \"198.51.100.1\", \"[2001:db8::9]\"]\n";

    fn config(text: &str) -> Config {
        Config::parse(Path::new("f"), text).unwrap_or_else(|error| panic!("{error}"))
    }

    fn local(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn named(text: &str, at: &str) -> Result<Option<String>, NoSuchHost> {
        config(HOSTS).host_named(&text.parse().unwrap(), local(at)).map(|host| host.map(String::from))
    }

    #[test]
    fn the_closest_address_wins() {
        let config = config(HOSTS);
        assert_eq!(config.host_at(local("192.0.2.1:21")), None);
        assert_eq!(config.host_at(local("192.0.2.1:2121")), Some("any"));
        assert_eq!(config.host_at(local("192.0.2.4:2121")), Some("four"));
        assert_eq!(config.host_at(local("192.0.2.4:2122")), Some("close"));
        assert_eq!(config.host_at(local("[::ffff:192.0.2.4]:21")), Some("four"));
        assert_eq!(config.host_at(local("[2001:db8::1]:21")), Some("close"));
    }

    #[test]
    fn a_host_is_chosen_by_any_of_its_names() {
        let host = Ok(Some("ftp.Example.org".into()));
        for name in
            ["FTP.example.ORG", "ftp.example.org.", "mirror.example.org", "198.51.100.1", "[2001:DB8::9]"]
        {
            assert_eq!(named(name, "192.0.2.1:21"), host, "{name}");
        }
        assert_eq!(named("www.example.org", "192.0.2.1:21"), Err(NoSuchHost));
    }

    #[test]
    fn a_host_with_addresses_is_chosen_at_these_only() {
        assert_eq!(named("four", "192.0.2.4:2122"), Ok(Some("four".into())));
        assert_eq!(named("four", "192.0.2.1:21"), Err(NoSuchHost));
        let config = config(HOSTS);
        assert_eq!(config.host_chosen("four", local("192.0.2.1:21")), Err(NoSuchHost));
        assert_eq!(config.host_chosen("nobody", local("192.0.2.1:21")), Err(NoSuchHost));
        assert_eq!(config.host_chosen("four", local("192.0.2.4:21")), Ok(Some("four")));
        assert_eq!(config.host_chosen("", local("192.0.2.4:21")), Ok(Some("four")));
        assert_eq!(config.host_chosen("", local("192.0.2.1:21")), Ok(None));
    }

    #[test]
    fn the_address_of_the_connection_names_who_serves_there() {
        assert_eq!(named("192.0.2.1", "192.0.2.1:21"), Ok(None));
        assert_eq!(named("192.0.2.4", "192.0.2.4:21"), Ok(Some("four".into())));
        assert_eq!(named("[2001:db8::1]", "[2001:db8::1]:21"), Ok(Some("close".into())));
        assert_eq!(named("192.0.2.9", "192.0.2.1:21"), Err(NoSuchHost));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in ["", "a b", "ftp.example.org:21", "::1", "[192.0.2.1]", "[::1", "a..b", "ä.org", "."] {
            assert!(bad.parse::<HostName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn addresses_say_through_which_listeners_they_are_reached() {
        let reached = |address: &str, listener| {
            address.parse::<HostAddress>().unwrap().is_reached_through(local(listener))
        };
        assert!(reached("192.0.2.1", "[::]:21"));
        assert!(reached("192.0.2.1", "0.0.0.0:21"));
        assert!(reached("192.0.2.1:21", "192.0.2.1:21"));
        assert!(reached("[::]:21", "192.0.2.1:21"));
        assert!(reached("[::]:21", "[::]:21"));
        assert!(!reached("192.0.2.1:2121", "[::]:21"));
        assert!(!reached("192.0.2.1", "192.0.2.2:21"));
        assert!(!reached("2001:db8::1", "0.0.0.0:21"));
        assert!(!reached("[::]:2121", "[::]:21"));
    }

    #[test]
    fn a_user_wins_over_his_groups_and_they_over_the_host() {
        let config = config(
            "[session]\numask = \"077\"\nsort-limit = 5\n[host.h]\numask = \"027\"\npermissions = \"el\"\n\
             idle-timeout = 7\n[group.a]\npermissions = \"elr\"\nidle-timeout = 10\n\
             [group.b]\npermissions = \"el\"\n[user.alice]\nidle-timeout = 20\n",
        );
        let session = config.effective_session(Some("h"), "alice", &["b".into(), "a".into(), "c".into()]);
        assert_eq!(session.permissions.to_string(), "elr");
        assert_eq!(session.idle_timeout.seconds(), 20);
        assert_eq!(session.umask.to_string(), "027");
        assert_eq!(session.sort_limit.get(), 5);
        assert_eq!(config.effective_session(None, "alice", &[]).umask.to_string(), "077");
        assert_eq!(config.effective_session(None, "bob", &[]), config.session);
    }

    #[test]
    fn anonymous_sessions_never_get_the_root_of_users() {
        let config = config(
            "[anonymous]\nroot-dir = \"/srv/ftp\"\nidle-timeout = 7\n[host.a]\nidle-timeout = 8\nroot-dir = \"real\"\npermissions = \"elradfmw\"\numask = \"007\"\n\
             [host.b]\nanonymous = true\nanonymous-root-dir = \"/srv/b\"\n",
        );
        let at_a = config.anonymous_session(Some("a"));
        assert_eq!(at_a.root_dir.to_string(), "/srv/ftp");
        assert_eq!(at_a.permissions.to_string(), "elr");
        assert_eq!(at_a.umask.to_string(), "007");
        assert_eq!(at_a.idle_timeout.seconds(), 7);
        assert_eq!(Config::parse(Path::new("f"), &config.to_toml()).as_ref(), Ok(&config));
        assert_eq!(config.anonymous_session(Some("b")).root_dir.to_string(), "/srv/b");
        assert!(
            config.has_anonymous(Some("b"))
                && !config.has_anonymous(Some("a"))
                && !config.has_anonymous(None)
        );
    }

    #[test]
    fn names_with_dots_need_quotes() {
        let error = Config::parse(Path::new("f"), "[host.ftp.example.org]\numask = \"022\"\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "f:1: [host.ftp.example]: a name with dots in it stands in quotes, as in [host.\"ftp.example.org\"]"
        );
        let config = config("[host.\"ftp.example.org\"]\nnames = [\"a.example\"]\nidle-timeout = 5\n");
        assert_eq!(Config::parse(Path::new("f"), &config.to_toml()), Ok(config));
    }
}
