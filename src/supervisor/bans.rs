//! Who may not come in for a time: bans, their growth, and their end. Pure; the caller says what time it is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::time::{Duration, Instant};

use crate::config::{Limits, Network};

/// So many are remembered. Those whose time is over go first, then those that end soonest: never a ban for the sake of
/// something that is none.
const MOST: usize = 65_536;

/// Whom a ban is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// Everybody in a network, or at one address.
    Network(Network),
    /// Who wants to log in as this user, from there.
    UserFrom(String, Network),
    /// Who wants to log in as this user, wherever he is. Only an administrator can want that.
    User(String),
}

/// As it is in the log, and as an administrator names it: `192.0.2.1`, `2001:db8::/64`, `alice@192.0.2.1`, `alice@`.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Network(network) => network.short().fmt(f),
            Subject::UserFrom(user, network) => write!(f, "{user}@{}", network.short()),
            Subject::User(user) => write!(f, "{user}@"),
        }
    }
}

impl std::str::FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Subject, String> {
        match text.rsplit_once('@') {
            None => text.parse().map(Subject::Network),
            Some(("", _)) => Err("there is no user in front of the @".into()),
            Some((user, "")) => Ok(Subject::User(user.into())),
            Some((user, network)) => Ok(Subject::UserFrom(user.into(), network.parse()?)),
        }
    }
}

/// That somebody may not come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Until when; it may be over, and is remembered because the next one is longer.
    pub until: Instant,
    /// The how manyth it is.
    pub times: u32,
    /// For the log and for lists.
    pub why: String,
}

/// All of them.
#[derive(Debug)]
pub struct Bans {
    by_subject: HashMap<Subject, Ban>,
    by_end: BTreeMap<Instant, BTreeSet<Subject>>,
    /// How many networks there are with each prefix; IPv4 or not.
    prefixes: BTreeMap<(bool, u8), usize>,
    most: usize,
    /// Whether something has changed since it was saved.
    pub unsaved: bool,
}

impl Default for Bans {
    fn default() -> Bans {
        Bans {
            by_subject: HashMap::new(),
            by_end: BTreeMap::new(),
            prefixes: BTreeMap::new(),
            most: MOST,
            unsaved: false,
        }
    }
}

impl Bans {
    /// The ban that keeps this address out, or keeps it from logging in as this user; the one that ends last.
    pub fn find(&self, address: IpAddr, user: Option<&str>, now: Instant) -> Option<(&Subject, &Ban)> {
        let networks = self.prefixes.keys().map(|(_, prefix)| Network::around(address, *prefix, *prefix));
        let subjects = networks.flat_map(|network| {
            let pair = user.map(|user| Subject::UserFrom(user.into(), network));
            [Some(Subject::Network(network)), pair].into_iter().flatten()
        });
        subjects
            .chain(user.map(|user| Subject::User(user.into())))
            .filter_map(|subject| self.by_subject.get_key_value(&subject))
            .filter(|(_, ban)| ban.until > now)
            .max_by_key(|(_, ban)| ban.until)
    }

    /// Somebody has earned a ban: `ban-time` the first time, and twice as long as the last time each further time, up to
    /// `longest-ban`, until he has been good for `ban-memory`.
    pub fn punish(&mut self, subject: Subject, why: &str, limits: &Limits, now: Instant) -> &Ban {
        let memory = limits.ban_memory.duration();
        let last = self.by_subject.get(&subject).filter(|ban| ban.until + memory > now);
        let times = last.map_or(0, |ban| ban.times).saturating_add(1);
        let doubled = limits.ban_time.seconds().saturating_mul(1 << (times - 1).min(31));
        let seconds = doubled.min(limits.longest_ban.seconds().max(limits.ban_time.seconds()));
        self.put(subject, Ban { until: now + Duration::from_secs(seconds.into()), times, why: why.into() })
    }

    /// Bans somebody, in place of what is known of him.
    pub fn put(&mut self, subject: Subject, ban: Ban) -> &Ban {
        self.remove(&subject);
        while self.by_subject.len() >= self.most {
            let Some(first) = self.by_end.values().flatten().next().cloned() else { break };
            self.remove(&first);
        }
        self.unsaved = true;
        self.by_end.entry(ban.until).or_default().insert(subject.clone());
        if let Subject::Network(network) | Subject::UserFrom(_, network) = &subject {
            *self.prefixes.entry((network.is_ipv4(), network.prefix())).or_default() += 1;
        }
        self.by_subject.entry(subject).or_insert(ban)
    }

    /// Ends a ban, and forgets that it was. False: there was none.
    pub fn lift(&mut self, subject: &Subject) -> bool {
        self.unsaved = true;
        self.remove(subject).is_some()
    }

    /// The bans that hold now, those that end soonest first.
    pub fn list(&self, now: Instant) -> impl Iterator<Item = (&Subject, &Ban)> {
        let subjects = self.by_end.range((Excluded(now), Unbounded)).flat_map(|(_, subjects)| subjects);
        subjects.filter_map(|subject| self.by_subject.get_key_value(subject))
    }

    /// Everything that is remembered.
    pub fn all(&self) -> impl Iterator<Item = (&Subject, &Ban)> {
        self.by_end.values().flatten().filter_map(|subject| self.by_subject.get_key_value(subject))
    }

    /// Whose ban ended after the one moment and not after the other.
    pub fn ended(&self, after: Instant, now: Instant) -> impl Iterator<Item = &Subject> {
        self.by_end.range((Excluded(after), Included(now.max(after)))).flat_map(|(_, subjects)| subjects)
    }

    /// When the next ban after this moment ends.
    pub fn next_end(&self, after: Instant) -> Option<Instant> {
        self.by_end.range((Excluded(after), Unbounded)).map(|(until, _)| *until).next()
    }

    /// Forgets what was over so long ago that it makes nothing longer any more.
    pub fn forget_old(&mut self, limits: &Limits, now: Instant) {
        let memory = limits.ban_memory.duration();
        while let Some((until, subjects)) = self.by_end.first_key_value()
            && *until + memory <= now
        {
            subjects.clone().iter().for_each(|subject| drop(self.remove(subject)));
        }
    }

    fn remove(&mut self, subject: &Subject) -> Option<Ban> {
        let ban = self.by_subject.remove(subject)?;
        if let Some(subjects) = self.by_end.get_mut(&ban.until) {
            subjects.remove(subject);
            if subjects.is_empty() {
                self.by_end.remove(&ban.until);
            }
        }
        if let Subject::Network(network) | Subject::UserFrom(_, network) = subject {
            let prefix = (network.is_ipv4(), network.prefix());
            if let Some(count) = self.prefixes.get_mut(&prefix) {
                *count -= 1;
                if *count == 0 {
                    self.prefixes.remove(&prefix);
                }
            }
        }
        Some(ban)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn limits() -> Limits {
        let text = "[limits]\nban-time = 60\nlongest-ban = 600\nban-memory = 3600\n";
        crate::config::Config::parse("f".as_ref(), text).unwrap().limits
    }

    fn subject(text: &str) -> Subject {
        text.parse().unwrap()
    }

    fn is_banned(bans: &Bans, address: &str, user: Option<&str>, now: Instant) -> bool {
        bans.find(address.parse().unwrap(), user, now).is_some()
    }

    #[test]
    fn a_ban_holds_for_its_network_and_its_time() {
        let (mut bans, now) = (Bans::default(), Instant::now());
        bans.punish(subject("2001:db8::/64"), "", &limits(), now);
        bans.punish(subject("192.0.2.1"), "", &limits(), now);
        assert!(is_banned(&bans, "2001:db8::7", None, now));
        assert!(!is_banned(&bans, "2001:db8:0:1::7", None, now));
        assert!(is_banned(&bans, "::ffff:192.0.2.1", Some("alice"), now));
        assert!(!is_banned(&bans, "192.0.2.2", None, now));
        assert!(!is_banned(&bans, "192.0.2.1", None, now + MINUTE));
    }

    #[test]
    fn a_ban_of_a_user_from_somewhere_is_none_of_others_nor_from_elsewhere() {
        let (mut bans, now) = (Bans::default(), Instant::now());
        bans.punish(subject("alice@192.0.2.1"), "", &limits(), now);
        assert!(is_banned(&bans, "192.0.2.1", Some("alice"), now));
        assert!(!is_banned(&bans, "192.0.2.1", Some("bob"), now));
        assert!(!is_banned(&bans, "192.0.2.1", None, now));
        assert!(!is_banned(&bans, "192.0.2.2", Some("alice"), now));
        bans.put(subject("bob@"), Ban { until: now + MINUTE, times: 1, why: String::new() });
        assert!(is_banned(&bans, "192.0.2.9", Some("bob"), now));
    }

    #[test]
    fn bans_double_up_to_the_longest_and_are_forgotten_after_a_good_time() {
        let (mut bans, limits, mut now) = (Bans::default(), limits(), Instant::now());
        for minutes in [1, 2, 4, 8, 10, 10] {
            let until = bans.punish(subject("192.0.2.1"), "", &limits, now).until;
            assert_eq!(until, now + MINUTE * minutes);
            now = until + MINUTE;
        }
        now += MINUTE * 60;
        assert_eq!(bans.punish(subject("192.0.2.1"), "", &limits, now).until, now + MINUTE);
        bans.forget_old(&limits, now + MINUTE * 60);
        assert_eq!(bans.all().count(), 1);
        bans.forget_old(&limits, now + MINUTE * 61);
        assert_eq!(bans.all().count(), 0);
    }

    #[test]
    fn a_ban_that_is_lifted_is_forgotten() {
        let (mut bans, limits, now) = (Bans::default(), limits(), Instant::now());
        bans.punish(subject("192.0.2.1"), "", &limits, now);
        assert!(bans.lift(&subject("192.0.2.1")) && !bans.lift(&subject("192.0.2.1")));
        assert!(!is_banned(&bans, "192.0.2.1", None, now));
        assert_eq!(bans.punish(subject("192.0.2.1"), "", &limits, now).times, 1);
    }

    #[test]
    fn the_ban_of_a_whole_network_is_found() {
        let (mut bans, now) = (Bans::default(), Instant::now());
        bans.put(subject("10.0.0.0/8"), Ban { until: now + MINUTE, times: 1, why: String::new() });
        assert!(is_banned(&bans, "10.9.8.7", None, now) && !is_banned(&bans, "11.0.0.1", None, now));
        assert_eq!(
            bans.list(now).map(|(subject, _)| subject.to_string()).collect::<Vec<_>>(),
            ["10.0.0.0/8"]
        );
    }

    #[test]
    fn subjects_are_written_as_they_are_named() {
        for text in ["192.0.2.1", "2001:db8::/64", "alice@192.0.2.1", "a@b@10.0.0.0/8", "alice@", "::1"] {
            assert_eq!(subject(text).to_string(), text);
        }
        for text in ["", "@", "@192.0.2.1", "alice@192", "192.0.2.1/24", "alice"] {
            assert!(text.parse::<Subject>().is_err(), "{text}");
        }
    }

    proptest! {
        /// However many there are, memory is bounded, and while there is one that is over, no ban that holds goes.
        #[test]
        fn active_bans_are_never_given_up_for_what_is_over(steps in proptest::collection::vec((0u8..40, 0u64..9), 0..100)) {
            let limits = limits();
            let mut bans = Bans { most: 8, ..Bans::default() };
            let mut now = Instant::now();
            for (last, minutes) in steps {
                now += MINUTE * minutes as u32;
                let subject = Subject::Network(Network::of_client(IpAddr::from([192, 0, 2, last])));
                let held: Vec<Subject> = bans.list(now).map(|(subject, _)| subject.clone()).collect();
                bans.punish(subject.clone(), "", &limits, now);
                prop_assert!(bans.all().count() <= 8);
                prop_assert_eq!(bans.by_subject.len(), bans.all().count());
                prop_assert_eq!(bans.prefixes.values().sum::<usize>(), bans.all().count());
                prop_assert!(bans.list(now).any(|(held, _)| *held == subject));
                if held.len() < 8 {
                    let still: Vec<&Subject> = bans.list(now).map(|(subject, _)| subject).collect();
                    prop_assert!(held.iter().all(|one| still.contains(&one)));
                }
            }
        }
    }
}
