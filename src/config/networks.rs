//! Listeners and networks that have sections of their own.

use std::net::{IpAddr, SocketAddr};

use super::{Config, ListenerOptions, Network, NetworkOptions};

impl Config {
    /// What `[listener.ADDRESS]` says of a listener.
    pub fn listener_at(&self, listener: SocketAddr) -> Option<&ListenerOptions> {
        self.listener.iter().find(|(address, _)| address.parse() == Ok(listener)).map(|(_, own)| own)
    }

    /// The `[network.NAME]` sections with this address in them, the closest first: that is the one with the longest
    /// prefix.
    pub fn networks_of(&self, address: IpAddr) -> impl Iterator<Item = (&str, &NetworkOptions)> + Clone {
        let closest = |network: &NetworkOptions| {
            let there = network.addresses.iter().filter(|network| network.contains(address));
            there.map(Network::prefix).max()
        };
        let mut found: Vec<_> = self
            .network
            .iter()
            .filter_map(|(name, network)| Some((closest(network)?, (name.as_str(), network))))
            .collect();
        found.sort_by_key(|(prefix, _)| std::cmp::Reverse(*prefix));
        found.into_iter().map(|(_, network)| network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_network_comes_first() {
        let text = "[network.all]\naddresses = [\"0.0.0.0/0\"]\n[network.office]\naddresses = [\"10.1.0.0/16\", \"::1\"]\n\
                    [network.desk]\naddresses = [\"10.1.2.3\"]\n";
        let config = Config::parse("f".as_ref(), text).unwrap();
        let names = |address: &str| {
            config.networks_of(address.parse().unwrap()).map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names("10.1.2.3"), ["desk", "office", "all"]);
        assert_eq!(names("::ffff:10.1.2.4"), ["office", "all"]);
        assert_eq!(names("::1"), ["office"]);
        assert_eq!(names("2001:db8::1"), [""; 0]);
        assert_eq!(Config::parse("f".as_ref(), &config.to_toml()).unwrap(), config);
    }

    #[test]
    fn a_listener_is_found_however_its_address_is_written() {
        let text = "[listener.\"[0::0]:21\"]\nmax-sessions = 3\n";
        let config = Config::parse("f".as_ref(), text).unwrap();
        let of = |address: &str| config.listener_at(address.parse().unwrap()).is_some();
        assert!(of("[::]:21") && !of("[::]:22"));
    }
}
