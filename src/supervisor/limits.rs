//! Who may have how many sessions: pure counting, no system calls. The supervisor counts a connection from the moment
//! it is accepted until every process of it is gone.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// An address as far as limits tell clients apart: a whole IPv4 address, or the /64 of an IPv6 address, which is
/// what one customer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressKey(IpAddr);

impl From<IpAddr> for AddressKey {
    fn from(address: IpAddr) -> AddressKey {
        match address.to_canonical() {
            IpAddr::V4(v4) => AddressKey(IpAddr::V4(v4)),
            IpAddr::V6(v6) => AddressKey(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)))),
        }
    }
}

/// Why a client is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `max-sessions` is reached.
    Full,
    /// `max-sessions-per-address` is reached for this address.
    FullForAddress,
    /// Only proxies of `trusted-proxies` may connect here.
    NotAProxy,
}

impl Refusal {
    /// The line the client is sent.
    pub fn reply(self) -> &'static [u8] {
        match self {
            Refusal::Full => b"421 Too many connections. Please try again later.\r\n",
            Refusal::FullForAddress => b"421 Too many connections from your address.\r\n",
            Refusal::NotAProxy => b"421 This port is for a proxy.\r\n",
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Refusal::Full => "max-sessions is reached",
            Refusal::FullForAddress => "max-sessions-per-address is reached",
            Refusal::NotAProxy => "not one of trusted-proxies",
        })
    }
}

/// The most that is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Sessions at the same time.
    pub sessions: usize,
    /// Of those, from one address.
    pub per_address: usize,
}

/// Who is logged in, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name that was proved.
    pub name: String,
    /// The virtual host; empty: none.
    pub host: String,
}

/// How many connections there are.
#[derive(Debug, Default)]
pub struct Counts {
    sessions: usize,
    by_address: HashMap<AddressKey, usize>,
    by_user: HashMap<String, usize>,
    by_host: HashMap<String, usize>,
}

impl Counts {
    /// Counts a connection from this address, or says why there may be no further one. None: a proxy has yet to name
    /// the address.
    pub fn admit(&mut self, address: Option<AddressKey>, caps: Caps) -> Result<(), Refusal> {
        if self.sessions >= caps.sessions {
            return Err(Refusal::Full);
        }
        if let Some(address) = address {
            self.name(address, caps)?;
        }
        self.sessions += 1;
        Ok(())
    }

    /// An admitted connection, of which no address was known, comes from this one.
    pub fn name(&mut self, address: AddressKey, caps: Caps) -> Result<(), Refusal> {
        let here = self.by_address.get(&address).copied().unwrap_or(0);
        if here >= caps.per_address {
            return Err(Refusal::FullForAddress);
        }
        self.by_address.insert(address, here + 1);
        Ok(())
    }

    /// Every process of an admitted connection is gone.
    pub fn release(&mut self, address: Option<AddressKey>, user: Option<&User>) {
        self.sessions -= 1;
        if let Some(address) = address {
            decrease(&mut self.by_address, &address);
        }
        if let Some(user) = user {
            self.log_out(user);
        }
    }

    /// Whether so many are logged in at a virtual host already.
    pub fn is_full(&self, host: &str, most: usize) -> bool {
        self.by_host.get(host).is_some_and(|count| *count >= most)
    }

    /// An admitted connection has logged in.
    pub fn log_in(&mut self, user: &User) {
        *self.by_user.entry(user.name.clone()).or_default() += 1;
        *self.by_host.entry(user.host.clone()).or_default() += 1;
    }

    /// A connection that had logged in goes on without.
    pub fn log_out(&mut self, user: &User) {
        decrease(&mut self.by_user, &user.name);
        decrease(&mut self.by_host, &user.host);
    }

    /// Connections, addresses they come from, sessions that are logged in, and users they belong to.
    pub fn totals(&self) -> Totals {
        Totals {
            sessions: self.sessions,
            addresses: self.by_address.len(),
            logged_in: self.by_user.values().sum(),
            users: self.by_user.len(),
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

/// A count of nothing is no entry: what was counted once leaves no memory behind.
fn decrease<K, Q>(counts: &mut HashMap<K, usize>, key: &Q)
where
    K: std::borrow::Borrow<Q> + std::hash::Hash + Eq,
    Q: std::hash::Hash + Eq + ?Sized,
{
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CAPS: Caps = Caps { sessions: 5, per_address: 2 };

    fn key(text: &str) -> AddressKey {
        AddressKey::from(text.parse::<IpAddr>().unwrap())
    }

    fn named(text: &str) -> Option<AddressKey> {
        Some(key(text))
    }

    #[test]
    fn ipv6_clients_are_counted_by_their_64() {
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:2"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }

    #[test]
    fn the_cap_of_an_address_leaves_room_for_others() {
        let mut counts = Counts::default();
        assert_eq!(counts.admit(named("192.0.2.1"), CAPS), Ok(()));
        assert_eq!(counts.admit(named("192.0.2.1"), CAPS), Ok(()));
        assert_eq!(counts.admit(named("192.0.2.1"), CAPS), Err(Refusal::FullForAddress));
        assert_eq!(counts.admit(named("192.0.2.2"), CAPS), Ok(()));
    }

    proptest! {
        /// Whatever comes, logs in and goes, in whatever order: the counts are those of what is open.
        #[test]
        fn every_count_equals_what_is_open(steps in proptest::collection::vec((0u8..6, 0u8..4, 0usize..8), 0..200)) {
            let mut counts = Counts::default();
            let mut open: Vec<(Option<AddressKey>, Option<User>)> = Vec::new();
            for (what, address, at) in steps {
                let address = Some(AddressKey::from(IpAddr::from([192, 0, 2, address])));
                match what {
                    0 | 1 => {
                        let here = open.iter().filter(|one| one.0 == address).count();
                        let admitted = counts.admit(address, CAPS);
                        prop_assert_eq!(admitted.is_ok(), open.len() < CAPS.sessions && here < CAPS.per_address);
                        if admitted.is_ok() {
                            open.push((address, None));
                        }
                    }
                    4 => {
                        let admitted = counts.admit(None, CAPS);
                        prop_assert_eq!(admitted.is_ok(), open.len() < CAPS.sessions);
                        if admitted.is_ok() {
                            open.push((None, None));
                        }
                    }
                    5 => {
                        let here = open.iter().filter(|one| one.0 == address).count();
                        if let Some(one) = open.get_mut(at).filter(|one| one.0.is_none()) {
                            let named = address.map(|address| counts.name(address, CAPS));
                            prop_assert_eq!(named == Some(Ok(())), here < CAPS.per_address);
                            if here < CAPS.per_address {
                                one.0 = address;
                            }
                        }
                    }
                    2 => {
                        if let Some(one) = open.get_mut(at).filter(|one| one.1.is_none()) {
                            let user = User { name: format!("user{}", at % 3), host: format!("host{}", at % 2) };
                            counts.log_in(&user);
                            one.1 = Some(user);
                        }
                    }
                    _ => {
                        if at < open.len() {
                            let (address, user) = open.swap_remove(at);
                            counts.release(address, user.as_ref());
                        }
                    }
                }
                let totals = counts.totals();
                prop_assert_eq!(totals.sessions, open.len());
                let at_host = |host: &str| open.iter().flat_map(|one| &one.1).filter(|user| user.host == host).count();
                prop_assert_eq!(counts.is_full("host0", 2), at_host("host0") >= 2);
                prop_assert_eq!(totals.logged_in, open.iter().filter(|one| one.1.is_some()).count());
            }
            for (address, user) in open {
                counts.release(address, user.as_ref());
            }
            prop_assert_eq!(counts.by_address.len() + counts.by_user.len() + counts.by_host.len(), 0);
        }
    }
}
