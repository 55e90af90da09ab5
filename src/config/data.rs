//! Networks and address maps, and what options of `[data]` mean together.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use ipnet::IpNet;
use toml::Spanned;
use toml::de::DeValue;

use super::Data;
use super::value::{Value, Wrong, text_values};

/// A network, or a single address. IPv4 inside IPv6 is IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(IpNet);

impl Network {
    /// The network around an address with a prefix of so many bits for IPv4, and for IPv6. More than there are mean all.
    pub fn around(address: IpAddr, ipv4: u8, ipv6: u8) -> Network {
        let address = address.to_canonical();
        let bits = if address.is_ipv4() { ipv4.min(32) } else { ipv6.min(128) };
        Network(IpNet::new(address, bits).map_or(address.into(), |network| network.trunc()))
    }

    /// What one customer has: an IPv4 address, or the 64 bits of an IPv6 network.
    pub fn of_client(address: IpAddr) -> Network {
        Network::around(address, 32, 64)
    }

    /// How many bits all its addresses have in common.
    pub fn prefix(&self) -> u8 {
        self.0.prefix_len()
    }

    /// As a person writes it: an address alone is written without its prefix.
    pub fn short(&self) -> String {
        match self.0.prefix_len() == self.0.max_prefix_len() {
            true => self.0.addr().to_string(),
            false => self.0.to_string(),
        }
    }

    /// Whether it is one of IPv4.
    pub fn is_ipv4(&self) -> bool {
        self.0.addr().is_ipv4()
    }

    /// Whether the address belongs to it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let address = || text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
        let network = text.parse().or_else(|_| address()).map_err(|_| {
            format!("{text:?} is no network, such as \"192.168.0.0/16\" or \"2001:db8::/32\"")
        })?;
        if network.trunc() != network {
            return Err(format!("{text} has bits set behind its prefix; the network is {}", network.trunc()));
        }
        Ok(Network(network))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text_values! {
    Masquerade: "IPv4 address or name".to_string();
    Network: "network".to_string();
}

/// Addresses of this machine, and what clients are told in their place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressMap(BTreeMap<Ipv4Addr, Ipv4Addr>);

impl AddressMap {
    /// What clients are told in place of this address, if it is listed.
    pub fn get(&self, own: Ipv4Addr) -> Option<Ipv4Addr> {
        self.0.get(&own).copied()
    }

    /// Whether nothing is listed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Value for AddressMap {
    fn kind() -> String {
        "table of IPv4 addresses, such as { \"10.0.0.5\" = \"203.0.113.7\" }".to_string()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<AddressMap, Wrong> {
        let table = value.get_ref().as_table().ok_or_else(|| Wrong::kind::<AddressMap>(value))?;
        let entries = table.iter().map(|(own, told)| {
            let parsed = own.get_ref().parse().map_err(|_| Wrong {
                at: own.span().start,
                reason: format!("{:?} is no IPv4 address, such as \"192.0.2.1\"", own.get_ref()),
            });
            Ok((parsed?, Ipv4Addr::read(told)?))
        });
        entries.collect::<Result<_, Wrong>>().map(AddressMap)
    }

    fn write(&self) -> Option<String> {
        let entries: Vec<String> =
            self.0.iter().map(|(own, told)| format!("\"{own}\" = \"{told}\"")).collect();
        Some(if entries.is_empty() { "{}".to_string() } else { format!("{{ {} }}", entries.join(", ")) })
    }
}

/// What clients are told in place of the server's own address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Masquerade {
    /// This address.
    Address(Ipv4Addr),
    /// The address that this name has in the DNS.
    Name(String),
}

impl FromStr for Masquerade {
    type Err = String;

    fn from_str(text: &str) -> Result<Masquerade, String> {
        if let Ok(address) = text.parse() {
            return Ok(Masquerade::Address(address));
        }
        let label = |label: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            (1..=63).contains(&label.len()) && label.bytes().all(known)
        };
        let name = text.strip_suffix('.').unwrap_or(text);
        let last = name.rsplit('.').next().unwrap_or_default();
        // Numbers alone are an address that is wrong.
        let is_name = name.len() <= 253
            && name.split('.').all(label)
            && !last.bytes().all(|byte| byte.is_ascii_digit());
        match is_name {
            true => Ok(Masquerade::Name(text.to_string())),
            false => Err(format!(
                "{text:?} is no IPv4 address and no name, such as \"192.0.2.1\" or \"ftp.example.org\""
            )),
        }
    }
}

impl fmt::Display for Masquerade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Masquerade::Address(address) => address.fmt(f),
            Masquerade::Name(name) => f.write_str(name),
        }
    }
}

impl Data {
    /// Whether the verb is of any use: FEAT does not announce those that are switched off.
    pub fn offers(&self, verb: &str) -> bool {
        match verb {
            "MODE" => self.mode_z,
            "EPRT" => self.active && !self.epsv_only,
            _ => true,
        }
    }

    /// The address that PASV tells a client who is connected to `own`; `resolved` is that of the name in
    /// `masquerade-address`. None: it would be that, and is not known.
    pub fn address_told(
        &self,
        own: Ipv4Addr,
        client: IpAddr,
        resolved: Option<Ipv4Addr>,
    ) -> Option<Ipv4Addr> {
        if self.masquerade_exempt.iter().any(|network| network.contains(client)) {
            return Some(own);
        }
        self.masquerade_map.get(own).or(match &self.masquerade_address {
            None => Some(own),
            Some(Masquerade::Address(address)) => Some(*address),
            Some(Masquerade::Name(_)) => resolved,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Data {
        Config::parse("f".as_ref(), text).unwrap_or_else(|error| panic!("{error}")).data
    }

    fn told(data: &Data, own: &str, client: &str) -> String {
        let told = data.address_told(own.parse().unwrap(), client.parse().unwrap(), None);
        told.map_or("unknown".to_string(), |address| address.to_string())
    }

    #[test]
    fn the_map_wins_over_the_one_address_and_neighbors_over_both() {
        let data = read(
            "[data]\nmasquerade-address = \"203.0.113.7\"\n\
             masquerade-map = { \"10.0.0.5\" = \"203.0.113.8\", \"10.0.0.6\" = \"203.0.113.9\" }\n\
             masquerade-exempt = [\"192.168.0.0/16\", \"198.51.100.1\", \"2001:db8::/32\"]\n",
        );
        assert_eq!(told(&data, "10.0.0.4", "198.51.100.2"), "203.0.113.7");
        assert_eq!(told(&data, "10.0.0.5", "198.51.100.2"), "203.0.113.8");
        assert_eq!(told(&data, "10.0.0.6", "::ffff:198.51.100.2"), "203.0.113.9");
        for neighbor in ["192.168.3.4", "198.51.100.1", "::ffff:192.168.3.4"] {
            assert_eq!(told(&data, "10.0.0.5", neighbor), "10.0.0.5");
        }
        assert_eq!(told(&Data::default(), "10.0.0.5", "192.0.2.1"), "10.0.0.5");
    }

    #[test]
    fn a_name_stands_for_what_it_was_resolved_to() {
        let data = read(
            "[data]\nmasquerade-address = \"ftp.example.org\"\nmasquerade-exempt = [\"192.168.0.0/16\"]\n",
        );
        assert_eq!(told(&data, "10.0.0.5", "192.0.2.1"), "unknown");
        assert_eq!(told(&data, "10.0.0.5", "192.168.0.1"), "10.0.0.5");
        let resolved = Some(Ipv4Addr::new(203, 0, 113, 7));
        let told = data.address_told(Ipv4Addr::LOCALHOST, "192.0.2.1".parse().unwrap(), resolved);
        assert_eq!(told, resolved);
        for wrong in ["", "203.0.113", "2001:db8::1", "a..b", "two words", "ftp.example.org:21"] {
            assert!(wrong.parse::<Masquerade>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn networks_have_no_bits_behind_their_prefix() {
        assert!("192.168.0.0/16".parse::<Network>().is_ok());
        assert_eq!(
            "192.168.1.0/16".parse::<Network>().unwrap_err(),
            "192.168.1.0/16 has bits set behind its prefix; the network is 192.168.0.0/16"
        );
        assert!("192.168.0.0/33".parse::<Network>().is_err());
        assert!("everybody".parse::<Network>().is_err());
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let config = "[data]\nmasquerade-map = { \"10.0.0.5\" = \"203.0.113.8\" }\nmasquerade-exempt = [\"::1/128\"]\n";
        let config = Config::parse("f".as_ref(), config).unwrap();
        assert_eq!(Config::parse("f".as_ref(), &config.to_toml()).unwrap(), config);
        let wrong = |text: &str| Config::parse("f".as_ref(), text).unwrap_err().to_string();
        assert_eq!(
            wrong("[data]\nmasquerade-map = { \"10.0.0\" = \"203.0.113.8\" }\n"),
            "f:2: [data] masquerade-map: \"10.0.0\" is no IPv4 address, such as \"192.0.2.1\""
        );
        assert!(wrong("data.masquerade-map = 3").contains("wants a table of IPv4 addresses"));
    }

    proptest! {
        #[test]
        fn a_network_contains_what_has_its_prefix(network: u32, length in 0u8..=32, address: u32) {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            let text = format!("{}/{length}", Ipv4Addr::from_bits(network & mask));
            let parsed: Network = text.parse().unwrap();
            prop_assert_eq!(parsed.to_string(), text);
            let contained = parsed.contains(Ipv4Addr::from_bits(address).into());
            prop_assert_eq!(contained, network & mask == address & mask);
        }
    }
}
