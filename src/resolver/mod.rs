//! PROCESS resolver: looks up the name in `masquerade-address`, again and again, since its address may change.
//!
//! *Runs as*    the system user of `frontend-user`, with no new privileges and seccomp; one for each daemon, and only where
//!              a name is configured.
//! *Reads*      the name service of the machine, which asks the network; its question.
//! *May*        read files, and use the network as name services do.
//! *Never*      sees a client, changes a file, has a descriptor of the supervisor but its link.
//! *Ends when*  the supervisor has ended its link or is gone.

use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crate::exit::Exit;
use crate::ipc::messages::{FromResolver, QuestionLink, ToResolver};
use crate::system::poll::{PollFlags, wait};

/// Answers until nobody wants to know any more. Only what is new is said.
pub fn run(supervisor: QuestionLink) -> Exit {
    let Ok(Some((ToResolver::Resolve { name, every }, None))) = supervisor.receive() else {
        return Exit::PeerGone;
    };
    let mut said = None;
    loop {
        let previous = match said {
            Some(FromResolver::Address { address }) => Some(address),
            Some(FromResolver::Failed { .. }) | None => None,
        };
        let answer = match look_up(&name, previous) {
            Ok(address) => FromResolver::Address { address },
            Err(why) => FromResolver::Failed { why },
        };
        if said.as_ref() != Some(&answer) && supervisor.send(&answer).is_err() {
            return Exit::PeerGone;
        }
        said = Some(answer);
        let next = Instant::now() + Duration::from_secs(every.into());
        match wait([(supervisor.as_fd(), PollFlags::POLLIN)], Some(next)) {
            Ok([ended]) if ended.is_empty() => {}
            Ok(_) => return Exit::Served,
            Err(_) => return Exit::Failed,
        }
    }
}

/// Of several addresses the one that was told before, if it is still among them.
fn look_up(name: &str, previous: Option<Ipv4Addr>) -> Result<Ipv4Addr, String> {
    let found = (name, 0).to_socket_addrs().map_err(|error| error.to_string())?;
    let mut addresses: Vec<Ipv4Addr> = found
        .filter_map(|found| match found.ip() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        })
        .collect();
    addresses.sort_unstable();
    let kept = previous.filter(|previous| addresses.contains(previous));
    kept.or(addresses.first().copied()).ok_or_else(|| "it has no IPv4 address".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_names_of_themselves() {
        assert_eq!(look_up("192.0.2.1", None), Ok(Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(look_up("192.0.2.1", Some(Ipv4Addr::LOCALHOST)), Ok(Ipv4Addr::new(192, 0, 2, 1)));
        assert!(look_up("2001:db8::1", None).is_err());
        assert!(look_up("", None).is_err());
    }
}
