//! What clients have done, and what that means for them: refused connections, answers that take longer, bans. Pure.
//!
//! Wrong logins are counted three times: of an address, of a user from one address, and of a user from everywhere. The
//! first two lead to a ban of whom they are about. The last one never does, or anybody could lock anybody else out: the
//! answers to wrong logins of that user just take longer, while the right password is answered at once.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::bans::{Ban, Bans, Subject};
use super::limits::Refusal;
use super::meter::Meter;
use crate::config::{Limits, Network};

/// Names longer than any account's are not remembered: they are counted by their address alone.
const LONGEST_NAME: usize = 256;

/// What is remembered of clients.
#[derive(Debug, Default)]
pub struct Penalties {
    pub bans: Bans,
    connections: Meter<Network>,
    by_address: Meter<Network>,
    by_user_and_address: Meter<(String, Network)>,
    by_user: Meter<String>,
}

/// What a wrong login has led to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Noted {
    /// So much later is the client told.
    pub delay: Duration,
    /// Whom it has banned.
    pub banned: Vec<(Subject, Ban)>,
}

fn is_trusted(limits: &Limits, address: IpAddr) -> bool {
    limits.trusted.iter().any(|network| network.contains(address))
}

impl Penalties {
    /// Why a client of this address may not connect now, if he may not; otherwise it is counted that he has.
    pub fn connect(&mut self, limits: &Limits, address: IpAddr, now: Instant) -> Result<(), Refusal> {
        if is_trusted(limits, address) {
            return Ok(());
        }
        self.find_ban(address, None, now)?;
        match limits.connection_rate {
            Some(rate) if !self.connections.allow(&Network::of_client(address), rate, now) => {
                Err(Refusal::TooFast)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Why nobody may try now to log in as this user from there, if so.
    pub fn attempt(&self, limits: &Limits, address: IpAddr, user: &str, now: Instant) -> Result<(), Refusal> {
        if is_trusted(limits, address) { Ok(()) } else { self.find_ban(address, Some(user), now) }
    }

    fn find_ban(&self, address: IpAddr, user: Option<&str>, now: Instant) -> Result<(), Refusal> {
        match self.bans.find(address, user, now) {
            Some((subject, ban)) => Err(Refusal::Banned {
                subject: subject.to_string(),
                left: ban.until - now,
                why: ban.why.clone(),
            }),
            None => Ok(()),
        }
    }

    /// A wrong login.
    pub fn failed(&mut self, limits: &Limits, address: IpAddr, user: &str, now: Instant) -> Noted {
        if is_trusted(limits, address) {
            return Noted::default();
        }
        let network = Network::of_client(address);
        let mut noted = Noted::default();
        if user.len() <= LONGEST_NAME {
            let often = self.by_user.count(&user.to_owned(), limits.failures_per_user, now);
            if let Some(over) = often {
                let longest = Duration::from_secs(limits.slowest_answer.seconds().into());
                noted.delay = Duration::from_secs(1 << over.min(16)).min(longest);
            }
            let pair = (user.to_owned(), network);
            let most = limits.failures_per_user_and_address;
            if self.by_user_and_address.count(&pair, most, now).is_some() {
                self.by_user_and_address.forget(&pair);
                noted.banned.extend(self.ban(
                    limits,
                    Subject::UserFrom(pair.0, network),
                    "wrong logins",
                    now,
                ));
            }
        }
        if self.by_address.count(&network, limits.failures_per_address, now).is_some() {
            self.by_address.forget(&network);
            noted.banned.extend(self.ban(limits, Subject::Network(network), "wrong logins", now));
        }
        noted
    }

    /// Somebody has logged in: what he did wrong on his way is forgiven to him. What others did from his address is not,
    /// or who has an account could guess at those of others.
    pub fn logged_in(&mut self, address: IpAddr, user: &str) {
        let pair = (user.to_owned(), Network::of_client(address));
        self.by_user_and_address.forget(&pair);
    }

    /// A client has done something that no FTP client does. `at_once`: he is banned for it; otherwise, it counts as much
    /// as a wrong login.
    pub fn misbehaved(&mut self, limits: &Limits, address: IpAddr, at_once: bool, now: Instant) -> Noted {
        if is_trusted(limits, address) {
            return Noted::default();
        }
        let network = Network::of_client(address);
        let often = self.by_address.count(&network, limits.failures_per_address, now).is_some();
        if !at_once && !often {
            return Noted::default();
        }
        self.by_address.forget(&network);
        let why = if at_once { "too many commands" } else { "misuse" };
        let banned = self.ban(limits, Subject::Network(network), why, now);
        Noted { delay: Duration::ZERO, banned: banned.into_iter().collect() }
    }

    fn ban(&mut self, limits: &Limits, subject: Subject, why: &str, now: Instant) -> Option<(Subject, Ban)> {
        if limits.ban_time.seconds() == 0 {
            return None;
        }
        let ban = self.bans.punish(subject.clone(), why, limits, now).clone();
        Some((subject, ban))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[limits]\ntrusted = [\"10.0.0.0/8\"]\nconnection-rate = \"3/m\"\nfailures-per-address = \"4/10m\"\n\
                        failures-per-user-and-address = \"2/10m\"\nfailures-per-user = \"5/10m\"\nslowest-answer = 6\n";

    fn limits() -> Limits {
        crate::config::Config::parse("f".as_ref(), TEXT).unwrap().limits
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn banned(noted: &Noted) -> Vec<String> {
        noted.banned.iter().map(|(subject, _)| subject.to_string()).collect()
    }

    #[test]
    fn guessing_at_one_user_bans_from_that_user_and_guessing_at_all_from_everything() {
        let (mut all, limits, now) = (Penalties::default(), limits(), Instant::now());
        let mut failed = |user: &str| banned(&all.failed(&limits, ip("192.0.2.1"), user, now));
        assert_eq!(failed("alice"), [""; 0]);
        assert_eq!(failed("alice"), ["alice@192.0.2.1"]);
        assert_eq!(failed("bob"), [""; 0]);
        assert_eq!(failed("carol"), ["192.0.2.1"]);
        let may = |address: &str, user: &str| all.attempt(&limits, ip(address), user, now).is_ok();
        assert!(!may("192.0.2.1", "dave") && !may("192.0.2.1", "alice"));
        assert!(may("192.0.2.2", "alice") && may("192.0.2.2", "bob"));
        assert!(matches!(all.connect(&limits, ip("192.0.2.1"), now), Err(Refusal::Banned { .. })));
        assert_eq!(all.connect(&limits, ip("192.0.2.2"), now), Ok(()));
    }

    #[test]
    fn guessing_from_everywhere_slows_answers_down_and_locks_nobody_out() {
        let (mut all, limits, now) = (Penalties::default(), limits(), Instant::now());
        let mut delays = Vec::new();
        for last in 1..=9 {
            let noted = all.failed(&limits, IpAddr::from([192, 0, 2, last]), "alice", now);
            assert_eq!(noted.banned, []);
            delays.push(noted.delay.as_secs());
        }
        assert_eq!(delays, [0, 0, 0, 0, 1, 2, 4, 6, 6]);
        assert_eq!(all.attempt(&limits, ip("192.0.2.1"), "alice", now), Ok(()));
        assert_eq!(all.failed(&limits, ip("192.0.2.1"), "bob", now).delay, Duration::ZERO);
    }

    #[test]
    fn logging_in_forgives_what_was_wrong_of_this_user_alone() {
        let (mut all, limits, now) = (Penalties::default(), limits(), Instant::now());
        let address = ip("192.0.2.1");
        for _ in 0..3 {
            assert_eq!(banned(&all.failed(&limits, address, "alice", now)), [""; 0]);
            all.logged_in(address, "alice");
        }
        assert_eq!(banned(&all.failed(&limits, address, "alice", now)), ["192.0.2.1"]);
    }

    #[test]
    fn trusted_networks_are_never_refused_or_slowed_down() {
        let (mut all, limits, now) = (Penalties::default(), limits(), Instant::now());
        for _ in 0..50 {
            assert_eq!(all.connect(&limits, ip("10.1.1.1"), now), Ok(()));
            assert_eq!(all.failed(&limits, ip("10.1.1.1"), "alice", now), Noted::default());
            assert_eq!(all.misbehaved(&limits, ip("10.1.1.1"), true, now), Noted::default());
        }
        all.bans.punish(Subject::Network(Network::of_client(ip("10.1.1.1"))), "", &limits, now);
        assert_eq!(all.connect(&limits, ip("10.1.1.1"), now), Ok(()));
    }

    #[test]
    fn connections_come_no_faster_than_their_rate() {
        let (mut all, limits, now) = (Penalties::default(), limits(), Instant::now());
        let mut connect = |address: &str, seconds| {
            all.connect(&limits, ip(address), now + Duration::from_secs(seconds)).is_ok()
        };
        assert_eq!([0; 4].map(|at| connect("2001:db8::1", at)), [true, true, true, false]);
        assert!(!connect("2001:db8::2", 0) && connect("2001:db8:0:1::1", 0));
        assert!(connect("2001:db8::1", 20));
    }

    #[test]
    fn without_a_time_there_are_no_bans() {
        let text = format!("{TEXT}ban-time = 0\n");
        let limits = crate::config::Config::parse("f".as_ref(), &text).unwrap().limits;
        let (mut all, now) = (Penalties::default(), Instant::now());
        for _ in 0..50 {
            assert_eq!(all.failed(&limits, ip("192.0.2.1"), "alice", now).banned, []);
        }
    }

    #[test]
    fn misuse_counts_as_a_wrong_login_and_a_flood_is_banned_at_once() {
        let (mut all, limits, now) = (Penalties::default(), limits(), Instant::now());
        let mut misuse = |last, at_once| {
            banned(&all.misbehaved(&limits, IpAddr::from([192, 0, 2, last]), at_once, now)).len()
        };
        assert_eq!([misuse(1, false), misuse(1, false), misuse(1, false), misuse(1, false)], [0, 0, 0, 1]);
        assert_eq!(misuse(2, true), 1);
    }
}
