//! Which limits hold for whom: from the facts of a connection and the configuration to the rules that it is counted by.
//! Pure.

use std::net::{IpAddr, SocketAddr};

use super::limits::{Key, Refusal, Rule, User};
use crate::config::{Config, Count, Network};

/// Who has proved to be somebody, as the worker tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub user: String,
    /// The virtual host; empty: none.
    pub host: String,
    /// His groups, by name.
    pub groups: Vec<String>,
    /// `max-sessions-per-user` of his session.
    pub per_user: Option<u32>,
    /// `max-sessions-per-user-and-address` of his session.
    pub per_user_and_address: Option<u32>,
    /// `max-transfers-per-user` of his session.
    pub transfers: Option<u32>,
    /// The rates of his session that the configuration does not tell (`SessionOptions::unusual_rates`).
    pub rates: Vec<String>,
}

/// What is known of a connection. Everything it is counted by follows from it and from the configuration, so that
/// counts can be made anew when that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What the configuration calls the listener.
    pub listener: SocketAddr,
    /// None: a proxy has yet to name the client.
    pub address: Option<IpAddr>,
    /// None: not logged in.
    pub login: Option<Login>,
}

impl Known {
    /// All rules of a connection.
    pub fn rules(&self, config: &Config) -> Vec<Rule> {
        let mut rules = of_listener(config, self.listener);
        if let Some(address) = self.address {
            rules.extend(of_address(config, address));
            if let Some(login) = &self.login {
                rules.extend(of_login(config, address, login));
            }
        }
        rules
    }
}

fn rule<const MIN: u32, const MAX: u32>(key: Key, most: Option<Count<MIN, MAX>>, refusal: Refusal) -> Rule {
    Rule { key, most: most.map(Count::get), refusal }
}

/// The rules of everybody who comes in at a listener.
pub fn of_listener(config: &Config, listener: SocketAddr) -> Vec<Rule> {
    let own = config.listener_at(listener).and_then(|own| own.max_sessions);
    vec![
        rule(Key::All, Some(config.listen.max_sessions), Refusal::Full),
        rule(Key::Listener(listener), own, Refusal::FullForListener),
    ]
}

/// The rules of everybody who comes from an address.
pub fn of_address(config: &Config, address: IpAddr) -> Vec<Rule> {
    let (listen, limits) = (&config.listen, &config.limits);
    let per_address = config
        .networks_of(address)
        .find_map(|(_, named)| named.max_sessions_per_address)
        .unwrap_or(listen.max_sessions_per_address);
    let around = Network::around(address, limits.ipv4_prefix.get() as u8, limits.ipv6_prefix.get() as u8);
    let mut rules = vec![
        rule(Key::Address(Network::of_client(address)), Some(per_address), Refusal::FullForAddress),
        rule(Key::Network(around), limits.max_sessions_per_network, Refusal::FullForNetwork),
    ];
    for (name, named) in config.networks_of(address) {
        let refusal = Refusal::FullForNamed(name.to_owned());
        rules.push(rule(Key::Named(name.to_owned()), named.max_sessions, refusal));
    }
    rules
}

/// The rules of a user.
pub fn of_login(config: &Config, address: IpAddr, login: &Login) -> Vec<Rule> {
    let host = config.host.get(&login.host);
    let has_users = host.is_some_and(|host| host.own.users_file.is_some());
    let realm = if has_users { login.host.clone() } else { String::new() };
    let user = User { name: login.user.clone(), realm };
    let there = Key::UserFrom(user.clone(), Network::of_client(address));
    let mut rules = vec![
        Rule { key: Key::User(user), most: login.per_user, refusal: Refusal::FullForUser },
        Rule { key: there, most: login.per_user_and_address, refusal: Refusal::FullForUserThere },
    ];
    if !login.host.is_empty() {
        let most = host.and_then(|host| host.own.max_sessions);
        rules.push(rule(Key::Host(login.host.clone()), most, Refusal::FullForHost));
    }
    for group in &login.groups {
        let own = config.group.get(group).and_then(|own| own.max_sessions_per_group);
        let most = own.unwrap_or(config.session.max_sessions_per_group);
        rules.push(rule(Key::Group(group.clone()), most, Refusal::FullForGroup(group.clone())));
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::super::limits::Counts;
    use super::*;
    use proptest::prelude::*;

    fn config(text: &str) -> Config {
        Config::parse("f".as_ref(), text).unwrap_or_else(|error| panic!("{error}"))
    }

    fn refusal(counts: &mut Counts, config: &Config, address: &str) -> Option<Refusal> {
        counts.admit(of_address(config, address.parse().unwrap())).err()
    }

    fn login(user: &str, groups: &[&str]) -> Login {
        Login {
            user: user.into(),
            host: String::new(),
            groups: groups.iter().map(|group| group.to_string()).collect(),
            per_user: Some(2),
            per_user_and_address: Some(1),
            transfers: None,
            rates: Vec::new(),
        }
    }

    #[test]
    fn ipv6_clients_are_counted_by_their_64_bits_and_their_network() {
        let config =
            config("[listen]\nmax-sessions-per-address = 2\n[limits]\nmax-sessions-per-network = 3\n");
        let mut counts = Counts::default();
        let mut refusal = |address| refusal(&mut counts, &config, address);
        assert_eq!(refusal("2001:db8::1"), None);
        assert_eq!(refusal("2001:db8::ffff:2"), None);
        assert_eq!(refusal("2001:db8::3"), Some(Refusal::FullForAddress));
        assert_eq!(refusal("2001:db8:0:1::1"), None);
        assert_eq!(refusal("2001:db8:0:2::1"), Some(Refusal::FullForNetwork));
        assert_eq!(refusal("2001:db8:1::1"), None);
        assert_eq!(refusal("::ffff:192.0.2.1"), None);
        assert_eq!(refusal("192.0.2.1"), None);
        assert_eq!(refusal("192.0.2.1"), Some(Refusal::FullForAddress));
    }

    #[test]
    fn an_office_may_have_more_from_one_address_and_less_in_all() {
        let config = config(
            "[listen]\nmax-sessions-per-address = 1\n\
             [network.office]\naddresses = [\"10.0.0.0/8\"]\nmax-sessions = 4\nmax-sessions-per-address = 3\n\
             [network.desk]\naddresses = [\"10.0.0.1\"]\nmax-sessions-per-address = 2\n",
        );
        let mut counts = Counts::default();
        let mut refusal = |address| refusal(&mut counts, &config, address);
        assert_eq!([refusal("10.0.0.1"), refusal("10.0.0.1")], [None, None]);
        assert_eq!(refusal("10.0.0.1"), Some(Refusal::FullForAddress));
        assert_eq!([refusal("10.0.0.2"), refusal("10.0.0.2")], [None, None]);
        assert_eq!(refusal("10.0.0.2"), Some(Refusal::FullForNamed("office".into())));
        assert_eq!(refusal("192.0.2.1"), None);
        assert_eq!(refusal("192.0.2.1"), Some(Refusal::FullForAddress));
    }

    #[test]
    fn users_are_counted_from_everywhere_and_from_one_address() {
        let config = config("[group.staff]\nmax-sessions-per-group = 3\n");
        let mut counts = Counts::default();
        let mut refusal = |last: u8, login: Login| {
            counts.admit(of_login(&config, IpAddr::from([192, 0, 2, last]), &login)).err()
        };
        assert_eq!(refusal(1, login("alice", &["staff"])), None);
        assert_eq!(refusal(1, login("alice", &["staff"])), Some(Refusal::FullForUserThere));
        assert_eq!(refusal(2, login("alice", &["staff"])), None);
        assert_eq!(refusal(3, login("alice", &["staff"])), Some(Refusal::FullForUser));
        assert_eq!(refusal(3, login("bob", &["others", "staff"])), None);
        assert_eq!(refusal(4, login("carol", &["staff"])), Some(Refusal::FullForGroup("staff".into())));
        assert_eq!(refusal(4, login("carol", &["others"])), None);
    }

    #[test]
    fn two_who_are_called_alike_in_files_of_their_hosts_are_two() {
        let config = config("[host.a]\nusers-file = \"/u\"\n[host.b]\n");
        let mut counts = Counts::default();
        let mut refusal = |host: &str| {
            let login = Login { host: host.into(), per_user: Some(1), ..login("alice", &[]) };
            counts.admit(of_login(&config, IpAddr::from([192, 0, 2, 1]), &login)).err()
        };
        assert_eq!([refusal("a"), refusal("b")], [None, None]);
        assert_eq!([refusal("a"), refusal("b")], [Some(Refusal::FullForUser), Some(Refusal::FullForUser)]);
    }

    const CONFIGS: [&str; 3] = [
        "[listen]\nmax-sessions = 9\nmax-sessions-per-address = 2\n",
        "[limits]\nmax-sessions-per-network = 3\nipv4-prefix = 31\n[session]\nmax-sessions-per-group = 2\n",
        "[network.n]\naddresses = [\"192.0.2.0/31\"]\nmax-sessions = 2\n[host.h]\nusers-file = \"/u\"\n\
         max-sessions = 1\n[listener.\"0.0.0.0:21\"]\nmax-sessions = 4\n",
    ];

    proptest! {
        /// Whoever comes, is named by a proxy, logs in, logs out and goes, in whatever order, and whatever a reload
        /// changes: every count is that of what is open, and no cap is passed by what it decided about.
        #[test]
        fn every_count_equals_what_is_open(
            steps in proptest::collection::vec((0u8..7, 0u8..4, 0u8..3, 0usize..8), 0..200)
        ) {
            let configs = CONFIGS.map(config);
            let mut config = &configs[0];
            let mut counts = Counts::default();
            let mut open: Vec<(Known, Vec<Key>)> = Vec::new();
            for (what, address, user, at) in steps {
                let ip = IpAddr::from([192, 0, 2, address]);
                let before = counts.clone();
                match what {
                    0 | 1 => {
                        let listener = ([0, 0, 0, 0], 21 + u16::from(user % 2)).into();
                        let known = Known { listener, address: (what == 0).then_some(ip), login: None };
                        match counts.admit(known.rules(config)) {
                            Ok(keys) => open.push((known, keys)),
                            Err(_) => prop_assert_eq!(&counts, &before),
                        }
                    }
                    2 => {
                        if let Some((known, keys)) = open.get_mut(at).filter(|one| one.0.address.is_none())
                            && let Ok(more) = counts.admit(of_address(config, ip))
                        {
                            keys.extend(more);
                            known.address = Some(ip);
                        }
                    }
                    3 => {
                        let login = Login {
                            host: if user == 0 { "h".into() } else { String::new() },
                            ..login(["a", "b", "c"][usize::from(user)], &["x", "y"][..usize::from(user)])
                        };
                        if let Some((known, keys)) = open.get_mut(at).filter(|one| one.0.login.is_none())
                            && let Some(ip) = known.address
                            && let Ok(more) = counts.admit(of_login(config, ip, &login))
                        {
                            keys.extend(more);
                            known.login = Some(login);
                        }
                    }
                    4 => if let Some((known, keys)) = open.get_mut(at).filter(|one| one.0.login.is_some()) {
                        known.login = None;
                        counts.remove(keys);
                        *keys = counts.add(known.rules(config));
                    },
                    5 => {
                        config = &configs[usize::from(user)];
                        counts = Counts::default();
                        for (known, keys) in &mut open {
                            *keys = counts.add(known.rules(config));
                        }
                    }
                    _ => if at < open.len() {
                        let (_, keys) = open.swap_remove(at);
                        counts.remove(&keys);
                    },
                }
                let mut really = Counts::default();
                for (known, _) in &open {
                    really.add(known.rules(config));
                }
                prop_assert_eq!(&counts, &really);
                prop_assert_eq!(counts.totals().sessions, open.len());
            }
            for (_, keys) in open {
                counts.remove(&keys);
            }
            prop_assert_eq!(counts, Counts::default());
        }
    }
}
