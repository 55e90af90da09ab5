//! Who may have how many sessions: pure counting, no system calls. The supervisor counts a connection from the moment
//! it is accepted until every process of it is gone.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::config::Network;
use crate::log;

/// Something that sessions are counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// All of them.
    All,
    /// Those that came in at one listener.
    Listener(SocketAddr),
    /// Those of one client: an address, or 64 bits of IPv6.
    Address(Network),
    /// Those of a network as large as the configuration has them.
    Network(Network),
    /// Those of a network that the configuration names.
    Named(String),
    /// Those that are logged in at a virtual host.
    Host(String),
    /// Those of a user.
    User(User),
    /// Those of a user from one address.
    UserFrom(User, Network),
    /// Those of the members of a group.
    Group(String),
}

/// Somebody whose sessions are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct User {
    /// The name that was proved.
    pub name: String,
    /// The virtual host whose own users file has it; empty: none has. Two who are called alike there are two.
    pub realm: String,
}

/// Why a client is not served, or gets no session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `max-sessions` is reached.
    Full,
    /// `max-sessions` of the listener is reached.
    FullForListener,
    /// `max-sessions-per-address` is reached for this address.
    FullForAddress,
    /// `max-sessions-per-network` is reached for this network.
    FullForNetwork,
    /// `max-sessions` of the network that the configuration calls so is reached.
    FullForNamed(String),
    /// `max-sessions` of the virtual host is reached.
    FullForHost,
    /// `max-sessions-per-user` is reached for this user.
    FullForUser,
    /// `max-sessions-per-user-and-address` is reached for this user.
    FullForUserThere,
    /// `max-sessions-per-group` is reached for this group.
    FullForGroup(String),
    /// `max-transfers` is reached.
    Transfers,
    /// `max-transfers-per-address` is reached for this address.
    TransfersThere,
    /// `max-transfers-per-user` is reached for this user.
    TransfersOfUser,
    /// Only proxies of `trusted-proxies` may connect here.
    NotAProxy,
    /// Nobody may come in any more.
    Stopping,
    /// The administrator lets no new clients in.
    Draining,
    /// The administrator wants this client to go.
    Kicked,
    /// `connection-rate` is reached for this address.
    TooFast,
    /// `max-load` is reached.
    TooLoaded,
    /// He, or one who says that he is the same, has been banned.
    Banned {
        /// Who, as the log has it.
        subject: String,
        /// For how long yet.
        left: Duration,
        /// What for.
        why: String,
    },
}

impl Refusal {
    /// What the client is told.
    pub fn text(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Refusal::Banned { left, .. } => {
                return format!("Banned for now. Please try again in {}.", in_words(*left)).into();
            }
            Refusal::TooFast => "Too many connections from your address in a short time.",
            Refusal::TooLoaded => "The server is busy. Please try again later.",
            Refusal::Full | Refusal::FullForListener | Refusal::FullForHost => {
                "Too many connections. Please try again later."
            }
            Refusal::FullForAddress => "Too many connections from your address.",
            Refusal::FullForNetwork | Refusal::FullForNamed(_) => "Too many connections from your network.",
            Refusal::FullForUser => "Too many sessions of this user.",
            Refusal::FullForUserThere => "Too many sessions of this user from your address.",
            Refusal::FullForGroup(_) => "Too many sessions of this group of users.",
            Refusal::Transfers => "Too many transfers at present. Please try again later.",
            Refusal::TransfersThere => "Too many transfers from your address at present.",
            Refusal::TransfersOfUser => "Too many transfers of this user at present.",
            Refusal::NotAProxy => "This port is for a proxy.",
            Refusal::Stopping => "The server is stopping. Goodbye.",
            Refusal::Draining => "No new clients are served at present.",
            Refusal::Kicked => "The administrator has ended this session. Goodbye.",
        })
    }
}

impl Refusal {
    /// One word for all of a kind, by which they are counted.
    pub fn word(&self) -> &'static str {
        match self {
            Refusal::Full => "full",
            Refusal::FullForListener => "listener",
            Refusal::FullForAddress => "address",
            Refusal::FullForNetwork | Refusal::FullForNamed(_) => "network",
            Refusal::FullForHost => "host",
            Refusal::FullForUser | Refusal::FullForUserThere => "user",
            Refusal::FullForGroup(_) => "group",
            Refusal::Transfers | Refusal::TransfersThere | Refusal::TransfersOfUser => "transfers",
            Refusal::NotAProxy => "not_a_proxy",
            Refusal::Stopping => "stopping",
            Refusal::Draining => "draining",
            Refusal::Kicked => "kicked",
            Refusal::TooFast => "too_fast",
            Refusal::TooLoaded => "load",
            Refusal::Banned { .. } => "banned",
        }
    }
}

/// For the log.
impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::Full => f.write_str("max-sessions is reached"),
            Refusal::FullForListener => f.write_str("max-sessions of the listener is reached"),
            Refusal::FullForAddress => f.write_str("max-sessions-per-address is reached"),
            Refusal::FullForNetwork => f.write_str("max-sessions-per-network is reached"),
            Refusal::FullForNamed(name) => write!(f, "max-sessions of network {name:?} is reached"),
            Refusal::FullForHost => f.write_str("max-sessions of the virtual host is reached"),
            Refusal::FullForUser => f.write_str("max-sessions-per-user is reached"),
            Refusal::FullForUserThere => f.write_str("max-sessions-per-user-and-address is reached"),
            Refusal::FullForGroup(name) => write!(f, "max-sessions-per-group of {name:?} is reached"),
            Refusal::Transfers => f.write_str("max-transfers is reached"),
            Refusal::TransfersThere => f.write_str("max-transfers-per-address is reached"),
            Refusal::TransfersOfUser => f.write_str("max-transfers-per-user is reached"),
            Refusal::NotAProxy => f.write_str("not one of trusted-proxies"),
            Refusal::Stopping => f.write_str("the daemon is stopping"),
            Refusal::Draining => f.write_str("ftpctl drain is in force"),
            Refusal::Kicked => f.write_str("sent away by the administrator"),
            Refusal::TooFast => f.write_str("connection-rate is reached"),
            Refusal::TooLoaded => f.write_str("max-load is reached"),
            Refusal::Banned { subject, left, why } => {
                write!(f, "{} is banned ({why}) for {}", log::escaped(subject.as_bytes()), in_words(*left))
            }
        }
    }
}

/// A span of time, rounded up.
pub fn in_words(span: Duration) -> String {
    let (one, count) = match span.as_secs() {
        seconds @ 0..120 => ("second", seconds + u64::from(span.subsec_nanos() > 0)),
        seconds @ 120..7200 => ("minute", seconds.div_ceil(60)),
        seconds @ 7200.. => ("hour", seconds.div_ceil(3600)),
    };
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// By what one more session is counted, how many of the kind there may be (None: any number), and what is said when
/// there are so many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub key: Key,
    pub most: Option<u32>,
    pub refusal: Refusal,
}

/// How many sessions there are.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    by_key: HashMap<Key, usize>,
    changes: u64,
}

/// Two are the same that count the same, however they came to it.
impl PartialEq for Counts {
    fn eq(&self, other: &Counts) -> bool {
        self.by_key == other.by_key
    }
}

impl Counts {
    /// Counts one more by all of these rules, or, as one of them forbids it, by none. What it was counted by is to be
    /// given back to `remove`.
    pub fn admit(&mut self, rules: Vec<Rule>) -> Result<Vec<Key>, Refusal> {
        let is_full = |rule: &Rule| rule.most.is_some_and(|most| self.of(&rule.key) >= most as usize);
        match rules.iter().position(is_full) {
            Some(at) => Err(rules[at].refusal.clone()),
            None => Ok(self.add(rules)),
        }
    }

    /// Counts one more that is there already, whatever the rules forbid.
    pub fn add(&mut self, rules: Vec<Rule>) -> Vec<Key> {
        let keys: Vec<Key> = rules.into_iter().map(|rule| rule.key).collect();
        self.changes += 1;
        for key in &keys {
            *self.by_key.entry(key.clone()).or_default() += 1;
        }
        keys
    }

    /// What was counted so is gone. A count of nothing is no entry: it leaves no memory behind.
    pub fn remove(&mut self, keys: &[Key]) {
        self.changes += 1;
        for key in keys {
            if let Some(count) = self.by_key.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    self.by_key.remove(key);
                }
            }
        }
    }

    /// Another number each time that a count has changed.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// How many there are of a kind.
    pub fn of(&self, key: &Key) -> usize {
        self.by_key.get(key).copied().unwrap_or(0)
    }

    /// Connections, addresses they come from, sessions that are logged in, and users they belong to.
    pub fn totals(&self) -> Totals {
        let users = self.by_key.iter().filter(|(key, _)| matches!(key, Key::User(_)));
        Totals {
            sessions: self.of(&Key::All),
            addresses: self.by_key.keys().filter(|key| matches!(key, Key::Address(_))).count(),
            logged_in: users.clone().map(|(_, count)| count).sum(),
            users: users.count(),
        }
    }
}

/// What `Counts` holds, summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    pub sessions: usize,
    pub addresses: usize,
    pub logged_in: usize,
    pub users: usize,
}
