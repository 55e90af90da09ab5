//! Ports for data that nobody came to, kept from whoever might be given them next.
//!
//! A client who was told a port and did not use it, or a stranger who was seen at it, may still come. If the port were
//! somebody else's by then, he would be at the wrong place; so this session goes on occupying it, without listening,
//! until he must have given up. While it is occupied no process of the machine can have it. That takes no message and
//! no memory shared between users; but a session holds few ports, and lets them go when it ends.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How long a connection may be on its way: a client's system tries for a minute or two, clients for half of one.
const HELD_FOR: Duration = Duration::from_secs(60);

/// So that a client who asks for one port after the other does not take all of them.
const MOST: usize = 4;

/// Of a range of ports, one in so many may be held; small ranges have none to spare.
const SHARE: usize = 32;

/// The ports that a session holds.
pub struct Quarantine {
    most: usize,
    /// In the order of their ends.
    held: VecDeque<Held>,
}

struct Held {
    until: Instant,
    port: u16,
    /// Occupies the port.
    _socket: OwnedFd,
}

impl Quarantine {
    /// `ports`: how many there are to choose from; None: all that the system has.
    pub fn new(ports: Option<usize>) -> Quarantine {
        Quarantine { most: ports.map_or(MOST, |ports| (ports / SHARE).min(MOST)), held: VecDeque::new() }
    }

    /// Holds the port, which this socket occupies, from now on.
    pub fn hold(&mut self, socket: OwnedFd, port: u16, now: Instant) {
        self.release(now);
        self.held.push_back(Held { until: now + HELD_FOR, port, _socket: socket });
        if self.held.len() > self.most {
            self.held.pop_front();
        }
    }

    /// Lets go of what has been held for long enough.
    pub fn release(&mut self, now: Instant) {
        while self.held.pop_front_if(|held| held.until <= now).is_some() {}
    }

    /// When there is something to let go of.
    pub fn next_release(&self) -> Option<Instant> {
        self.held.front().map(|held| held.until)
    }

    /// Lets go of the port that was held for longest: there are no others left, and whoever comes to it will find the
    /// client he was told it for.
    pub fn give_up_oldest(&mut self) -> Option<u16> {
        self.held.pop_front().map(|held| held.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> OwnedFd {
        std::fs::File::open("/dev/null").unwrap().into()
    }

    #[test]
    fn ports_are_held_for_their_time() {
        let mut quarantine = Quarantine::new(None);
        let start = Instant::now();
        assert_eq!(quarantine.next_release(), None);
        quarantine.hold(socket(), 1, start);
        quarantine.hold(socket(), 2, start + HELD_FOR / 2);
        assert_eq!(quarantine.next_release(), Some(start + HELD_FOR));
        quarantine.release(start + HELD_FOR);
        assert_eq!(quarantine.held.len(), 1);
        assert_eq!(quarantine.give_up_oldest(), Some(2));
        assert_eq!(quarantine.give_up_oldest(), None);
    }

    #[test]
    fn a_session_holds_few() {
        let mut quarantine = Quarantine::new(None);
        let start = Instant::now();
        for port in 1..=10 {
            quarantine.hold(socket(), port, start);
        }
        assert_eq!(quarantine.held.len(), MOST);
        assert_eq!(quarantine.give_up_oldest(), Some(11 - MOST as u16));
        let mut quarantine = Quarantine::new(Some(SHARE - 1));
        quarantine.hold(socket(), 1, start);
        assert_eq!(quarantine.give_up_oldest(), None);
    }
}
