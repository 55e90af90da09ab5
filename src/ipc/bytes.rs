//! The encoding of messages: a tag, then integers and strings with their length in front. Everything is bounded and
//! every byte must be used; anything else means that the process at the other end is broken.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// A packet that does not decode: the peer is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// A value inside a message.
pub trait Field: Sized {
    /// Appends the value to a packet.
    fn put(&self, packet: &mut Vec<u8>);
    /// Takes the value from the front of what is left of a packet.
    fn take(packet: &mut &[u8]) -> Result<Self, Malformed>;
}

/// Takes `N` bytes from the front.
fn take_array<const N: usize>(packet: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (head, tail) = packet.split_first_chunk::<N>().ok_or(Malformed)?;
    *packet = tail;
    Ok(*head)
}

macro_rules! integers {
    ($($integer:ty)*) => {$(
        impl Field for $integer {
            fn put(&self, packet: &mut Vec<u8>) {
                packet.extend_from_slice(&self.to_le_bytes());
            }

            fn take(packet: &mut &[u8]) -> Result<Self, Malformed> {
                Ok(<$integer>::from_le_bytes(take_array(packet)?))
            }
        }
    )*};
}

integers! { u8 u16 u32 u64 }

impl Field for bool {
    fn put(&self, packet: &mut Vec<u8>) {
        u8::from(*self).put(packet);
    }

    fn take(packet: &mut &[u8]) -> Result<Self, Malformed> {
        match u8::take(packet)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }
}

/// Byte strings. Senders bound what they send; what would not fit a u16 is cut, never sent with a false length.
impl Field for Vec<u8> {
    fn put(&self, packet: &mut Vec<u8>) {
        let length = u16::try_from(self.len()).unwrap_or(u16::MAX);
        length.put(packet);
        packet.extend_from_slice(&self[..usize::from(length)]);
    }

    fn take(packet: &mut &[u8]) -> Result<Self, Malformed> {
        let length = usize::from(u16::take(packet)?);
        let (head, tail) = packet.split_at_checked(length).ok_or(Malformed)?;
        *packet = tail;
        Ok(head.to_vec())
    }
}

impl Field for String {
    fn put(&self, packet: &mut Vec<u8>) {
        let mut end = self.len().min(usize::from(u16::MAX));
        while !self.is_char_boundary(end) {
            end -= 1;
        }
        (end as u16).put(packet);
        packet.extend_from_slice(&self.as_bytes()[..end]);
    }

    fn take(packet: &mut &[u8]) -> Result<Self, Malformed> {
        String::from_utf8(Vec::<u8>::take(packet)?).map_err(|_| Malformed)
    }
}

impl Field for Vec<String> {
    fn put(&self, packet: &mut Vec<u8>) {
        let count = u8::try_from(self.len()).unwrap_or(u8::MAX);
        count.put(packet);
        self.iter().take(usize::from(count)).for_each(|text| text.put(packet));
    }

    fn take(packet: &mut &[u8]) -> Result<Self, Malformed> {
        (0..u8::take(packet)?).map(|_| String::take(packet)).collect()
    }
}

impl<T: Field> Field for Option<T> {
    fn put(&self, packet: &mut Vec<u8>) {
        self.is_some().put(packet);
        if let Some(value) = self {
            value.put(packet);
        }
    }

    fn take(packet: &mut &[u8]) -> Result<Self, Malformed> {
        Ok(if bool::take(packet)? { Some(T::take(packet)?) } else { None })
    }
}

impl Field for Ipv4Addr {
    fn put(&self, packet: &mut Vec<u8>) {
        packet.extend_from_slice(&self.octets());
    }

    fn take(packet: &mut &[u8]) -> Result<Self, Malformed> {
        Ok(Ipv4Addr::from(take_array::<4>(packet)?))
    }
}

impl Field for Vec<Vec<u8>> {
    fn put(&self, packet: &mut Vec<u8>) {
        let count = u8::try_from(self.len()).unwrap_or(u8::MAX);
        count.put(packet);
        self.iter().take(usize::from(count)).for_each(|bytes| bytes.put(packet));
    }

    fn take(packet: &mut &[u8]) -> Result<Self, Malformed> {
        (0..u8::take(packet)?).map(|_| Vec::<u8>::take(packet)).collect()
    }
}

impl Field for Vec<u16> {
    fn put(&self, packet: &mut Vec<u8>) {
        let count = u8::try_from(self.len()).unwrap_or(u8::MAX);
        count.put(packet);
        self.iter().take(usize::from(count)).for_each(|number| number.put(packet));
    }

    fn take(packet: &mut &[u8]) -> Result<Self, Malformed> {
        (0..u8::take(packet)?).map(|_| u16::take(packet)).collect()
    }
}

/// User databases know people with hundreds of groups.
impl Field for Vec<u32> {
    fn put(&self, packet: &mut Vec<u8>) {
        let count = u16::try_from(self.len()).unwrap_or(u16::MAX);
        count.put(packet);
        self.iter().take(usize::from(count)).for_each(|number| number.put(packet));
    }

    fn take(packet: &mut &[u8]) -> Result<Self, Malformed> {
        (0..u16::take(packet)?).map(|_| u32::take(packet)).collect()
    }
}

impl Field for IpAddr {
    fn put(&self, packet: &mut Vec<u8>) {
        match self {
            IpAddr::V4(v4) => {
                4u8.put(packet);
                packet.extend_from_slice(&v4.octets());
            }
            IpAddr::V6(v6) => {
                6u8.put(packet);
                packet.extend_from_slice(&v6.octets());
            }
        }
    }

    fn take(packet: &mut &[u8]) -> Result<Self, Malformed> {
        match u8::take(packet)? {
            4 => Ok(IpAddr::V4(Ipv4Addr::from(take_array::<4>(packet)?))),
            6 => Ok(IpAddr::V6(Ipv6Addr::from(take_array::<16>(packet)?))),
            _ => Err(Malformed),
        }
    }
}

impl Field for SocketAddr {
    fn put(&self, packet: &mut Vec<u8>) {
        match self {
            SocketAddr::V4(v4) => {
                4u8.put(packet);
                packet.extend_from_slice(&v4.ip().octets());
            }
            SocketAddr::V6(v6) => {
                6u8.put(packet);
                packet.extend_from_slice(&v6.ip().octets());
                v6.scope_id().put(packet);
            }
        }
        self.port().put(packet);
    }

    fn take(packet: &mut &[u8]) -> Result<Self, Malformed> {
        match u8::take(packet)? {
            4 => {
                let ip = Ipv4Addr::from(take_array::<4>(packet)?);
                Ok(SocketAddr::new(IpAddr::V4(ip), u16::take(packet)?))
            }
            6 => {
                let ip = Ipv6Addr::from(take_array::<16>(packet)?);
                let scope = u32::take(packet)?;
                Ok(SocketAddr::V6(SocketAddrV6::new(ip, u16::take(packet)?, 0, scope)))
            }
            _ => Err(Malformed),
        }
    }
}
