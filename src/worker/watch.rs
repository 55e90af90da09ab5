//! The worker's own watch over the time of a session. The session keeps its timeouts itself; but its user can stop its
//! process, and then only somebody else notices. Pure, but for what the caller read off the kernel.

use std::time::{Duration, Instant};

use crate::config::SessionOptions;
use crate::ipc::messages::Event;

/// So much longer than the session itself does the worker wait.
const GRACE: Duration = Duration::from_secs(15);

/// A session as seen from outside.
pub struct Watch {
    idle: Duration,
    stall: Duration,
    /// When the session is over, whatever it does.
    expiry: Option<Instant>,
    transferring: bool,
    last_sign: Instant,
}

impl Watch {
    pub fn new(options: &SessionOptions, now: Instant) -> Watch {
        Watch {
            idle: options.idle_timeout.duration(),
            stall: options.stall_timeout.duration(),
            expiry: (options.session_timeout.seconds() > 0)
                .then(|| now + options.session_timeout.duration() + GRACE),
            transferring: false,
            last_sign: now,
        }
    }

    /// The session has sent something.
    pub fn sign_of_life(&mut self, event: Option<&Event>, now: Instant) {
        self.last_sign = now;
        match event {
            Some(Event::TransferBegan { .. }) => self.transferring = true,
            Some(Event::Transferred { .. }) => self.transferring = false,
            _ => {}
        }
    }

    /// The session was told to end as soon as nothing moves: it may not be idle any more.
    pub fn hurry(&mut self, now: Instant) {
        self.idle = Duration::ZERO;
        self.last_sign = now;
    }

    /// When to look next.
    pub fn deadline(&self) -> Instant {
        let limit = if self.transferring { self.stall } else { self.idle };
        let silent = self.last_sign + limit + GRACE;
        self.expiry.map_or(silent, |expiry| expiry.min(silent))
    }

    /// Whether the session has overstayed, `silence` after the last byte of its client (None: unknown). A session that
    /// obeys commands need not tell the worker anything; then the next look is one timeout after the client's last byte.
    pub fn is_over(&mut self, silence: Option<Duration>, unread: bool, now: Instant) -> bool {
        if now < self.deadline() {
            return false;
        }
        if self.expiry.is_some_and(|expiry| now >= expiry) {
            return true;
        }
        let heard =
            silence.and_then(|silence| now.checked_sub(silence)).filter(|_| !self.transferring && !unread);
        match heard {
            Some(heard) if heard > self.last_sign => {
                self.last_sign = heard;
                now >= self.deadline()
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::messages::{Direction, Outcome};

    const MINUTE: Duration = Duration::from_secs(60);

    fn watch(now: Instant) -> Watch {
        Watch { idle: 5 * MINUTE, stall: MINUTE, expiry: None, transferring: false, last_sign: now }
    }

    #[test]
    fn a_client_who_sends_commands_that_are_read_is_not_idle() {
        let start = Instant::now();
        let mut watch = watch(start);
        assert!(!watch.is_over(Some(MINUTE), false, start + 6 * MINUTE));
        assert!(watch.is_over(Some(6 * MINUTE), false, start + 11 * MINUTE));
    }

    #[test]
    fn a_stopped_session_does_not_live_on_its_clients_commands() {
        let start = Instant::now();
        assert!(watch(start).is_over(Some(MINUTE), true, start + 6 * MINUTE));
    }

    #[test]
    fn a_session_that_gives_signs_of_life_ends_when_its_time_is_over() {
        let start = Instant::now();
        let mut watch = Watch { expiry: Some(start + 20 * MINUTE), ..watch(start) };
        for minute in 1..20 {
            watch.sign_of_life(None, start + minute * MINUTE);
            assert!(!watch.is_over(Some(Duration::ZERO), false, start + minute * MINUTE));
        }
        assert_eq!(watch.deadline(), start + 20 * MINUTE);
        assert!(watch.is_over(Some(Duration::ZERO), false, start + 20 * MINUTE));
    }

    #[test]
    fn a_transfer_must_give_signs_of_life() {
        let start = Instant::now();
        let mut watch = watch(start);
        watch.sign_of_life(Some(&Event::TransferBegan { direction: Direction::Out, path: vec![] }), start);
        assert!(!watch.is_over(Some(MINUTE), false, start + MINUTE));
        watch.sign_of_life(Some(&Event::Progress { bytes: 1 }), start + MINUTE);
        assert!(!watch.is_over(Some(2 * MINUTE), false, start + 2 * MINUTE));
        assert!(watch.is_over(Some(3 * MINUTE), false, start + 3 * MINUTE));
        let done = Event::Transferred {
            direction: Direction::Out,
            path: vec![],
            bytes: 1,
            micros: 1,
            ascii: true,
            outcome: Outcome::Complete,
            left: None,
        };
        watch.sign_of_life(Some(&done), start + 3 * MINUTE);
        assert!(!watch.is_over(Some(MINUTE), false, start + 7 * MINUTE));
    }
}
