//! The header with which a proxy says whom it speaks for: the PROXY protocol, versions 1 and 2. Reading it takes nothing
//! that stands behind it.

use std::net::{IpAddr, SocketAddr};

use ppp::{v1, v2};

/// What a header of version 2 begins with.
const SIGNATURE: &[u8] = v2::PROTOCOL_PREFIX;

/// What every header of version 2 has; its last two bytes say how much follows.
const FIXED_PART: usize = 16;

/// What a header of version 1 begins with.
const WORD: &[u8] = b"PROXY ";

/// The longest header of version 1, as its specification says.
const LONGEST_LINE: usize = 107;

/// The longest header of version 2 that is read. Proxies add notes to the addresses, of which none is of use here.
const LONGEST_BLOCK: usize = 2048;

/// Whom the connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// A client of the proxy, who is at `peer` and connected to the proxy at `local`.
    Client {
        /// The client's address.
        peer: SocketAddr,
        /// The address that he connected to.
        local: SocketAddr,
    },
    /// The proxy itself, which looks whether the server is well.
    Itself,
}

/// What came is no such header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoHeader;

/// Collects a header from bytes as they come.
#[derive(Default)]
pub struct HeaderReader {
    bytes: Vec<u8>,
}

impl HeaderReader {
    /// Takes bytes of the header from the front of these, and says how many: less than all if something follows it.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() && !self.is_over() {
            self.bytes.push(bytes[taken]);
            taken += 1;
        }
        taken
    }

    /// The header, once it is complete or can be none.
    pub fn take(&self) -> Option<Result<Header, NoHeader>> {
        self.is_over()
            .then(|| if self.bytes.starts_with(SIGNATURE) { block(&self.bytes) } else { line(&self.bytes) })
    }

    /// Whether no further byte is wanted.
    fn is_over(&self) -> bool {
        let bytes = self.bytes.as_slice();
        let begins = |with: &[u8]| bytes.iter().zip(with).all(|(one, other)| one == other);
        if begins(SIGNATURE) {
            match bytes.get(14..16) {
                Some(&[high, low]) => {
                    let length = FIXED_PART + usize::from(u16::from_be_bytes([high, low]));
                    length > LONGEST_BLOCK || bytes.len() >= length
                }
                _ => false,
            }
        } else if begins(WORD) {
            bytes.ends_with(b"\n") || bytes.len() >= LONGEST_LINE
        } else {
            true
        }
    }
}

/// Version 2.
fn block(bytes: &[u8]) -> Result<Header, NoHeader> {
    let header = v2::Header::try_from(bytes).map_err(|_| NoHeader)?;
    match (header.command, header.protocol, header.addresses) {
        (v2::Command::Local, _, _) => Ok(Header::Itself),
        (v2::Command::Proxy, v2::Protocol::Stream, v2::Addresses::IPv4(ends)) => Ok(client(
            (ends.source_address.into(), ends.source_port),
            (ends.destination_address.into(), ends.destination_port),
        )),
        (v2::Command::Proxy, v2::Protocol::Stream, v2::Addresses::IPv6(ends)) => Ok(client(
            (ends.source_address.into(), ends.source_port),
            (ends.destination_address.into(), ends.destination_port),
        )),
        (v2::Command::Proxy, v2::Protocol::Unspecified, v2::Addresses::Unspecified) => Ok(Header::Itself),
        (v2::Command::Proxy, _, _) => Err(NoHeader),
    }
}

/// Version 1.
fn line(bytes: &[u8]) -> Result<Header, NoHeader> {
    match v1::Header::try_from(bytes).map_err(|_| NoHeader)?.addresses {
        v1::Addresses::Unknown => Ok(Header::Itself),
        v1::Addresses::Tcp4(ends) => Ok(client(
            (ends.source_address.into(), ends.source_port),
            (ends.destination_address.into(), ends.destination_port),
        )),
        v1::Addresses::Tcp6(ends) => Ok(client(
            (ends.source_address.into(), ends.source_port),
            (ends.destination_address.into(), ends.destination_port),
        )),
    }
}

/// IPv4 inside IPv6 is IPv4.
fn client(peer: (IpAddr, u16), local: (IpAddr, u16)) -> Header {
    let address = |(ip, port): (IpAddr, u16)| SocketAddr::new(ip.to_canonical(), port);
    Header::Client { peer: address(peer), local: address(local) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is read of bytes that come in pieces, and how many are taken.
    fn read(bytes: &[u8], piece: usize) -> (Option<Result<Header, NoHeader>>, usize) {
        let mut reader = HeaderReader::default();
        let mut taken = 0;
        for piece in bytes.chunks(piece) {
            taken += reader.feed(piece);
            if reader.take().is_some() {
                break;
            }
        }
        (reader.take(), taken)
    }

    fn between(peer: &str, local: &str) -> Header {
        Header::Client { peer: peer.parse().unwrap(), local: local.parse().unwrap() }
    }

    fn version_2(peer: SocketAddr, local: SocketAddr, notes: &[u8]) -> Vec<u8> {
        let mut addresses = Vec::new();
        let mut ip = |ip: IpAddr| match ip {
            IpAddr::V4(v4) => addresses.extend(v4.octets()),
            IpAddr::V6(v6) => addresses.extend(v6.octets()),
        };
        ip(peer.ip());
        ip(local.ip());
        addresses.extend(peer.port().to_be_bytes());
        addresses.extend(local.port().to_be_bytes());
        addresses.extend(notes);
        let family = if peer.is_ipv4() { 0x11 } else { 0x21 };
        let mut header = [SIGNATURE, &[0x21, family]].concat();
        header.extend((addresses.len() as u16).to_be_bytes());
        header.extend(addresses);
        header
    }

    #[test]
    fn lines_are_read() {
        let line = b"PROXY TCP4 192.0.2.7 203.0.113.5 40000 21\r\nUSER x\r\n";
        let header = between("192.0.2.7:40000", "203.0.113.5:21");
        assert_eq!(read(line, 1000), (Some(Ok(header)), line.len() - 8));
        let line = b"PROXY TCP6 2001:db8::1 ::ffff:203.0.113.5 1 2\r\n";
        assert_eq!(read(line, 1).0, Some(Ok(between("[2001:db8::1]:1", "203.0.113.5:2"))));
        assert_eq!(read(b"PROXY UNKNOWN\r\n", 3).0, Some(Ok(Header::Itself)));
        assert_eq!(read(b"PROXY TCP4 192.0.2.7", 3).0, None);
    }

    #[test]
    fn what_is_no_header_is_known_soon() {
        for (text, taken) in [
            (&b"USER alice\r\n"[..], 1),
            (b"PROXIES", 5),
            (b"\r\n\r\n\0\r\nQUIX\n-----", 11),
            (b"PROXY TCP4 192.0.2.7 203.0.113.5 40000\r\n", 40),
            (b"PROXY TCP4 192.0.2.7 203.0.113.5 40000 99999\r\n", 46),
        ] {
            assert_eq!(read(text, 4), (Some(Err(NoHeader)), taken), "{text:?}");
        }
        let endless = [b"PROXY ", &[b' '; 1000][..]].concat();
        assert_eq!(read(&endless, 100), (Some(Err(NoHeader)), LONGEST_LINE));
        let huge = [SIGNATURE, &[0x21, 0x11, 0xff, 0xff], &[0; 5000]].concat();
        assert_eq!(read(&huge, 100), (Some(Err(NoHeader)), FIXED_PART));
        let datagrams = [SIGNATURE, &[0x21, 0x12, 0, 12], &[0; 12]].concat();
        assert_eq!(read(&datagrams, 100).0, Some(Err(NoHeader)));
    }

    #[test]
    fn a_proxy_may_speak_for_itself() {
        let header = [SIGNATURE, &[0x20, 0, 0, 0]].concat();
        assert_eq!(read(&header, 5), (Some(Ok(Header::Itself)), header.len()));
    }

    proptest! {
        #[test]
        fn headers_are_read_in_any_pieces(
            peer: (std::net::Ipv6Addr, u16), local: (std::net::Ipv6Addr, u16), v4: bool,
            notes in prop::collection::vec(any::<u8>(), 0..300), behind: Vec<u8>, piece in 1usize..50
        ) {
            let address = |(ip, port): (std::net::Ipv6Addr, u16)| match v4 {
                true => SocketAddr::new(std::net::Ipv4Addr::from_bits(ip.to_bits() as u32).into(), port),
                false => SocketAddr::new(ip.into(), port),
            };
            let (peer, local) = (address(peer), address(local));
            let header = version_2(peer, local, &notes);
            let expected = Header::Client {
                peer: SocketAddr::new(peer.ip().to_canonical(), peer.port()),
                local: SocketAddr::new(local.ip().to_canonical(), local.port()),
            };
            let bytes = [&header[..], &behind].concat();
            prop_assert_eq!(read(&bytes, piece), (Some(Ok(expected)), header.len()));
            let kind = if v4 { "TCP4" } else { "TCP6" };
            let line = format!("PROXY {kind} {} {} {} {}\r\n", peer.ip(), local.ip(), peer.port(), local.port());
            let bytes = [line.as_bytes(), &behind].concat();
            prop_assert_eq!(read(&bytes, piece), (Some(Ok(expected)), line.len()));
        }

        #[test]
        fn nothing_is_too_silly_to_be_refused(bytes: Vec<u8>, known in 0usize..3, piece in 1usize..50) {
            let bytes = [[&b""[..], WORD, SIGNATURE][known], &bytes].concat();
            let (_, taken) = read(&bytes, piece);
            prop_assert!(taken <= bytes.len() && taken <= LONGEST_BLOCK);
        }
    }
}
