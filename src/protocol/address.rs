//! Addresses in arguments: PORT (RFC 959 4.1.2), EPRT and EPSV (RFC 2428). What may be connected to is not decided
//! here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Why an argument is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadAddress {
    /// 501: not written as the RFC says.
    Malformed,
    /// 522: neither IPv4 nor IPv6.
    UnknownProtocol,
}

/// A network protocol by its number in RFC 2428.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// 1
    V4,
    /// 2
    V6,
}

impl Protocol {
    /// The protocol of an address; IPv4 inside IPv6 counts as IPv4.
    pub fn of(address: IpAddr) -> Protocol {
        if address.to_canonical().is_ipv4() { Protocol::V4 } else { Protocol::V6 }
    }

    /// The number that EPRT and EPSV use.
    pub fn number(self) -> u8 {
        match self {
            Protocol::V4 => 1,
            Protocol::V6 => 2,
        }
    }

    fn parse(text: &str) -> Result<Protocol, BadAddress> {
        match number::<u32>(text)? {
            1 => Ok(Protocol::V4),
            2 => Ok(Protocol::V6),
            _ => Err(BadAddress::UnknownProtocol),
        }
    }
}

/// What EPSV asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtendedPassive {
    /// A port, on the protocol of the control connection.
    Same,
    /// A port, on this protocol.
    On(Protocol),
    /// No port: the client promises to use nothing but EPSV from now on.
    All,
}

/// The argument of PORT: `h1,h2,h3,h4,p1,p2`.
pub fn parse_port(argument: &[u8]) -> Result<SocketAddr, BadAddress> {
    let mut bytes = [0u8; 6];
    let mut texts = text(argument)?.split(',');
    for byte in &mut bytes {
        *byte = number(texts.next().ok_or(BadAddress::Malformed)?)?;
    }
    if texts.next().is_some() {
        return Err(BadAddress::Malformed);
    }
    let [a, b, c, d, high, low] = bytes;
    Ok(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([high, low])))
}

/// The argument of EPRT: `|1|192.0.2.7|6275|`, with any delimiter of the RFC. IPv4 inside IPv6 becomes IPv4.
pub fn parse_eprt(argument: &[u8]) -> Result<SocketAddr, BadAddress> {
    let argument = text(argument)?;
    let delimiter = argument.chars().next().filter(char::is_ascii_graphic).ok_or(BadAddress::Malformed)?;
    let fields: Vec<&str> = argument.split(delimiter).collect();
    let ["", protocol, address, port, ""] = fields[..] else {
        return Err(BadAddress::Malformed);
    };
    let address = match Protocol::parse(protocol)? {
        Protocol::V4 => address.parse::<Ipv4Addr>().map(IpAddr::V4),
        Protocol::V6 => address.parse::<Ipv6Addr>().map(IpAddr::V6),
    };
    let address = address.map_err(|_| BadAddress::Malformed)?;
    Ok(SocketAddr::new(address.to_canonical(), number(port)?))
}

/// The argument of EPSV: nothing, the number of a protocol, or `ALL`.
pub fn parse_epsv(argument: &[u8]) -> Result<ExtendedPassive, BadAddress> {
    match text(argument)?.trim() {
        "" => Ok(ExtendedPassive::Same),
        all if all.eq_ignore_ascii_case("ALL") => Ok(ExtendedPassive::All),
        protocol => Protocol::parse(protocol).map(ExtendedPassive::On),
    }
}

fn text(argument: &[u8]) -> Result<&str, BadAddress> {
    std::str::from_utf8(argument).map_err(|_| BadAddress::Malformed)
}

/// Digits and nothing else: the standard library would allow a sign.
fn number<N: std::str::FromStr>(text: &str) -> Result<N, BadAddress> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadAddress::Malformed);
    }
    text.parse().map_err(|_| BadAddress::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn port_is_six_bytes_in_decimal() {
        assert_eq!(parse_port(b"192,0,2,7,195,81"), Ok("192.0.2.7:50001".parse().unwrap()));
        for wrong in
            ["", "1,2,3,4,5", "1,2,3,4,5,6,7", "1,2,3,4,5,256", "+1,2,3,4,5,6", "1,2,3,4,5,", "1,2,3,4,5,6 "]
        {
            assert_eq!(parse_port(wrong.as_bytes()), Err(BadAddress::Malformed), "{wrong}");
        }
    }

    #[test]
    fn eprt_knows_two_protocols_and_any_delimiter() {
        assert_eq!(parse_eprt(b"|1|192.0.2.7|6275|"), Ok("192.0.2.7:6275".parse().unwrap()));
        assert_eq!(parse_eprt(b"!2!2001:db8::7!6275!"), Ok("[2001:db8::7]:6275".parse().unwrap()));
        assert_eq!(parse_eprt(b"|2|::ffff:192.0.2.7|6275|"), Ok("192.0.2.7:6275".parse().unwrap()));
        assert_eq!(parse_eprt(b"|3|192.0.2.7|6275|"), Err(BadAddress::UnknownProtocol));
        for wrong in [
            "",
            "|",
            "|1|192.0.2.7|6275",
            "|1|::1|6275|",
            "|2|1.2.3.4|6275|",
            "|1|1.2.3.4|65536|",
            "|1|1.2.3.4|1|2|",
        ] {
            assert_eq!(parse_eprt(wrong.as_bytes()), Err(BadAddress::Malformed), "{wrong}");
        }
    }

    #[test]
    fn epsv_takes_nothing_a_protocol_or_all() {
        assert_eq!(parse_epsv(b""), Ok(ExtendedPassive::Same));
        assert_eq!(parse_epsv(b"2"), Ok(ExtendedPassive::On(Protocol::V6)));
        assert_eq!(parse_epsv(b"all"), Ok(ExtendedPassive::All));
        assert_eq!(parse_epsv(b"3"), Err(BadAddress::UnknownProtocol));
        assert_eq!(parse_epsv(b"x"), Err(BadAddress::Malformed));
    }

    #[test]
    fn ipv4_inside_ipv6_counts_as_ipv4() {
        assert_eq!(Protocol::of("::ffff:192.0.2.7".parse().unwrap()), Protocol::V4);
        assert_eq!(Protocol::of("::1".parse().unwrap()), Protocol::V6);
    }

    proptest! {
        #[test]
        fn every_address_is_read_back(address: IpAddr, port: u16) {
            let address = address.to_canonical();
            let eprt = format!("|{}|{address}|{port}|", Protocol::of(address).number());
            prop_assert_eq!(parse_eprt(eprt.as_bytes()), Ok(SocketAddr::new(address, port)));
        }

        #[test]
        fn silly_arguments_are_refused_and_nothing_worse(argument: Vec<u8>) {
            let _ = parse_port(&argument);
            let _ = parse_eprt(&argument);
            let _ = parse_epsv(&argument);
        }
    }
}
